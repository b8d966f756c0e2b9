//! The whole configuration as plain data: what a file says, what a session edits, what the parts run on.

use crate::{
    command::ConfigError,
    dfp::agent::config::AgentConfig,
    machine::{self, MachineConfig},
    slb::{self, config::SlbConfig},
};

/// Everything that can be configured. Equal configurations print the same text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// Ports, addresses, routes, logging, management.
    pub machine: MachineConfig,
    /// Server load balancing.
    pub slb: SlbConfig,
    /// DFP agents in the order of their creation.
    pub dfp_agents: Vec<AgentConfig>,
}

impl Configuration {
    /// The text of `show running-config`: only what differs from the defaults; it loads to an equal configuration.
    /// Every secret is in type 7 notation: what is shown is looked at, copied and sent.
    pub fn running_config(&self) -> String {
        self.text(true)
    }

    /// The same as it is saved: secrets are in clear text unless `service password-encryption` is set.
    pub fn startup_config(&self) -> String {
        self.text(self.machine.password_encryption)
    }

    fn text(&self, hide_secrets: bool) -> String {
        let mut out = String::new();
        machine::print::before_protocols(&self.machine, &mut out);
        self.slb.print(&mut out, hide_secrets);
        for agent in &self.dfp_agents {
            agent.print(&mut out, hide_secrets);
        }
        machine::print::management(&self.machine, &mut out);
        out
    }

    /// What no single line can see: every reason for which this configuration as a whole is refused, and, when there
    /// is none, what the operator should know.
    ///
    /// # Errors
    /// Every refusal.
    pub fn check(&self) -> Result<Vec<String>, Vec<ConfigError>> {
        let mut errors = machine::check::check(&self.machine);
        match slb::check::check(&self.slb, &self.machine.subnets()) {
            Ok(warnings) if errors.is_empty() => {
                return Ok(warnings.iter().map(ToString::to_string).collect());
            }
            Ok(_) => {}
            Err(refusal) => errors.push(ConfigError::slb(refusal.to_string())),
        }
        Err(errors)
    }

    /// What differs from `self` in `next`.
    pub fn difference(&self, next: &Self) -> Difference {
        Difference {
            restart: machine::check::restart_needed(&self.machine, &next.machine),
            machine: self.machine != next.machine,
            slb: self.slb != next.slb,
            dfp_agents: self.dfp_agents != next.dfp_agents,
        }
    }
}

/// What a new configuration changes, for a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Changes that only a restart can make, in words; then a reload is refused with `restart needed`.
    pub restart: Vec<&'static str>,
    /// Something of the machine part changes.
    pub machine: bool,
    /// Something of server load balancing changes.
    pub slb: bool,
    /// Something of the DFP agents changes.
    pub dfp_agents: bool,
}

impl Difference {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
