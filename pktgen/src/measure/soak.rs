//! Soak: hours of traffic, stopped by the first broken invariant.

use std::time::Duration;

use super::{
    config::Soak,
    plan::{Next, Plan, Task, outcome, share},
};
use crate::{
    pace::Pace,
    result::{Frames, Outcome, Phase, Step},
    scenario::Traffic,
};

/// The plan: intervals without a pause.
#[derive(Debug)]
pub struct SoakPlan {
    settings: Soak,
    pace: Pace,
    /// `None`: until it is stopped.
    duration: Option<Duration>,
    intervals: u32,
    settled: u32,
    sent: u64,
    lost: u64,
    broken: Option<String>,
}

impl SoakPlan {
    /// For the duration of `traffic`.
    pub fn new(settings: Soak, traffic: &Traffic) -> Self {
        let (pace, duration) = (traffic.pace(), traffic.duration);
        Self { settings, pace, duration, intervals: 0, settled: 0, sent: 0, lost: 0, broken: None }
    }
}

impl Plan for SoakPlan {
    fn next(&mut self, _distinct: u64) -> Next {
        let gone = self.settings.interval * self.intervals;
        let rest = self.duration.map_or(self.settings.interval, |duration| duration.saturating_sub(gone));
        if self.broken.is_some() || rest.is_zero() {
            return Next::End;
        }
        self.intervals += 1;
        let ramp = if self.intervals == 1 { self.pace.ramp } else { Duration::ZERO };
        Next::Task(Task {
            phase: Phase::Watch,
            label: format!("{} s", (gone + rest.min(self.settings.interval)).as_secs()),
            pace: self.pace.with_ramp(ramp),
            duration: rest.min(self.settings.interval),
            frames: None,
            mix: None,
            load: None,
        })
    }

    fn done(&mut self, step: &mut Step) {
        self.settled += 1;
        self.sent += step.frames.sent;
        self.lost += step.frames.lost;
        let broken = self.watch(&step.frames).or_else(|| {
            let over = step.loss > self.settings.loss;
            over.then(|| {
                format!("loss of {}, at most {} allowed", share(step.loss), share(self.settings.loss))
            })
        });
        step.passed = Some(broken.is_none());
        if let Some(broken) = broken {
            self.broken.get_or_insert(format!("{}: {broken}", step.label));
        }
    }

    fn watch(&self, frames: &Frames) -> Option<String> {
        let rules = [
            (frames.wrong, "at a wrong home agent"),
            (frames.corrupted, "corrupted"),
            (frames.duplicated, "duplicated"),
            (frames.stray, "never sent, or beyond reading"),
        ];
        let (count, what) = rules.into_iter().find(|(count, _)| *count > 0)?;
        Some(format!("{count} frames {what}"))
    }

    fn patience(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let passed = self.broken.is_none() && self.settled > 0;
        let reason = self.broken.clone().unwrap_or_else(|| {
            format!(
                "every invariant held in {} intervals: {} frames, {} lost",
                self.settled, self.sent, self.lost
            )
        });
        outcome(passed, reason)
    }

    fn length(&self) -> Option<Duration> {
        self.duration
    }
}
