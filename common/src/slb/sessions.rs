//! The table as control sees it: look, sweep, clear.

use std::sync::atomic::Ordering::Relaxed;

use super::{Balancer, RealState, Session, SessionEnd, SessionInfo};
use crate::{
    event::SessionChange,
    id::{VserverId, WorkerId},
    snapshot::Snapshot,
    table::{ColdWords, Identity, Slot, Word},
    time::Tick,
};

/// Sessions of which a sweep notes where their requests come from.
const SAMPLE: u32 = 32;

impl Balancer {
    /// The session of an identity, if it lives at `now`.
    pub fn lookup(&self, identity: Identity, now: Tick) -> Option<SessionInfo> {
        let (slot, word) = self.table.find(identity)?;
        if word.over(now).is_some() { None } else { self.view(slot, word) }
    }

    /// Number of lines; [`Balancer::sessions`] and [`Balancer::clear`] work on ranges of them.
    pub fn lines(&self) -> u32 {
        self.table.lines()
    }

    /// Shows the sessions alive at `now` of `count` lines from `from`; where to go on, or `None` at the end.
    pub fn sessions(
        &self,
        now: Tick,
        from: u32,
        count: u32,
        mut show: impl FnMut(SessionInfo),
    ) -> Option<u32> {
        self.each(from, count, |slot, word| {
            if word.over(now).is_none()
                && let Some(view) = self.view(slot, word)
            {
                show(view);
            }
        })
    }

    /// Ends the sessions that `which` names in `count` lines from `from`; where to go on, or `None` at the end.
    ///
    /// For `clear ip slb sessions`, `failaction purge`, and a virtual server or real that goes away.
    pub fn clear(
        &self,
        snapshot: &Snapshot,
        from: u32,
        count: u32,
        mut which: impl FnMut(&SessionInfo) -> bool,
        mut on_end: impl FnMut(SessionEnd),
    ) -> Option<u32> {
        self.each(from, count, |slot, mut word| {
            // A repeated request may change the word meanwhile; it is the same session as long as it fits.
            while let Some(view) = self.view(slot, word) {
                if !which(&view) {
                    return;
                }
                match self.table.replace(slot, word, Word::EMPTY) {
                    Ok(()) => {
                        on_end(self.ended(snapshot, view, SessionChange::Cleared, Self::CONTROL));
                        return;
                    }
                    Err(found) => word = found,
                }
            }
        })
    }

    /// Ends what is over, and what `failaction purge` wants gone, in the next `lines` lines after the last sweep;
    /// returns how many ended. Any number of threads may sweep at once.
    pub fn sweep(
        &self,
        snapshot: &Snapshot,
        now: Tick,
        lines: u32,
        mut on_end: impl FnMut(SessionEnd),
    ) -> usize {
        self.note(snapshot);
        let total = self.table.lines();
        let (mut ended, mut sampled) = (0, 0);
        for _ in 0..lines.min(total) {
            let line = self.sweeper.fetch_add(1, Relaxed) % total;
            self.table.clear_abandoned(line, now);
            for slot in self.table.slots_of(line) {
                let word = self.table.load(slot);
                let Some(change) = end_reason(snapshot, word, now) else {
                    if sampled < SAMPLE && word.is_live() {
                        sampled += 1;
                        self.sample(snapshot, slot);
                    }
                    continue;
                };
                if let Some(end) = self.end(snapshot, slot, word, change, Self::CONTROL) {
                    ended += 1;
                    if end.is_news() {
                        on_end(end);
                    }
                }
            }
        }
        ended
    }

    /// Tells a session's virtual server where its requests come from.
    fn sample(&self, snapshot: &Snapshot, slot: Slot) {
        let [_, client, ports] = self.table.cold(slot).read();
        if let Some(vserver) = snapshot.vserver(VserverId(ports as u16)) {
            vserver.live.foreign_agents().note(client.into());
        }
    }

    /// The worker number under which control counts.
    pub const CONTROL: WorkerId = WorkerId(u8::MAX);

    /// Ends the session in `slot` if it is still `word`.
    pub(super) fn end(
        &self,
        snapshot: &Snapshot,
        slot: Slot,
        word: Word<Session>,
        change: SessionChange,
        worker: WorkerId,
    ) -> Option<SessionEnd> {
        let view = SessionInfo::from_word(word, self.table.cold(slot).read())?;
        self.table.replace(slot, word, Word::EMPTY).ok()?;
        Some(self.ended(snapshot, view, change, worker))
    }

    /// The session with its cold words, unless the slot changed hands while they were read.
    fn view(&self, slot: Slot, word: Word<Session>) -> Option<SessionInfo> {
        let view = SessionInfo::from_word(word, self.table.cold(slot).read())?;
        let after = self.table.load(slot);
        (after.is_live() && after.identity() == word.identity()).then_some(view)
    }

    /// Calls `f` with each live word of some lines.
    fn each(&self, from: u32, count: u32, mut f: impl FnMut(Slot, Word<Session>)) -> Option<u32> {
        let end = from.saturating_add(count).min(self.table.lines());
        for line in from..end {
            for slot in self.table.slots_of(line) {
                let word = self.table.load(slot);
                if word.is_live() {
                    f(slot, word);
                }
            }
        }
        (end < self.table.lines()).then_some(end)
    }
}

/// Why a session must end now.
fn end_reason(snapshot: &Snapshot, word: Word<Session>, now: Tick) -> Option<SessionChange> {
    let session = word.entry()?;
    if word.is_past(now) {
        return word.over(now);
    }
    let real = snapshot.real(session.real)?;
    let failed = matches!(real.live.state(), RealState::Failed | RealState::ProbeFailed);
    (real.purge && failed).then_some(SessionChange::Cleared)
}

#[cfg(test)]
mod tests {
    use crate::{
        config::Hugepages,
        slb::{Balancer, SessionKey},
        snapshot::Snapshot,
        table::{Identity, Word},
        time::Tick,
    };

    #[test]
    fn the_sweep_empties_the_slot_of_an_abandoned_claim() {
        let balancer = Balancer::new(1024, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let slot = balancer.table.claim(Word::pending(Identity::from_hash(1 << 40), 1, Tick(100))).unwrap();
        let sweep = |now| balancer.sweep(&Snapshot::default(), now, balancer.lines(), |_| {});
        assert_eq!(sweep(Tick(100)), 0);
        assert!(balancer.table.load(slot).is_pending());
        assert_eq!(sweep(Tick(101)), 0, "it was no session");
        assert!(balancer.table.load(slot).is_empty());
    }
}
