//! How many malformed messages are too many.

use std::time::Duration;

use common::time::Nanos;

/// The times of the last malformed messages: the tenth within 60 seconds is one too many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strikes {
    /// A ring: the oldest is at `next` once it is full.
    times: [Option<Nanos>; Self::LIMIT - 1],
    next: usize,
}

impl Strikes {
    /// Which one is too many.
    pub const LIMIT: usize = 10;
    /// Within which time.
    pub const WINDOW: Duration = Duration::from_mins(1);

    /// Notes one; true if it is the tenth within the time.
    pub fn strike(&mut self, now: Nanos) -> bool {
        let oldest = self.times[self.next].replace(now);
        self.next = (self.next + 1) % self.times.len();
        oldest.is_some_and(|oldest| now.since(oldest) < Self::WINDOW)
    }
}
