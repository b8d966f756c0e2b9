//! An agent without a director: reports the weight of a host that runs no subsystem of ours.

mod fuzz;
mod server;
mod shell;
mod source;
mod weight_source;

use std::net::SocketAddrV4;

pub use self::{
    fuzz::fuzz_weight_output,
    server::Standalone,
    source::{Limits, Source},
};
use super::{
    agent::config::{AgentConfig, AgentName},
    packet::RowKey,
    password::DfpPassword,
};
use crate::secret::Secret;

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; the port is not 0.
    pub listen: SocketAddrV4,
    /// What gives the weight.
    pub source: Source,
    /// MD5 key.
    pub password: Option<Secret>,
    /// Seconds, 5 or more.
    pub interval: u16,
    /// What the weight is for; address 0.0.0.0: the local address of the connection.
    pub key: RowKey,
}

impl Settings {
    /// The agent goes by the name of the home agent's subsystem, which managers never see.
    fn config(&self) -> AgentConfig {
        let password = self.password.clone().map(|secret| DfpPassword { secret, timeout: 0 });
        AgentConfig {
            interval: self.interval,
            password,
            port: Some(self.listen.port()),
            inservice: true,
            ..AgentConfig::new(AgentName::IPMOBILE)
        }
    }
}
