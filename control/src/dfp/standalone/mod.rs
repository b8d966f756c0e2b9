//! An agent without a director: reports the weight of a host that runs no subsystem of ours.

mod server;
mod shell;
mod source;
mod weight_source;

use std::net::SocketAddrV4;

pub use self::source::{Limits, Source};
use self::{server::Server, weight_source::WeightSource};
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

/// The agent. Managers are served while it runs or ends.
#[derive(Debug)]
pub struct Standalone {
    server: Server,
    weights: WeightSource,
    key: RowKey,
}

impl Standalone {
    /// Nothing is listened on yet.
    pub fn new(settings: Settings) -> Self {
        let server = Server::new(*settings.listen.ip(), settings.config());
        Self { server, weights: WeightSource::new(settings.source), key: settings.key }
    }

    /// Reports whenever a weight is due, without end; calls `ready` after the first time. To be called within a tokio
    /// runtime; may be dropped, to end.
    pub async fn run(&mut self, ready: impl FnOnce()) {
        let (Self { server, weights, key }, mut ready) = (self, Some(ready));
        loop {
            server.weights_wanted().await;
            let now = server.now();
            let weight = server.serve_until(weights.weigh(now)).await;
            server.agent.computed(weight.map(|weight| Table {
                rows: vec![Row { key: *key, weight }],
                local: key.address.is_unspecified(),
                binds: Vec::new(),
            }));
            if let Some(ready) = ready.take() {
                ready();
            }
        }
    }

    /// Ends every connection in order; what has gone wrong meanwhile, and how often.
    pub async fn end(self) -> Vec<(&'static str, u64)> {
        let counters = self.server.end().await;
        counters.counted().map(|(counter, count)| (counter.name(), count)).collect()
    }
}
