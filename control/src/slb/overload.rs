//! Whether the dataplane is asked for more than it can do, and what share of new sessions it must refuse then.
//!
//! There are two indications. Packets are lost for want of room: a receive ring overflowed, the buffers ran dry, a
//! transmit ring stayed full. Or nearly every poll of a port has brought a full burst for a while: devices that do not
//! count what they lose show overload only so. Up fast, down slowly: the share settles near what the load asks for.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use common::{slb::Shedding, stats::WorkerStats, time::Nanos};

/// Time between two samples; an idle worker publishes its polls twice meanwhile, a busy one at every burst.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// A sample with overload refuses so many 256ths more.
const UP: u16 = 32;
/// A sample without refuses so many fewer: from everything to nothing in about 6 seconds.
const DOWN: u16 = 8;
/// Samples in a row at which a worker must be saturated; a shorter rush fits into the rings.
const SATURATED_SAMPLES: u32 = 3;
/// One lost of so many received is overload.
const LOSS_RATIO: u64 = 1000;
/// Fewer lost between two samples are an accident: half a burst.
const MIN_LOST: u64 = 32;
/// Fewer received between two samples (5000 a second) are no load that any worker could be asked too much by.
const MIN_RECEIVED: u64 = 1000;

/// Totals of the whole dataplane at a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    received: u64,
    /// By port; `None`: no link.
    lost: Vec<Option<u64>>,
    workers: Vec<Worker>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Worker {
    received: u64,
    /// Polls of all its ports.
    polls: u64,
    /// By port: polls that brought a full burst.
    full: Vec<u64>,
}

/// Watches the load.
#[derive(Clone, Debug, Default)]
pub struct Overload {
    due: Nanos,
    last: Option<Totals>,
    /// Samples in a row at which a worker was saturated.
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
    /// Takes a sample if it is time: `lost` is what each port has lost for want of room in all, asked for only then. One
    /// without link is `None`: what cannot leave there is no overload.
    pub fn sample(
        &mut self,
        now: Nanos,
        stats: &[Arc<WorkerStats>],
        lost: impl FnOnce() -> Vec<Option<u64>>,
    ) -> Option<Change> {
        if now < self.due {
            return None;
        }
        self.due = now.after(INTERVAL);
        let workers = stats.iter().map(|stats| Worker {
            received: stats.received.load(Relaxed),
            polls: stats.bursts.load(Relaxed) + stats.empty_polls.load(Relaxed),
            full: stats.ports.iter().map(|port| port.full_bursts.load(Relaxed)).collect(),
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
        let mut pairs = before.workers.iter().zip(&now.workers);
        let saturated = pairs.any(|(before, now)| is_saturated(before, now));
        self.saturated = if saturated { self.saturated + 1 } else { 0 };
        let ports = before.lost.iter().zip(&now.lost);
        let lost: u64 = ports.filter_map(|(before, now)| Some((*now)?.saturating_sub((*before)?))).sum();
        let received = now.received.saturating_sub(before.received);
        if received >= MIN_RECEIVED && lost > MIN_LOST.max(received / LOSS_RATIO) {
            return Some("packets are lost for want of room");
        }
        (self.saturated >= SATURATED_SAMPLES).then_some("a worker gets nothing but full bursts from a port")
    }

    /// What share of new sessions is to be refused.
    pub fn share(&self) -> Shedding {
        self.share
    }

    /// The line of `show health`.
    pub fn health_line(&self) -> String {
        self.refusing().unwrap_or_else(|| "every new session is begun".to_owned())
    }

    /// How many new sessions are refused, and why, if any are.
    pub fn refusing(&self) -> Option<String> {
        let refused =
            |share: Shedding| format!("{} % of new sessions are refused: {}", share.percent(), self.reason);
        (self.share != Shedding::NONE).then(|| refused(self.share))
    }
}

/// Whether nearly every poll of one of its ports brought a full burst: more waits there than the worker takes. What its
/// other ports bring meanwhile does not matter.
fn is_saturated(before: &Worker, now: &Worker) -> bool {
    // A worker polls its ports in turn.
    let polls = now.polls.saturating_sub(before.polls) / (now.full.len() as u64).max(1);
    let mut ports = before.full.iter().zip(&now.full);
    now.received.saturating_sub(before.received) >= MIN_RECEIVED
        && ports.any(|(before, now)| now.saturating_sub(*before) * 16 >= polls * 15)
}

#[cfg(test)]
mod tests {
    use common::stats::PortCell;

    use super::*;

    struct Harness {
        overload: Overload,
        stats: Vec<Arc<WorkerStats>>,
        now: Nanos,
        lost: [Option<u64>; 2],
    }

    impl Harness {
        fn new() -> Self {
            let mut harness = Self {
                overload: Overload::default(),
                stats: vec![Arc::new(WorkerStats::new(2)), Arc::new(WorkerStats::new(2))],
                now: Nanos(0),
                lost: [Some(0), Some(0)],
            };
            assert_eq!(harness.pass((0, [[0, 0]; 2]), 0), None);
            harness
        }

        /// 200 ms in which worker 1 polls each port so often, and gets these bursts and packets a burst from each.
        fn pass(&mut self, (rounds, ports): Traffic, lost: u64) -> Option<Change> {
            let stats = &self.stats[1];
            stats.empty_polls.fetch_add(2 * rounds, Relaxed);
            for (cell, [bursts, each]) in stats.ports.iter().zip(ports) {
                stats.bursts.fetch_add(bursts, Relaxed);
                stats.empty_polls.fetch_sub(bursts, Relaxed);
                stats.received.fetch_add(bursts * each, Relaxed);
                let full = if each as usize >= PortCell::FULL { bursts } else { 0 };
                cell.full_bursts.fetch_add(full, Relaxed);
            }
            self.lost[0] = self.lost[0].map(|before| before + lost);
            self.now = self.now.after(INTERVAL);
            let total = self.lost;
            self.overload.sample(self.now, &self.stats, || total.to_vec())
        }

        fn percent(&self) -> u16 {
            self.overload.share().percent()
        }
    }

    /// Rounds, then bursts and packets a burst by port.
    type Traffic = (u64, [[u64; 2]; 2]);

    /// 40 000 packets.
    const EASY: Traffic = (100_000, [[1000, 20], [1000, 20]]);
    /// Full bursts on one port, the other idle.
    const FULL: Traffic = (50_000, [[50_000, 64], [0, 0]]);
    const SATURATED: &str = "a worker gets nothing but full bursts from a port";

    #[test]
    fn lost_packets_raise_the_share_at_once_and_calm_lowers_it_slowly() {
        let mut harness = Harness::new();
        assert_eq!(harness.pass(EASY, 0), None);
        assert_eq!(harness.pass(EASY, 41), Some(Change::Begins("packets are lost for want of room")));
        assert_eq!(harness.percent(), 13);
        assert_eq!(
            harness.overload.health_line(),
            "13 % of new sessions are refused: packets are lost for want of room"
        );
        for _ in 0..10 {
            assert_eq!(harness.pass(EASY, 1000), None);
        }
        assert_eq!(harness.overload.share(), Shedding::ALL);
        for _ in 0..31 {
            assert_eq!(harness.pass(EASY, 0), None);
        }
        assert!(harness.percent() > 0);
        assert_eq!(harness.pass(EASY, 0), Some(Change::Ends));
        assert_eq!(harness.overload.health_line(), "every new session is begun");
    }

    #[test]
    fn one_in_a_thousand_is_bearable_and_what_a_port_without_link_loses_does_not_count() {
        let mut harness = Harness::new();
        assert_eq!(harness.pass(EASY, 40), None);
        harness.lost[1] = None;
        assert_eq!(harness.pass(EASY, 0), None);
        // Its link is back.
        harness.lost[1] = Some(1_000_000);
        assert_eq!(harness.pass(EASY, 0), None);
        assert_eq!(harness.pass(EASY, 41), Some(Change::Begins("packets are lost for want of room")));
    }

    #[test]
    fn a_few_lost_or_lost_while_hardly_anything_comes_is_none() {
        let mut harness = Harness::new();
        for _ in 0..10 {
            // 1500 received, 2 % lost.
            assert_eq!(harness.pass((100_000, [[1500, 1], [0, 0]]), 32), None);
            // 300 received: a peer that takes nothing makes no overload.
            assert_eq!(harness.pass((100_000, [[300, 1], [0, 0]]), 300), None);
        }
        assert_eq!(harness.overload.share(), Shedding::NONE);
        assert!(harness.pass((100_000, [[1500, 1], [0, 0]]), 33).is_some());
    }

    /// Three samples alike are overload, two are not.
    fn assert_saturated(traffic: Traffic) {
        let mut harness = Harness::new();
        assert_eq!((harness.pass(traffic, 0), harness.pass(traffic, 0)), (None, None));
        assert_eq!(harness.pass(traffic, 0), Some(Change::Begins(SATURATED)), "{traffic:?}");
    }

    #[test]
    fn nothing_but_full_bursts_for_a_while_is_overload() {
        assert_saturated(FULL);
        assert_saturated((50_000, [[0, 0], [50_000, 61]]));
    }

    #[test]
    fn replies_that_come_back_through_another_port_hide_no_overload() {
        assert_saturated((40_000, [[40_000, 64], [40_000, 20]]));
        assert_saturated((40_000, [[20_000, 3], [40_000, 64]]));
        assert_saturated((40_000, [[40_000, 64], [40_000, 64]]));
        // Once in twenty rounds the port has a little less.
        assert_saturated((40_000, [[38_000, 64], [40_000, 20]]));
    }

    #[test]
    fn both_ports_half_the_time_are_none() {
        let mut harness = Harness::new();
        for _ in 0..10 {
            assert_eq!(harness.pass((40_000, [[20_000, 64], [20_000, 64]]), 0), None);
            // Busy all the time, but no poll leaves anything behind.
            assert_eq!(harness.pass((40_000, [[40_000, 59], [40_000, 59]]), 0), None);
        }
        assert_eq!(harness.overload.share(), Shedding::NONE);
    }

    #[test]
    fn a_worker_that_hardly_runs_and_hardly_gets_anything_is_none() {
        let mut harness = Harness::new();
        for _ in 0..10 {
            // Its CPU is somebody else's most of the time: a few polls, all full.
            assert_eq!(harness.pass((15, [[15, 64], [15, 1]]), 0), None);
        }
        assert_eq!(harness.overload.share(), Shedding::NONE);
    }

    #[test]
    fn a_short_rush_and_a_source_of_full_bursts_with_pauses_are_none() {
        let mut harness = Harness::new();
        for _ in 0..5 {
            assert_eq!(
                (harness.pass(FULL, 0), harness.pass(FULL, 0), harness.pass(EASY, 0)),
                (None, None, None)
            );
        }
        for _ in 0..10 {
            // A tenth of the time idle, in empty polls that are a fortieth of a burst's time.
            assert_eq!(harness.pass((45_000 + 200_000, [[45_000, 64], [0, 0]]), 0), None);
        }
        assert_eq!(harness.overload.share(), Shedding::NONE);
    }

    /// A worker that can do 40 000 units of work between two samples, to which a repeat and a refusal are one and a new
    /// session is two (so measured: docs/performance.md), is offered 24 000 new nodes and 1000 known ones.
    #[test]
    fn known_nodes_lose_far_less_once_new_ones_are_refused() {
        const CAPACITY: f64 = 40_000.0;
        const NEW: f64 = 24_000.0;
        const KNOWN: f64 = 1000.0;
        let mut harness = Harness::new();
        let mut lost_by_known = Vec::new();
        for _ in 0..200 {
            let refused = harness.overload.share().ratio();
            let work = KNOWN + NEW * refused + 2.0 * NEW * (1.0 - refused);
            // What finds no room is whatever comes when the ring is full: of all alike.
            let served = (CAPACITY / work).min(1.0);
            let received = (KNOWN + NEW) * served;
            harness
                .pass((100_000, [[(received / 20.0) as u64, 20], [0, 0]]), (KNOWN + NEW - received) as u64);
            lost_by_known.push(1.0 - served);
        }
        let (before, after) = (lost_by_known[0], lost_by_known[20..].iter().sum::<f64>() / 180.0);
        assert!(before > 0.18 && after < 0.01, "{before} before, {after} after");
        assert!(
            (35..=51).contains(&harness.percent()),
            "{} %: not more than the load asks for",
            harness.percent()
        );
    }

    #[test]
    fn between_samples_nothing_is_asked() {
        let mut harness = Harness::new();
        let now = harness.now.after(INTERVAL / 2);
        assert_eq!(harness.overload.sample(now, &harness.stats, || panic!("asked")), None);
    }
}
