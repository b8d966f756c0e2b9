//! The home agent of Mobile IPv4 (RFC 5944): who registers, and where packets to mobile nodes go.
//!
//! `registration` decides, and knows nothing of sockets; `registrar` has it and puts what it decides into the tables of the
//! workers; `server` is the thread that has the registrar and answers, `shard` how others ask it something. The state here only
//! configures: no registration passes it.

mod commands;
mod conditions;
pub mod config;
mod debug;
mod exec;
mod frame;
mod hosts;
mod io;
mod load;
mod metrics;
mod policy;
pub mod registrar;
pub mod registration;
mod server;
mod shard;
mod show;
mod socket;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    config::Hugepages,
    mobile::{Bindings, HomeNetwork, MobilePart, MobileTables},
    net::{Network, Owner, PrefixMap},
    slb::PageBacking,
    snapshot::Snapshot,
    table::CapacityError,
    tables::Tables,
    time::Nanos,
};
use ipnet::Ipv4Net;

pub use self::io::{Message, Order};
use self::{
    config::MobileConfig,
    hosts::HostBook,
    load::{Load, Reading},
    registrar::Registrar,
    registration::Policy,
    shard::Shard,
};
use crate::{
    access_list::AccessLists,
    bus::{self, Fact},
    command::ConfigWriter,
    health::{Condition, Found, table_check},
    manage::operator::Check,
    protocol::{Checked, Claims, Commands, Cx, Input, Io, Protocol, Report, Shared},
};

/// Time between two looks at what the registrar has done.
const INTERVAL: Duration = Duration::from_secs(1);

/// The subsystem's state.
#[derive(Debug)]
pub struct HomeAgent {
    shard: Arc<Shard>,
    /// Addresses of this machine, and broadcast addresses of its networks.
    own: BTreeSet<Ipv4Addr>,
    broadcasts: BTreeSet<Ipv4Addr>,
    part: Arc<MobilePart>,
    access_lists: AccessLists,
    /// As the registrar was last told.
    policy: Arc<Policy>,
    hosts: HostBook,
    /// As the others were last told.
    told: Option<bus::HomeAgent>,
    load: Load,
    /// While there is a home agent, and while tunnels that have ended are not forgotten yet.
    due: Option<Nanos>,
    stopping: bool,
}

impl Protocol for HomeAgent {
    const NAME: &'static str = "home_agent";
    type Config = MobileConfig;
    type Message = Message;
    type Order = Order;

    fn new(shared: &Shared) -> Self {
        Self {
            shard: Arc::new(Shard::new(Registrar::new(shared.tables.mobile.clone()))),
            own: BTreeSet::new(),
            broadcasts: BTreeSet::new(),
            part: Arc::default(),
            access_lists: AccessLists::default(),
            policy: Arc::default(),
            hosts: HostBook::default(),
            told: None,
            load: Load::default(),
            due: None,
            stopping: false,
        }
    }

    fn commands() -> Commands<Self> {
        Commands {
            configuration: commands::SPECS
                .iter()
                .map(|line| line.within(|config: &mut MobileConfig| config))
                .collect(),
            exec: exec::specs(),
            switches: vec![&debug::MOBILE],
        }
    }

    fn print(config: &MobileConfig, out: &mut ConfigWriter) {
        config.print(out);
    }

    fn claim(config: &MobileConfig, claims: &mut Claims) {
        config.claim(claims);
    }

    fn check(config: &MobileConfig, claims: &Claims) -> Checked {
        config.check(claims)
    }

    fn restart_needed(now: &MobileConfig, next: &MobileConfig) -> Vec<&'static str> {
        if next.capacity() > now.capacity() { vec!["more bindings (`max-binding`)"] } else { Vec::new() }
    }

    fn tables(config: &MobileConfig, tables: Tables) -> Result<Tables, CapacityError> {
        let Some(capacity) = config.capacity() else { return Ok(tables) };
        // Where the session table has found some.
        let hugepages = match tables.slb.backing() {
            PageBacking::Huge => Hugepages::Auto,
            _ => Hugepages::Off,
        };
        let bindings = Bindings::with_random_key(capacity, hugepages)?;
        Ok(tables.with_mobile(MobileTables::new(bindings)))
    }

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Configured(old) => {
                let active = cx.config.is_active();
                if active || old.is_active() {
                    self.configure(cx);
                    cx.publish();
                }
                if old.is_active() != active {
                    self.listen(active, cx);
                }
            }
            Input::Network(network) => {
                let changed = self.look(network);
                if cx.config.is_active() {
                    if changed {
                        self.configure(cx);
                    }
                    // A network made anew has the claims of its owner only.
                    cx.publish();
                }
            }
            Input::Fact(Fact::AccessLists(lists)) => {
                self.access_lists = Arc::clone(lists);
                if cx.config.is_active() {
                    self.configure(cx);
                }
            }
            Input::Message(Message::Debug(line)) => cx.debug(&debug::MOBILE, || line),
            Input::Debug => {
                let on = cx.is_debugging(&debug::MOBILE);
                self.shard.ask(move |registrar| registrar.debug = on);
            }
            Input::TasksDied if !cx.config.is_active() => {}
            Input::TasksDied => self.listen(true, cx),
            Input::Timer => self.tick(cx),
            Input::Stop => {
                self.stopping = true;
                if cx.config.is_active() {
                    cx.serve_prefixes(BTreeSet::new());
                    cx.order(Order::Listen(false));
                    cx.publish();
                }
            }
            Input::Repeated { .. }
            | Input::Ports(_)
            | Input::Host(_)
            | Input::Published { .. }
            | Input::Events(_)
            | Input::Fact(_) => {}
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        self.due
    }

    fn publish(&mut self, next: &mut Snapshot, cx: &mut Cx<'_, Self>) {
        let active = cx.config.is_active() && !self.stopping;
        let mut net = (*next.net).clone();
        for owner in net.owners_mut().values_mut() {
            match *owner {
                Owner::Host(interface) if active => *owner = Owner::TunnelEnd(interface),
                Owner::TunnelEnd(interface) if !active => *owner = Owner::Host(interface),
                _ => {}
            }
        }
        // What comes to the same stays shared, so that nothing is published for it.
        net.share_with(&next.net);
        if !net.shares_all(&next.net) {
            next.net = Arc::new(net);
        }
        next.mobile = Arc::clone(&self.part);
    }

    fn conditions() -> Vec<&'static Condition> {
        conditions::all()
    }

    fn diagnose(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Found> {
        conditions::found(cx)
    }

    fn checks(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Check> {
        let tables = cx.shared.tables.mobile.as_ref().filter(|_| cx.config.is_active());
        let usage = tables.map(|tables| tables.bindings.usage());
        usage.map(|usage| table_check("bindings", usage.used, usage.capacity.into())).into_iter().collect()
    }

    fn report(&mut self, out: &mut Report, _: &mut Cx<'_, Self>) {
        metrics::report(&self.shard, out);
    }

    fn start(io: Io<Self>) -> impl Future<Output = ()> + Send {
        io::run(io)
    }
}

impl HomeAgent {
    /// Takes over what belongs to this machine; false: nothing is another.
    fn look(&mut self, network: &Network) -> bool {
        let is_own = |owner: &Owner| matches!(owner, Owner::Host(_) | Owner::TunnelEnd(_));
        let own = network.owners.iter().filter(|(_, owner)| is_own(owner)).map(|(address, _)| *address);
        let subnets = network.interfaces.iter().flat_map(|interface| &interface.addresses);
        let seen = (own.collect(), subnets.map(ipnet::Ipv4Net::broadcast).collect());
        let changed = (&self.own, &self.broadcasts) != (&seen.0, &seen.1);
        (self.own, self.broadcasts) = seen;
        changed
    }

    /// Has the tasks take requests, or none any more; bindings go on to end in time.
    fn listen(&self, on: bool, cx: &mut Cx<'_, Self>) {
        if on {
            cx.order(Order::Serve {
                shard: Arc::clone(&self.shard),
                tables: cx.shared.tables.mobile.clone(),
                published: cx.shared.publisher.cell(),
            });
        }
        cx.order(Order::Listen(on));
    }

    fn configure(&mut self, cx: &mut Cx<'_, Self>) {
        self.hosts.configure(&cx.config.hosts);
        let policy = policy::policy(cx.config, &self.own, &self.access_lists, &self.hosts);
        self.policy = Arc::new(policy);
        let policy = Arc::clone(&self.policy);
        let broadcasts = self.broadcasts.clone();
        self.shard.ask(move |registrar| registrar.configure(policy, broadcasts));
        let active = cx.config.is_active();
        let prefixes: BTreeSet<Ipv4Net> =
            if active { cx.config.prefixes().collect() } else { BTreeSet::new() };
        let mut networks = PrefixMap::default();
        for prefix in &prefixes {
            networks.insert(*prefix, HomeNetwork::Virtual);
        }
        let suppress_unreachable = cx.config.agent.as_ref().is_some_and(|agent| agent.suppress_unreachable);
        self.part = Arc::new(MobilePart { networks, suppress_unreachable });
        cx.serve_prefixes(prefixes);
        self.due.get_or_insert(cx.now());
        self.tell(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_, Self>) {
        self.due = cx.config.is_active().then(|| cx.now().after(INTERVAL));
        self.tell(cx);
        let Some(tables) = &cx.shared.tables.mobile else { return };
        let bindings = &tables.bindings;
        let used =
            cx.shared.stats.iter().map(|stats| stats.generation.load(std::sync::atomic::Ordering::Relaxed));
        bindings.reclaim(cx.shared.snapshot().generation, used.min().unwrap_or(u64::MAX));
        if bindings.waiting() > 0 {
            self.due = Some(cx.now().after(INTERVAL));
            // Records are free once workers have passed to a later snapshot: there must be one.
            self.part = Arc::new((*self.part).clone());
            cx.publish();
        }
    }

    /// Tells the load, for weights.
    fn tell(&mut self, cx: &mut Cx<'_, Self>) {
        let agent = cx.config.agent.as_ref().filter(|_| cx.config.is_active());
        let load = agent.map(|agent| {
            let stats = &cx.shared.stats;
            let reading = cx.observe("load", || Reading::take(&self.shard, stats));
            self.load.read(cx.now(), reading);
            bus::HomeAgent {
                bindings: reading.bindings,
                max_bindings: agent.max_binding.into(),
                calls: agent.max_cps.and_then(|possible| self.load.calls(possible)),
                busy: self.load.busy(),
                max_weight: agent.dfp_max_weight,
            }
        });
        if self.told != load {
            self.told = load;
            cx.tell(Fact::HomeAgent(load));
        }
    }
}
