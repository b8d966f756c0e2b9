//! The DFP manager's share of the core: which agents are wanted, what they have reported, and the weights of reals that
//! follow from it. Whoever runs the connections (`dfp::manager::io`) tells it what comes.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use common::{
    slb::{RealLive, RealState},
    time::Nanos,
};

use crate::{
    configuration::Configuration,
    core::Core,
    dfp::{
        counter::Counters,
        manager::{
            config::{DfpAgent, ManagerConfig},
            view::{AgentView, ConnectionState, View},
            weights::{Service, Target, Weights},
        },
        packet::{BindId, BindTable, Load, Protocol, Row},
        password::DfpPassword,
        security::{Key, Keyring},
        view::{Clock, PasswordView},
    },
    slb::{
        config::{FarmConfig, Protocol as Transport, SlbConfig},
        state::RealKey,
    },
};

/// One configured agent, told apart from one that had its address before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AgentId {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// Another one after each `no agent`.
    pub incarnation: u64,
}

/// What the manager should run for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub id: AgentId,
    /// Its line.
    pub config: DfpAgent,
    /// Rises when the line is entered once more, changed or not.
    pub entered: u32,
    /// Some farm has a BindID.
    pub bind_ids: bool,
}

/// What is known of a connection.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// State.
    pub state: ConnectionState,
    /// What went wrong so far.
    pub counters: Counters,
    /// When the last valid message came.
    pub last_message: Option<SystemTime>,
    /// BindID tables.
    pub bind_ids: Arc<[BindTable]>,
}

/// What the core remembers for the manager.
#[derive(Debug, Default)]
pub(super) struct Manager {
    blocks: HashMap<SocketAddrV4, Block>,
    incarnation: u64,
    keys: Arc<ArcSwap<Keyring>>,
    /// An agent has been connected: from then on a new password has a change-over.
    opened: bool,
    weights: Weights,
    /// Reals by address.
    ties: HashMap<Ipv4Addr, Vec<Tie>>,
}

#[derive(Debug)]
struct Block {
    config: DfpAgent,
    incarnation: u64,
    entered: u32,
    status: Status,
}

/// A real as the manager sees it.
#[derive(Debug)]
struct Tie {
    live: Arc<RealLive>,
    port: Option<u16>,
    bind_id: BindId,
    services: Arc<[Service]>,
    retry: Duration,
    /// When a repeated report brought it back last.
    revived: Option<Nanos>,
    /// Agents were last told that it is usable.
    usable: bool,
}

impl Tie {
    fn target(&self, address: Ipv4Addr) -> Target<'_> {
        Target { address, port: self.port, bind_id: self.bind_id, services: &self.services }
    }

    /// A repeated report brings a failed real back, once in its retry time.
    fn revive(&mut self, weight: u16, now: Nanos) {
        let failed =
            matches!(self.live.state(), RealState::Failed | RealState::ReadyToTest | RealState::Testing);
        if failed && self.revived.is_none_or(|last| now.since(last) >= self.retry) {
            self.revived = Some(now);
            self.live.set_dfp(Some(weight.into()));
        }
    }
}

/// True unless failure detection or the configuration keeps new sessions away: what DFP itself does is no news to an
/// agent.
fn is_usable(state: RealState) -> bool {
    use RealState::{DfpThrottled, MaxClients, MaxConns, Operational};
    matches!(state, Operational | MaxConns | MaxClients | DfpThrottled)
}

fn address_of(config: &DfpAgent) -> SocketAddrV4 {
    SocketAddrV4::new(config.address, config.port)
}

fn services(slb: &SlbConfig, farm: &FarmConfig) -> Arc<[Service]> {
    let users = slb.vservers.iter().filter(|vserver| vserver.farms().any(|name| *name == farm.name));
    let addresses = users.filter_map(|vserver| vserver.address.as_ref());
    addresses
        .map(|address| {
            let protocol = match address.protocol {
                Transport::Udp => Protocol::UDP,
                Transport::Tcp => Protocol::TCP,
            };
            (protocol, address.port)
        })
        .collect()
}

impl Manager {
    /// The manager as shown.
    pub(super) fn view(&self, config: &ManagerConfig, now: Nanos) -> View {
        let keys = self.keys.load();
        let agents = config.agents.iter().map(|agent| {
            let view = AgentView::of(agent);
            let address = address_of(agent);
            match self.blocks.get(&address).map(|block| &block.status) {
                None => view,
                Some(status) => AgentView {
                    state: status.state,
                    counters: status.counters,
                    last_message: status.last_message.map(Clock),
                    reported: self.weights.reported(address),
                    bind_ids: status.bind_ids.to_vec(),
                    ..view
                },
            }
        });
        View {
            password: PasswordView {
                current: keys.has_current(now),
                pending: keys.has_pending(now),
                timeout: keys.remaining(now).as_millis().div_ceil(1000) as u64,
            },
            agents: agents.collect(),
            weights: self.weights.views(),
        }
    }

    fn change_password(&mut self, new: Option<&DfpPassword>, now: Nanos) {
        let mut keys = Keyring::clone(&self.keys.load());
        match new {
            None => keys.clear(),
            Some(password) if self.opened => {
                let timeout = Duration::from_secs(password.timeout.into());
                keys.change(Key::new(&password.secret), timeout, now);
            }
            // Nobody has heard the old one yet.
            Some(password) => keys = Keyring::new(Some(Key::new(&password.secret))),
        }
        self.keys.store(Arc::new(keys));
    }

    /// Takes over the agents of a configuration: those that are gone lose their weights. True if something changes.
    fn configure(&mut self, old: Option<&ManagerConfig>, new: Option<&ManagerConfig>, now: Nanos) -> bool {
        if old == new {
            return false;
        }
        if new.is_none() {
            self.opened = false;
        }
        let password = |config: Option<&ManagerConfig>| config.and_then(|config| config.password.clone());
        if password(old) != password(new) {
            self.change_password(password(new).as_ref(), now);
        }
        let agents = new.map_or(&[][..], |config| &config.agents);
        let wanted: HashSet<_> = agents.iter().map(address_of).collect();
        let gone: Vec<_> = self.blocks.keys().filter(|address| !wanted.contains(address)).copied().collect();
        for address in gone {
            self.blocks.remove(&address);
            let touched = self.weights.forget(address);
            self.apply(touched);
        }
        for agent in agents {
            let incarnation = &mut self.incarnation;
            let block = self.blocks.entry(address_of(agent)).or_insert_with(|| {
                *incarnation += 1;
                Block { config: *agent, incarnation: *incarnation, entered: 0, status: Status::default() }
            });
            // Two changes between two looks may end where they began: the line was entered all the same.
            if std::mem::replace(&mut block.config, *agent) != *agent {
                block.entered = block.entered.wrapping_add(1);
            }
        }
        true
    }

    fn is_current(&self, id: AgentId) -> bool {
        self.blocks.get(&id.address).is_some_and(|block| block.incarnation == id.incarnation)
    }

    /// Brings the reals at these addresses to the weights of the table. Nothing was heard of them.
    fn apply(&self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        for address in addresses {
            for tie in self.ties.get(&address).into_iter().flatten() {
                let weight = self.weights.weight(&tie.target(address)).map(u32::from);
                if weight != tie.live.dfp_weight() {
                    tie.live.override_weight(weight);
                }
            }
        }
    }

    /// Brings the reals that a report is about to its weights. More than 0 brings a failed one back.
    fn heed(&mut self, rows: &[Row], now: Nanos) {
        let mut seen = HashSet::new();
        for row in rows {
            let address = row.key.address;
            if !seen.insert(address) {
                continue;
            }
            for tie in self.ties.get_mut(&address).into_iter().flatten() {
                let Some(weight) = self.weights.weight(&tie.target(address)) else { continue };
                if tie.live.dfp_weight() != Some(weight.into()) {
                    tie.live.set_dfp(Some(weight.into()));
                } else if weight > 0
                    && rows.iter().any(|row| row.weight > 0 && tie.target(address).matches(&row.key))
                {
                    tie.revive(weight, now);
                }
            }
        }
    }
}

impl Core {
    /// What the manager should run. [`Effects::dfp_changed`](crate::core::Effects) says when it is another.
    pub fn dfp_wanted(&self) -> Vec<Wanted> {
        let bind_ids = self.running.slb.farms.iter().any(|farm| farm.bindid != 0);
        let wanted = |(address, block): (&SocketAddrV4, &Block)| Wanted {
            id: AgentId { address: *address, incarnation: block.incarnation },
            config: block.config,
            entered: block.entered,
            bind_ids,
        };
        self.dfp.manager.blocks.iter().map(wanted).collect()
    }

    /// The manager's passwords, always as they are now. Their times are those of [`Core::tick`].
    pub fn dfp_keys(&self) -> Arc<ArcSwap<Keyring>> {
        Arc::clone(&self.dfp.manager.keys)
    }

    /// An agent reports weights; workers heed them from the next packet on. Returns how many rows found no room.
    pub fn dfp_report(&mut self, id: AgentId, loads: &[Load], at: SystemTime) -> u64 {
        let now = self.now;
        let manager = &mut self.dfp.manager;
        if !manager.is_current(id) {
            return 0;
        }
        let rows: Vec<Row> = loads.iter().flat_map(Load::rows).collect();
        let dropped = manager.weights.report(id.address, rows.iter().copied(), at);
        manager.heed(&rows, now);
        dropped
    }

    /// The connection with an agent is lost: the static weights return where its rows were.
    pub fn dfp_lost(&mut self, id: AgentId) {
        let manager = &mut self.dfp.manager;
        if manager.is_current(id) {
            let touched = manager.weights.forget(id.address);
            manager.apply(touched);
        }
    }

    /// What is to be shown of a connection.
    pub fn dfp_status(&mut self, id: AgentId, status: Status) {
        let manager = &mut self.dfp.manager;
        if manager.is_current(id)
            && let Some(block) = manager.blocks.get_mut(&id.address)
        {
            manager.opened |= status.state == ConnectionState::Open;
            block.status = status;
        }
    }

    /// The line of an agent was entered once more, and changes nothing.
    pub(in crate::core) fn dfp_entered_again(&mut self, address: SocketAddrV4) {
        if let Some(block) = self.dfp.manager.blocks.get_mut(&address) {
            block.entered = block.entered.wrapping_add(1);
            self.effects.dfp_changed = true;
        }
    }

    /// Takes over the running configuration, which has just replaced `old`.
    pub(in crate::core) fn dfp_configured(&mut self, old: &Configuration) {
        let (slb, manager) = (&self.running.slb, &self.running.dfp.manager);
        if old.slb == *slb && old.dfp.manager == *manager {
            return;
        }
        let bind_ids = |slb: &SlbConfig| slb.farms.iter().any(|farm| farm.bindid != 0);
        self.effects.dfp_changed |= bind_ids(&old.slb) != bind_ids(slb);
        self.effects.dfp_changed |=
            self.dfp.manager.configure(old.dfp.manager.as_ref(), manager.as_ref(), self.now);
        self.tie_reals();
        let addresses: Vec<_> = self.dfp.manager.ties.keys().copied().collect();
        self.dfp.manager.apply(addresses);
    }

    /// Finds the reals by address anew.
    fn tie_reals(&mut self) {
        let old = std::mem::take(&mut self.dfp.manager.ties).into_values().flatten();
        let mut old: HashMap<_, Tie> = old.map(|tie| (Arc::as_ptr(&tie.live), tie)).collect();
        let slb = &self.running.slb;
        for farm in &slb.farms {
            let services = services(slb, farm);
            for real in &farm.reals {
                let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
                let Some((_, entry)) = self.slb.reals.get(&key) else { continue };
                let known = old.remove(&Arc::as_ptr(&entry.live));
                let tie = Tie {
                    live: Arc::clone(&entry.live),
                    port: real.port,
                    bind_id: BindId(farm.bindid),
                    services: Arc::clone(&services),
                    retry: Duration::from_secs(real.retry.into()),
                    revived: known.as_ref().and_then(|tie| tie.revived),
                    usable: known.map_or_else(|| is_usable(entry.live.state()), |tie| tie.usable),
                };
                self.dfp.manager.ties.entry(real.address).or_default().push(tie);
            }
        }
    }

    /// Tells the agents that report on a real when it stops or starts being usable for another reason than DFP.
    pub(in crate::core) fn watch_dfp(&mut self) {
        let manager = &mut self.dfp.manager;
        let mut news: HashMap<SocketAddrV4, Vec<Row>> = HashMap::new();
        for (address, ties) in &mut manager.ties {
            for tie in ties {
                let usable = is_usable(tie.live.state());
                if std::mem::replace(&mut tie.usable, usable) == usable {
                    continue;
                }
                let weight = if usable { u16::try_from(tie.live.weight()).unwrap_or(u16::MAX) } else { 0 };
                for (agent, key) in manager.weights.rows_of(&tie.target(*address)) {
                    news.entry(agent).or_default().push(Row { key, weight });
                }
            }
        }
        self.effects.server_states.extend(news);
    }
}
