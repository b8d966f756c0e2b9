//! Our own agents: what lines have made of them, and what they report.

use std::net::Ipv4Addr;

use super::Core;
use crate::{
    dfp::{
        agent::{
            capacity,
            config::{AgentConfig, Subsystem},
            fsm::Table,
            weight::HomeAgentLoad,
        },
        packet::{BindId, Protocol, Row, RowKey},
    },
    slb::{
        config::{FarmConfig, RealConfig},
        state::RealKey,
    },
};

/// Where registrations go.
const MOBILE_IP: u16 = 434;

/// Changes of one agent that wait for whoever runs it; after more the agent begins anew.
const MOST_CHANGES: usize = 256;

/// What a line has made of an agent. The last state alone does not tell: `no inservice` ends connections, also if
/// `inservice` follows before anybody looks, and an agent that was deleted is another one when it is there again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentChange {
    /// It is new, or has other settings.
    Set(AgentConfig),
    /// It is deleted, with all that it knows and whoever is connected.
    Removed(Subsystem),
}

impl AgentChange {
    fn subsystem(&self) -> Subsystem {
        match self {
            Self::Set(config) => config.name.subsystem(),
            Self::Removed(subsystem) => *subsystem,
        }
    }
}

/// Changes in their order, until they are taken.
#[derive(Debug, Default)]
pub(super) struct AgentChanges(Vec<AgentChange>);

impl AgentChanges {
    /// Compares the agents before and after a line, or a file.
    fn note(&mut self, old: &[AgentConfig], new: &[AgentConfig]) {
        let like = |agents: &[AgentConfig], subsystem| {
            agents.iter().position(|agent| agent.name.subsystem() == subsystem)
        };
        for gone in old.iter().map(|agent| agent.name.subsystem()) {
            if like(new, gone).is_none() {
                self.removed(gone);
            }
        }
        for agent in new {
            let subsystem = agent.name.subsystem();
            if like(old, subsystem).is_some_and(|at| old[at] == *agent) {
                continue;
            }
            if self.0.iter().filter(|change| change.subsystem() == subsystem).count() >= MOST_CHANGES {
                self.removed(subsystem);
            }
            self.0.push(AgentChange::Set(agent.clone()));
        }
    }

    /// What came before concerns an agent that is no more.
    fn removed(&mut self, subsystem: Subsystem) {
        self.0.retain(|change| change.subsystem() != subsystem);
        self.0.push(AgentChange::Removed(subsystem));
    }
}

impl Core {
    /// Takes over the running configuration, which has just replaced one with the agents `old`.
    pub(in crate::core) fn dfp_agents_configured(&mut self, old: &[AgentConfig]) {
        self.dfp.agent_changes.note(old, &self.running.dfp.agents);
    }

    /// What lines have made of the agents since the last call, in their order.
    pub fn take_dfp_agent_changes(&mut self) -> Vec<AgentChange> {
        std::mem::take(&mut self.dfp.agent_changes.0)
    }

    /// What a subsystem reports now; none: it has nothing to report, and its agent is not active.
    pub fn dfp_table(&self, subsystem: Subsystem) -> Option<Table> {
        match subsystem {
            Subsystem::Slb => {
                let live = |farm: &FarmConfig, real: &RealConfig| {
                    let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
                    self.slb.reals.get(&key).map(|(_, entry)| entry.live.view())
                };
                Some(capacity::table(&self.running.slb, self.draining, live))
            }
            Subsystem::IpMobile => self.dfp.home_agent.map(|load| home_agent(load, self.draining)),
        }
    }
}

/// The one row of a home agent, under the address that its managers know it by: that of the connection.
fn home_agent(load: HomeAgentLoad, draining: bool) -> Table {
    let key = RowKey {
        address: Ipv4Addr::UNSPECIFIED,
        protocol: Protocol::UDP,
        port: MOBILE_IP,
        bind_id: BindId::ANY,
    };
    let weight = if draining { 0 } else { load.weight() };
    Table { rows: vec![Row { key, weight }], local: true, binds: Vec::new() }
}
