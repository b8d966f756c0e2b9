//! `ip dfp agent NAME` and its commands (IOS `config-dfp`): which subsystems report their weights, and how.

use std::fmt::{self, Write as _};

use crate::{
    command::{ConfigError, ConfigWriter, rank},
    dfp::password::DfpPassword,
};

/// A part of the program that has weights to report: the registered clients of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subsystem {
    /// The balancer's own virtual servers, reported upward.
    Slb,
    /// The home agent.
    IpMobile,
}

/// A subsystem as the operator typed it, which is how it is shown: the home agent has two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentName {
    name: &'static str,
    subsystem: Subsystem,
}

impl AgentName {
    pub const IPMOBILE: Self = Self { name: "ipmobile", subsystem: Subsystem::IpMobile };
    /// Every registered name.
    pub const ALL: [Self; 3] = [
        Self::IPMOBILE,
        Self { name: "mobileip", subsystem: Subsystem::IpMobile },
        Self { name: "slb", subsystem: Subsystem::Slb },
    ];

    pub fn as_str(self) -> &'static str {
        self.name
    }

    pub fn subsystem(self) -> Subsystem {
        self.subsystem
    }
}

impl std::str::FromStr for AgentName {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.chars().count() > 15 {
            return Err(ConfigError::new("DFP agent subsystem name is limited to 15 characters"));
        }
        let known = Self::ALL.into_iter().find(|known| known.name.eq_ignore_ascii_case(text));
        known.ok_or_else(|| ConfigError::new(format!("Unknown DFP agent subsystem {text}")))
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub name: AgentName,
    /// Seconds between computations of the weights, 5 to 65535.
    pub interval: u16,
    /// MD5 key of all managers.
    pub password: Option<DfpPassword>,
    /// TCP port to listen on; there is no default.
    pub port: Option<u16>,
    pub inservice: bool,
}

impl AgentConfig {
    /// `interval` without the command.
    pub const DEFAULT_INTERVAL: u16 = 10;

    pub fn new(name: AgentName) -> Self {
        Self { name, interval: Self::DEFAULT_INTERVAL, password: None, port: None, inservice: false }
    }

    /// What an operator should know of an agent that is in service and will not listen.
    pub(super) fn without_port(&self) -> Option<String> {
        (self.inservice && self.port.is_none())
            .then(|| format!("% DFP agent {} has no port, it will not accept connections", self.name))
    }

    pub fn print(&self, out: &mut ConfigWriter) -> fmt::Result {
        out.block(rank::FEEDBACK_AGENTS);
        writeln!(out, "ip dfp agent {}", self.name)?;
        if self.interval != Self::DEFAULT_INTERVAL {
            writeln!(out, " interval {}", self.interval)?;
        }
        if let Some(password) = &self.password {
            password.print(out)?;
            out.write_char('\n')?;
        }
        if let Some(port) = self.port {
            writeln!(out, " port {port}")?;
        }
        if self.inservice {
            out.write_str(" inservice\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_agent_has_two_names_and_is_shown_by_the_one_typed() {
        let names = ["SLB", "ipmobile", "MobileIP"].map(|name| name.parse::<AgentName>().unwrap());
        assert_eq!(names.map(AgentName::as_str), ["slb", "ipmobile", "mobileip"]);
        assert_eq!(names[1].subsystem(), names[2].subsystem());
        assert_ne!(names[0].subsystem(), names[1].subsystem());
    }

    #[test]
    fn other_names_say_what_is_wrong() {
        let error = |name: &str| name.parse::<AgentName>().unwrap_err().to_string();
        assert_eq!(error("abcdefghijklmno"), "% Unknown DFP agent subsystem abcdefghijklmno");
        assert_eq!(error("abcdefghijklmnop"), "% DFP agent subsystem name is limited to 15 characters");
    }
}
