//! `ip slb dfp` and its commands (IOS `config-slb-dfp`): which agents to ask for weights.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, SocketAddrV4},
};

use serde::Serialize;

use crate::{
    command::{ConfigWriter, rank},
    dfp::password::DfpPassword,
};

pub const MAX_AGENTS: usize = 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagerConfig {
    /// MD5 key of all agents.
    pub password: Option<DfpPassword>,
    /// Agents in the order of their creation.
    pub agents: Vec<DfpAgent>,
}

impl ManagerConfig {
    pub fn print(&self, out: &mut ConfigWriter) -> fmt::Result {
        out.block(rank::FEEDBACK);
        out.write_str("ip slb dfp")?;
        if let Some(password) = &self.password {
            password.print(out)?;
        }
        out.write_char('\n')?;
        self.agents.iter().try_for_each(|agent| writeln!(out, " {agent}"))
    }
}

/// `agent IP PORT [TIMEOUT [RETRIES [INTERVAL]]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DfpAgent {
    pub address: Ipv4Addr,
    pub port: u16,
    /// Seconds without a message before the connection is closed; 0: never.
    pub timeout: u16,
    /// Attempts before the agent is given up; 0: no limit.
    #[serde(rename = "retry_count")]
    pub retries: u16,
    /// Seconds between attempts, 1 to 65535.
    pub interval: u16,
}

impl DfpAgent {
    /// `INTERVAL` without the argument.
    pub const DEFAULT_INTERVAL: u16 = 180;

    /// An agent with the defaults of timers.
    pub fn new(address: Ipv4Addr, port: u16) -> Self {
        Self { address, port, timeout: 0, retries: 0, interval: Self::DEFAULT_INTERVAL }
    }

    /// Where it listens.
    pub fn socket(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }
}

/// The command without the defaults at its end.
impl fmt::Display for DfpAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent {} {}", self.address, self.port)?;
        let mut rest = vec![self.timeout, self.retries, self.interval];
        let defaults = [0, 0, Self::DEFAULT_INTERVAL];
        while rest.last().is_some_and(|value| *value == defaults[rest.len() - 1]) {
            rest.pop();
        }
        rest.iter().try_for_each(|value| write!(f, " {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, Secrets};

    #[test]
    fn everything_prints_in_its_order_without_defaults_at_the_end() {
        let mut short = DfpAgent::new(Ipv4Addr::new(10, 1, 1, 52), 500);
        short.retries = 3;
        let manager = ManagerConfig {
            password: Some(DfpPassword { secret: Secret::clear("cisco").unwrap(), timeout: 60 }),
            agents: vec![DfpAgent::new(Ipv4Addr::new(10, 1, 1, 51), 500), short],
        };
        let mut out = ConfigWriter::new(Secrets::Clear);
        manager.print(&mut out).unwrap();
        let text = "ip slb dfp password cisco 60\n agent 10.1.1.51 500\n agent 10.1.1.52 500 0 3\n!\n";
        assert_eq!(out.finish(), text);
    }
}
