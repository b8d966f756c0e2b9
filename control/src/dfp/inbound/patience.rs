//! How often something may happen.

use std::time::Duration;

use common::time::Nanos;

/// A token bucket for messages of one connection: 20 a second, 60 at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// When the bucket will be full again.
    full: Nanos,
}

impl Bucket {
    /// Messages a second.
    pub const RATE: u32 = 20;
    /// Messages at once.
    pub const BURST: u32 = 60;
    const TOKEN: Duration = Duration::from_nanos(1_000_000_000 / Self::RATE as u64);

    /// Takes a token; false if there is none.
    pub fn take(&mut self, now: Nanos) -> bool {
        let full = self.full.max(now).after(Self::TOKEN);
        let fits = full.since(now) <= Self::TOKEN * Self::BURST;
        if fits {
            self.full = full;
        }
        fits
    }
}

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
