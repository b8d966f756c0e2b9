//! Whether the dataplane is asked for more than it can do, and what share of new sessions it must refuse then.
//!
//! Two signs count. Packets are lost for want of room: a receive ring overflowed, the buffers ran dry, a transmit ring
//! stayed full. Or a worker has had nothing but full bursts and no idle poll for a while: devices that do not count what
//! they lose show overload only so. Up fast, down slowly: the share settles near what the load asks for.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use common::{
    slb::{Shedding, TOGETHER},
    stats::WorkerStats,
    time::Nanos,
};

/// Time between two looks; a worker publishes its idle polls twice meanwhile.
pub const LOOK: Duration = Duration::from_millis(200);

/// A look with overload refuses so many 256ths more.
const UP: u16 = 32;
/// A look without refuses so many fewer: from everything to nothing in about 6 seconds.
const DOWN: u16 = 8;
/// Looks in a row at which a worker must be saturated; a shorter rush fits into the rings.
const PATIENCE: u32 = 3;
/// One lost of so many received is overload.
const BEARABLE: u64 = 1000;

/// Totals of the whole dataplane at a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    received: u64,
    /// By port; `None`: no link.
    lost: Vec<Option<u64>>,
    workers: Vec<Worker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Worker {
    received: u64,
    bursts: u64,
    empty: u64,
}

/// Watches the load.
#[derive(Clone, Debug, Default)]
pub struct Overload {
    due: Nanos,
    last: Option<Totals>,
    /// Looks in a row at which a worker was saturated.
    saturated: u32,
    share: Shedding,
    reason: &'static str,
}

/// A change worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sessions are refused from now on, for this reason.
    Begins(&'static str),
    /// Every session may begin again.
    Ends,
}

impl Overload {
    /// Looks if it is time: `lost` is what each port has lost for want of room in all, asked for only then. One without
    /// link is `None`: what cannot leave there is no overload.
    pub fn look(
        &mut self,
        now: Nanos,
        stats: &[Arc<WorkerStats>],
        lost: impl FnOnce() -> Vec<Option<u64>>,
    ) -> Option<Change> {
        if now < self.due {
            return None;
        }
        self.due = now.after(LOOK);
        let workers = stats.iter().map(|stats| Worker {
            received: stats.received.load(Relaxed),
            bursts: stats.bursts.load(Relaxed),
            empty: stats.empty_polls.load(Relaxed),
        });
        let workers: Vec<_> = workers.collect();
        let received = workers.iter().map(|worker| worker.received).sum();
        let totals = Totals { received, lost: lost(), workers };
        let before = self.last.replace(totals.clone())?;
        let reason = self.reason(&before, &totals);
        let old = self.share;
        self.share = match reason {
            Some(reason) => {
                self.reason = reason;
                old.more(UP)
            }
            None => old.less(DOWN),
        };
        match (old == Shedding::NONE, self.share == Shedding::NONE) {
            (true, false) => Some(Change::Begins(self.reason)),
            (false, true) => Some(Change::Ends),
            _ => None,
        }
    }

    fn reason(&mut self, before: &Totals, now: &Totals) -> Option<&'static str> {
        let ports = now.lost.len();
        let mut pairs = before.workers.iter().zip(&now.workers);
        let saturated = pairs.any(|(before, now)| is_saturated(*before, *now, ports));
        self.saturated = if saturated { self.saturated + 1 } else { 0 };
        let ports = before.lost.iter().zip(&now.lost);
        let lost: u64 = ports.filter_map(|(before, now)| Some((*now)?.saturating_sub((*before)?))).sum();
        if lost.saturating_mul(BEARABLE) > now.received.saturating_sub(before.received) {
            return Some("packets are lost for want of room");
        }
        (self.saturated >= PATIENCE).then_some("a worker has nothing but full bursts")
    }

    /// What share of new sessions is to be refused.
    pub fn share(&self) -> Shedding {
        self.share
    }

    /// The line of `show health`.
    pub fn words(&self) -> String {
        match self.share {
            Shedding::NONE => "every new session is begun".to_owned(),
            share => format!("alarm: {} % of new sessions are refused: {}", share.percent(), self.reason),
        }
    }
}

/// Bursts were full, and there were no more empty polls than those of a worker's other ports.
fn is_saturated(before: Worker, now: Worker, ports: usize) -> bool {
    let grown = |get: fn(&Worker) -> u64| get(&now).saturating_sub(get(&before));
    let bursts = grown(|worker| worker.bursts);
    let full = TOGETHER as u64 * 15 / 16;
    // Empty polls are published ten times a second, so the figure may be that of half as long again; an idle worker has
    // dozens for each burst.
    let others = (ports as u64).saturating_sub(1) * 2;
    bursts > 0
        && grown(|worker| worker.received) >= bursts * full
        && grown(|worker| worker.empty) <= bursts * others + bursts / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        overload: Overload,
        stats: Vec<Arc<WorkerStats>>,
        now: Nanos,
        lost: [Option<u64>; 2],
    }

    impl Rig {
        fn new() -> Self {
            let mut rig = Self {
                overload: Overload::default(),
                stats: vec![Arc::new(WorkerStats::new(2)), Arc::new(WorkerStats::new(2))],
                now: Nanos(0),
                lost: [Some(0), Some(0)],
            };
            assert_eq!(rig.pass([0, 0, 0], 0), None);
            rig
        }

        /// 200 ms in which worker 1 does this: bursts, packets a burst, empty polls.
        fn pass(&mut self, [bursts, each, empty]: [u64; 3], lost: u64) -> Option<Change> {
            let stats = &self.stats[1];
            stats.bursts.fetch_add(bursts, Relaxed);
            stats.received.fetch_add(bursts * each, Relaxed);
            stats.empty_polls.fetch_add(empty, Relaxed);
            self.lost[0] = self.lost[0].map(|before| before + lost);
            self.now = self.now.after(LOOK);
            let total = self.lost;
            self.overload.look(self.now, &self.stats, || total.to_vec())
        }

        fn percent(&self) -> u16 {
            self.overload.share().percent()
        }
    }

    const EASY: [u64; 3] = [1000, 20, 100_000];
    /// Full bursts on one port, the other idle.
    const FULL: [u64; 3] = [50_000, 64, 50_000];

    #[test]
    fn lost_packets_raise_the_share_at_once_and_calm_lowers_it_slowly() {
        let mut rig = Rig::new();
        assert_eq!(rig.pass(EASY, 0), None);
        assert_eq!(rig.pass(EASY, 21), Some(Change::Begins("packets are lost for want of room")));
        assert_eq!(rig.percent(), 13);
        assert_eq!(
            rig.overload.words(),
            "alarm: 13 % of new sessions are refused: packets are lost for want of room"
        );
        for _ in 0..10 {
            assert_eq!(rig.pass(EASY, 1000), None);
        }
        assert_eq!(rig.overload.share(), Shedding::ALL);
        for _ in 0..31 {
            assert_eq!(rig.pass(EASY, 0), None);
        }
        assert!(rig.percent() > 0);
        assert_eq!(rig.pass(EASY, 0), Some(Change::Ends));
        assert_eq!(rig.overload.words(), "every new session is begun");
    }

    #[test]
    fn one_in_a_thousand_is_bearable_and_what_a_port_without_link_loses_does_not_count() {
        let mut rig = Rig::new();
        assert_eq!(rig.pass(EASY, 20), None);
        rig.lost[1] = None;
        assert_eq!(rig.pass(EASY, 0), None);
        // Its link is back.
        rig.lost[1] = Some(1_000_000);
        assert_eq!(rig.pass(EASY, 0), None);
        assert_eq!(rig.pass(EASY, 21), Some(Change::Begins("packets are lost for want of room")));
    }

    #[test]
    fn nothing_but_full_bursts_for_a_while_is_overload() {
        let mut rig = Rig::new();
        assert_eq!((rig.pass(FULL, 0), rig.pass(FULL, 0)), (None, None));
        assert_eq!(rig.pass(FULL, 0), Some(Change::Begins("a worker has nothing but full bursts")));
    }

    #[test]
    fn a_short_rush_and_a_source_of_full_bursts_with_pauses_are_none() {
        let mut rig = Rig::new();
        for _ in 0..5 {
            assert_eq!((rig.pass(FULL, 0), rig.pass(FULL, 0), rig.pass(EASY, 0)), (None, None, None));
        }
        for _ in 0..10 {
            // A tenth of the time idle, in empty polls that are a fortieth of a burst's time.
            assert_eq!(rig.pass([45_000, 64, 45_000 + 200_000], 0), None);
        }
        assert_eq!(rig.overload.share(), Shedding::NONE);
    }

    #[test]
    fn between_looks_nothing_is_asked() {
        let mut rig = Rig::new();
        let now = rig.now.after(LOOK / 2);
        assert_eq!(rig.overload.look(now, &rig.stats, || panic!("asked")), None);
    }
}
