//! The turns of several sessions at once.

use std::sync::atomic::Ordering::SeqCst;

use arrayvec::ArrayVec;

use super::{FarmLive, PickError, Purpose, locate, pack, walk};
use crate::{
    slb::{director::TOGETHER, real::Departure},
    snapshot::{Farm, Real, Snapshot},
};

/// Reals for sessions that begin together, already counted there.
pub struct Picks<'a> {
    /// The reals.
    pub parts: ArrayVec<Part<'a>, TOGETHER>,
    /// For each session the position of its real in `parts`.
    pub order: ArrayVec<u8, TOGETHER>,
}

/// A real's part in them.
pub struct Part<'a> {
    /// The real.
    pub real: &'a Real,
    /// Sessions.
    pub sessions: u32,
}

impl FarmLive {
    /// As many [`FarmLive::pick`]s for sessions, one after the other, in one step of the turn. `None`, and nothing changed,
    /// if there is more to it than that: a real to be tested or one that would be full, or a member that the
    /// snapshot does not know.
    pub fn pick_together<'a>(&self, farm: &Farm, snapshot: &'a Snapshot, many: usize) -> Option<Picks<'a>> {
        loop {
            let word = self.turn.load(SeqCst);
            let (picks, end) = (|| {
                let mut turn = locate(word, farm)?;
                let mut picks = Picks { parts: ArrayVec::new(), order: ArrayVec::new() };
                for _ in 0..many {
                    let (next, real) = walk(farm, snapshot, turn, None, Purpose::Session);
                    picks.add(real.ok_or(PickError::NoReal)?);
                    turn = next;
                }
                Ok::<_, PickError>((picks, pack(farm, turn)))
            })()
            .ok()?;
            if picks.parts.iter().any(|part| !part.real.live.has_room(part.sessions)) {
                return None;
            }
            if end == word || self.turn.compare_exchange(word, end, SeqCst, SeqCst).is_ok() {
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
        let refused = self.parts.iter().position(|part| !part.real.live.reserve_together(part.sessions));
        let Some(refused) = refused else { return Some(self) };
        for part in &self.parts[..refused] {
            for _ in 0..part.sessions {
                part.real.live.release(Departure::Other { test: false });
            }
        }
        None
    }
}
