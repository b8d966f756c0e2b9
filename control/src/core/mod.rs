//! The one owner of control state: the running configuration, the states of all subsystems, the bus between them, and
//! what is published to workers. It knows no subsystem: they are a list that it is generic over.
//!
//! Runs on one thread at a time, behind the lock that management takes. Nothing here waits, opens a socket or reads a
//! clock: time is an argument, and what must be done outside is left as [`Effect`]s and orders.

mod apply;
mod commands;
mod file;
mod health;
mod publish;
mod record;
mod replay;
mod steps;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use common::{
    event::Event,
    link::ControlEnd,
    ring::{FrameReceiver, FrameSender},
    snapshot::Snapshot,
    stats::WorkerStats,
    tables::Tables,
    time::Nanos,
};
use rtrb::Consumer;

use self::record::{Recorder, Told};
pub use self::{
    record::{Ending, KEPT, LIMIT, Recording},
    replay::{Difference, End, Replay, ReplayError, Summary},
};
use crate::{
    bus::Bus,
    command::{Answer, Commands, Mode, Shell},
    health::{Conditions, Supervisor},
    host::ShadowTotals,
    launcher::Launcher,
    manage::log::LogBook,
    protocol::{
        Cx, Effect, Holds, Member, Outbox, Protocol, Protocols, Settings, Shared, Switches, Visitor, Witness,
    },
    publish::Publisher,
};

/// What the core holds of the link to workers.
#[derive(Debug)]
pub struct CoreLink {
    /// The published snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Shared with workers: sessions and what else outlives a snapshot.
    pub tables: Tables,
    /// By worker.
    pub stats: Vec<Arc<WorkerStats>>,
    /// What workers tell, by worker.
    pub events: Vec<Consumer<Event>>,
}

impl CoreLink {
    /// Parts control's end into the core's and the frames to and from the kernel (by worker), which shadows serve.
    pub fn split(end: ControlEnd) -> (Self, Vec<FrameReceiver>, Vec<FrameSender>) {
        let core = Self { snapshot: end.snapshot, tables: end.tables, stats: end.stats, events: end.events };
        (core, end.punts, end.injects)
    }
}

/// The owner of control state, with the subsystems of the list `L`.
#[derive(Debug)]
pub struct Core<L: Protocols> {
    running: Arc<L::Configuration>,
    list: L,
    shared: Shared,
    out: Outbox,
    events: Vec<Consumer<Event>>,
    /// When workers are looked at next.
    poll: Nanos,
    /// What is wrong, and when that is looked at next.
    conditions: Conditions,
    diagnosis: Nanos,
    /// The process is about to end.
    draining: bool,
    recorder: Option<Recorder>,
    /// Mode and text of the configuration line that is being run, while that is recorded.
    entered: Option<(&'static Mode, String)>,
}

impl<L: Protocols> Core<L> {
    /// A core with an empty configuration.
    ///
    /// `startup` is the file that `write memory` writes; `log` takes the lines of `debug`; `now` starts the watch over
    /// workers.
    pub fn new(link: CoreLink, startup: Option<PathBuf>, log: LogBook, now: Nanos) -> Self {
        let shared = Shared {
            now,
            wall: SystemTime::UNIX_EPOCH,
            tables: link.tables,
            supervisor: Supervisor::new(link.stats.len(), now),
            stats: link.stats,
            ports: None,
            publisher: Publisher::new(link.snapshot),
            log,
            switches: Switches::default(),
            settings: Settings::default(),
            library: String::new(),
            startup,
            shadows: ShadowTotals::default(),
            launcher: Launcher::default(),
            witness: Witness::default(),
            checks: Vec::new(),
            found: Vec::new(),
            bus: Bus::default(),
        };
        Self {
            running: Arc::default(),
            list: L::new(&shared),
            shared,
            out: Outbox::default(),
            events: link.events,
            poll: now,
            conditions: Conditions::new(now),
            diagnosis: now,
            draining: false,
            recorder: None,
            entered: None,
        }
    }

    /// Every EXEC command: the core's own and those of the list.
    ///
    /// # Panics
    /// When a declaration in our own tables makes no sense; a test loads them.
    pub fn commands() -> Commands<Self> {
        let lines = commands::own::<L>().into_iter().chain(L::exec::<Self>());
        Commands::new(lines).expect("the tables of commands are checked by a test")
    }

    /// A shell over `commands`.
    pub fn shell(commands: Arc<Commands<Self>>, privileged: bool) -> Shell<Self> {
        Shell::new(commands, privileged)
    }

    /// Runs a line of a shell.
    pub fn execute(&mut self, shell: &mut Shell<Self>, line: &str) -> Answer {
        let entered = self.recorder.as_ref().and_then(|_| shell.entered(line));
        let answer = match entered {
            Some((mode, text)) if !mode.is_configuration() => {
                self.step(self.told(|| Told::Command(mode.name, text)), |core| shell.begin(line, core))
            }
            entered => {
                self.entered = entered;
                shell.begin(line, self)
            }
        };
        if answer.reply.left_configuration {
            tracing::info!(mnemonic = "SYS-5-CONFIG_I", "Configured from console by console");
        }
        answer
    }

    /// The running configuration.
    pub fn running(&self) -> &Arc<L::Configuration> {
        &self.running
    }

    /// Does something with each subsystem, in the order of the list.
    pub fn visit(&mut self, visitor: &mut impl Visitor<L>) {
        self.list.each(visitor);
        self.run_to_completion();
    }

    /// What all subsystems may look at.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// For whoever keeps it fresh: ports, checks, totals.
    pub fn shared_mut(&mut self) -> &mut Shared {
        &mut self.shared
    }

    /// A subsystem's state.
    pub fn state<P: Protocol>(&mut self) -> &P
    where
        L: Member<P>,
    {
        self.list.instance().state()
    }

    /// What must be done outside since the last call, in this order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out.effects)
    }

    /// What a subsystem has asked of its tasks, while it has none.
    pub fn take_orders<P: Protocol>(&mut self) -> Vec<P::Order>
    where
        L: Member<P>,
    {
        self.list.instance().take_orders()
    }
}

impl<L: Protocols> Holds<L> for Core<L> {
    fn with<P: Protocol, R>(&mut self, work: impl FnOnce(&mut P, &mut Cx<'_, P>) -> R) -> R
    where
        L: Member<P>,
    {
        let config = L::config(&self.running);
        let result = self.list.instance().with(config, &self.shared, &mut self.out, work);
        self.run_to_completion();
        result
    }
}
