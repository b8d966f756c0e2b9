//! The one owner of control state: the running configuration, the places and live state of the balancer, the network
//! as the kernel sees it, and what is published to workers.
//!
//! Runs on one thread at a time, behind the lock that management takes. Nothing here waits, opens a socket or reads a
//! clock: time is an argument, and what must be done outside is left in [`Effects`].

mod apply;
mod dfp;
mod exec;
mod machine;
mod network;
mod tick;
mod trace;
mod view;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use common::{
    event::Event,
    link::ControlEnd,
    ring::{FrameReceiver, FrameSender},
    slb::{Alarm, Balancer},
    snapshot::Snapshot,
    stats::WorkerStats,
    time::Nanos,
};
use rtrb::Consumer;

pub use self::{
    dfp::{AgentChange, AgentId, DfpState, Status, Wanted},
    machine::Machine,
    network::NetworkView,
    tick::TICK,
};
use crate::{
    command::{Commands, ExecSpec, Reply, Shell},
    configuration::Configuration,
    dfp::packet::Row,
    health::{Supervisor, table_check},
    manage::{
        log::LogBook,
        operator::{Check, Health},
    },
    overload::Overload,
    publish::Publisher,
    slb::{adjacency::NextHop, plan::Announcement, state::SlbState},
};

/// What the core holds of the link to workers.
#[derive(Debug)]
pub struct CoreLink {
    /// The published snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Sessions.
    pub director: Arc<Balancer>,
    /// By worker.
    pub stats: Vec<Arc<WorkerStats>>,
    /// By worker: news.
    pub events: Vec<Consumer<Event>>,
}

impl CoreLink {
    /// Parts control's end into the core's and the frames to and from the kernel (by worker), which shadows serve.
    pub fn split(end: ControlEnd) -> (Self, Vec<FrameReceiver>, Vec<FrameSender>) {
        let core =
            Self { snapshot: end.snapshot, director: end.tables.slb, stats: end.stats, events: end.events };
        (core, end.punts, end.injects)
    }
}

/// What the core wants done outside; taken with [`Core::take_effects`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Gratuitous ARPs to send.
    pub announcements: Vec<Announcement>,
    /// Neighbours that a worker needs at once.
    pub resolve: BTreeSet<NextHop>,
    /// The machine part of the configuration changed: ports, addresses, routes, logging or management.
    pub machine_changed: bool,
    /// The neighbours to be kept resolved changed: ask [`Core::next_hops`].
    pub hops_changed: bool,
    /// The agents of DFP that are wanted changed: ask [`Core::dfp_wanted`].
    pub dfp_changed: bool,
    /// What agents of DFP are to be told of reals.
    pub server_states: Vec<(SocketAddrV4, Vec<Row>)>,
}

/// The owner of control state.
#[derive(Debug)]
pub struct Core {
    running: Arc<Configuration>,
    startup: Option<PathBuf>,
    director: Arc<Balancer>,
    stats: Vec<Arc<WorkerStats>>,
    events: Vec<Consumer<Event>>,
    publisher: Publisher,
    supervisor: Supervisor,
    network: NetworkView,
    machine: Machine,
    slb: SlbState,
    dfp: DfpState,
    hops: BTreeSet<NextHop>,
    purges: Vec<apply::Purge>,
    effects: Effects,
    debug_sessions: bool,
    wall: SystemTime,
    alarm: Alarm,
    overload: Overload,
    draining: bool,
    log: LogBook,
    now: Nanos,
}

impl Core {
    /// A core with an empty configuration.
    ///
    /// `startup` is the file that `write memory` writes; `log` takes the lines of `debug`; `now` starts the watch over
    /// workers.
    pub fn new(link: CoreLink, startup: Option<PathBuf>, log: LogBook, now: Nanos) -> Self {
        let workers = u8::try_from(link.stats.len()).unwrap_or(u8::MAX);
        Self {
            running: Arc::default(),
            startup,
            director: link.director,
            supervisor: Supervisor::new(link.stats.len(), now),
            stats: link.stats,
            events: link.events,
            publisher: Publisher::new(link.snapshot),
            network: NetworkView::default(),
            machine: Machine::default(),
            slb: SlbState::new(workers),
            dfp: DfpState::default(),
            hops: BTreeSet::new(),
            purges: Vec::new(),
            effects: Effects::default(),
            debug_sessions: false,
            wall: SystemTime::UNIX_EPOCH,
            alarm: Alarm::Normal,
            overload: Overload::default(),
            draining: false,
            log,
            now,
        }
    }

    /// The EXEC commands: the balancer's, DFP's and the machine's.
    pub fn exec_specs() -> Vec<ExecSpec<Self>> {
        [exec::specs(), dfp::specs(), machine::specs()].concat()
    }

    /// A shell over `commands`.
    pub fn shell(commands: Arc<Commands<Self>>, privileged: bool) -> Shell<Self> {
        Shell::new(commands, privileged)
    }

    /// Runs a line of a shell.
    pub fn execute(&mut self, shell: &mut Shell<Self>, line: &str) -> Reply {
        let reply = shell.execute(line, self);
        if reply.left_configuration {
            tracing::info!(mnemonic = "SYS-5-CONFIG_I", "Configured from console by console");
        }
        reply
    }

    /// The running configuration.
    pub fn running(&self) -> &Arc<Configuration> {
        &self.running
    }

    /// What must be done outside, since the last call.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The neighbours to be kept resolved: each real's next hop.
    pub fn next_hops(&self) -> &BTreeSet<NextHop> {
        &self.hops
    }

    /// The session table and its rules.
    pub fn director(&self) -> &Arc<Balancer> {
        &self.director
    }

    /// Counters by worker.
    pub fn worker_stats(&self) -> &[Arc<WorkerStats>] {
        &self.stats
    }

    /// What workers see.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.current()
    }

    /// The network as last told.
    pub fn network(&self) -> &NetworkView {
        &self.network
    }

    /// The file that `write memory` writes.
    pub fn startup(&self) -> Option<&Path> {
        self.startup.as_deref()
    }

    /// What the daemon knows beside the balancer; it keeps this fresh.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Ports, interfaces, the kernel.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Time of the last [`Core::tick`].
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The lines of the log and of `debug`.
    pub fn log(&self) -> &LogBook {
        &self.log
    }

    /// Whether workers move and tables have room, as of the last [`Core::tick`].
    pub fn health(&self) -> Health {
        let mut checks = self.supervisor.checks(self.now);
        checks.push(table_check("sessions", self.director.occupancy(), self.director.capacity().into()));
        checks.push(Check { name: "load".into(), healthy: true, reason: self.overload.words() });
        checks.extend(self.machine.checks.iter().cloned());
        Health::of(checks)
    }
}
