//! What a worker does that has nothing to do.

use std::{thread, time::Duration};

use crate::port_loop::Activity;

/// Lets a worker sleep that has found nothing to do for a while, unless it is to spin.
#[derive(Debug)]
pub(crate) struct IdleBackoff {
    /// Idle polls after which it sleeps.
    polls: u32,
    sleep: Duration,
    spin: bool,
    idle: u32,
}

impl IdleBackoff {
    pub fn new(polls: u32, sleep: Duration, spin: bool) -> Self {
        Self { polls, sleep, spin, idle: 0 }
    }

    /// A poll is over.
    pub fn polled(&mut self, activity: Activity) {
        self.idle = if activity == Activity::Idle { self.idle.saturating_add(1) } else { 0 };
    }

    /// There was nothing to do for long enough.
    pub fn is_resting(&self) -> bool {
        !self.spin && self.idle > self.polls
    }

    pub fn wait(&self) {
        if self.is_resting() {
            thread::sleep(self.sleep);
        }
    }
}
