//! What every subsystem may look at.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::SystemTime,
};

use common::{port::PortControl, snapshot::Snapshot, stats::WorkerStats, tables::Tables, time::Nanos};

use super::{Settings, Switches, Witness};
use crate::{
    bus::Bus,
    health::{Found, Supervisor},
    host::ShadowTotals,
    launcher::Launcher,
    manage::{
        log::{LogBook, stamp},
        operator::Check,
    },
    publish::Publisher,
};

/// The parts of the process that belong to no subsystem.
pub struct Shared {
    /// Time of the present input, from the workers' clock.
    pub now: Nanos,
    /// The time of day, for stamps only.
    pub wall: SystemTime,
    /// What workers and control share beside the snapshot.
    pub tables: Tables,
    /// Counters by worker.
    pub stats: Vec<Arc<WorkerStats>>,
    /// Ports, once the dataplane runs.
    pub ports: Option<Arc<dyn PortControl>>,
    /// What workers read.
    pub publisher: Publisher,
    /// Whether workers move.
    pub supervisor: Supervisor,
    /// The lines of the log and of `debug`.
    pub log: LogBook,
    /// Which `debug` switches are on.
    pub switches: Switches,
    /// Settings of the process as a whole.
    pub settings: Settings,
    /// The dataplane's library, such as `DPDK 22.11.11`.
    pub library: String,
    /// The file that `write memory` writes.
    pub startup: Option<PathBuf>,
    /// Frames between the dataplane and the kernel.
    pub shadows: ShadowTotals,
    /// What starts scripts.
    pub launcher: Launcher,
    /// Through which live state is read that decides something.
    pub witness: Witness,
    /// Tasks and whatever else must move, beside what subsystems report.
    pub checks: Vec<Check>,
    /// Conditions around the process that belong to no subsystem.
    pub found: Vec<Found>,
    /// What subsystems have told each other; who begins to need it late finds the facts that stand.
    pub bus: Bus,
}

impl Shared {
    /// What workers read.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.current()
    }

    /// True once every worker that moves has taken the snapshot of `generation`, or a later one.
    pub fn is_settled(&self, generation: u64) -> bool {
        let behind = |worker: usize| {
            self.supervisor.is_alive(worker, self.now)
                && self.stats[worker].generation.load(Relaxed) < generation
        };
        !(0..self.stats.len()).any(behind)
    }

    /// The stamp of a debug line.
    pub fn stamp(&self) -> String {
        stamp(self.wall, self.settings.debug_milliseconds)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("now", &self.now)
            .field("settings", &self.settings)
            .field("switches", &self.switches)
            .finish_non_exhaustive()
    }
}
