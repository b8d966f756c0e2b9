//! Frames by the step that they were sent in, however late they end.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use super::{deliveries::Delivery, latency_histogram};
use crate::result::Frames;

/// A step's frames.
#[derive(Clone, Debug)]
pub struct StepCounters {
    pub step: u32,
    pub frames: Frames,
    /// Nanoseconds on the way.
    pub latency: Histogram<u64>,
    /// Nanoseconds from a node's first request without an answer to its next answer.
    pub recovery: Histogram<u64>,
    ended: bool,
}

#[derive(Debug, Default)]
pub struct Steps {
    open: VecDeque<StepCounters>,
    closed: Frames,
    /// What came outside of any step.
    outside: Frames,
}

impl Steps {
    pub fn open(&mut self, step: u32) {
        self.end();
        let (latency, recovery) = (latency_histogram(), latency_histogram());
        let frames = Frames::default();
        self.open.push_back(StepCounters { step, frames, latency, recovery, ended: false });
    }

    /// The last step has ended.
    pub fn end(&mut self) {
        if let Some(counters) = self.open.back_mut() {
            counters.ended = true;
        }
    }

    /// The number of the step that frames are sent in.
    pub fn step(&self) -> u32 {
        self.open.back().map_or(0, |counters| counters.step)
    }

    /// The step that began last.
    pub fn current(&self) -> Option<&StepCounters> {
        self.open.back()
    }

    /// The frames of the step that began last. A frame is about to be sent.
    pub fn sending(&mut self) -> &mut Frames {
        match self.open.back_mut() {
            Some(counters) => &mut counters.frames,
            None => &mut self.outside,
        }
    }

    fn get_mut(&mut self, step: u32) -> Option<&mut StepCounters> {
        let first = self.open.front()?.step;
        self.open.get_mut(step.checked_sub(first)? as usize)
    }

    /// A frame of that step came in; `first`: none of its node had before.
    pub fn arrived(&mut self, step: u32, delivery: Delivery, first: bool, latency: Option<u64>) {
        let frames = match self.get_mut(step) {
            Some(counters) => {
                if let Some(nanos) = latency {
                    counters.latency.saturating_record(nanos.max(1));
                }
                &mut counters.frames
            }
            // The step is closed: a duplicate or one that is late.
            None => &mut self.outside,
        };
        match delivery {
            Delivery::Right => {
                frames.right += 1;
                frames.created += u64::from(first);
            }
            Delivery::Moved => {
                frames.right += 1;
                frames.moved += 1;
            }
            Delivery::Wrong => frames.wrong += 1,
            Delivery::Corrupted => frames.corrupted += 1,
            Delivery::Duplicated => frames.duplicated += 1,
            Delivery::Late => frames.late += 1,
            Delivery::Stray => frames.stray += 1,
        }
    }

    /// A frame came in that belongs to no step.
    pub fn stray(&mut self) {
        match self.open.back_mut() {
            Some(counters) => counters.frames.stray += 1,
            None => self.outside.stray += 1,
        }
    }

    /// A node of that step has an answer again.
    pub fn recovered(&mut self, step: u32, nanos: u64) {
        if let Some(counters) = self.get_mut(step) {
            counters.recovery.saturating_record(nanos.max(1));
        }
    }

    /// A frame of that step was given up.
    pub fn lost(&mut self, step: u32) {
        match self.get_mut(step) {
            Some(counters) => counters.frames.lost += 1,
            None => self.outside.lost += 1,
        }
    }

    /// The first step, if it has ended and all of its frames have.
    pub fn settled(&mut self) -> Option<StepCounters> {
        let counters = self.open.front()?;
        if !counters.ended || counters.unsettled() > 0 {
            return None;
        }
        let counters = self.open.pop_front()?;
        self.closed = add(self.closed, counters.frames);
        Some(counters)
    }

    pub fn total(&self) -> Frames {
        let open = self.open.iter().map(|counters| counters.frames);
        open.fold(add(self.closed, self.outside), add)
    }
}

impl StepCounters {
    /// Frames on their way.
    pub fn unsettled(&self) -> u64 {
        let frames = &self.frames;
        frames.sent - frames.right - frames.wrong - frames.corrupted - frames.lost
    }
}

pub fn add(a: Frames, b: Frames) -> Frames {
    Frames {
        sent: a.sent + b.sent,
        new: a.new + b.new,
        retransmitted: a.retransmitted + b.retransmitted,
        right: a.right + b.right,
        created: a.created + b.created,
        wrong: a.wrong + b.wrong,
        corrupted: a.corrupted + b.corrupted,
        lost: a.lost + b.lost,
        duplicated: a.duplicated + b.duplicated,
        late: a.late + b.late,
        moved: a.moved + b.moved,
        stray: a.stray + b.stray,
    }
}
