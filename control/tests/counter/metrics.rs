//! Metrics and health.

use control::{
    health::{Condition, Found, condition},
    protocol::{Cx, Report},
};

use super::Counter;

/// A counter that has come to its limit.
pub(super) static FULL: Condition =
    condition!("counter-full", "A counter at its limit", after: 0, above: none, unready: true);

impl Counter {
    pub(super) fn metrics(&self, out: &mut Report) {
        for (name, count) in &self.counts {
            let labels = || vec![("counter", name.clone())];
            out.counter("homeward_counter", "What a counter has counted", labels(), count.value);
            out.counter("homeward_counter_missed", "Beats that were too late", labels(), count.missed);
        }
    }

    /// Counters at their limits.
    pub(super) fn full(&self, cx: &Cx<'_, Self>) -> Vec<Found> {
        let full = self.counts.iter().filter_map(|(name, count)| {
            let limit = cx.config.counter(name)?.limit;
            let reason = || format!("{} of {limit}", count.value);
            (count.value >= limit).then(|| Found::new(&FULL, name, reason()))
        });
        full.collect()
    }
}
