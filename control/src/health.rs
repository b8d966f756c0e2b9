//! Whether the process does its work: workers move, run the newest snapshot, tables have room.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use crate::manage::operator::{Check, Health};
use common::{stats::WorkerStats, time::Nanos};

/// A worker beats at least once a second; without a beat for this long it has stopped.
pub const WORKER_TIMEOUT: Duration = Duration::from_secs(3);

/// A snapshot that a living worker has not taken after this long is an alarm too.
pub const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(3);

/// Share of the session table, in percent, above which it is an alarm.
pub const TABLE_ALARM: u64 = 80;

/// The text of `show health`.
pub fn health_text(health: &Health) -> String {
    use std::fmt::Write as _;
    let mut out = format!("health: {}\n", if health.healthy { "good" } else { "bad" });
    for check in &health.checks {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "  {:<16} {:<5} {}",
            check.name,
            if check.healthy { "good" } else { "bad" },
            check.reason
        );
    }
    out
}

/// Watches the workers' heartbeats.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    workers: Vec<Watch>,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    beat: u64,
    moved: Nanos,
    /// When a newer snapshot than the worker's was first seen.
    behind: Option<Nanos>,
}

impl Supervisor {
    /// Watches `workers` from `now` on.
    pub fn new(workers: usize, now: Nanos) -> Self {
        Self { workers: vec![Watch { beat: 0, moved: now, behind: None }; workers] }
    }

    /// Looks at every worker; `generation` is what is published.
    pub fn poll(&mut self, stats: &[Arc<WorkerStats>], generation: u64, now: Nanos) {
        for (watch, stats) in self.workers.iter_mut().zip(stats) {
            let beat = stats.heartbeat.load(Relaxed);
            if beat != watch.beat {
                (watch.beat, watch.moved) = (beat, now);
            }
            let behind = stats.generation.load(Relaxed) < generation;
            watch.behind = if behind { watch.behind.or(Some(now)) } else { None };
        }
    }

    /// True while the worker moves.
    pub fn is_alive(&self, worker: usize, now: Nanos) -> bool {
        self.workers.get(worker).is_some_and(|watch| now.since(watch.moved) <= WORKER_TIMEOUT)
    }

    /// One check a worker.
    pub fn checks(&self, now: Nanos) -> Vec<Check> {
        let check = |(worker, watch): (usize, &Watch)| {
            let still = now.since(watch.moved);
            let stopped = still > WORKER_TIMEOUT;
            let behind = watch.behind.is_some_and(|since| now.since(since) > SNAPSHOT_TIMEOUT);
            let reason = if stopped {
                format!("no heartbeat for {} s", still.as_secs())
            } else if behind {
                "alarm: does not take the newest configuration".to_owned()
            } else {
                "moves".to_owned()
            };
            Check { name: format!("worker {worker}"), healthy: !stopped, reason }
        };
        self.workers.iter().enumerate().map(check).collect()
    }
}

/// The check of a table of fixed size.
pub fn table_check(name: &str, used: u64, capacity: u64) -> Check {
    let percent = used.saturating_mul(100).checked_div(capacity).unwrap_or(0);
    let alarm = if percent >= TABLE_ALARM { "alarm: " } else { "" };
    Check {
        name: name.to_owned(),
        healthy: true,
        reason: format!("{alarm}{used} of {capacity} in use ({percent} %)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_stops_turns_health_bad_and_one_that_moves_again_good() {
        let stats = vec![Arc::new(WorkerStats::new(0)), Arc::new(WorkerStats::new(0))];
        let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
        let mut supervisor = Supervisor::new(2, at(0));
        for second in 1..=4 {
            stats[0].heartbeat.fetch_add(1, Relaxed);
            supervisor.poll(&stats, 0, at(second));
        }
        let view = Health::from_checks(supervisor.checks(at(4)));
        assert!(!view.healthy);
        assert!(view.checks[0].healthy && !view.checks[1].healthy);
        assert_eq!(view.checks[1].reason, "no heartbeat for 4 s");
        assert!(supervisor.is_alive(0, at(4)) && !supervisor.is_alive(1, at(4)));
        assert!(health_text(&view).contains("worker 1         bad   no heartbeat for 4 s"));
        stats[1].heartbeat.fetch_add(1, Relaxed);
        supervisor.poll(&stats, 0, at(5));
        assert!(Health::from_checks(supervisor.checks(at(5))).healthy);
    }

    #[test]
    fn a_worker_on_an_old_snapshot_is_an_alarm() {
        let stats = vec![Arc::new(WorkerStats::new(0))];
        let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
        let mut supervisor = Supervisor::new(1, at(0));
        for second in 1..=5 {
            stats[0].heartbeat.fetch_add(1, Relaxed);
            supervisor.poll(&stats, 1, at(second));
        }
        let checks = supervisor.checks(at(5));
        assert!(checks[0].healthy && checks[0].reason.starts_with("alarm: "));
        stats[0].generation.store(1, Relaxed);
        supervisor.poll(&stats, 1, at(6));
        assert!(!supervisor.checks(at(6))[0].reason.starts_with("alarm"));
    }

    #[test]
    fn a_table_says_how_full_it_is() {
        assert!(!table_check("sessions", 79, 100).reason.starts_with("alarm"));
        let check = table_check("sessions", 80, 100);
        assert!(check.healthy);
        assert_eq!(check.reason, "alarm: 80 of 100 in use (80 %)");
        assert_eq!(table_check("sessions", 0, 0).reason, "0 of 0 in use (0 %)");
    }
}
