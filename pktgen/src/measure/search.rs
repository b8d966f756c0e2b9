//! Throughput: the binary search of RFC 2544, section 26.1.

use std::time::Duration;

use super::{
    config::Throughput,
    plan::{ALL_NEW, Next, Plan, Task, outcome, share},
};
use crate::{
    rate_schedule::RateSchedule,
    result::{Outcome, Phase, Step},
    scenario::Traffic,
};

/// The search alone: rates go out, verdicts come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    bound: f64,
    /// Share of the ceiling.
    resolution: f64,
    /// The highest rate that is looked at; not known before the first trial if that is as fast as possible.
    ceiling: Option<f64>,
    /// A rate at or under which the loss is within the bound.
    low: f64,
    /// A rate over which it is not; `None` before the first trial.
    high: Option<f64>,
    /// Rate and loss of the best trial.
    best: Option<(f64, f64)>,
}

impl Search {
    /// From `ceiling` (`None`: as fast as possible) downwards.
    pub fn new(ceiling: Option<f64>, bound: f64, resolution: f64) -> Self {
        Self { bound, resolution, ceiling, low: 0.0, high: None, best: None }
    }

    /// The rate of the next trial, or `None` when the search has ended. The inner `None`: as fast as possible.
    pub fn next(&self) -> Option<Option<f64>> {
        let Some(high) = self.high else { return Some(self.ceiling) };
        (high - self.low > self.width()).then_some(Some(f64::midpoint(self.low, high)))
    }

    /// A trial at `target` really sent `offered` and lost the share `loss`; whether that is within the bound. One that
    /// sent nothing says nothing good.
    pub fn tried(&mut self, target: Option<f64>, offered: f64, loss: f64) -> bool {
        let target = target.unwrap_or(offered);
        let passed = offered > 0.0 && loss <= self.bound;
        if self.high.is_none() {
            self.ceiling = Some(target);
            self.high = Some(target);
        }
        if passed {
            self.low = self.low.max(target);
            // What was not offered was not carried.
            let rate = target.min(offered);
            if self.best.is_none_or(|(best, _)| rate > best) {
                self.best = Some((rate, loss));
            }
        } else {
            self.high = Some(target);
        }
        passed
    }

    /// The rate is known to within this much.
    pub fn width(&self) -> f64 {
        self.ceiling.unwrap_or(0.0) * self.resolution
    }

    /// Rate and loss of the best trial that passed.
    pub fn best(&self) -> Option<(f64, f64)> {
        self.best
    }
}

/// The plan: warm-up, then trials.
#[derive(Debug)]
pub struct ThroughputPlan {
    settings: Throughput,
    search: Search,
    warm: bool,
    trials: u32,
    /// Trials that were sent slower than they should have been.
    short: u32,
    waiting: bool,
}

/// A trial with less than this share of its rate says little about that rate.
const ENOUGH: f64 = 0.98;
/// Of a warm-up, if nobody says and the rate is as fast as possible.
const WARMUP_RATE: f64 = 1000.0;

impl ThroughputPlan {
    /// Begins at the rate of `traffic`.
    pub fn new(settings: Throughput, traffic: &Traffic) -> Self {
        let search = Search::new(traffic.rate_schedule().rate, settings.loss, settings.resolution);
        let warm = settings.warmup.is_zero();
        Self { settings, search, warm, trials: 0, short: 0, waiting: false }
    }

    fn warmup(&self) -> Task {
        let tenth = self.search.ceiling.map(|ceiling| ceiling / 10.0);
        let rate = self.settings.warmup_rate.or(tenth).unwrap_or(WARMUP_RATE);
        Task {
            phase: Phase::Warmup,
            label: "warm-up".into(),
            schedule: RateSchedule::new(rate),
            duration: self.settings.warmup,
            frames: None,
            mix: Some(ALL_NEW),
            load: None,
        }
    }
}

impl Plan for ThroughputPlan {
    fn next(&mut self, _distinct: u64) -> Next {
        if self.waiting {
            return Next::Wait;
        }
        if !self.warm {
            (self.warm, self.waiting) = (true, true);
            return Next::Task(self.warmup());
        }
        let Some(rate) = self.search.next() else { return Next::End };
        self.trials += 1;
        self.waiting = true;
        Next::Task(Task {
            phase: Phase::Trial,
            label: format!("trial {}", self.trials),
            schedule: RateSchedule { rate, ramp: Duration::ZERO },
            duration: self.settings.trial,
            frames: None,
            mix: None,
            load: None,
        })
    }

    fn done(&mut self, step: &mut Step) {
        self.waiting = false;
        if step.phase == Phase::Trial {
            let short = step.target.is_some_and(|target| step.offered < target * ENOUGH);
            self.short += u32::from(short);
            step.passed = Some(self.search.tried(step.target, step.offered, step.loss));
        }
    }

    fn frame_timeout(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let bound = self.settings.loss;
        let (rate, loss) = self.search.best().unzip();
        let reason = match self.search.best() {
            Some((rate, loss)) => {
                format!("{rate:.0} frames/s with a loss of {} (at most {})", share(loss), share(bound))
            }
            None => format!("no rate with a loss of at most {}", share(bound)),
        };
        let reason = match self.short {
            0 => reason,
            short => format!("{reason}; {short} of {} trials were sent slower than they should", self.trials),
        };
        Outcome {
            rate,
            loss,
            loss_bound: Some(bound),
            resolution: Some(self.search.width()),
            ..outcome(rate.is_some(), reason)
        }
    }

    fn length(&self) -> Option<Duration> {
        // Halvings down to the resolution, and the first trial.
        let trials = (1.0 / self.settings.resolution).log2().ceil().max(0.0) as u32 + 1;
        let pause = self.settings.settle / 4;
        Some(self.settings.warmup + (self.settings.trial + pause) * trials)
    }
}
