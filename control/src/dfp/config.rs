//! What the lines of DFP say, of the manager and of our agents.

use super::{agent, agent::config::AgentConfig, manager, manager::config::ManagerConfig};
use crate::command::{ConfigWriter, Edit, Spec};

/// Everything of DFP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DfpConfig {
    /// `ip slb dfp`, if entered.
    pub manager: Option<ManagerConfig>,
    /// `ip dfp agent`, in the order of their creation.
    pub agents: Vec<AgentConfig>,
}

impl DfpConfig {
    /// Writes the part's text.
    pub fn print(&self, out: &mut ConfigWriter) {
        // Writing to a string cannot fail.
        let _ = self.manager.iter().try_for_each(|manager| manager.print(out));
        let _ = self.agents.iter().try_for_each(|agent| agent.print(out));
    }
}

pub fn commands() -> impl Iterator<Item = Spec<Edit<DfpConfig>>> {
    let manager =
        manager::commands::COMMANDS.iter().map(|spec| spec.within(|dfp: &mut DfpConfig| &mut dfp.manager));
    let agents =
        agent::command::COMMANDS.iter().map(|spec| spec.within(|dfp: &mut DfpConfig| &mut dfp.agents));
    manager.chain(agents)
}
