//! Watches the workers' heartbeats. Pure; time is an argument.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::{stats::WorkerStats, time::Nanos};

use super::{Found, WORKER_BEHIND};
use crate::manage::operator::Check;

/// A worker beats at least once a second; without a beat for this long it has stopped.
pub const WORKER_TIMEOUT: Duration = Duration::from_secs(3);

/// Nobody has looked for so long: control itself stood still (a stopped process, a paused machine), and knows nothing of
/// workers meanwhile.
const ABSENCE: Duration = Duration::from_secs(2);

/// Watches the workers' heartbeats.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    workers: Vec<Watch>,
    polled: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    beat: u64,
    moved: Nanos,
    stopped: bool,
    /// It moves, and has not taken the newest snapshot.
    behind: bool,
}

/// Something worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerChange {
    /// Which.
    pub worker: usize,
    /// It stands still; or it goes on.
    pub stopped: bool,
    /// Since its last beat.
    pub still: Duration,
}

impl Supervisor {
    /// Watches `workers` from `now` on.
    pub fn new(workers: usize, now: Nanos) -> Self {
        let watch = Watch { beat: 0, moved: now, stopped: false, behind: false };
        Self { workers: vec![watch; workers], polled: now }
    }

    /// Looks at every worker; `generation` is what is published. Which have stopped since the last look, and which go on.
    pub fn poll(&mut self, stats: &[Arc<WorkerStats>], generation: u64, now: Nanos) -> Vec<WorkerChange> {
        let absence = Some(now.since(self.polled)).filter(|time| *time > ABSENCE);
        self.polled = now;
        let mut changes = Vec::new();
        for (worker, (watch, stats)) in self.workers.iter_mut().zip(stats).enumerate() {
            if let Some(absence) = absence.filter(|_| !watch.stopped) {
                watch.moved = watch.moved.after(absence);
            }
            let (beat, still) = (stats.heartbeat.load(Relaxed), now.since(watch.moved));
            if beat != watch.beat {
                if watch.stopped {
                    changes.push(WorkerChange { worker, stopped: false, still });
                }
                *watch = Watch { beat, moved: now, stopped: false, ..*watch };
            } else if !watch.stopped && still > WORKER_TIMEOUT {
                watch.stopped = true;
                changes.push(WorkerChange { worker, stopped: true, still });
            }
            watch.behind = !watch.stopped && stats.generation.load(Relaxed) < generation;
        }
        changes
    }

    /// True while the worker moves.
    pub fn is_alive(&self, worker: usize, now: Nanos) -> bool {
        self.workers.get(worker).is_some_and(|watch| now.since(watch.moved) <= WORKER_TIMEOUT)
    }

    /// One check a worker, as it was found at the last look: what is said here stands in the log.
    pub fn checks(&self, now: Nanos) -> Vec<Check> {
        let check = |(worker, watch): (usize, &Watch)| {
            let still = now.since(watch.moved);
            let reason = if watch.stopped {
                format!("no heartbeat for {} s", still.as_secs())
            } else {
                "moves".to_owned()
            };
            Check { name: format!("worker {worker}"), healthy: !watch.stopped, reason }
        };
        self.workers.iter().enumerate().map(check).collect()
    }

    /// Workers that move, but on an old snapshot.
    pub fn behind(&self) -> impl Iterator<Item = Found> {
        let behind = self.workers.iter().enumerate().filter(|(_, watch)| watch.behind);
        behind.map(|(worker, _)| {
            Found::new(&WORKER_BEHIND, format!("worker {worker}"), "does not take the newest configuration")
        })
    }
}

impl WorkerChange {
    /// Writes the line.
    pub fn log(&self) {
        if self.stopped {
            tracing::error!(mnemonic = "SYS-2-WORKER", "{self}");
        } else {
            tracing::info!(mnemonic = "SYS-6-WORKER", "{self}");
        }
    }
}

impl fmt::Display for WorkerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, stopped, still } = self;
        let seconds = still.as_secs();
        if *stopped {
            write!(f, "Worker {worker} stands still: no heartbeat for {seconds} s")
        } else {
            write!(f, "Worker {worker} goes on after {seconds} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    fn lines(changes: &[WorkerChange]) -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_worker_that_stops_is_a_line_at_once_and_one_that_goes_on_another() {
        let stats = vec![Arc::new(WorkerStats::new(0)), Arc::new(WorkerStats::new(0))];
        let mut supervisor = Supervisor::new(2, at(0));
        for second in 1..=3 {
            stats[0].heartbeat.fetch_add(1, Relaxed);
            assert!(supervisor.poll(&stats, 0, at(second)).is_empty());
        }
        stats[0].heartbeat.fetch_add(1, Relaxed);
        let changes = supervisor.poll(&stats, 0, at(4));
        assert_eq!(lines(&changes), ["Worker 1 stands still: no heartbeat for 4 s"]);
        let checks = supervisor.checks(at(4));
        assert!(checks[0].healthy && !checks[1].healthy);
        assert_eq!(checks[1].reason, "no heartbeat for 4 s");
        assert!(supervisor.is_alive(0, at(4)) && !supervisor.is_alive(1, at(4)));
        stats[0].heartbeat.fetch_add(1, Relaxed);
        assert!(supervisor.poll(&stats, 0, at(5)).is_empty(), "once");
        for stats in &stats {
            stats.heartbeat.fetch_add(1, Relaxed);
        }
        assert_eq!(lines(&supervisor.poll(&stats, 0, at(6))), ["Worker 1 goes on after 6 s"]);
        assert!(supervisor.checks(at(6)).iter().all(|check| check.healthy));
    }

    #[test]
    fn time_in_which_nobody_looked_is_not_held_against_workers() {
        let stats = vec![Arc::new(WorkerStats::new(0))];
        let mut supervisor = Supervisor::new(1, at(0));
        stats[0].heartbeat.fetch_add(1, Relaxed);
        assert!(supervisor.poll(&stats, 0, at(1)).is_empty());
        // The whole process was stopped for an hour; the worker has not run again yet.
        assert!(supervisor.poll(&stats, 0, at(3601)).is_empty());
        assert!(supervisor.is_alive(0, at(3602)));
        assert!(supervisor.poll(&stats, 0, at(3603)).is_empty());
        assert_eq!(supervisor.poll(&stats, 0, at(3605)).len(), 1, "it does not");
        // For one that was known to stand still the time counts on.
        assert!(supervisor.poll(&stats, 0, at(3700)).is_empty());
        assert!(!supervisor.is_alive(0, at(3700)));
    }

    #[test]
    fn a_worker_on_an_old_snapshot_is_behind_unless_it_stands_still() {
        let stats = vec![Arc::new(WorkerStats::new(0))];
        let mut supervisor = Supervisor::new(1, at(0));
        let behind =
            |supervisor: &Supervisor| supervisor.behind().map(|found| found.subject).collect::<Vec<_>>();
        supervisor.poll(&stats, 1, at(1));
        assert_eq!(behind(&supervisor), ["worker 0"]);
        stats[0].generation.store(1, Relaxed);
        supervisor.poll(&stats, 1, at(2));
        assert!(behind(&supervisor).is_empty());
        supervisor.poll(&stats, 2, at(4));
        assert!(behind(&supervisor).is_empty(), "it stands still, which is worse");
    }
}
