//! Metrics and health.

use control::{
    manage::operator::Check,
    protocol::{Cx, Report},
};

use super::Counter;

impl Counter {
    pub(super) fn metrics(&self, out: &mut Report) {
        for (name, count) in &self.counts {
            let labels = || vec![("counter", name.clone())];
            out.counter("homeward_counter", "What a counter has counted", labels(), count.value);
            out.counter("homeward_counter_missed", "Beats that were too late", labels(), count.missed);
        }
    }

    /// Whether every counter is below its limit.
    pub(super) fn health(&self, cx: &Cx<'_, Self>) -> Vec<Check> {
        let is_full = |name| {
            let limit = cx.config.counter(name).map(|counter| counter.limit);
            limit.is_some_and(|limit| self.counts[name].value >= limit)
        };
        let full: Vec<_> = self.counts.keys().filter(|name| is_full(name)).cloned().collect();
        let reason = if full.is_empty() { "count".to_owned() } else { format!("full: {}", full.join(", ")) };
        vec![Check { name: "counters".into(), healthy: full.is_empty(), reason }]
    }
}
