//! An agent as shown: `show ip dfp [agent NAME] [detail]`.

use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use super::config::AgentName;
use crate::dfp::{
    counter::Counters,
    packet::{BindTable, Row},
    view::{OrWildcard, PasswordView, bind_tables, by_service, line},
};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Whose weights, by the name typed.
    #[serde(serialize_with = "name")]
    pub service: AgentName,
    pub port: Option<u16>,
    /// Seconds between computations of the weights.
    pub interval: u16,
    /// Of all managers.
    pub password: PasswordView,
    pub inservice: bool,
    /// The subsystem has weights to report.
    pub app_active: bool,
    /// Connections are accepted.
    pub listening: bool,
    /// Why the port cannot be listened on.
    pub listen_error: Option<String>,
    /// What went wrong on all connections, those that have ended included.
    pub counters: Counters,
    pub managers: Vec<ManagerView>,
    /// The weight table in the order of its reports.
    pub weights: Vec<Row>,
    #[serde(serialize_with = "bind_tables")]
    pub bind_ids: Vec<BindTable>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManagerView {
    pub address: Ipv4Addr,
    pub port: u16,
    /// Seconds within which it wants a message; 0: none asked for.
    pub timeout: u32,
    pub counters: Counters,
}

fn name<S: Serializer>(name: &AgentName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

pub fn text(agents: &[View], detail: bool) -> String {
    let texts: Vec<_> = agents.iter().map(|agent| agent.text(detail)).collect();
    texts.join("\n")
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

impl View {
    fn text(&self, detail: bool) -> String {
        let mut out = String::new();
        if detail {
            line!(out, "Unexpected errors: {}", self.counters.errors());
            for (counter, count) in self.counters.counted() {
                line!(out, "  {}: {count}", counter.name());
            }
            line!(out, "");
        }
        self.write_agent(&mut out, detail);
        if detail {
            self.write_weights(&mut out);
            self.write_bind_ids(&mut out);
        }
        out
    }

    fn write_agent(&self, out: &mut String, detail: bool) {
        let port = self.port.map_or_else(|| "<none>".to_owned(), |port| port.to_string());
        line!(out, "DFP Agent for service: {}", self.title());
        line!(out, "  Port: {port} Interval: {}", self.interval);
        line!(out, "{}", self.password);
        line!(out, "  Inservice: {} AppActive: {}", yes(self.inservice), yes(self.app_active));
        if let (true, Some(error)) = (detail, &self.listen_error) {
            line!(out, "  Cannot listen: {error}");
        }
        line!(out, "\n  Manager IP Address  Timeout\n  ------------------  -------");
        for manager in &self.managers {
            line!(out, "  {:<18}  {}", manager.address, manager.timeout);
        }
    }

    /// One block for each port and protocol.
    fn write_weights(&self, out: &mut String) {
        line!(out, "\nWeight Table Report for Agent {}", self.title());
        for ((protocol, port), rows) in by_service(&self.weights) {
            line!(out, "\nWeights for Port: {} Protocol: {}\n", OrWildcard(port), OrWildcard(protocol));
            line!(out, "IP Address      Bind ID  Weight\n--------------- -------  ------");
            for row in rows {
                line!(out, "{:<15} {:<8} {}", row.key.address, row.key.bind_id, row.weight);
            }
        }
    }

    /// One block for each server; its address is told where port and protocol do not tell it from another.
    fn write_bind_ids(&self, out: &mut String) {
        line!(out, "\nBind ID Table Report for Agent {}", self.title());
        for table in &self.bind_ids {
            let same = |other: &&BindTable| (other.port, other.protocol) == (table.port, table.protocol);
            let address = match self.bind_ids.iter().filter(same).count() {
                0 | 1 => String::new(),
                _ => format!(" IP Address: {}", table.server),
            };
            let (port, protocol) = (OrWildcard(table.port), OrWildcard(table.protocol));
            line!(out, "\nBind IDs for Port: {port} Protocol: {protocol}{address}\n");
            line!(out, "Bind ID  Client IP      Client Mask\n-------  -------------- -----------");
            for entry in &table.entries {
                line!(out, "{:<8} {:<14} {}", entry.bind_id, entry.client, entry.mask);
            }
        }
    }

    fn title(&self) -> String {
        self.service.as_str().to_ascii_uppercase()
    }
}

impl ManagerView {
    /// The text of `show ip slb dfp manager IP`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        line!(out, "DFP Manager {}:{}", self.address, self.port);
        line!(out, "  Timeout = {}", self.timeout);
        line!(out, "  Security errors = {}", self.counters.security_errors());
        line!(out, "  Unexpected errors = {}", self.counters.errors());
        out
    }
}
