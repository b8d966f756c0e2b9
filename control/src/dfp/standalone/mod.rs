//! An agent without a director: reports the weight of a host that runs no subsystem of ours.

pub mod bindings;
mod server;
mod shell;
pub mod source;
mod weight_source;

use std::net::SocketAddrV4;

use self::{server::Server, source::Source, weight_source::WeightSource};
use super::{
    agent::{
        config::{AgentConfig, AgentName},
        fsm::Table,
    },
    packet::{Row, RowKey},
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

/// The agent, running.
#[derive(Debug)]
pub struct Standalone {
    server: Server,
    source: Source,
    key: RowKey,
}

impl Standalone {
    /// Begins. To be called within a tokio runtime.
    pub fn start(settings: Settings) -> Self {
        let server = Server::start(*settings.listen.ip(), settings.config());
        Self { server, source: settings.source, key: settings.key }
    }

    /// Reports whenever a weight is due, without end; calls `ready` after the first time.
    pub async fn run(&self, ready: impl FnOnce()) {
        let (mut weights, mut ready, key) = (WeightSource::new(self.source.clone()), Some(ready), self.key);
        loop {
            self.server.weights_wanted().await;
            let weight = weights.weigh(self.server.ask(|_, now| now)).await;
            self.server.computed(weight.map(|weight| Table {
                rows: vec![Row { key, weight }],
                local: key.address.is_unspecified(),
                binds: Vec::new(),
            }));
            if let Some(ready) = ready.take() {
                ready();
            }
        }
    }

    /// Whether managers are still served.
    pub fn is_alive(&self) -> bool {
        self.server.is_alive()
    }

    /// Ends every connection in order; what has gone wrong meanwhile, and how often.
    pub async fn end(self) -> Vec<(&'static str, u64)> {
        let counters = self.server.ask(|agent, _| agent.counters());
        self.server.end().await;
        counters.counted().map(|(counter, count)| (counter.name(), count)).collect()
    }
}
