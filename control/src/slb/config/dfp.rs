//! `ip slb dfp` and its commands (IOS `config-slb-dfp`): which agents to ask for weights.

use std::net::Ipv4Addr;

use super::Secret;

/// The DFP manager's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DfpConfig {
    /// MD5 key of all agents.
    pub password: Option<DfpPassword>,
    /// Agents in the order of their creation.
    pub agents: Vec<DfpAgent>,
}

/// `password [0|7] SECRET [TIMEOUT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DfpPassword {
    /// The key.
    pub secret: Secret,
    /// Seconds during which the old key is accepted beside a new one.
    pub timeout: u16,
}

impl DfpPassword {
    /// `TIMEOUT` without the argument.
    pub const DEFAULT_TIMEOUT: u16 = 180;
}

/// `agent IP PORT [TIMEOUT [RETRIES [INTERVAL]]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DfpAgent {
    /// Address.
    pub address: Ipv4Addr,
    /// TCP port.
    pub port: u16,
    /// Seconds without a message before the connection is closed; 0: never.
    pub timeout: u16,
    /// Attempts before the agent is given up; 0: no limit.
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
}
