//! What a scenario must fulfil: alone, and for each use.

use std::{collections::HashMap, path::Path, time::Duration};

use common::wire::ethernet;

use crate::{
    measure::config::Mode,
    scenario::{Agent, Nodes, Port, Scenario, ScenarioError, Target},
    template,
};

/// A field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Such as `agent[1].address`.
    pub field: String,
    pub reason: String,
}

impl FieldError {
    /// As an error of a file.
    pub fn in_file(self, file: &Path) -> ScenarioError {
        ScenarioError::Field { file: file.into(), field: self.field, reason: self.reason }
    }
}

fn refuse<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, FieldError> {
    Err(FieldError { field: field.into(), reason: reason.into() })
}

/// Most mobile nodes: the account of each is kept.
const MOST_NODES: u32 = 64_000_000;

/// Steepest distribution: at 8 the second node has 0.4 % of the first one's requests.
const MOST_ZIPF: f64 = 8.0;

/// Checks values, whatever the scenario is used for.
pub fn values(scenario: &Scenario) -> Result<(), FieldError> {
    let traffic = &scenario.traffic;
    if !(traffic.rate >= 0.0 && traffic.rate.is_finite()) {
        return refuse("traffic.rate", "expected requests a second, 0 or more");
    }
    let shares = [
        ("traffic.repeat", Some(traffic.repeat)),
        ("traffic.new", traffic.new),
        ("traffic.retransmit", Some(traffic.retransmit)),
        ("traffic.line", traffic.line),
    ];
    for (field, share) in shares {
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return refuse(field, "expected a share, 0 to 1");
        }
    }
    if traffic.new.is_some() && traffic.repeat > 0.0 {
        return refuse("traffic.repeat", "says the same as traffic.new; expected one of them");
    }
    if traffic.line == Some(0.0) {
        return refuse("traffic.line", "expected a share over 0");
    }
    if let Some(port) = &scenario.port
        && !(64..=8192).contains(&port.descriptors)
    {
        return refuse("port.descriptors", "expected 64 to 8192");
    }
    if let Some(nodes) = &scenario.nodes {
        if !(1..=MOST_NODES).contains(&nodes.count) {
            return refuse("nodes.count", format!("expected 1 to {MOST_NODES}"));
        }
        let Some(last) = nodes.first.checked_add(nodes.count - 1) else {
            return refuse("nodes.first", "the last node's number does not fit into 32 bits");
        };
        if !(nodes.zipf > 0.0 && nodes.zipf <= MOST_ZIPF) {
            return refuse("nodes.zipf", format!("expected an exponent over 0 and up to {MOST_ZIPF}"));
        }
        frame_size(scenario, nodes, last)?;
    }
    let mut addresses = HashMap::new();
    let agents = scenario.agents.iter().map(|agent| ("agent", agent.address));
    let home_agents = scenario.home_agents.iter().map(|agent| ("home_agent", agent.address));
    for (kind, list) in [("agent", agents.collect::<Vec<_>>()), ("home_agent", home_agents.collect())] {
        for (index, (_, address)) in list.iter().enumerate() {
            let field = format!("{kind}[{index}].address");
            if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
                return refuse(field, format!("{address} is not the address of a host"));
            }
            if let Some(other) = addresses.insert(*address, field.clone()) {
                return refuse(field, format!("{address} is that of {other}"));
            }
        }
    }
    home_agent_names(scenario)
}

fn frame_size(scenario: &Scenario, nodes: &Nodes, last: u32) -> Result<(), FieldError> {
    let least = template::frame_length(scenario, nodes.nai.length(last));
    let Some(size) = scenario.request.frame_size else { return Ok(()) };
    if usize::from(size) < least {
        return refuse("request.frame_size", format!("the longest request has {least} bytes"));
    }
    let most = usize::from(scenario.port.as_ref().map_or(1500, |port| port.mtu)) + ethernet::LENGTH;
    if usize::from(size) > most {
        return refuse("request.frame_size", format!("the port takes at most {most} bytes"));
    }
    Ok(())
}

fn home_agent_names(scenario: &Scenario) -> Result<(), FieldError> {
    let (mut names, mut macs) = (HashMap::new(), HashMap::new());
    for (index, agent) in scenario.home_agents.iter().enumerate() {
        if agent.name.is_empty() || agent.name == "all" || agent.name.contains(char::is_whitespace) {
            return refuse(format!("home_agent[{index}].name"), "expected one word other than all");
        }
        if let Some(other) = names.insert(&agent.name, index) {
            return refuse(format!("home_agent[{index}].name"), format!("is that of home_agent[{other}]"));
        }
        if agent.mac().is_multicast() {
            return refuse(format!("home_agent[{index}].mac"), "a group address");
        }
        if let Some(other) = macs.insert(agent.mac(), index) {
            return refuse(format!("home_agent[{index}].mac"), format!("is that of home_agent[{other}]"));
        }
        let virtual_too = scenario.respond.virtual_addresses.contains(&agent.address);
        if virtual_too {
            return refuse(
                "respond.virtual",
                format!("{} is the real address of {}", agent.address, agent.name),
            );
        }
    }
    Ok(())
}

/// What sending needs.
pub struct Sending<'a> {
    /// Foreign agents, at least one.
    pub agents: &'a [Agent],
    /// To whom.
    pub target: &'a Target,
    /// For whom.
    pub nodes: &'a Nodes,
}

/// Checks that there is what sending needs.
pub fn sending(scenario: &Scenario) -> Result<Sending<'_>, FieldError> {
    if scenario.agents.is_empty() {
        return refuse("agent", "at least one foreign agent is needed to send requests");
    }
    let Some(target) = &scenario.target else {
        return refuse("target", "is needed to send requests");
    };
    let Some(nodes) = &scenario.nodes else {
        return refuse("nodes", "are needed to send requests");
    };
    Ok(Sending { agents: &scenario.agents, target, nodes })
}

/// Checks that there is what responding needs.
pub fn responding(scenario: &Scenario) -> Result<(), FieldError> {
    if scenario.home_agents.is_empty() {
        return refuse("home_agent", "at least one is needed to respond");
    }
    Ok(())
}

/// Checks that there is what measuring needs.
pub fn measuring(scenario: &Scenario) -> Result<(&Mode, &Nodes), FieldError> {
    let Sending { nodes, .. } = sending(scenario)?;
    let Some(mode) = &scenario.mode else {
        return refuse("mode", "is needed: throughput, latency, sessions or soak");
    };
    if scenario.home_agents.is_empty() {
        return refuse("home_agent", "at least one is needed: arrivals are counted by home agent");
    }
    let bound = |field: &str, share: f64| match share {
        share if (0.0..=1.0).contains(&share) => Ok(()),
        _ => refuse(format!("mode.{field}"), "expected a share, 0 to 1"),
    };
    let lasts = |field: &str, duration: Duration| match duration {
        Duration::ZERO => refuse(format!("mode.{field}"), "expected seconds, over 0"),
        _ => Ok(()),
    };
    match mode {
        Mode::Throughput(mode) => {
            bound("throughput.loss", mode.loss)?;
            lasts("throughput.trial", mode.trial)?;
            if !(mode.resolution >= 1e-6 && mode.resolution <= 1.0) {
                return refuse("mode.throughput.resolution", "expected a share, 0.000001 to 1");
            }
        }
        Mode::Latency(mode) => {
            lasts("latency.trial", mode.trial)?;
            if mode.loads.is_empty() || mode.loads.iter().any(|load| !(*load > 0.0 && *load <= 1000.0)) {
                return refuse("mode.latency.loads", "expected percents, over 0 and up to 1000");
            }
        }
        Mode::Sessions(mode) => {
            bound("sessions.loss", mode.loss)?;
            bound("sessions.churn_new", mode.churn_new)?;
            lasts("sessions.interval", mode.interval)?;
        }
        Mode::Soak(mode) => {
            bound("soak.loss", mode.loss)?;
            lasts("soak.interval", mode.interval)?;
        }
    }
    Ok((mode, nodes))
}

/// The port, which all but writing a file needs.
pub fn port(scenario: &Scenario) -> Result<&Port, FieldError> {
    match &scenario.port {
        Some(port) => Ok(port),
        None => refuse("port", "is needed; or name one with --device"),
    }
}
