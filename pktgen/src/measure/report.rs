//! The report of a measurement: made from its last state, and shown as a table.

use std::fmt::Write as _;

use super::{measurement::Measurement, step};
use crate::{
    accounting::port::PortCounters,
    result::{Frames, HomeAgent, Mode, Phase, Port as PortResult, Report, ScenarioSummary, Step, VERSION},
    scenario::{Choice, Port, Scenario},
    template,
};

/// What the ports saw.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Sending, receiving.
    pub counters: (PortCounters, Option<PortCounters>),
    /// Frames that the devices dropped on receipt.
    pub missed: [u64; 2],
}

/// What was sent where.
pub fn setting(scenario: &Scenario, port: &Port, line_rate: Option<f64>) -> ScenarioSummary {
    let nodes = scenario.nodes.as_ref();
    let bytes = nodes.map_or(0, |nodes| template::frame_length(scenario, nodes.nai.length(nodes.first)));
    let choice = nodes.map_or(Choice::Turn, |nodes| nodes.choice);
    ScenarioSummary {
        name: scenario.name.clone(),
        seed: scenario.seed,
        frame_bytes: scenario.request.frame_size.map_or(bytes as u32, u32::from),
        nodes: nodes.map_or(0, |nodes| nodes.count.into()),
        choice: match choice {
            Choice::Turn => "turn",
            Choice::Uniform => "uniform",
            Choice::Zipf => "zipf",
        }
        .into(),
        zipf: nodes.filter(|_| choice == Choice::Zipf).map(|nodes| nodes.zipf),
        new: scenario.traffic.new_share(choice),
        retransmit: scenario.traffic.retransmit,
        agents: scenario.agents.len() as u32,
        target: scenario.target.as_ref().map_or(String::new(), |it| format!("{}:{}", it.address, it.port)),
        line_rate,
        port: port.device.clone(),
        sink: scenario.sink.as_ref().map(|sink| sink.device.clone()),
    }
}

/// The report; an error if the measurement could not begin.
pub fn new(
    mode: Mode,
    scenario: ScenarioSummary,
    began: u64,
    measurement: &Measurement,
    ports: &Ports,
) -> Result<Report, String> {
    if let (Some(failure), true) = (measurement.failure(), measurement.steps().is_empty()) {
        return Err(failure.into());
    }
    let mut outcome = measurement.plan().outcome();
    let deliveries = measurement.deliveries();
    let broken = measurement.failure().map(Into::into).or_else(|| {
        (!deliveries.adds_up() || deliveries.waiting() > 0)
            .then(|| "the generator's own counters do not add up".to_owned())
    });
    if let Some(broken) = broken {
        outcome.passed = false;
        outcome.reason = broken;
    }
    let home_agents = measurement.home_agents();
    // The plan knows how many it sent for, the deliveries whose frames arrived.
    outcome.sessions = outcome.sessions.map(|_| home_agents.iter().map(|agent| agent.nodes).sum());
    let port = |role: &str, device: &str, count: PortCounters, missed| PortResult {
        role: role.into(),
        device: device.into(),
        received: count.received,
        sent: count.sent,
        ring_full: count.ring_full,
        no_buffer: count.no_buffer,
        missed,
    };
    let sending = port("port", &scenario.port, ports.counters.0, ports.missed[0]);
    let sink = scenario.sink.as_deref().zip(ports.counters.1);
    let receiving = sink.map(|(device, count)| port("sink", device, count, ports.missed[1]));
    Ok(Report {
        version: VERSION,
        mode,
        began,
        seconds: measurement.elapsed().as_secs_f64(),
        outcome,
        steps: measurement.steps().to_vec(),
        total: deliveries.total(),
        home_agents,
        ports: std::iter::once(sending).chain(receiving).collect(),
        latency: step::latency(measurement.latency()),
        machine: None,
        workers: measurement.counters().map(|(first, last)| last.workers_since(first)).unwrap_or_default(),
        scenario,
    })
}

impl Measurement {
    fn home_agents(&self) -> Vec<HomeAgent> {
        let shares = self.names().zip(self.deliveries().home_agents());
        shares
            .map(|((name, address), share)| HomeAgent {
                name: name.into(),
                address: address.to_string(),
                right: share.right,
                wrong: share.wrong,
                nodes: share.nodes,
            })
            .collect()
    }
}

/// A step in one line.
pub fn line(step: &Step) -> String {
    let Frames { sent, lost, wrong, corrupted, duplicated, moved, .. } = step.frames;
    let mark = match (step.phase, step.passed) {
        (_, Some(true)) => "passed",
        (_, Some(false)) => "FAILED",
        (Phase::Warmup, None) => "warm-up",
        (_, None) => "",
    };
    let latency = step
        .latency
        .as_ref()
        .map_or(String::new(), |it| format!(", p50 {:.1} µs, p99 {:.1} µs", it.p50, it.p99));
    let created = match step.phase {
        Phase::Fill | Phase::Churn => format!("; {:.0} new sessions/s", step.created_rate()),
        _ => String::new(),
    };
    format!(
        "{:8.1} s  {:<10} {:>11.0}/s sent {:>11.0}/s forwarded{created}; {sent} sent, {lost} lost, {wrong} wrong, \
         {corrupted} corrupted, {duplicated} duplicated, {moved} moved; {} nodes{latency}  {mark}",
        step.at + step.seconds,
        step.label,
        step.offered,
        step.forwarded,
        step.sessions
    )
}

pub fn table(report: &Report) -> String {
    let mode = format!("{:?}", report.mode).to_lowercase();
    let verdict = if report.outcome.passed { "passed" } else { "FAILED" };
    let setting = &report.scenario;
    let mut text = format!("{}: {mode}, {verdict}: {}\n", setting.name, report.outcome.reason);
    let _ = writeln!(
        text,
        "  {:.1} s, {} bytes a frame, {} nodes ({}), {} foreign agents to {}\n",
        report.seconds, setting.frame_bytes, setting.nodes, setting.choice, setting.agents, setting.target
    );
    steps(&mut text, report);
    let total = &report.total;
    text.push('\n');
    let rows = [
        ("frames sent", total.sent),
        ("  of new nodes", total.new),
        ("  retransmissions", total.retransmitted),
        ("at the right home agent", total.right),
        ("  first of their node", total.created),
        ("  after an allowed move", total.moved),
        ("at a wrong one", total.wrong),
        ("corrupted", total.corrupted),
        ("lost", total.lost),
        ("  and came late", total.late),
        ("duplicated", total.duplicated),
        ("never sent", total.stray),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<36} {value:>12}");
    }
    for agent in &report.home_agents {
        let _ = writeln!(
            text,
            "  home agent {:<12} {:<15} {:>9} right {:>9} wrong {:>9} nodes",
            agent.name, agent.address, agent.right, agent.wrong, agent.nodes
        );
    }
    for worker in &report.workers {
        let _ = writeln!(text, "  director's worker {:<18} {:>12}", worker.worker, worker.frames);
    }
    for port in &report.ports {
        let _ = writeln!(
            text,
            "  {}: {} received, {} sent, {} times full, {} without buffer, {} missed",
            port.role, port.received, port.sent, port.ring_full, port.no_buffer, port.missed
        );
    }
    text
}

fn steps(text: &mut String, report: &Report) {
    let created =
        |text: String| if report.mode == Mode::Sessions { format!(" {text:>11}") } else { String::new() };
    let _ = writeln!(
        text,
        "  {:<10} {:>11} {:>11} {:>11}{} {:>10} {:>9} {:>9} {:>9} {:>9} {:>10}  verdict",
        "step",
        "target/s",
        "sent/s",
        "forwarded/s",
        created("new/s".into()),
        "loss",
        "p50 µs",
        "p90 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs"
    );
    for step in &report.steps {
        let target = step.target.map_or("most".into(), |target| format!("{target:.0}"));
        let _ = write!(
            text,
            "  {:<10} {target:>11} {:>11.0} {:>11.0}{} {:>10.2e}",
            step.label,
            step.offered,
            step.forwarded,
            created(format!("{:.0}", step.created_rate())),
            step.loss
        );
        match &step.latency {
            Some(it) => {
                let _ = write!(
                    text,
                    " {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>10.1}",
                    it.p50, it.p90, it.p99, it.p999, it.max
                );
            }
            None => _ = write!(text, " {:>9} {:>9} {:>9} {:>9} {:>10}", "-", "-", "-", "-", "-"),
        }
        text.push_str(match step.passed {
            Some(true) => "  passed\n",
            Some(false) => "  FAILED\n",
            None => "\n",
        });
        for (reason, count) in &step.losses {
            let _ = writeln!(text, "    {reason}: {count}");
        }
    }
}
