//! What the home agent has on its hands: bindings, calls per second over the last minute, and how busy the workers are.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use common::{call_meter::CallMeter, stats::WorkerStats, time::Nanos};
use serde::{Deserialize, Serialize};

use super::{registration::Counter, shard::Shard};

/// Running totals at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Bindings that exist.
    pub bindings: u64,
    accepted: u64,
    /// Of all workers: cycles spent on packets, and all.
    busy: u64,
    total: u64,
}

impl Reading {
    /// Of the registrar and the workers.
    pub fn take(shard: &Shard, workers: &[Arc<WorkerStats>]) -> Self {
        let (bindings, accepted) = shard.ask(|registrar| {
            let agent = registrar.agent();
            (agent.bindings() as u64, agent.counters().get(Counter::Accepted))
        });
        Self {
            bindings,
            accepted,
            busy: workers.iter().map(|stats| stats.busy_cycles.load(Relaxed)).sum(),
            total: workers.iter().map(|stats| stats.total_cycles.load(Relaxed)).sum(),
        }
    }
}

/// What readings come to.
#[derive(Debug, Default)]
pub struct Load {
    calls: CallMeter,
    last: Reading,
    busy: Option<u16>,
}

impl Load {
    /// Takes a reading.
    pub fn read(&mut self, now: Nanos, reading: Reading) {
        self.calls.read(now, reading.accepted);
        let total = reading.total.saturating_sub(self.last.total);
        if total > 0 {
            let busy = reading.busy.saturating_sub(self.last.busy).min(total);
            self.busy = Some((u128::from(busy) * 1000 / u128::from(total)) as u16);
        }
        self.last = reading;
    }

    /// Calls in the last minute, and what `per_second` would have allowed; see [`CallMeter::usage`].
    pub fn calls(&self, per_second: u32) -> Option<(u64, u64)> {
        self.calls.usage(per_second)
    }

    /// Thousandths of the workers' time since the reading before; none: they have not run.
    pub fn busy(&self) -> Option<u16> {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_as_busy_as_since_the_last_reading() {
        let mut load = Load::default();
        let mut at = |busy, total| {
            load.read(Nanos(total), Reading { busy, total, ..Reading::default() });
            load.busy()
        };
        assert_eq!(
            [at(0, 0), at(50, 1000), at(550, 2000), at(550, 3000)],
            [None, Some(50), Some(500), Some(0)]
        );
        assert_eq!(at(550, 3000), Some(0), "no time has passed");
    }

    #[test]
    fn calls_are_those_that_were_accepted() {
        let mut load = Load::default();
        for second in 0..=60 {
            let reading = Reading { accepted: second * 20, ..Reading::default() };
            load.read(Nanos(second * 1_000_000_000), reading);
        }
        assert_eq!(load.calls(80), Some((1_200_000, 4_800_000)), "a quarter");
    }
}
