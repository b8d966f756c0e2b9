//! Server load balancing for Mobile IP: settings and their lines, checks, the control half of the state machines, `show`
//! and `debug`. The workers' half is `common::slb`.

mod capacity;
pub mod check;
pub mod command;
mod conditions;
pub mod config;
pub mod debug;
mod exec;
mod feedback;
pub mod fsm;
mod metrics;
mod overload;
pub mod plan;
mod poll;
mod probe;
mod publish;
pub(crate) mod purge;
mod sessions;
pub mod show;
pub mod slots;
pub mod state;
mod trace;
mod views;

use std::sync::Arc;

use common::{event::Event, slb::Alarm, snapshot::Snapshot, time::Nanos};

use self::{
    config::SlbConfig,
    overload::Overload,
    plan::Resolution,
    probe::Probes,
    purge::{Purge, PurgeOf},
    state::SlbState,
};
use crate::{
    bus::{Fact, Server, VirtualServer},
    command::{ConfigError, ConfigWriter},
    health::{Condition, Found, table_check},
    manage::operator::Check,
    protocol::{Checked, Claims, Commands, Cx, Input, Io, Protocol, Report, Shared},
};

/// Control's half of the balancer: slots, purges, timers and overload.
#[derive(Debug)]
pub struct Slb {
    state: SlbState,
    /// Where each real's packets go.
    resolution: Resolution,
    /// Something else than the network has changed since the last publication.
    changed: bool,
    pub(crate) purges: Vec<Purge>,
    /// Whose sessions end once the next snapshot is out.
    gone: Vec<PurgeOf>,
    alarm: Alarm,
    overload: Overload,
    probes: Probes,
    /// The virtual addresses are withdrawn for good.
    stopping: bool,
    /// As the others were last told.
    servers: Arc<[Server]>,
    capacity: Arc<[VirtualServer]>,
    /// When it was polled last: what is shown of sessions is as of then.
    polled: Nanos,
}

impl Protocol for Slb {
    const NAME: &'static str = "slb";
    type Config = SlbConfig;
    type Message = probe::Message;
    type Order = probe::Order;

    fn new(shared: &Shared) -> Self {
        let workers = u8::try_from(shared.stats.len()).unwrap_or(u8::MAX);
        Self {
            state: SlbState::new(workers),
            resolution: Resolution::default(),
            changed: false,
            purges: Vec::new(),
            gone: Vec::new(),
            alarm: Alarm::Normal,
            overload: Overload::default(),
            probes: Probes::default(),
            stopping: false,
            servers: Arc::new([]),
            capacity: Arc::new([]),
            polled: shared.now,
        }
    }

    fn commands() -> Commands<Self> {
        Commands {
            configuration: command::commands()
                .map(|line| line.within(|config: &mut SlbConfig| config))
                .collect(),
            exec: exec::specs(),
            switches: vec![&debug::SESSIONS, &debug::PROBE],
        }
    }

    fn print(config: &SlbConfig, out: &mut ConfigWriter) {
        config.print(out);
    }

    fn check(config: &SlbConfig, claims: &Claims) -> Checked {
        match check::check(config, claims.subnets()) {
            Ok(warnings) => Ok(warnings.iter().map(ToString::to_string).collect()),
            Err(refusal) => Err(vec![ConfigError::from(refusal)]),
        }
    }

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Configured(old) => self.configured(old, cx),
            Input::Network(_) => cx.publish(),
            Input::Debug => {
                self.change(cx);
                self.debug_probes(cx);
            }
            Input::Published { generation } => self.published(generation, cx),
            Input::Events(events) => Self::print_events(events, cx),
            Input::Fact(Fact::Weight(weight)) => self.apply_weight(weight, cx.now()),
            Input::Timer => self.poll(cx),
            Input::Message(message) => self.probe_message(&message, cx),
            Input::TasksDied => self.resume_probes(cx),
            Input::Stop => {
                self.stopping = true;
                self.change(cx);
            }
            Input::Repeated { .. } | Input::Ports(_) | Input::Host(_) | Input::Fact(_) => {}
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        Some(self.polled.after(poll::INTERVAL))
    }

    fn publish(&mut self, next: &mut Snapshot, cx: &mut Cx<'_, Self>) {
        self.build(next, cx);
    }

    fn conditions() -> Vec<&'static Condition> {
        conditions::all()
    }

    fn diagnose(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Found> {
        self.found(cx)
    }

    fn checks(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Check> {
        let balancer = &cx.shared.tables.slb;
        vec![
            table_check("sessions", balancer.occupancy(), balancer.capacity().into()),
            Check { name: "load".into(), healthy: true, reason: self.overload.health_line() },
        ]
    }

    fn report(&mut self, out: &mut Report, cx: &mut Cx<'_, Self>) {
        self.metrics(out, cx);
    }

    async fn start(io: Io<Self>) {
        probe::run(io).await;
    }
}

impl Slb {
    fn configured(&mut self, old: &SlbConfig, cx: &mut Cx<'_, Self>) {
        match self.state.assign(cx.config) {
            Ok(gone) => {
                self.gone.extend(gone.reals.into_iter().map(PurgeOf::Real));
                self.gone.extend(gone.vservers.into_iter().map(PurgeOf::Vserver));
            }
            Err(full) => tracing::error!("SLB: {full}: the configuration was checked for that"),
        }
        let was = old.vservers.iter().filter(|vserver| vserver.inservice);
        let stopped = was
            .filter(|old| cx.config.vserver(&old.name).is_some_and(|new| !new.inservice))
            .filter_map(|old| self.state.vservers.get(&old.name).map(|(_, entry)| entry.id));
        self.gone.extend(stopped.map(PurgeOf::Vserver));
        self.configure_probes(cx);
        self.change(cx);
    }

    /// Its part changes whatever the network does.
    fn change(&mut self, cx: &mut Cx<'_, Self>) {
        self.changed = true;
        cx.publish();
    }

    fn published(&mut self, generation: u64, cx: &mut Cx<'_, Self>) {
        for farm in cx.shared.snapshot().slb.farms.iter().flatten() {
            farm.live.advance(farm);
        }
        for of in std::mem::take(&mut self.gone) {
            self.begin_purge(of, generation, cx);
        }
        self.watch_reals();
        self.tell(cx);
    }

    fn print_events(events: &[Event], cx: &Cx<'_, Self>) {
        if !cx.is_debugging(&debug::SESSIONS) {
            return;
        }
        let snapshot = cx.shared.snapshot();
        for event in events {
            if let Event::Session(event) = event {
                Self::print_session(&snapshot, event, cx);
            }
        }
    }
}
