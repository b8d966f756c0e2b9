//! The whole configuration as plain data: what a file says, what a session edits, what the parts run on.

use std::sync::OnceLock;

use crate::{
    command::{self, ConfigError, ConfigWriter, Language, Secrets},
    dfp::{self, config::DfpConfig},
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
    /// Dynamic Feedback Protocol: the manager and our agents.
    pub dfp: DfpConfig,
}

impl command::Configuration for Configuration {
    /// # Panics
    /// When a declaration in our own tables makes no sense; a test loads them.
    fn language() -> &'static Language<Self> {
        static LANGUAGE: OnceLock<Language<Configuration>> = OnceLock::new();
        LANGUAGE.get_or_init(|| {
            let machine = machine::commands().map(|spec| spec.within(|c: &mut Self| &mut c.machine));
            let slb = slb::command::commands().map(|spec| spec.within(|c: &mut Self| &mut c.slb));
            let dfp = dfp::config::commands().map(|spec| spec.within(|c: &mut Self| &mut c.dfp));
            let language = Language::of(machine.chain(slb).chain(dfp));
            language.expect("the tables of commands are checked by a test")
        })
    }

    fn check(&self) -> Result<Vec<String>, Vec<ConfigError>> {
        let mut errors = machine::check::check(&self.machine);
        match slb::check::check(&self.slb, &self.machine.subnets()) {
            Ok(warnings) if errors.is_empty() => {
                return Ok(warnings.iter().map(ToString::to_string).collect());
            }
            Ok(_) => {}
            Err(refusal) => errors.push(refusal.into()),
        }
        Err(errors)
    }

    fn text(&self, secrets: Secrets) -> String {
        let mut out = ConfigWriter::new(secrets);
        machine::print::print(&self.machine, &mut out);
        self.slb.print(&mut out);
        self.dfp.print(&mut out);
        out.finish()
    }

    fn hostname(&self) -> &str {
        &self.machine.hostname
    }

    fn password_encryption(&self) -> bool {
        self.machine.password_encryption
    }
}

impl Configuration {
    /// What differs from `self` in `next`.
    pub fn difference(&self, next: &Self) -> Difference {
        Difference {
            restart: machine::check::restart_needed(&self.machine, &next.machine),
            machine: self.machine != next.machine,
            slb: self.slb != next.slb,
            dfp: self.dfp != next.dfp,
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
    /// Something of DFP changes.
    pub dfp: bool,
}

impl Difference {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
