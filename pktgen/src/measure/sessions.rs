//! Sessions: new ones until the table is full, then churn.

use std::time::Duration;

use super::{
    config::Sessions,
    plan::{ALL_NEW, Next, Plan, Task, outcome, share},
};
use crate::{
    pace::Pace,
    population::Mix,
    result::{Outcome, Phase, Step},
    scenario::{Nodes, Traffic},
};

/// The plan: intervals of filling, then intervals of churn, without a pause.
#[derive(Debug)]
pub struct SessionsPlan {
    settings: Sessions,
    capacity: u64,
    pace: Pace,
    churn: Mix,
    filling: u32,
    /// Intervals of churn so far.
    churning: u32,
    sent: u64,
    arrived: u64,
    failed: Option<String>,
}

impl SessionsPlan {
    /// New sessions come at the rate of `traffic`.
    pub fn new(settings: Sessions, nodes: &Nodes, traffic: &Traffic) -> Self {
        let capacity = settings.capacity.unwrap_or(nodes.count).min(nodes.count).into();
        let new = traffic.new.or(Some(settings.churn_new));
        let churn = Mix { new, retransmit: traffic.retransmit };
        let pace = traffic.pace();
        Self { settings, capacity, pace, churn, filling: 0, churning: 0, sent: 0, arrived: 0, failed: None }
    }

    fn task(&self, phase: Phase, label: String) -> Task {
        // The ramp belongs to the first interval.
        let pace = if self.filling <= 1 && phase == Phase::Fill {
            self.pace
        } else {
            Pace { ramp: Duration::ZERO, ..self.pace }
        };
        Task { phase, label, pace, duration: self.settings.interval, frames: None, mix: None, load: None }
    }

    fn intervals(&self) -> u32 {
        self.settings.churn.as_secs_f64().div_euclid(self.settings.interval.as_secs_f64()) as u32
    }
}

impl Plan for SessionsPlan {
    fn next(&mut self, distinct: u64) -> Next {
        if self.failed.is_some() {
            return Next::End;
        }
        if self.churning == 0 && distinct < self.capacity {
            self.filling += 1;
            let task = self.task(Phase::Fill, format!("fill {}", self.filling));
            return Next::Task(Task { frames: Some(self.capacity - distinct), mix: Some(ALL_NEW), ..task });
        }
        if self.churning < self.intervals() {
            self.churning += 1;
            let task = self.task(Phase::Churn, format!("churn {}", self.churning));
            return Next::Task(Task { mix: Some(self.churn), ..task });
        }
        Next::End
    }

    fn done(&mut self, step: &mut Step) {
        self.sent += step.frames.new;
        self.arrived += step.frames.right;
        let passed = step.loss <= self.settings.loss && step.frames.wrong == 0 && step.frames.corrupted == 0;
        step.passed = Some(passed);
        if !passed && self.failed.is_none() {
            let frames = &step.frames;
            self.failed = Some(format!(
                "{}: loss {}, {} at a wrong home agent, {} corrupted",
                step.label,
                share(step.loss),
                frames.wrong,
                frames.corrupted
            ));
        }
    }

    fn patience(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let reason = self
            .failed
            .clone()
            .unwrap_or_else(|| format!("{} nodes sent for, {} intervals of churn", self.sent, self.churning));
        Outcome { sessions: Some(self.sent), ..outcome(self.failed.is_none() && self.arrived > 0, reason) }
    }

    fn length(&self) -> Option<Duration> {
        let rate = self.pace.rate?;
        Some(Duration::from_secs_f64(self.capacity as f64 / rate) + self.pace.ramp / 2 + self.settings.churn)
    }
}
