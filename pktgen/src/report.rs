//! Results: as a table, as JSON, and every node as JSON lines.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufWriter, Write},
    net::Ipv4Addr,
    time::Duration,
};

use common::wire::mobile_ip::Code;
use serde::Serialize;

use crate::{
    accounting::{
        port::PortCounters,
        registrations::{NodeCounters, ReplyCounters, ReplyError, RequestCounters},
    },
    generate::Generator,
    respond::{Responder, Status},
};

/// Milliseconds from request to answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the answers came within.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// What the foreign agents saw.
#[derive(Clone, Debug, Serialize)]
pub struct GenerateReport {
    pub scenario: String,
    /// Seconds from the first request to the last thing that happened.
    pub seconds: f64,
    pub nodes: Nodes,
    pub requests: RequestCounters,
    /// Answers by code.
    pub codes: BTreeMap<u8, u64>,
    /// Answers that do not fit, by reason.
    pub wrong: BTreeMap<ReplyError, u64>,
    /// By who answered.
    pub home_agents: Vec<ReplyCounters>,
    /// Absent without answers.
    pub latency_ms: Option<Latency>,
    pub port: PortCounters,
    /// Why nothing could be sent.
    pub failure: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Nodes {
    /// Of the scenario.
    pub count: u64,
    /// Sent at least one request.
    pub asked: u64,
    /// Accepted by a home agent.
    pub registered: u64,
    /// Asked and never answered.
    pub unanswered: u64,
    /// Accepted by another home agent than the time before, each time.
    pub moved: u64,
}

impl GenerateReport {
    /// The result of a run.
    pub fn new(scenario: &str, generator: &Generator, port: PortCounters) -> Self {
        let registrations = generator.registrations();
        let nodes = registrations.nodes();
        let count =
            |wanted: &dyn Fn(&NodeCounters) -> bool| nodes.iter().filter(|node| wanted(node)).count() as u64;
        let histogram = registrations.latency();
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e6;
        let latency_ms = (!histogram.is_empty()).then(|| Latency {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e6,
        });
        Self {
            scenario: scenario.into(),
            seconds: generator.elapsed().as_secs_f64(),
            nodes: Nodes {
                count: nodes.len() as u64,
                asked: count(&|node| node.sent > 0),
                registered: count(&|node| registrations.home_agent_of(node).is_some()),
                unanswered: count(&|node| node.sent > 0 && node.answered == 0),
                moved: registrations.moved,
            },
            requests: registrations.requests,
            codes: registrations.codes.clone(),
            wrong: registrations.wrong.clone(),
            home_agents: registrations.home_agents.clone(),
            latency_ms,
            port,
            failure: generator.failure().map(Into::into),
        }
    }

    /// Every node that was asked for is registered, and no answer was wrong.
    pub fn is_clean(&self) -> bool {
        self.failure.is_none() && self.nodes.registered == self.nodes.count && self.wrong.is_empty()
    }

    pub fn table(&self) -> String {
        let (nodes, requests) = (&self.nodes, &self.requests);
        let rate = if self.seconds > 0.0 { requests.sent as f64 / self.seconds } else { 0.0 };
        let mut text = format!("{}: {:.1} s, {rate:.0} requests/s\n", self.scenario, self.seconds);
        let mut row = |name: &str, value: u64| {
            let _ = writeln!(text, "  {name:<36} {value:>12}");
        };
        row("mobile nodes", nodes.count);
        row("  registered", nodes.registered);
        row("  asked, never answered", nodes.unanswered);
        row("  moved to another home agent", nodes.moved);
        row("requests sent", requests.sent);
        row("  retransmissions", requests.retransmitted);
        row("  repeats", requests.repeated);
        row("  answered", requests.answered);
        row("  lost", requests.lost);
        row("  given up", requests.given_up);
        row("duplicate answers", requests.duplicates);
        for (code, count) in &self.codes {
            row(&format!("code {}", Code(*code)), *count);
        }
        for (why, count) in &self.wrong {
            row(&format!("wrong answers: {}", format!("{why:?}").to_lowercase()), *count);
        }
        for agent in &self.home_agents {
            let _ = writeln!(
                text,
                "  home agent {:<25} {:>12} accepted {:>10} denied",
                agent.address, agent.accepted, agent.denied
            );
        }
        if let Some(latency) = &self.latency_ms {
            let _ = writeln!(
                text,
                "  latency ms: 50 % {:.2}, 99 % {:.2}, 99.9 % {:.2}, all {:.2}",
                latency.p50, latency.p99, latency.p999, latency.max
            );
        }
        text + &port_line(&self.port)
    }
}

fn port_line(port: &PortCounters) -> String {
    format!(
        "  port: {} received, {} sent, {} times full, {} without buffer\n",
        port.received, port.sent, port.ring_full, port.no_buffer
    )
}

/// What the home agents saw.
#[derive(Clone, Debug, Serialize)]
pub struct RespondReport {
    pub scenario: String,
    /// Seconds that they lived.
    pub seconds: f64,
    pub home_agents: Vec<Status>,
    pub port: PortCounters,
}

impl RespondReport {
    /// The result of a run.
    pub fn new(scenario: &str, responder: &Responder, now: Duration, port: PortCounters) -> Self {
        let home_agents = responder.status(now);
        Self { scenario: scenario.into(), seconds: now.as_secs_f64(), home_agents, port }
    }

    pub fn table(&self) -> String {
        let mut text = format!("{}: {:.1} s\n", self.scenario, self.seconds);
        let columns =
            ["home agent", "address", "bindings", "dispatched", "directed", "accepted", "denied", "unheard"];
        let [name, address, rest @ ..] = columns;
        let _ = write!(text, "  {name:<12} {address:<15}");
        for column in rest {
            let _ = write!(text, " {column:>10}");
        }
        text.push('\n');
        for agent in &self.home_agents {
            let counters = &agent.counters;
            let _ = write!(text, "  {:<12} {:<15}", agent.name, agent.address);
            let accepted = counters.accepted + counters.deregistered;
            for value in [
                agent.bindings as u64,
                counters.dispatched,
                counters.directed,
                accepted,
                counters.denied,
                counters.unheard,
            ] {
                let _ = write!(text, " {value:>10}");
            }
            text.push('\n');
            for (reason, count) in &counters.discarded {
                let _ = writeln!(text, "    discarded: {reason} {count}");
            }
            if counters.unsent > 0 {
                let _ = writeln!(text, "    replies not sent: {}", counters.unsent);
            }
        }
        text + &port_line(&self.port)
    }
}

/// A node as a JSON line.
#[derive(Serialize)]
struct NodeLine<'a> {
    nai: &'a str,
    sent: u32,
    answered: u32,
    home_agent: Option<Ipv4Addr>,
    moved: u16,
    duplicates: u16,
    lost: u32,
    wrong: u16,
}

/// Writes the counters of every node that was asked for, a JSON object a line.
pub fn write_nodes(generator: &Generator, out: impl Write) -> std::io::Result<()> {
    let mut out = BufWriter::new(out);
    let registrations = generator.registrations();
    for (index, node) in registrations.nodes().iter().enumerate().filter(|(_, node)| node.sent > 0) {
        let line = NodeLine {
            nai: &generator.nai(index as u32),
            sent: node.sent,
            answered: node.answered,
            home_agent: registrations.home_agent_of(node),
            moved: node.moved,
            duplicates: node.duplicates,
            lost: node.sent - node.answered,
            wrong: node.wrong,
        };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
