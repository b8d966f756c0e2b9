//! What a measurement leaves: one document, written as JSON and read back by whatever draws it.
//!
//! Rates are frames a second, times seconds unless a name says otherwise, latencies microseconds, shares 0 to 1. What
//! does not apply is absent. Keys are never renamed or removed; a change that breaks a reader raises [`VERSION`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of the document's shape.
pub const VERSION: u32 = 1;

/// The question that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Highest rate with a loss at or under a bound: the binary search of RFC 2544, section 26.1. A step is a trial.
    Throughput,
    /// How long frames take at given loads. A step is a load.
    Latency,
    /// New sessions until the table is full, then churn. A step is an interval.
    Sessions,
    /// Hours of traffic under watch. A step is an interval, a minute as a rule.
    Soak,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    pub mode: Mode,
    /// What was sent where.
    pub scenario: ScenarioSummary,
    /// Seconds since 1970 at the beginning.
    pub began: u64,
    /// From the first frame to the last thing that happened.
    pub seconds: f64,
    pub outcome: Outcome,
    /// In order of time.
    pub steps: Vec<Step>,
    /// All steps together, and what came outside of any.
    pub total: Frames,
    /// By home agent, all steps together.
    pub home_agents: Vec<HomeAgent>,
    /// Sending port, then the receiving one if there is one.
    pub ports: Vec<Port>,
    /// Frames by worker of the director over all steps; empty if nobody told.
    #[serde(default)]
    pub workers: Vec<Worker>,
    /// Of all steps but the warm-up; absent if nothing arrived, and in documents of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// What it ran on; absent in documents of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<HostInfo>,
}

/// What the generator ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    pub host: String,
    /// Model of the first processor.
    pub cpu: String,
    /// Processors that are online.
    pub cpus: u32,
    /// Main memory in bytes.
    pub memory: u64,
    /// Release of the kernel.
    pub kernel: String,
    pub dpdk: String,
    /// Version of this program.
    pub pktgen: String,
}

/// What was sent where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioSummary {
    /// Name of the scenario.
    pub name: String,
    /// Of all that is random.
    pub seed: u64,
    /// Bytes of a frame without FCS.
    pub frame_bytes: u32,
    /// Mobile nodes of the population.
    pub nodes: u64,
    /// How a node is chosen: `turn`, `uniform` or `zipf`.
    pub choice: String,
    /// Exponent of the Zipf distribution.
    pub zipf: Option<f64>,
    /// Share of requests of nodes that never sent before; absent: as the choice falls.
    pub new: Option<f64>,
    /// Share of requests that repeat one just sent.
    pub retransmit: f64,
    pub agents: u32,
    /// Address and UDP port that requests are sent to.
    pub target: String,
    /// Frames a second that fill the sending port's link; absent: its speed is not known.
    pub line_rate: Option<f64>,
    /// DPDK device of the sending port.
    pub port: String,
    /// DPDK device of the receiving port; absent: replies stand for arrivals.
    pub sink: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The question could be answered and no invariant broke.
    pub passed: bool,
    /// In words: the answer, or what broke.
    pub reason: String,
    /// Throughput: the highest rate that passed. Sessions: new sessions a second until the fill ended.
    pub rate: Option<f64>,
    /// Throughput: the loss at that rate.
    pub loss: Option<f64>,
    /// Throughput: the loss that was allowed.
    pub loss_bound: Option<f64>,
    /// Throughput: the search ended when it knew the rate to within this.
    pub resolution: Option<f64>,
    /// Sessions: distinct nodes whose frames arrived.
    pub sessions: Option<u64>,
    /// Sessions: what ended the fill; absent if nothing did, and in documents of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<Filled>,
    /// Sessions: new sessions a second in the churn; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub churn_rate: Option<f64>,
}

/// What ended a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filled {
    /// The director's table was full, as its own counters say.
    Table,
    /// As many nodes as should be were sent for.
    Nodes,
}

/// What a step was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Fills caches and the session table; does not count for the answer.
    Warmup,
    /// A trial of the search.
    Trial,
    /// A load of the latency measurement.
    Load,
    /// New sessions.
    Fill,
    /// Sessions come and go.
    Churn,
    /// An interval of a soak.
    Watch,
}

/// A step of the measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 0.
    pub index: u32,
    pub phase: Phase,
    /// For people: `trial 3`, `50 %`, `minute 12`.
    pub label: String,
    /// When it began, since the beginning of the report.
    pub at: f64,
    /// For how long frames were sent.
    pub seconds: f64,
    /// Rate that was wanted; absent: as fast as possible.
    pub target: Option<f64>,
    /// Rate that was sent.
    pub offered: f64,
    /// Rate of frames that arrived at their right home agent.
    pub forwarded: f64,
    /// Share of the throughput that the load stands for (latency).
    pub load: Option<f64>,
    /// The frames sent in this step, wherever they ended.
    pub frames: Frames,
    /// Share of the frames sent that did not arrive intact at their right home agent.
    pub loss: f64,
    /// Where frames were lost, by reason: `unaccounted` here, and the director's verdicts if it was asked. The
    /// director's may also count frames that are not ours.
    #[serde(default)]
    pub losses: BTreeMap<String, u64>,
    /// Absent if nothing arrived.
    pub latency: Option<Latency>,
    /// From a node's first request without an answer to its next answer, microseconds; absent if all were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Latency>,
    /// Distinct nodes sent for since the beginning of the report, at the end of the step.
    pub sessions: u64,
    /// Sessions in the director's table at the end of the step, if it was asked.
    pub table: Option<u64>,
    /// When the director said so, since the beginning of the report: some time behind the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_at: Option<f64>,
    /// Trials: whether the loss was within the bound. Fills, churn and watches: whether every invariant held.
    pub passed: Option<bool>,
    /// Frames by worker of the director in this step; empty if nobody told.
    #[serde(default)]
    pub workers: Vec<Worker>,
}

impl Step {
    /// New sessions a second: nodes of which a frame arrived for the first time.
    pub fn created_rate(&self) -> f64 {
        if self.seconds > 0.0 { self.frames.created as f64 / self.seconds } else { 0.0 }
    }
}

/// Every frame has exactly one end: `sent = right + wrong + corrupted + lost`. What came twice is counted besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    pub sent: u64,
    /// Of nodes that had not sent before, among them.
    pub new: u64,
    /// Repeats of frames just sent, among them.
    pub retransmitted: u64,
    /// Arrived intact at the home agent of their node.
    pub right: u64,
    /// The first of their node that arrived, among them: new sessions.
    #[serde(default)]
    pub created: u64,
    /// Arrived intact at another one, or at an address that is no home agent's.
    pub wrong: u64,
    /// Arrived with other bytes than were sent.
    pub corrupted: u64,
    /// Did not arrive in time.
    pub lost: u64,
    /// Arrived once more than once, each time.
    pub duplicated: u64,
    /// Arrived after they were given up, each; they stay lost.
    pub late: u64,
    /// Nodes that changed their home agent where that was allowed; the frames are right.
    pub moved: u64,
    /// Arrived and were never sent by this run, or were beyond reading.
    pub stray: u64,
}

/// Microseconds from sending to arrival (to the reply, without a receiving port).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub min: f64,
    pub mean: f64,
    /// Half were at most this slow.
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Percentile (0 to 100) and latency, ever denser towards 100: for a curve over 1 / (1 - percentile / 100).
    pub curve: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HomeAgent {
    /// Its name, or its address if it has none.
    pub name: String,
    pub address: String,
    /// Frames that arrived right.
    pub right: u64,
    /// Frames that belonged elsewhere.
    pub wrong: u64,
    /// Nodes whose home agent it is at the end.
    pub nodes: u64,
}

/// A port of the generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// `port` or `sink`.
    pub role: String,
    pub device: String,
    /// Frames received, all protocols.
    pub received: u64,
    /// Frames sent, all protocols.
    pub sent: u64,
    /// Frames that the transmit ring could not take at once.
    pub ring_full: u64,
    /// Frames for which there was no buffer.
    pub no_buffer: u64,
    /// Frames that the device dropped on receipt (ring full, no buffer, errors).
    pub missed: u64,
}

/// What a worker of the director received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// From 0.
    pub worker: u32,
    pub frames: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_one_of_the_kept_document() {
        let kept = include_str!("../tests/data/report.json");
        let report: Report = serde_json::from_str(kept).unwrap();
        assert_eq!(report.version, VERSION);
        for frames in report.steps.iter().map(|step| step.frames).chain([report.total]) {
            assert_eq!(frames.sent, frames.right + frames.wrong + frames.corrupted + frames.lost);
        }
        let again = serde_json::to_value(&report).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(kept).unwrap());
    }
}
