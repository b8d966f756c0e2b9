//! Weighted round robin, exact over any number of workers (`ios-slb` section 5.2).
//!
//! A real of weight n takes n new sessions in a row, then the next one follows. The cursor is one atomic word,
//! replaced by compare-and-swap at each pick, so the order of picks is the reference algorithm's whoever makes them.
//!
//! **Moves have a cursor of their own.** A pick with `exclude` (a session leaves its real) goes ahead of the cursor: it
//! starts where the cursor stands, walks as any pick does, skips the excluded real, and stores where it ended in a
//! second word, never in the first. As long as no new session moves the cursor, further moves continue from there, so
//! that the sessions of a dying real spread over the others by weight; the next new session makes them start from
//! the cursor again. The order of new sessions is thus the same with and without moves between them.

mod batch;

use std::{
    hash::Hasher,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use crossbeam::utils::CachePadded;
use thiserror::Error;

use crate::{
    id::RealId,
    net::AddressHasher,
    slb::{Farm, Real},
    snapshot::Snapshot,
};

/// The cursors of a farm, shared by all workers and snapshots.
#[derive(Debug, Default)]
pub struct FarmLive {
    /// valid 1 | real generation 7 | real index 12 | position 12 | farm generation 16 | used 16.
    cursor: CachePadded<AtomicU64>,
    /// Mark of the cursor that it started from 36 | position 12 | used 16.
    moves: CachePadded<AtomicU64>,
}

/// Why there is no real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PickError {
    /// None is eligible.
    #[error("no eligible real")]
    NoReal,
    /// The snapshot is older than the cursor: load the newest and ask again.
    #[error("the snapshot is not the newest")]
    Stale,
}

/// What a pick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A session: the real's connections are counted at once, and a real that is READY_TO_TEST may be given its test.
    Session,
    /// One packet without a session; nothing but the cursor changes.
    Packet,
}

/// A choice. With [`Purpose::Session`] the connection is already counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Of the farm that was asked, with its generation.
    pub real: RealId,
    /// The session is the real's test.
    pub test: bool,
}

/// Where the cursor stands: for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The real that takes new sessions.
    pub holder: RealId,
    /// Sessions that it was given in this cycle.
    pub used: u32,
    /// The real that the next new session goes to, if any can take it.
    pub next: Option<RealId>,
}

/// The cursor with the position found in a farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    position: usize,
    used: u32,
}

const VALID: u64 = 1 << 63;
const MOVES_MARK: u64 = (1 << 36) - 1;

impl FarmLive {
    /// The next real in the cycle, or with `exclude` the next one for a session that leaves that real.
    ///
    /// # Errors
    /// [`PickError`].
    pub fn pick(
        &self,
        farm: &Farm,
        snapshot: &Snapshot,
        exclude: Option<RealId>,
        purpose: Purpose,
    ) -> Result<Picked, PickError> {
        // A failed reservation means that a real became ineligible between the two steps; each can do so but once
        // in a while, and a worker must not be held up.
        for _ in 0..farm.reals.len() + 16 {
            let real = self.choose(farm, snapshot, exclude, purpose)?;
            let picked = match purpose {
                Purpose::Packet => Some(false),
                Purpose::Session => real.live.reserve(),
            };
            if let Some(test) = picked {
                return Ok(Picked { real: real.id, test });
            }
        }
        Err(PickError::NoReal)
    }

    /// What a pick for a new session would find, without making it.
    ///
    /// # Errors
    /// [`PickError`].
    pub fn peek(&self, farm: &Farm, snapshot: &Snapshot) -> Result<Peek, PickError> {
        if farm.reals.is_empty() {
            return Err(PickError::NoReal);
        }
        let cursor = locate(self.cursor.load(SeqCst), farm)?;
        let (_, next) = walk(farm, snapshot, cursor, None, Purpose::Session);
        Ok(Peek { holder: farm.reals[cursor.position], used: cursor.used, next: next.map(|real| real.id) })
    }

    /// Brings the cursor to the generation of `farm`, keeping its place. Control calls it right after publishing a
    /// changed member list, so that the cursor never lags more than one change and a worker with the older snapshot
    /// notices.
    pub fn advance(&self, farm: &Farm) {
        let mut word = self.cursor.load(SeqCst);
        while word & VALID != 0 && !farm.reals.is_empty() {
            let Ok(cursor) = locate(word, farm) else { return };
            match self.cursor.compare_exchange(word, pack(farm, cursor), SeqCst, SeqCst) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
    }

    /// One pick without the reservation.
    fn choose<'a>(
        &self,
        farm: &Farm,
        snapshot: &'a Snapshot,
        exclude: Option<RealId>,
        purpose: Purpose,
    ) -> Result<&'a Real, PickError> {
        if farm.reals.is_empty() {
            return Err(PickError::NoReal);
        }
        loop {
            let word = self.cursor.load(SeqCst);
            let mut start = locate(word, farm)?;
            let Some(excluded) = exclude else {
                let (end, real) = walk(farm, snapshot, start, None, purpose);
                let new = pack(farm, end);
                if new == word || self.cursor.compare_exchange(word, new, SeqCst, SeqCst).is_ok() {
                    return real.ok_or(PickError::NoReal);
                }
                continue;
            };
            let moves = self.moves.load(SeqCst);
            if moves >> 28 == mark(word) {
                start = Cursor { position: moves as usize >> 16 & 0xfff, used: moves as u32 & 0xffff };
                start.position %= farm.reals.len();
            }
            let (end, real) = walk(farm, snapshot, start, Some(excluded), purpose);
            let new = mark(word) << 28 | (end.position as u64) << 16 | u64::from(end.used);
            if new == moves || self.moves.compare_exchange(moves, new, SeqCst, SeqCst).is_ok() {
                return real.ok_or(PickError::NoReal);
            }
        }
    }
}

/// The loop of section 5.2.
fn walk<'a>(
    farm: &Farm,
    snapshot: &'a Snapshot,
    mut cursor: Cursor,
    exclude: Option<RealId>,
    purpose: Purpose,
) -> (Cursor, Option<&'a Real>) {
    for _ in 0..2 * farm.reals.len() {
        let id = farm.reals[cursor.position];
        if exclude != Some(id)
            && let Some(real) = snapshot.real(id)
            && cursor.used < real.live.weight().min(0xffff)
            && eligible(real, purpose)
        {
            cursor.used += 1;
            return (cursor, Some(real));
        }
        cursor = Cursor { position: (cursor.position + 1) % farm.reals.len(), used: 0 };
    }
    (cursor, None)
}

/// May be given a new session (or a packet) now.
#[inline]
pub(super) fn eligible(real: &Real, purpose: Purpose) -> bool {
    real.adjacency.is_some()
        && match purpose {
            Purpose::Session => real.live.takes_session(),
            Purpose::Packet => real.live.takes_packet(),
        }
}

fn pack(farm: &Farm, cursor: Cursor) -> u64 {
    let id = farm.reals[cursor.position];
    VALID
        | u64::from(id.generation & 0x7f) << 56
        | u64::from(id.index & 0xfff) << 44
        | (cursor.position as u64 & 0xfff) << 32
        | u64::from(farm.generation) << 16
        | u64::from(cursor.used as u16)
}

/// Where the cursor stands in this farm's list; from a member that left it passes to its neighbour.
fn locate(word: u64, farm: &Farm) -> Result<Cursor, PickError> {
    let first = Cursor { position: 0, used: 0 };
    if word & VALID == 0 {
        return Ok(first);
    }
    let generation = (word >> 16) as u16;
    // Circular: half of the numbers are newer.
    if generation != farm.generation && generation.wrapping_sub(farm.generation) < 0x8000 {
        return Err(PickError::Stale);
    }
    let used = word as u32 & 0xffff;
    let is_it = |id: &RealId| {
        u64::from(id.index) == word >> 44 & 0xfff && u64::from(id.generation & 0x7f) == word >> 56 & 0x7f
    };
    let hint = (word >> 32) as usize & 0xfff;
    if farm.reals.get(hint).is_some_and(is_it) {
        return Ok(Cursor { position: hint, used });
    }
    if let Some(position) = farm.reals.iter().position(is_it) {
        return Ok(Cursor { position, used });
    }
    let heir = farm.departed.iter().find(|(id, _)| is_it(id)).map(|(_, position)| usize::from(*position));
    Ok(heir.map_or(first, |position| Cursor { position: position % farm.reals.len().max(1), used: 0 }))
}

/// 36 bits that tell one state of the cursor from another.
fn mark(word: u64) -> u64 {
    let mut hasher = AddressHasher::default();
    hasher.write_u32((word >> 32) as u32);
    hasher.write_u32(word as u32);
    hasher.finish() >> 28 & MOVES_MARK
}
