//! Latency: a step a load.

use std::time::Duration;

use super::{
    config::Latency,
    plan::{ALL_NEW, Next, Plan, Task, outcome},
};
use crate::{
    check::FieldError,
    rate_schedule::RateSchedule,
    result::{Outcome, Phase, Step},
    scenario::Traffic,
};

/// The plan: warm-up, then the loads in their order.
#[derive(Debug)]
pub struct LatencyPlan {
    settings: Latency,
    rate: f64,
    warm: bool,
    at: usize,
    waiting: bool,
    measured: usize,
}

impl LatencyPlan {
    /// Loads are shares of the rate of `traffic`.
    pub fn new(settings: Latency, traffic: &Traffic) -> Result<Self, FieldError> {
        let Some(rate) = traffic.rate_schedule().rate else {
            let reason = "is needed: loads are shares of it".into();
            return Err(FieldError { field: "traffic.rate".into(), reason });
        };
        let warm = settings.warmup.is_zero();
        Ok(Self { settings, rate, warm, at: 0, waiting: false, measured: 0 })
    }

    fn task(&self, load: f64) -> Task {
        Task {
            phase: Phase::Load,
            label: format!("{load} %"),
            schedule: RateSchedule::new(self.rate * load / 100.0),
            duration: self.settings.trial,
            frames: None,
            mix: None,
            load: Some(load),
        }
    }
}

impl Plan for LatencyPlan {
    fn next(&mut self, _distinct: u64) -> Next {
        if self.waiting {
            return Next::Wait;
        }
        let Some(load) = self.settings.loads.get(self.at) else { return Next::End };
        self.waiting = true;
        if !self.warm {
            self.warm = true;
            return Next::Task(Task {
                phase: Phase::Warmup,
                label: "warm-up".into(),
                duration: self.settings.warmup,
                mix: Some(ALL_NEW),
                load: None,
                ..self.task(*load)
            });
        }
        self.at += 1;
        Next::Task(self.task(*load))
    }

    fn done(&mut self, step: &mut Step) {
        self.waiting = false;
        self.measured += usize::from(step.phase == Phase::Load && step.latency.is_some());
    }

    fn frame_timeout(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let loads = self.settings.loads.len();
        let reason = format!("{} of {loads} loads measured", self.measured);
        outcome(self.measured == loads, reason)
    }

    fn length(&self) -> Option<Duration> {
        Some(self.settings.warmup + self.settings.trial * self.settings.loads.len() as u32)
    }
}
