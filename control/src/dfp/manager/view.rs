//! The manager as shown: plain facts, which whoever runs it fills in.

use std::{fmt, net::Ipv4Addr};

use serde::{Serialize, Serializer};

use crate::dfp::{
    counter::Counters,
    manager::config::{DfpAgent, ManagerConfig},
    packet::{BindTable, Row},
    view::{self, Clock, PasswordView},
};

/// State of the connection to one agent (CISCO-SLB-MIB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Nothing has been tried yet.
    #[default]
    NotOpen,
    /// Waits for the next attempt.
    Trying,
    /// A TCP connect is under way.
    Connecting,
    /// Connected.
    Open,
    /// Data error, or retries used up.
    Failed,
    /// The last message was not secured as the password demands.
    SecurityError,
}

impl ConnectionState {
    /// Every state.
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

impl Serialize for ConnectionState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

/// The manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct View {
    /// Passwords, of all agents.
    pub password: PasswordView,
    /// Agents in the order of the configuration.
    pub agents: Vec<AgentView>,
    /// The weight table, in any order.
    pub weights: Vec<WeightView>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentView {
    /// Address.
    pub address: Ipv4Addr,
    /// TCP port.
    pub port: u16,
    /// Seconds without a message before the connection is closed; 0: never.
    pub timeout: u16,
    /// Attempts after the first; 0: no limit.
    pub retry_count: u16,
    /// Seconds between attempts.
    pub interval: u16,
    /// Of the connection.
    pub state: ConnectionState,
    /// What went wrong, in this and earlier connections.
    #[serde(serialize_with = "view::counters")]
    pub counters: Counters,
    /// When the last valid message came.
    pub last_message: Option<Clock>,
    /// Weights that it has reported on this connection.
    #[serde(serialize_with = "view::rows")]
    pub reported: Vec<Row>,
    /// BindID tables that it has reported.
    #[serde(serialize_with = "view::tables")]
    pub bind_ids: Vec<BindTable>,
}

/// One row of the weight table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WeightView {
    /// What the weight is for, and the weight.
    #[serde(flatten, serialize_with = "row")]
    pub row: Row,
    /// Address of the agent that set it.
    pub agent: Ipv4Addr,
    /// Its port.
    pub agent_port: u16,
    /// When.
    pub set_at: Clock,
}

fn row<S: Serializer>(row: &Row, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap as _;
    let mut map = serializer.serialize_map(Some(5))?;
    map.serialize_entry("real", &row.key.address)?;
    map.serialize_entry("protocol", &row.key.protocol.to_string())?;
    map.serialize_entry("port", &row.key.port)?;
    map.serialize_entry("bind_id", &row.key.bind_id.0)?;
    map.serialize_entry("weight", &row.weight)?;
    map.end()
}

impl View {
    /// What is known before anything has happened.
    pub fn of(config: &ManagerConfig) -> Self {
        Self {
            password: PasswordView { current: config.password.is_some(), pending: false, timeout: 0 },
            agents: config.agents.iter().map(AgentView::of).collect(),
            weights: Vec::new(),
        }
    }
}

impl AgentView {
    /// What is known before anything has happened.
    pub fn of(config: &DfpAgent) -> Self {
        Self {
            address: config.address,
            port: config.port,
            timeout: config.timeout,
            retry_count: config.retries,
            interval: config.interval,
            state: ConnectionState::NotOpen,
            counters: Counters::default(),
            last_message: None,
            reported: Vec::new(),
            bind_ids: Vec::new(),
        }
    }
}
