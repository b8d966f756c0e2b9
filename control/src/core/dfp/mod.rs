//! DFP as the core knows it: what its two roles last said of themselves, and who debugs them.

mod agents;
mod exec;
mod manager;
mod metrics;

use crate::{
    dfp::{
        agent::{self, config::Subsystem, weight::HomeAgentLoad},
        debug::Facility,
        manager::view::View,
    },
    manage::log::stamp,
};

pub use self::{
    agents::AgentChange,
    manager::{AgentId, Status, Wanted},
};
use super::Core;
pub(super) use exec::{debug_line, specs};

/// What is shown of DFP beyond the configuration.
#[derive(Debug, Default)]
pub struct DfpState {
    manager: manager::Manager,
    agent_changes: agents::AgentChanges,
    /// Agents as they last said.
    pub agents: Vec<agent::view::View>,
    /// The load of the home agent in this process, with the figures of the last interval; none: there is no home agent,
    /// and the subsystem `ipmobile` is not active.
    pub home_agent: Option<HomeAgentLoad>,
    debug_agent: bool,
    debug_manager: bool,
}

impl DfpState {
    /// True if the lines of debug are wanted.
    pub fn is_debugging(&self, facility: Facility) -> bool {
        match facility {
            Facility::Agent => self.debug_agent,
            Facility::Manager => self.debug_manager,
        }
    }

    pub(super) fn debug(&mut self, facility: Facility, on: bool) {
        match facility {
            Facility::Agent => self.debug_agent = on,
            Facility::Manager => self.debug_manager = on,
        }
    }
}

impl Core {
    /// What the roles of DFP said last; whoever runs them keeps it fresh.
    pub fn dfp_mut(&mut self) -> &mut DfpState {
        &mut self.dfp
    }

    /// What the roles of DFP said last.
    pub fn dfp(&self) -> &DfpState {
        &self.dfp
    }

    /// Prints a line of `debug ip dfp agent` or `debug ip slb dfp`, if that is wanted.
    pub fn debug_dfp(&self, facility: Facility, line: impl FnOnce() -> String) {
        if self.dfp.is_debugging(facility) {
            let stamp = stamp(self.wall, self.running.machine.debug_milliseconds);
            self.log.push(&format!("*{stamp}: {}", line()));
        }
    }

    /// The manager with every configured agent, whether it has said something or not.
    pub(crate) fn dfp_manager_view(&self) -> View {
        let config = self.running.dfp.manager.as_ref();
        config.map_or_else(View::default, |config| self.dfp.manager.view(config, self.now))
    }

    /// Every configured agent, whether it has said something of itself or not.
    pub(super) fn dfp_agent_views(&self, only: Option<Subsystem>) -> Vec<agent::view::View> {
        let wanted = |subsystem| only.is_none_or(|only| only == subsystem);
        let configured = self.running.dfp.agents.iter().filter(|agent| wanted(agent.name.subsystem()));
        configured
            .map(|config| {
                let live = self.dfp.agents.iter().find(|live| live.service == config.name);
                live.cloned().unwrap_or_else(|| agent::view::View::of(config))
            })
            .collect()
    }
}
