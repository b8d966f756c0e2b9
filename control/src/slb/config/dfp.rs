//! `ip slb dfp` and its commands (IOS `config-slb-dfp`): which agents to ask for weights.

use std::net::Ipv4Addr;

use super::Secret;
use crate::command::{Args, ConfigError};

/// Most agents.
pub const MAX_AGENTS: usize = 1024;

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

    /// What a command of the pattern `[0|7] <secret:word> [<timeout:0-65535>]` was given.
    ///
    /// # Errors
    /// The secret is none.
    pub fn from_args(args: &Args) -> Result<Self, ConfigError> {
        let secret = Secret::from_args(args, "DFP password")?;
        Ok(Self { secret, timeout: args.int("timeout").unwrap_or(Self::DEFAULT_TIMEOUT) })
    }

    /// As the command writes it, without the default; with `hide` in type 7 notation.
    pub fn notation(&self, hide: bool) -> String {
        let secret = self.secret.notation(hide);
        match self.timeout {
            Self::DEFAULT_TIMEOUT => secret,
            timeout => format!("{secret} {timeout}"),
        }
    }
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
