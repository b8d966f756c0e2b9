//! The manager: the connection to each agent (`fsm`), what agents have reported (`weights`), and the weights of servers
//! that follow from it.

mod bind;
pub mod commands;
pub mod config;
pub mod fsm;
mod peer;
pub mod view;
pub mod weights;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use common::{id::RealId, time::Nanos};

use self::{
    config::{DfpAgent, ManagerConfig},
    fsm::{Action, Event},
    peer::Peer,
    view::View,
    weights::Weights,
};
use super::{
    Dfp,
    counter::Counter,
    debug,
    log::Notice,
    packet::{Load, Row, reports},
    security::Keyring,
    sockets::{LinkId, SocketEvent},
    view::PasswordView,
};
use crate::{
    bus::{Fact, Server, Weight, WeightSource},
    command::Args,
    protocol::Cx,
};

/// A server as the manager sees it.
#[derive(Debug)]
struct Binding {
    server: Server,
    /// The weight that was told of it last.
    told: Option<u16>,
}

/// All connections to agents, and what came of them.
#[derive(Debug, Default)]
pub struct Manager {
    pub(super) peers: BTreeMap<SocketAddrV4, Peer>,
    /// Whose an attempt or a connection is.
    links: HashMap<LinkId, SocketAddrV4>,
    opened: u64,
    keys: Keyring,
    /// An agent has been connected: from then on a new password has a change-over.
    connected: bool,
    weights: Weights,
    bindings: HashMap<Ipv4Addr, Vec<Binding>>,
    /// Some farm has a BindID.
    bind_ids: bool,
}

impl Manager {
    /// Takes over another configuration: agents that are gone lose their weights.
    pub fn configure(&mut self, old: Option<&ManagerConfig>, cx: &mut Cx<'_, Dfp>) {
        let new = cx.config.manager.as_ref();
        if new.is_none() {
            self.connected = false;
        }
        let password = |config: Option<&ManagerConfig>| config.and_then(|config| config.password.clone());
        if password(old) != password(new) {
            self.keys.observe_through(&cx.shared.witness);
            self.keys.configure(password(new).as_ref(), self.connected, cx.now());
        }
        let agents = new.map_or(&[][..], |config| &config.agents);
        let wanted: HashSet<_> = agents.iter().map(DfpAgent::socket).collect();
        let gone: Vec<_> = self.peers.keys().filter(|address| !wanted.contains(address)).copied().collect();
        for address in gone {
            self.handle(address, Event::Removed, cx);
            self.peers.remove(&address);
        }
        for agent in agents {
            let address = agent.socket();
            match self.peers.get(&address) {
                Some(peer) if peer.config == *agent => {}
                Some(_) => self.handle(address, Event::Entered(*agent), cx),
                None => {
                    self.peers.insert(address, Peer::new(*agent, jitter(address, cx)));
                    self.handle(address, Event::BindIds(self.bind_ids), cx);
                    self.handle(address, Event::Entered(*agent), cx);
                }
            }
        }
    }

    /// A line `agent` was entered once more.
    pub fn repeat(&mut self, args: &Args, cx: &mut Cx<'_, Dfp>) {
        let (Some(address), Some(port)) = (args.ip("address"), args.int("port")) else { return };
        let address = SocketAddrV4::new(address, port);
        if let Some(config) = self.peers.get(&address).map(|peer| peer.config) {
            self.handle(address, Event::Entered(config), cx);
        }
    }

    /// Takes over the servers: finds those that rows are about anew, and tells agents which became usable or unusable for
    /// another reason than their reports.
    pub fn bind(&mut self, servers: &[Server], cx: &mut Cx<'_, Dfp>) {
        let mut old: HashMap<RealId, Binding> =
            self.bindings.drain().flat_map(|(_, bindings)| bindings).map(|it| (it.server.id, it)).collect();
        let mut changed: BTreeMap<SocketAddrV4, Vec<Row>> = BTreeMap::new();
        for server in servers {
            let known = old.remove(&server.id);
            if known.as_ref().is_some_and(|known| known.server.usable != server.usable) {
                let weight = if server.usable { u16::try_from(server.weight).unwrap_or(u16::MAX) } else { 0 };
                for (agent, key) in self.weights.rows_of(server) {
                    changed.entry(agent).or_default().push(Row { key, weight });
                }
            }
            let binding = Binding { server: server.clone(), told: known.and_then(|known| known.told) };
            self.bindings.entry(server.address).or_default().push(binding);
        }
        self.apply_table(servers.iter().map(|server| server.address), cx);
        for (agent, rows) in changed {
            for loads in reports(rows) {
                self.handle(agent, Event::ServerState(loads), cx);
            }
        }
        let bind_ids = servers.iter().any(|server| server.bind_id != 0);
        if std::mem::replace(&mut self.bind_ids, bind_ids) != bind_ids {
            for address in self.peers.keys().copied().collect::<Vec<_>>() {
                self.handle(address, Event::BindIds(bind_ids), cx);
            }
        }
    }

    /// Takes over what the sockets tell of an attempt or a connection.
    pub fn event(&mut self, event: SocketEvent, cx: &mut Cx<'_, Dfp>) {
        let Some(address) = event.link().and_then(|link| self.links.get(&link).copied()) else { return };
        if let SocketEvent::Failed(link, _) = &event {
            self.links.remove(link);
        }
        let peer = self.peers.get_mut(&address);
        let events = peer.map(|peer| peer.event(event, &self.keys, cx)).unwrap_or_default();
        for event in events {
            self.handle(address, event, cx);
        }
    }

    /// When [`Manager::expire`] must be called.
    pub fn deadline(&self) -> Option<Nanos> {
        self.peers.values().filter_map(Peer::deadline).min()
    }

    /// Does what is due.
    pub fn expire(&mut self, cx: &mut Cx<'_, Dfp>) {
        let now = cx.now();
        let due = self.peers.iter().filter(|(_, peer)| peer.deadline().is_some_and(|at| at <= now));
        for address in due.map(|(address, _)| *address).collect::<Vec<_>>() {
            let slow = self.peers.get_mut(&address).and_then(|peer| peer.expire(now));
            for event in slow.into_iter().chain([Event::Tick]) {
                self.handle(address, event, cx);
            }
        }
    }

    /// The sockets are no more, and all connections and attempts with them.
    pub fn lose_all(&mut self, cx: &mut Cx<'_, Dfp>) {
        for address in self.peers.keys().copied().collect::<Vec<_>>() {
            self.handle(address, Event::Ended, cx);
            if let Some(peer) = self.peers.get_mut(&address) {
                peer.tcp = None;
            }
            self.handle(address, Event::ConnectFailed, cx);
        }
    }

    /// Lets the state machine of an agent decide, and does what follows: weights first of all.
    pub(super) fn handle(&mut self, address: SocketAddrV4, event: Event, cx: &mut Cx<'_, Dfp>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(peer) = self.peers.get_mut(&address) else { return };
            for action in peer.handle(event, cx) {
                events.extend(self.perform(address, action, cx));
            }
        }
    }

    /// Does one thing; what has come of it.
    fn perform(&mut self, address: SocketAddrV4, action: Action, cx: &mut Cx<'_, Dfp>) -> Option<Event> {
        let peer = self.peers.get_mut(&address)?;
        match action {
            Action::Weights(loads) => {
                let dropped = self.apply_report(address, &loads, cx);
                if dropped > 0 {
                    let peer = self.peers.get_mut(&address)?;
                    peer.counters.add(Counter::TableOverflow, dropped);
                    peer.notice(Notice::Overflow { agent: address }, cx.now());
                }
            }
            Action::WeightsLost => {
                let touched = self.weights.forget(address);
                self.apply_table(touched, cx);
            }
            Action::Connect => {
                self.opened += 1;
                let link = LinkId::Opened(self.opened);
                self.links.insert(link, address);
                peer.open(link, cx);
            }
            Action::Close => {
                let link = peer.close(cx)?;
                self.links.remove(&link);
            }
            Action::Send(message) => return peer.write(&message, &self.keys, cx),
            Action::State { from, to } => peer.debug(cx, |agent| debug::state(agent, from, to)),
            Action::Opened => {
                self.connected = true;
                peer.notice(Notice::Opened { agent: address }, cx.now());
            }
            Action::GaveUp { attempts } => peer.notice(Notice::GaveUp { attempts, agent: address }, cx.now()),
            Action::Lost(loss) => peer.lost(loss, cx),
        }
        None
    }

    /// Brings the servers at these addresses to the weights of the table. Nothing was heard of them.
    fn apply_table(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>, cx: &mut Cx<'_, Dfp>) {
        for address in addresses {
            for binding in self.bindings.get_mut(&address).into_iter().flatten() {
                let weight = self.weights.weight(&binding.server);
                if weight != binding.told {
                    binding.tell(weight, WeightSource::Table, cx);
                }
            }
        }
    }

    /// Brings the servers that a report is about to its weights, whether they are new or not: more than 0 says that they
    /// are alive. Returns how many rows found no room.
    fn apply_report(&mut self, agent: SocketAddrV4, loads: &[Load], cx: &mut Cx<'_, Dfp>) -> u64 {
        let rows: Vec<Row> = loads.iter().flat_map(Load::rows).collect();
        let dropped = self.weights.report(agent, rows.iter().copied(), cx.wall());
        let addresses: BTreeSet<_> = rows.iter().map(|row| row.key.address).collect();
        for address in addresses {
            for binding in self.bindings.get_mut(&address).into_iter().flatten() {
                let Some(weight) = self.weights.weight(&binding.server) else { continue };
                let about = |row: &Row| row.weight > 0 && weights::matches(&binding.server, &row.key);
                let alive = rows.iter().any(about);
                binding.tell(Some(weight), WeightSource::Report { alive }, cx);
            }
        }
        dropped
    }

    /// The manager as shown, with its agents in the order of the configuration.
    pub fn view(&self, config: Option<&ManagerConfig>, now: Nanos) -> View {
        let Some(config) = config else { return View::default() };
        let peer = |agent: &DfpAgent| self.peers.get(&agent.socket());
        let view = |peer: &Peer| peer.view(self.weights.reported(peer.address()));
        View {
            password: PasswordView::of(&self.keys, now),
            agents: config.agents.iter().filter_map(peer).map(view).collect(),
            weights: self.weights.views(),
        }
    }
}

impl Binding {
    fn tell(&mut self, weight: Option<u16>, source: WeightSource, cx: &mut Cx<'_, Dfp>) {
        self.told = weight;
        cx.tell(Fact::Weight(Weight { server: self.server.id, weight, source }));
    }
}

/// The wait before a quick reconnect: unlike those of other agents, and of another run.
fn jitter(address: SocketAddrV4, cx: &Cx<'_, Dfp>) -> Duration {
    let mut hasher = DefaultHasher::new();
    (address, cx.wall()).hash(&mut hasher);
    Duration::from_millis(hasher.finish() % 1000)
}
