//! The clock of a worker: the time-stamp counter, or a fake one under test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::time::Nanos;

/// What a worker reads once a burst.
pub trait Clock: Send {
    /// Cycles of a constant rate.
    fn cycles(&mut self) -> u64;
    /// The time that a reading of [`Clock::cycles`] stands for.
    fn nanos(&self, cycles: u64) -> Nanos;
    /// Gives up the CPU for that long; a simulated clock only advances.
    fn sleep(&mut self, duration: Duration);
}

/// The time-stamp counter. Copies share their origin, so every worker and control read the same time.
#[derive(Clone, Copy, Debug)]
pub struct TscClock {
    origin: u64,
    /// Nanoseconds a cycle, times 2^32.
    scale: u64,
}

impl TscClock {
    /// Measures the counter's rate against the monotonic clock for 20 ms; time begins here.
    pub fn calibrate() -> Self {
        let (start, origin) = (Instant::now(), hw::tsc());
        std::thread::sleep(Duration::from_millis(20));
        let (nanos, cycles) = (start.elapsed().as_nanos(), hw::tsc().wrapping_sub(origin).max(1));
        Self { origin, scale: ((nanos << 32) / u128::from(cycles)) as u64 }
    }

    /// The time now.
    pub fn now(&self) -> Nanos {
        self.nanos(hw::tsc())
    }
}

impl Clock for TscClock {
    fn cycles(&mut self) -> u64 {
        hw::tsc()
    }

    fn nanos(&self, cycles: u64) -> Nanos {
        let since = cycles.saturating_sub(self.origin);
        Nanos(((u128::from(since) * u128::from(self.scale)) >> 32) as u64)
    }

    fn sleep(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that moves only when told to, one cycle a nanosecond. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct FakeClock {
    now: Arc<AtomicU64>,
    slept: Arc<AtomicU64>,
}

impl FakeClock {
    /// Moves it on.
    pub fn advance(&self, duration: Duration) {
        self.now.fetch_add(duration.as_nanos() as u64, Relaxed);
    }

    /// The time now.
    pub fn now(&self) -> Nanos {
        Nanos(self.now.load(Relaxed))
    }

    /// Nanoseconds that were slept away.
    pub fn slept(&self) -> Duration {
        Duration::from_nanos(self.slept.load(Relaxed))
    }
}

impl Clock for FakeClock {
    fn cycles(&mut self) -> u64 {
        self.now.load(Relaxed)
    }

    fn nanos(&self, cycles: u64) -> Nanos {
        Nanos(cycles)
    }

    fn sleep(&mut self, duration: Duration) {
        self.advance(duration);
        self.slept.fetch_add(duration.as_nanos() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_keeps_pace_with_the_monotonic_clock() {
        let clock = TscClock::calibrate();
        let (start, first) = (Instant::now(), clock.now());
        while start.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        let (real, ours) = (start.elapsed().as_secs_f64(), clock.now().since(first).as_secs_f64());
        assert!((ours / real - 1.0).abs() < 0.05, "{ours} against {real}");
    }
}
