//! The manager as shown: `show ip slb dfp [agent IP PORT|detail|weights]`.

use std::{fmt, net::Ipv4Addr};

use serde::Serialize;

use super::config::DfpAgent;
use crate::dfp::{
    counter::Counters,
    packet::{BindId, BindTable, Protocol, Row},
    view::{Clock, OrWildcard, PasswordView, bind_tables, by_service, line},
};

/// State of the connection to one agent (CISCO-SLB-MIB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Nothing has been tried yet.
    #[default]
    NotOpen,
    /// Waits for the next attempt.
    Trying,
    /// A TCP connect is under way.
    Connecting,
    Open,
    /// Data error, or retries used up.
    Failed,
    /// The last message was not secured as the password demands.
    SecurityError,
}

impl ConnectionState {
    pub const ALL: [Self; 6] =
        [Self::NotOpen, Self::Trying, Self::Connecting, Self::Open, Self::Failed, Self::SecurityError];

    /// `Not Open`: as shown.
    pub fn title(self) -> &'static str {
        match self {
            Self::NotOpen => "Not Open",
            Self::Trying => "Trying",
            Self::Connecting => "Connecting",
            Self::Open => "Open",
            Self::Failed => "Failed",
            Self::SecurityError => "Security Error",
        }
    }

    /// `not_open`: for programs.
    pub fn key(self) -> String {
        self.title().replace(' ', "_").to_ascii_lowercase()
    }
}

/// `NOT_OPEN`: in debug lines.
impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.key().to_ascii_uppercase())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct View {
    /// Of all agents.
    pub password: PasswordView,
    pub agents: Vec<AgentView>,
    /// The weight table by address, protocol, port and BindID.
    pub weights: Vec<WeightView>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentView {
    #[serde(flatten)]
    pub config: DfpAgent,
    pub state: ConnectionState,
    /// What went wrong, in this and earlier connections.
    pub counters: Counters,
    /// When the last valid message came.
    pub last_message: Option<Clock>,
    /// Weights that it has reported on this connection.
    pub reported: Vec<Row>,
    #[serde(serialize_with = "bind_tables")]
    pub bind_ids: Vec<BindTable>,
}

/// One row of the weight table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WeightView {
    pub real: Ipv4Addr,
    pub protocol: Protocol,
    pub port: u16,
    pub bind_id: BindId,
    pub weight: u16,
    /// Address of the agent that set it.
    pub agent: Ipv4Addr,
    pub agent_port: u16,
    pub set_at: Clock,
}

/// `180 (Default)`.
fn shown(interval: u16) -> String {
    let default = if interval == DfpAgent::DEFAULT_INTERVAL { " (Default)" } else { "" };
    format!("{interval}{default}")
}

/// The text of `show ip slb dfp weights`.
pub fn weights_text(weights: &[WeightView]) -> String {
    let mut out = String::new();
    for weight in weights {
        let (protocol, port) = (OrWildcard(weight.protocol), OrWildcard(weight.port));
        let WeightView { real, bind_id, weight, agent, agent_port, set_at, .. } = weight;
        line!(
            out,
            "  Real IP Address: {real} Protocol: {protocol} Port: {port} Bind_ID: {bind_id} Weight: {weight}"
        );
        line!(out, "    Set by Agent {agent}:{agent_port} at {set_at}");
    }
    out
}

impl View {
    /// The text of `show ip slb dfp`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        line!(out, "DFP Manager:\n{} sec", self.password);
        line!(out, "Agent IP        Port    Timeout  Retry Count  Interval\n{}", "-".repeat(63));
        for agent in &self.agents {
            let DfpAgent { address, port, timeout, retries, interval } = agent.config;
            line!(out, "{address:<15} {port:<7} {timeout:<8} {retries:<12} {}", shown(interval));
        }
        out
    }

    /// The text of `show ip slb dfp detail`.
    pub fn detail_text(&self) -> String {
        self.agents.iter().fold(self.text(), |out, agent| out + "\n" + &agent.text())
    }

    /// The agent at that address and port.
    pub fn agent(&self, address: Ipv4Addr, port: u16) -> Option<&AgentView> {
        self.agents.iter().find(|agent| (agent.config.address, agent.config.port) == (address, port))
    }
}

impl AgentView {
    /// The text of `show ip slb dfp agent IP PORT`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let Self { config: DfpAgent { timeout, retries, interval, .. }, counters, .. } = self;
        line!(out, "DFP Agent {}  Connection state: {}", self.config.socket(), self.state.title());
        line!(out, "  Timeout = {timeout}  Retry Count = {retries}  Interval = {}", shown(*interval));
        line!(out, "  Security errors = {}", counters.security_errors());
        if counters.errors() > 0 {
            line!(out, "  Unexpected errors = {}", counters.errors());
            for (counter, count) in counters.counted() {
                line!(out, "    {} = {count}", counter.name());
            }
        }
        let last = self.last_message.map_or_else(|| "<none>".to_owned(), |at| at.to_string());
        line!(out, "  Last message received: {last}");
        for ((protocol, port), rows) in by_service(&self.reported) {
            let (protocol, port) = (OrWildcard(protocol), OrWildcard(port));
            line!(out, "  Last reported Real weights for Protocol {protocol}, Port {port}");
            for Row { key, weight } in rows {
                line!(out, "    Host {}  Bind ID {}  Weight {weight}", key.address, key.bind_id);
            }
        }
        for table in &self.bind_ids {
            let (protocol, port) = (OrWildcard(table.protocol), OrWildcard(table.port));
            line!(out, "  Bind IDs of {} for Protocol {protocol}, Port {port}", table.server);
            for entry in &table.entries {
                line!(out, "    Bind ID {}  Client {}  Mask {}", entry.bind_id, entry.client, entry.mask);
            }
        }
        out
    }
}
