//! What a measurement does next: steps of traffic, one after the other. No clock and no frame in here.

use std::time::Duration;

use super::{
    config::Mode, director_counters::DirectorCounters, latency::LatencyPlan, search::ThroughputPlan,
    sessions::SessionsPlan, soak::SoakPlan,
};
use crate::{
    check::FieldError,
    population::TrafficMix,
    rate_schedule::RateSchedule,
    result::{Frames, Outcome, Phase, Step},
    scenario::{Nodes, Traffic},
};

/// A step of traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub phase: Phase,
    pub label: String,
    pub schedule: RateSchedule,
    pub duration: Duration,
    /// How many frames at most.
    pub frames: Option<u64>,
    /// Whose; `None`: as the scenario says.
    pub mix: Option<TrafficMix>,
    /// Percent of the reference rate.
    pub load: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This, at once.
    Task(Task),
    /// The steps so far must be settled first.
    Wait,
    End,
}

pub trait Plan: Send {
    /// What is next; `distinct` nodes were sent for so far.
    fn next(&mut self, distinct: u64) -> Next;
    /// A step is settled. Steps come in order; the plan says whether it passed.
    fn done(&mut self, step: &mut Step);
    /// Looks at the frames of all steps so far: what invariant is broken? The measurement ends then.
    fn watch(&self, frames: &Frames) -> Option<String> {
        let _ = frames;
        None
    }
    /// The director said this; the first time, before any frame was sent.
    fn count(&mut self, counters: &DirectorCounters) {
        let _ = counters;
    }
    /// The director has no room to remember every node: any may have another home agent.
    fn full(&self) -> bool {
        false
    }
    /// What is broken in the director's last counters if none of our frames is on its way any more?
    fn rest(&self) -> Option<String> {
        None
    }
    /// How long a frame is waited for.
    fn frame_timeout(&self) -> Duration;
    fn outcome(&self) -> Outcome;
    /// About how long it takes in all, if that is known.
    fn length(&self) -> Option<Duration>;
}

/// The plan of a scenario whose rate is known (`traffic.line` is resolved).
pub fn new(mode: &Mode, nodes: &Nodes, traffic: &Traffic) -> Result<Box<dyn Plan>, FieldError> {
    Ok(match mode {
        Mode::Throughput(mode) => Box::new(ThroughputPlan::new(mode.clone(), traffic)),
        Mode::Latency(mode) => Box::new(LatencyPlan::new(mode.clone(), traffic)?),
        Mode::Sessions(mode) => Box::new(SessionsPlan::new(mode.clone(), nodes, traffic)),
        Mode::Soak(mode) => Box::new(SoakPlan::new(mode.clone(), traffic)),
    })
}

/// Every node in turn: fills the session table.
pub const ALL_NEW: TrafficMix = TrafficMix { new: Some(1.0), retransmit: 0.0 };

/// An answer with nothing but words.
pub fn outcome(passed: bool, reason: String) -> Outcome {
    Outcome {
        passed,
        reason,
        rate: None,
        loss: None,
        loss_bound: None,
        resolution: None,
        sessions: None,
        filled: None,
        churn_rate: None,
    }
}

/// A share for people: `0`, `2.5e-4`.
pub fn share(share: f64) -> String {
    if share == 0.0 { "0".into() } else { format!("{share:.1e}") }
}
