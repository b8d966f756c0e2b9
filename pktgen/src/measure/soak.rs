//! Soak: hours of traffic, stopped by the first broken invariant.

use std::time::Duration;

use super::{
    config::Soak,
    director_counters::{DirectorCounters, FrameBalance},
    plan::{Next, Plan, Task, outcome, share},
};
use crate::{
    rate_schedule::RateSchedule,
    result::{Frames, Outcome, Phase, Step},
    scenario::Traffic,
};

/// Samples in a row that do not balance after which an invariant is broken: one may have been taken in between.
const SAMPLES: u32 = 3;

/// The plan: intervals without a pause.
#[derive(Debug)]
pub struct SoakPlan {
    settings: Soak,
    schedule: RateSchedule,
    /// `None`: until it is stopped.
    duration: Option<Duration>,
    intervals: u32,
    settled: u32,
    sent: u64,
    lost: u64,
    broken: Option<String>,
    /// The director's, as it said last.
    balance: Option<FrameBalance>,
    /// How often it said so, and how often in a row they did not balance.
    samples: u32,
    unbalanced: u32,
}

impl SoakPlan {
    /// For the duration of `traffic`.
    pub fn new(settings: Soak, traffic: &Traffic) -> Self {
        let (schedule, duration) = (traffic.rate_schedule(), traffic.duration);
        Self {
            settings,
            schedule,
            duration,
            intervals: 0,
            settled: 0,
            sent: 0,
            lost: 0,
            broken: None,
            balance: None,
            samples: 0,
            unbalanced: 0,
        }
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
        let ramp = if self.intervals == 1 { self.schedule.ramp } else { Duration::ZERO };
        Next::Task(Task {
            phase: Phase::Watch,
            label: format!("{} s", (gone + rest.min(self.settings.interval)).as_secs()),
            schedule: self.schedule.with_ramp(ramp),
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
        let Frames { sent, right, .. } = step.frames;
        let nothing = (sent > 0 && right == 0)
            .then(|| format!("nothing arrived: {sent} frames sent, none at its right home agent"));
        let broken = self.watch(&step.frames).or(nothing).or_else(|| {
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
        let broken = rules.into_iter().find(|(count, _)| *count > 0);
        let broken = broken.map(|(count, what)| format!("{count} frames {what}"));
        broken.or_else(|| (self.unbalanced >= SAMPLES).then(|| self.balance.map(unbalanced)).flatten())
    }

    fn count(&mut self, counters: &DirectorCounters) {
        let Some(balance) = counters.balance else { return };
        self.balance = Some(balance);
        self.samples += 1;
        self.unbalanced = if balance.is_near() { 0 } else { self.unbalanced + 1 };
    }

    fn rest(&self) -> Option<String> {
        self.balance.filter(|balance| !balance.is_exact()).map(unbalanced)
    }

    fn frame_timeout(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let passed = self.broken.is_none() && self.settled > 0;
        let reason = self.broken.clone().unwrap_or_else(|| {
            let counters = match self.samples {
                0 => String::new(),
                samples => format!("; the director's counters balanced, {samples} samples"),
            };
            let Self { settled, sent, lost, .. } = self;
            format!("every invariant held in {settled} intervals: {sent} frames, {lost} lost{counters}")
        });
        outcome(passed, reason)
    }

    fn length(&self) -> Option<Duration> {
        self.duration
    }
}

fn unbalanced(FrameBalance { received, verdicts, .. }: FrameBalance) -> String {
    format!(
        "the director's counters do not balance: it received {received} frames and gave {verdicts} verdicts"
    )
}
