//! The share of what was received that was dropped, over the last seconds. Pure.

use std::collections::VecDeque;

use common::{
    port::PortCounters,
    stats::WorkerStats,
    verdict::{Class, Verdict},
};

use crate::health::percent;

/// Samples kept, a second apart: so many seconds lie between the first and the last.
const WINDOW: usize = 6;
/// Fewer packets in a window say nothing.
const FEW: u64 = 20;

/// Frames that were not for us: any link has some, and nobody misses them.
const STRANGERS: [Verdict; 4] =
    [Verdict::OWN_FRAME, Verdict::NOT_FOR_US, Verdict::UNKNOWN_VLAN, Verdict::UNKNOWN_ETHERTYPE];

/// Totals at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    received: u64,
    /// By reason.
    dropped: Vec<(&'static str, u64)>,
}

/// More than the share is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropping {
    /// Of what was received.
    pub percent: u64,
    /// Packets received in the window.
    pub received: u64,
    /// For what most of them were dropped.
    pub most: &'static str,
}

/// Watches the share.
#[derive(Debug, Default)]
pub struct Drops {
    samples: VecDeque<Totals>,
    now: Option<Dropping>,
}

impl Totals {
    /// Of all workers, less frames that were not for us, and with what devices lost for want of room.
    pub fn new<'s>(workers: impl Iterator<Item = &'s WorkerStats>, ports: &[PortCounters]) -> Self {
        let counts = |verdict: &Verdict| verdict.class() == Class::Dropped && !STRANGERS.contains(verdict);
        let reasons: Vec<_> = Verdict::all().filter(counts).collect();
        let mut dropped: Vec<_> = reasons.iter().map(|verdict| (verdict.name(), 0)).collect();
        let mut received = 0;
        for stats in workers {
            for ((_, count), verdict) in dropped.iter_mut().zip(&reasons) {
                *count += stats.verdict(*verdict);
            }
            // Verdicts rather than receptions: of a packet both are known.
            let strangers: u64 = STRANGERS.iter().map(|verdict| stats.verdict(*verdict)).sum();
            received += stats.verdict_sum().saturating_sub(strangers);
        }
        let missed = ports.iter().map(|port| port.rx_missed).sum();
        let no_buffer = ports.iter().map(|port| port.rx_no_mbuf).sum();
        dropped.extend([("receive ring full", missed), ("no receive buffer", no_buffer)]);
        Self { received: received + missed + no_buffer, dropped }
    }
}

impl Drops {
    /// Takes the totals, once a second. It begins above `share` percent and ends at half of that.
    pub fn sample(&mut self, totals: Totals, share: u8) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(totals);
        let share = if self.now.is_some() { u64::from(share) / 2 } else { share.into() };
        self.now = self.window().filter(|window| window.percent > share);
    }

    /// More than the share is dropped.
    pub fn dropping(&self) -> Option<Dropping> {
        self.now
    }

    fn window(&self) -> Option<Dropping> {
        let (old, new) = (self.samples.front()?, self.samples.back()?);
        let received = new.received.saturating_sub(old.received);
        let grown = new.dropped.iter().zip(&old.dropped);
        let grown: Vec<_> = grown.map(|(new, old)| (new.0, new.1.saturating_sub(old.1))).collect();
        let dropped = grown.iter().map(|(_, count)| count).sum();
        let (most, _) = *grown.iter().max_by_key(|(_, count)| *count)?;
        (received >= FEW).then(|| Dropping { percent: percent(dropped, received), received, most })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    /// Counters that only rise, and the watch over them.
    struct Harness {
        stats: [WorkerStats; 2],
        port: PortCounters,
        drops: Drops,
    }

    impl Harness {
        fn new() -> Self {
            let stats = [WorkerStats::new(1), WorkerStats::new(1)];
            let mut harness = Self { stats, port: PortCounters::default(), drops: Drops::default() };
            assert_eq!(harness.second(&[]), None);
            harness
        }

        /// A second in which packets end so.
        fn second(&mut self, ends: &[(Verdict, u64)]) -> Option<(u64, &'static str)> {
            for (at, (verdict, count)) in ends.iter().enumerate() {
                self.stats[at % 2].verdicts[verdict.index()].fetch_add(*count, Relaxed);
            }
            let totals = Totals::new(self.stats.iter(), std::slice::from_ref(&self.port));
            self.drops.sample(totals, 10);
            self.drops.dropping().map(|dropping| (dropping.percent, dropping.most))
        }
    }

    const SENT: Verdict = Verdict::SLB_DISPATCHED;
    const LOST: Verdict = Verdict::NO_REAL;

    #[test]
    fn it_begins_above_the_share_and_ends_at_half_of_it() {
        let mut harness = Harness::new();
        assert_eq!(harness.second(&[(SENT, 90), (LOST, 10)]), None, "10 % is not above 10 %");
        assert_eq!(harness.second(&[(SENT, 80), (LOST, 18), (Verdict::TOO_SHORT, 2)]), Some((15, "no_real")));
        // What is between both shares changes nothing.
        for _ in 0..5 {
            assert!(harness.second(&[(SENT, 93), (LOST, 7)]).is_some());
        }
        assert_eq!(harness.second(&[(SENT, 93), (LOST, 7)]), Some((7, "no_real")));
        while harness.second(&[(SENT, 100)]).is_some() {}
        assert_eq!(harness.second(&[(SENT, 93), (LOST, 7)]), None);
    }

    #[test]
    fn the_window_is_five_seconds() {
        let mut harness = Harness::new();
        assert_eq!(harness.second(&[(LOST, 1000)]), Some((100, "no_real")));
        for _ in 0..4 {
            assert!(harness.second(&[(SENT, 1000)]).is_some());
        }
        assert_eq!(harness.second(&[(SENT, 1000)]), None);
    }

    #[test]
    fn a_few_packets_and_frames_for_others_are_nothing() {
        let mut harness = Harness::new();
        for _ in 0..10 {
            assert_eq!(harness.second(&[(LOST, 3)]), None);
            let chatter = [(Verdict::UNKNOWN_ETHERTYPE, 1000), (Verdict::NOT_FOR_US, 1000)];
            assert_eq!(harness.second(&chatter), None);
        }
        assert_eq!(harness.second(&[(LOST, 20)]), Some((100, "no_real")));
    }

    #[test]
    fn what_devices_lose_counts_too() {
        let mut harness = Harness::new();
        harness.port.rx_missed += 50;
        assert_eq!(harness.second(&[(SENT, 50)]), Some((50, "receive ring full")));
        harness.port.rx_no_mbuf += 300;
        assert_eq!(harness.second(&[(SENT, 100)]), Some((70, "no receive buffer")));
    }
}
