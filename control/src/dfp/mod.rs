//! Dynamic Feedback Protocol (draft-eck-dfp-01): agents report weights of servers, a manager balances by them.
//!
//! `packet` is the bytes, `security` the keys, `stream` the framing on TCP, `inbound` all three as the receiving half
//! of a connection. `manager` and `agent` are the two roles as state machines, `sockets` the TCP of both. `standalone` is
//! an agent without a director.

mod agent;
mod config;
pub mod counter;
mod debug;
mod exec;
pub(crate) mod host_load;
pub mod inbound;
mod log;
mod manager;
mod metrics;
pub mod packet;
mod password;
pub mod security;
mod sockets;
pub mod standalone;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
mod view;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use common::time::Nanos;
use serde::{Deserialize, Serialize};

pub use self::config::DfpConfig;
use self::{
    agent::{
        config::{AgentConfig, Subsystem},
        fsm::{Agent, Table},
        table,
    },
    debug::Facility,
    host_load::{HostLoad, Sampler},
    manager::Manager,
    sockets::{SocketEvent, SocketOrder, Sockets},
};
use crate::{
    bus::{Fact, HomeAgent, VirtualServer},
    command::{ConfigWriter, Form},
    protocol::{Commands, Cx, Input, Io, Protocol, Report, Shared},
};

/// DFP: the manager and our own agents.
#[derive(Debug)]
pub struct Dfp {
    manager: Manager,
    agents: BTreeMap<Subsystem, Agent>,
    /// Address that agents listen on.
    address: Ipv4Addr,
    virtual_servers: Arc<[VirtualServer]>,
    home_agent: Option<HomeAgent>,
    /// What is left of this host, as it was measured for the home agent.
    host_load: Option<HostLoad>,
    /// New work is no longer wanted.
    stopping: bool,
}

/// What the tasks tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Of a socket.
    Socket(SocketEvent),
    /// What is left of this host; none: it cannot be measured, or not yet.
    HostLoad(Option<HostLoad>),
}

/// What is asked of the tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Of a socket.
    Socket(SocketOrder),
    /// Measure what is left of this host.
    Measure,
}

impl Protocol for Dfp {
    const NAME: &'static str = "dfp";
    type Config = DfpConfig;
    type Message = Message;
    type Order = Order;

    fn new(_: &Shared) -> Self {
        Self {
            manager: Manager::default(),
            agents: BTreeMap::new(),
            address: Ipv4Addr::UNSPECIFIED,
            virtual_servers: Arc::new([]),
            home_agent: None,
            host_load: None,
            stopping: false,
        }
    }

    fn commands() -> Commands<Self> {
        Commands {
            configuration: config::commands().collect(),
            exec: exec::specs(),
            switches: vec![&debug::AGENT, &debug::MANAGER],
        }
    }

    fn print(config: &DfpConfig, out: &mut ConfigWriter) {
        config.print(out);
    }

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Configured(old) => {
                self.manager.configure(old.manager.as_ref(), cx);
                self.configure_agents(cx);
            }
            Input::Repeated { mode, args, form: Form::Set } if *mode == manager::commands::DFP => {
                self.manager.repeat(args, cx);
            }
            Input::Fact(Fact::Servers(servers)) => self.manager.bind(servers, cx),
            Input::Fact(Fact::VirtualServers(servers)) => {
                self.virtual_servers = Arc::clone(servers);
                self.table_changed(Subsystem::Slb, cx.now());
            }
            Input::Fact(Fact::HomeAgent(agent)) => {
                self.home_agent = *agent;
                self.table_changed(Subsystem::IpMobile, cx.now());
            }
            Input::Message(message) => self.message(message, cx),
            Input::TasksDied => {
                self.manager.lose_all(cx);
                self.agents.values_mut().for_each(|agent| agent.lose_all(cx.now()));
            }
            Input::Debug => {
                let on = cx.is_debugging(Facility::Agent.switch());
                self.agents.values_mut().for_each(|agent| agent.set_debug(on));
            }
            Input::Timer => {
                self.manager.expire(cx);
                self.agents.values_mut().for_each(|agent| agent.expire(cx.now()));
            }
            Input::Stop => {
                self.stopping = true;
                self.table_changed(Subsystem::Slb, cx.now());
                self.table_changed(Subsystem::IpMobile, cx.now());
            }
            Input::Repeated { .. }
            | Input::Fact(Fact::Weight(_) | Fact::AccessLists(_))
            | Input::Ports(_)
            | Input::Host(_)
            | Input::Network(_)
            | Input::Published { .. }
            | Input::Events(_) => return,
        }
        self.hand_out(cx);
        self.compute_weights(cx);
        self.hand_out(cx);
    }

    fn deadline(&self) -> Option<Nanos> {
        let agents = self.agents.values().filter_map(Agent::deadline);
        agents.chain(self.manager.deadline()).min()
    }

    fn report(&mut self, out: &mut Report, cx: &mut Cx<'_, Self>) {
        self.metrics(out, cx);
    }

    async fn start(io: Io<Self>) {
        let Io { mut orders, messenger, clock, .. } = io;
        let told = messenger.clone();
        let mut sockets = Sockets::new(Arc::new(move |event| told.tell(Message::Socket(event))));
        let mut sampler = Sampler::default();
        loop {
            tokio::select! {
                // Orders first: every connection accepted makes some, which must not pile up.
                biased;
                order = orders.recv() => match order {
                    Some(Order::Socket(order)) => sockets.perform(order).await,
                    Some(Order::Measure) => {
                        let load = sampler.sample(clock());
                        if let Err(error) = &load {
                            tracing::debug!("DFP: what is left of this host cannot be measured: {error}");
                        }
                        messenger.tell(Message::HostLoad(load.ok().flatten()));
                    }
                    None => break,
                },
                () = sockets.serve() => {}
            }
        }
        sockets.end().await;
    }
}

impl Dfp {
    fn message(&mut self, message: Message, cx: &mut Cx<'_, Self>) {
        match message {
            Message::Socket(event) => match self.agents.values_mut().find(|agent| agent.concerns(&event)) {
                Some(agent) => agent.event(event, cx.now()),
                None => match event.refuse() {
                    Some(refusal) => cx.order(Order::Socket(refusal)),
                    None => self.manager.event(event, cx),
                },
            },
            Message::HostLoad(load) => {
                self.host_load = load.or(self.host_load);
                self.tell(Subsystem::IpMobile, Agent::computed);
            }
        }
    }

    /// Takes over the agents of the configuration.
    fn configure_agents(&mut self, cx: &mut Cx<'_, Self>) {
        let wanted: Vec<_> = cx.config.agents.iter().map(|agent| agent.name.subsystem()).collect();
        let gone = self.agents.extract_if(.., |subsystem, _| !wanted.contains(subsystem));
        for order in gone.flat_map(|(_, agent)| agent.end(cx.now())).collect::<Vec<_>>() {
            cx.order(Order::Socket(order));
        }
        self.free_ports(cx);
        for config in &cx.config.agents {
            let subsystem = config.name.subsystem();
            if let Some(agent) = self.agents.get_mut(&subsystem) {
                if agent.config() != config {
                    agent.configure(config.clone(), cx.now());
                }
                continue;
            }
            let mut agent = Agent::new(config.clone(), self.address, cx.now());
            agent.observe_through(&cx.shared.witness);
            agent.set_debug(cx.is_debugging(Facility::Agent.switch()));
            self.agents.insert(subsystem, agent);
            self.table_changed(subsystem, cx.now());
        }
    }

    /// Closes the ports that agents no longer have, before another one may want them.
    fn free_ports(&mut self, cx: &mut Cx<'_, Self>) {
        for config in &cx.config.agents {
            let Some(agent) = self.agents.get_mut(&config.name.subsystem()) else { continue };
            let old = agent.config();
            if old.port.is_some() && old.port != config.port {
                let closed = AgentConfig { port: None, ..old.clone() };
                agent.configure(closed, cx.now());
            }
        }
        self.hand_out(cx);
    }

    /// What a subsystem reports; none: it has nothing to report, and its agent is not active.
    fn table(&self, subsystem: Subsystem) -> Option<Table> {
        match subsystem {
            Subsystem::Slb => Some(table::balancer(&self.virtual_servers, self.stopping)),
            Subsystem::IpMobile => {
                let agent = self.home_agent.as_ref();
                agent.map(|agent| table::home_agent(agent, self.host_load, self.stopping))
            }
        }
    }

    /// Tells an agent, if it is configured, what it has to report now.
    fn tell(&mut self, subsystem: Subsystem, how: impl FnOnce(&mut Agent, Option<Table>)) {
        let table = self.table(subsystem);
        if let Some(agent) = self.agents.get_mut(&subsystem) {
            how(agent, table);
        }
    }

    fn table_changed(&mut self, subsystem: Subsystem, now: Nanos) {
        self.tell(subsystem, |agent, table| agent.changed(table, false, now));
    }

    /// Gives the agents whose interval has ended the weights of now.
    fn compute_weights(&mut self, cx: &mut Cx<'_, Self>) {
        for subsystem in [Subsystem::Slb, Subsystem::IpMobile] {
            let Some(agent) = self.agents.get_mut(&subsystem) else { continue };
            if !agent.wants_weights(cx.now()) {
                continue;
            }
            if subsystem == Subsystem::IpMobile && self.home_agent.is_some() {
                // Its weights follow once this is answered.
                cx.order(Order::Measure);
            } else {
                self.tell(subsystem, Agent::computed);
            }
        }
    }

    /// Hands out what the agents want of the sockets and of debug.
    fn hand_out(&mut self, cx: &mut Cx<'_, Self>) {
        for agent in self.agents.values_mut() {
            for order in agent.take_orders(cx.now()) {
                cx.order(Order::Socket(order));
            }
            for line in agent.take_lines() {
                cx.debug(Facility::Agent.switch(), || line);
            }
        }
    }
}
