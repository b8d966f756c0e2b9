//! Sessions: new ones until the table is full, then churn.

use std::time::Duration;

use super::{
    config::Sessions,
    director_counters::DirectorCounters,
    plan::{ALL_NEW, Next, Plan, Task, outcome, share},
};
use crate::{
    population::TrafficMix,
    rate_schedule::RateSchedule,
    result::{Filled, Outcome, Phase, Step},
    scenario::{Nodes, Traffic},
};

/// The plan: intervals of filling, then intervals of churn, without a pause.
#[derive(Debug)]
pub struct SessionsPlan {
    settings: Sessions,
    capacity: u64,
    schedule: RateSchedule,
    churn: TrafficMix,
    filling: u32,
    /// Intervals of churn so far.
    churning: u32,
    /// What ended the fill.
    filled: Option<Filled>,
    /// New sessions of each interval of the fill that is settled, and its seconds.
    fills: Vec<(u64, f64)>,
    /// The same of the churn, together.
    churned: (u64, f64),
    sent: u64,
    /// The director's counters at first and at last.
    counters: Option<(DirectorCounters, DirectorCounters)>,
    /// Its table is full.
    full: bool,
    /// Intervals of the fill that were over when it was not full yet.
    roomy: u32,
    failed: Option<String>,
}

impl SessionsPlan {
    /// New sessions come at the rate of `traffic`.
    pub fn new(settings: Sessions, nodes: &Nodes, traffic: &Traffic) -> Self {
        let capacity = settings.capacity.unwrap_or(nodes.count).min(nodes.count).into();
        let new = traffic.new.or(Some(settings.churn_new));
        Self {
            settings,
            capacity,
            schedule: traffic.rate_schedule(),
            churn: TrafficMix { new, retransmit: traffic.retransmit },
            filling: 0,
            churning: 0,
            filled: None,
            fills: Vec::new(),
            churned: (0, 0.0),
            sent: 0,
            counters: None,
            full: false,
            roomy: 0,
            failed: None,
        }
    }

    fn task(&self, phase: Phase, label: String) -> Task {
        // The ramp belongs to the first interval.
        let schedule = if self.filling <= 1 && phase == Phase::Fill {
            self.schedule
        } else {
            RateSchedule { ramp: Duration::ZERO, ..self.schedule }
        };
        Task { phase, label, schedule, duration: self.settings.interval, frames: None, mix: None, load: None }
    }

    fn intervals(&self) -> u32 {
        self.settings.churn.as_secs_f64().div_euclid(self.settings.interval.as_secs_f64()) as u32
    }

    /// What is wrong with a step.
    fn judge(&self, step: &Step) -> Option<String> {
        let frames = &step.frames;
        if frames.sent > 0 && frames.right == 0 {
            return Some(format!(
                "{}: nothing arrived: {} frames sent, none at its right home agent",
                step.label, frames.sent
            ));
        }
        let good = step.loss <= self.settings.loss && frames.wrong == 0 && frames.corrupted == 0;
        (!good).then(|| {
            format!(
                "{}: loss {}, at most {} allowed, {} at a wrong home agent, {} corrupted",
                step.label,
                share(step.loss),
                share(self.settings.loss),
                frames.wrong,
                frames.corrupted
            )
        })
    }

    /// New sessions a second in the fill. What came when the table was full is none, and its time is none of the fill's.
    fn fill_rate(&self) -> Option<f64> {
        let sum = |steps: &[(u64, f64)]| {
            let sum = |(many, seconds): (u64, f64), step: &(u64, f64)| (many + step.0, seconds + step.1);
            steps.iter().fold((0, 0.0), sum)
        };
        let roomy = self.fills.len().min(self.roomy as usize);
        let counted = match self.filled {
            Some(Filled::Table) if roomy > 0 => sum(&self.fills[..roomy]),
            Some(Filled::Table) => {
                // It was full within one interval: the director knows how many sessions it made.
                let (many, seconds) = sum(&self.fills);
                let told = self
                    .counters
                    .as_ref()
                    .and_then(|(first, last)| Some(last.created?.saturating_sub(first.created?)));
                (told.unwrap_or(many).min(many), seconds)
            }
            _ => sum(&self.fills),
        };
        rate(counted)
    }
}

/// Of many in so many seconds.
fn rate((many, seconds): (u64, f64)) -> Option<f64> {
    (seconds > 0.0).then(|| many as f64 / seconds)
}

impl Plan for SessionsPlan {
    fn next(&mut self, distinct: u64) -> Next {
        if self.failed.is_some() {
            return Next::End;
        }
        if self.filled.is_none() {
            self.filled = if self.full && self.filling > 0 {
                Some(Filled::Table)
            } else {
                (distinct >= self.capacity).then_some(Filled::Nodes)
            };
        }
        if self.filled.is_none() {
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
        if step.phase == Phase::Fill {
            self.fills.push((step.frames.created, step.seconds));
        } else {
            self.churned.0 += step.frames.created;
            self.churned.1 += step.seconds;
        }
        let failed = self.judge(step);
        step.passed = Some(failed.is_none());
        self.failed = self.failed.take().or(failed);
    }

    fn count(&mut self, counters: &DirectorCounters) {
        let (first, before) = match self.counters.take() {
            Some((first, last)) => (first, last),
            None => (counters.clone(), counters.clone()),
        };
        self.full = self.full || counters.full_since(&before);
        if !self.full {
            self.roomy = self.filling.saturating_sub(1);
        }
        self.counters = Some((first, counters.clone()));
    }

    fn full(&self) -> bool {
        self.full
    }

    fn frame_timeout(&self) -> Duration {
        self.settings.settle
    }

    fn outcome(&self) -> Outcome {
        let (fill, churn) = (self.fill_rate(), rate(self.churned));
        let until = match self.filled {
            Some(Filled::Table) => "the director's table was full".to_owned(),
            Some(Filled::Nodes) => format!("{} nodes were sent for", self.capacity),
            None => "it was stopped, before the table was full".to_owned(),
        };
        let churned = match churn {
            Some(churn) => format!("; {churn:.0}/s in {} intervals of churn", self.churning),
            None => String::new(),
        };
        let reason = self
            .failed
            .clone()
            .unwrap_or_else(|| format!("{:.0} new sessions/s until {until}{churned}", fill.unwrap_or(0.0)));
        let passed = self.failed.is_none() && self.filled.is_some() && fill.is_some_and(|rate| rate > 0.0);
        Outcome {
            rate: fill,
            sessions: Some(self.sent),
            filled: self.filled,
            churn_rate: churn,
            ..outcome(passed, reason)
        }
    }

    fn length(&self) -> Option<Duration> {
        let rate = self.schedule.rate?;
        Some(
            Duration::from_secs_f64(self.capacity as f64 / rate)
                + self.schedule.ramp / 2
                + self.settings.churn,
        )
    }
}
