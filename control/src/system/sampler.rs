//! Rates over the last 5 seconds, from totals taken once a second, and low-water marks of pools.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::{
    port::{PoolInfo, PortCounters},
    stats::WorkerStats,
    time::Nanos,
};

use super::show::interface::Rates;

/// Samples kept: 5 seconds lie between the first and the last.
const WINDOW: usize = 6;

/// Totals at one moment.
#[derive(Clone, Debug, Default)]
struct Sample {
    at: Nanos,
    ports: Vec<PortCounters>,
    workers: Vec<Totals>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    received: u64,
    bursts: u64,
    busy: u64,
    total: u64,
}

/// What a worker did over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Million packets a second.
    pub mpps: f64,
    /// Busy cycles a packet.
    pub cycles: f64,
    /// Packets a poll that returned any.
    pub burst: f64,
    /// Share of busy cycles, percent.
    pub busy: f64,
}

/// Keeps the samples.
#[derive(Debug, Default)]
pub struct Sampler {
    samples: VecDeque<Sample>,
    low: BTreeMap<String, u32>,
}

impl Sampler {
    /// Takes a sample; to be called once a second.
    pub fn sample(
        &mut self,
        now: Nanos,
        ports: Vec<PortCounters>,
        workers: &[Arc<WorkerStats>],
        pools: &[PoolInfo],
    ) {
        let workers = workers
            .iter()
            .map(|stats| Totals {
                received: stats.received.load(Relaxed),
                bursts: stats.bursts.load(Relaxed),
                busy: stats.busy_cycles.load(Relaxed),
                total: stats.total_cycles.load(Relaxed),
            })
            .collect();
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, ports, workers });
        for pool in pools {
            let low = self.low.entry(pool.name.clone()).or_insert(pool.free);
            *low = (*low).min(pool.free);
        }
    }

    /// Fewest free buffers of a pool seen so far.
    pub fn low_water(&self, pool: &str) -> Option<u32> {
        self.low.get(pool).copied()
    }

    /// Rates of a port.
    pub fn rates(&self, port: usize) -> Rates {
        let Some((old, new, time)) = self.window() else { return Rates::default() };
        let (Some(old), Some(new)) = (old.ports.get(port), new.ports.get(port)) else {
            return Rates::default();
        };
        let rate = |old: u64, new: u64| (new.saturating_sub(old) as f64 / time.as_secs_f64()) as u64;
        Rates {
            rx_packets: rate(old.rx_packets, new.rx_packets),
            rx_bits: rate(old.rx_bytes, new.rx_bytes) * 8,
            tx_packets: rate(old.tx_packets, new.tx_packets),
            tx_bits: rate(old.tx_bytes, new.tx_bytes) * 8,
        }
    }

    /// What a worker did.
    pub fn pace(&self, worker: usize) -> Pace {
        let Some((old, new, time)) = self.window() else { return Pace::default() };
        let (Some(old), Some(new)) = (old.workers.get(worker), new.workers.get(worker)) else {
            return Pace::default();
        };
        let grown = |old: u64, new: u64| new.saturating_sub(old) as f64;
        let per = |what: f64, of: f64| if of > 0.0 { what / of } else { 0.0 };
        let packets = grown(old.received, new.received);
        let busy = grown(old.busy, new.busy);
        Pace {
            mpps: packets / time.as_secs_f64() / 1e6,
            cycles: per(busy, packets),
            burst: per(packets, grown(old.bursts, new.bursts)),
            busy: per(busy * 100.0, grown(old.total, new.total)).min(100.0),
        }
    }

    fn window(&self) -> Option<(&Sample, &Sample, Duration)> {
        let (old, new) = (self.samples.front()?, self.samples.back()?);
        let time = new.at.since(old.at);
        (!time.is_zero()).then_some((old, new, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_five_seconds() {
        let mut sampler = Sampler::default();
        let stats = [Arc::new(WorkerStats::new(1))];
        assert_eq!((sampler.rates(0), sampler.pace(0)), (Rates::default(), Pace::default()));
        for second in 0..20_u64 {
            // 10 packets a second, then 100.
            let packets = if second < 10 { second * 10 } else { 100 + (second - 10) * 100 };
            let port =
                PortCounters { rx_packets: packets, rx_bytes: packets * 100, ..PortCounters::default() };
            stats[0].received.store(packets, Relaxed);
            stats[0].bursts.store(packets / 10, Relaxed);
            stats[0].busy_cycles.store(packets * 50, Relaxed);
            stats[0].total_cycles.store(second * 100_000, Relaxed);
            let free = 1000 - second as u32 % 7;
            let pool = PoolInfo { name: "packets0".into(), size: 1000, free, room: 2176 };
            sampler.sample(Nanos(second * 1_000_000_000), vec![port], &stats, &[pool]);
        }
        let rates = sampler.rates(0);
        assert_eq!((rates.rx_packets, rates.rx_bits, rates.tx_packets), (100, 80_000, 0));
        let pace = sampler.pace(0);
        assert_eq!((pace.cycles, pace.burst, pace.busy), (50.0, 10.0, 5.0));
        assert_eq!(sampler.low_water("packets0"), Some(994));
        assert_eq!((sampler.rates(1), sampler.low_water("x")), (Rates::default(), None));
    }
}
