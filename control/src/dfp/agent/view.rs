//! An agent as shown: plain facts, which whoever runs it fills in.

use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use super::config::{AgentConfig, AgentName};
use crate::dfp::{
    counter::Counters,
    packet::{BindTable, Row},
    view::{self, PasswordView},
};

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Whose weights, by the name typed.
    #[serde(serialize_with = "name")]
    pub service: AgentName,
    /// TCP port, if set.
    pub port: Option<u16>,
    /// Seconds between computations of the weights.
    pub interval: u16,
    /// Passwords, of all managers.
    pub password: PasswordView,
    /// `inservice`.
    pub inservice: bool,
    /// The subsystem has weights to report.
    pub app_active: bool,
    /// Connections are accepted.
    pub listening: bool,
    /// Why the port cannot be listened on.
    pub listen_error: Option<String>,
    /// What went wrong on all connections, those that have ended included.
    #[serde(serialize_with = "view::counters")]
    pub counters: Counters,
    /// Connected managers.
    pub managers: Vec<ManagerView>,
    /// The weight table in the order of its reports.
    #[serde(serialize_with = "view::rows")]
    pub weights: Vec<Row>,
    /// BindID tables.
    #[serde(serialize_with = "view::tables")]
    pub bind_ids: Vec<BindTable>,
}

/// A connected manager.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManagerView {
    /// Address.
    pub address: Ipv4Addr,
    /// Its TCP port.
    pub port: u16,
    /// Seconds within which it wants a message; 0: none asked for.
    pub timeout: u32,
    /// What went wrong on this connection.
    #[serde(serialize_with = "view::counters")]
    pub counters: Counters,
}

fn name<S: Serializer>(name: &AgentName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

impl View {
    /// What is known before anything has happened.
    pub fn of(config: &AgentConfig) -> Self {
        Self {
            service: config.name,
            port: config.port,
            interval: config.interval,
            password: PasswordView { current: config.password.is_some(), pending: false, timeout: 0 },
            inservice: config.inservice,
            app_active: false,
            listening: false,
            listen_error: None,
            counters: Counters::default(),
            managers: Vec::new(),
            weights: Vec::new(),
            bind_ids: Vec::new(),
        }
    }
}
