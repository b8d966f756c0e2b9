//! Picks for several sessions at once.

use std::sync::atomic::Ordering::SeqCst;

use arrayvec::ArrayVec;

use super::{FarmLive, PickError, Purpose, locate, pack, walk};
use crate::{
    slb::{Farm, Real, balancer::BATCH, real::ReleaseReason},
    snapshot::Snapshot,
};

/// Reals for sessions that begin together, already counted there.
pub struct Picks<'a> {
    pub parts: ArrayVec<Part<'a>, BATCH>,
    /// For each session the position of its real in `parts`.
    pub order: ArrayVec<u8, BATCH>,
}

/// A real's part in them.
pub struct Part<'a> {
    pub real: &'a Real,
    pub sessions: u32,
}

impl FarmLive {
    /// As many [`FarmLive::pick`]s for sessions, one after the other, in one step of the cursor. `None`, and nothing changed,
    /// if there is more to it than that: a real to be tested or one that would be full, or a member that the
    /// snapshot does not know.
    pub fn pick_batch<'a>(&self, farm: &Farm, snapshot: &'a Snapshot, many: usize) -> Option<Picks<'a>> {
        loop {
            let word = self.cursor.load(SeqCst);
            let (picks, end) = (|| {
                let mut cursor = locate(word, farm)?;
                let mut picks = Picks { parts: ArrayVec::new(), order: ArrayVec::new() };
                for _ in 0..many {
                    let (next, real) = walk(farm, snapshot, cursor, None, Purpose::Session);
                    picks.add(real.ok_or(PickError::NoReal)?);
                    cursor = next;
                }
                Ok::<_, PickError>((picks, pack(farm, cursor)))
            })()
            .ok()?;
            if picks.parts.iter().any(|part| !part.real.live.has_room(part.sessions)) {
                return None;
            }
            if end == word || self.cursor.compare_exchange(word, end, SeqCst, SeqCst).is_ok() {
                return picks.reserve();
            }
        }
    }
}

impl<'a> Picks<'a> {
    #[inline(always)]
    fn add(&mut self, real: &'a Real) {
        let last = self.order.last().map_or(0, |last| usize::from(*last));
        let is_it = |part: &Part<'_>| std::ptr::eq(part.real, real);
        let known = if self.parts.get(last).is_some_and(is_it) {
            Some(last)
        } else {
            self.parts.iter().position(is_it)
        };
        let position = known.unwrap_or_else(|| {
            self.parts.push(Part { real, sessions: 0 });
            self.parts.len() - 1
        });
        self.parts[position].sessions += 1;
        self.order.push(position as u8);
    }

    /// Counts the sessions at their reals; gives all back if one has changed its mind meanwhile.
    fn reserve(self) -> Option<Self> {
        let refused = self.parts.iter().position(|part| !part.real.live.reserve_batch(part.sessions));
        let Some(refused) = refused else { return Some(self) };
        for part in &self.parts[..refused] {
            for _ in 0..part.sessions {
                part.real.live.release(ReleaseReason::Other { test: false });
            }
        }
        None
    }
}
