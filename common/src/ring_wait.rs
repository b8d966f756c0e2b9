//! How long who polls rings may sleep: they have no descriptor to wait for.

use std::time::{Duration, Instant};

/// While frames flow.
const BUSY: Duration = Duration::from_micros(200);
/// Once it is quiet.
const IDLE: Duration = Duration::from_millis(1);
/// Part of the time that it has been quiet for which to sleep between these.
const QUIET_PART: u32 = 4;

/// Knows since when there was nothing.
#[derive(Clone, Copy, Debug)]
pub struct RingWait {
    last: Instant,
}

impl Default for RingWait {
    fn default() -> Self {
        Self { last: Instant::now() }
    }
}

impl RingWait {
    /// There was something.
    pub fn moved(&mut self) {
        self.last = Instant::now();
    }

    /// How long to sleep now: 200 microseconds, later a quarter of the time for which it has been quiet, up to 1 ms.
    pub fn sleep(&self) -> Duration {
        sleep_after(self.last.elapsed())
    }
}

fn sleep_after(quiet: Duration) -> Duration {
    (quiet / QUIET_PART).clamp(BUSY, IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_grow_with_the_quiet_and_are_bounded() {
        let micros = |quiet| sleep_after(Duration::from_micros(quiet)).as_micros();
        assert_eq!([0, 800, 2000, 4000, 1_000_000].map(micros), [200, 200, 500, 1000, 1000]);
    }
}
