//! How many frames are due: a rate, reached by a ramp.

use std::time::Duration;

/// Frames due by time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSchedule {
    /// Frames a second; `None`: as fast as possible.
    pub rate: Option<f64>,
    /// For how long the rate rises from 0, evenly.
    pub ramp: Duration,
}

impl RateSchedule {
    /// Without a ramp. 0 stands for as fast as possible.
    pub fn new(rate: f64) -> Self {
        Self { rate: (rate > 0.0).then_some(rate), ramp: Duration::ZERO }
    }

    /// The same, reached by a ramp.
    #[must_use]
    pub fn with_ramp(self, ramp: Duration) -> Self {
        Self { ramp, ..self }
    }

    /// How many frames should have been sent after `elapsed`. The first one is due at once.
    pub fn due(&self, elapsed: Duration) -> u64 {
        self.area(elapsed).map_or(u64::MAX, |frames| frames as u64 + 1)
    }

    /// How many frames there are in `duration` in all, at least one.
    pub fn frames(&self, duration: Duration) -> u64 {
        // What is left of a product that should be whole is no frame.
        self.area(duration).map_or(u64::MAX, |frames| ((frames - 1e-6).ceil() as u64).max(1))
    }

    /// The area under the rate.
    fn area(&self, elapsed: Duration) -> Option<f64> {
        let (elapsed, ramp) = (elapsed.as_secs_f64(), self.ramp.as_secs_f64());
        let time = if elapsed < ramp { elapsed * elapsed / (2.0 * ramp) } else { elapsed - ramp / 2.0 };
        self.rate.map(|rate| time * rate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_rate_is_kept_from_the_first_frame_on() {
        let schedule = RateSchedule::new(100.0);
        let due = [0, 9, 10, 999, 1000].map(|at| schedule.due(millis(at)));
        assert_eq!(due, [1, 1, 2, 100, 101]);
        assert_eq!([0, 1, 200, 3000, 3001].map(|it| schedule.frames(millis(it))), [1, 1, 20, 300, 301]);
        assert_eq!(RateSchedule::new(0.0).due(Duration::ZERO), u64::MAX);
        assert_eq!(RateSchedule::new(0.0).frames(Duration::from_secs(3)), u64::MAX);
    }

    #[test]
    fn a_ramp_rises_evenly_and_costs_half_its_time() {
        let schedule = RateSchedule::new(1000.0).with_ramp(Duration::from_secs(4));
        let due = [0, 1000, 2000, 4000, 5000].map(|at| schedule.due(millis(at)));
        assert_eq!(due, [1, 126, 501, 2001, 3001]);
    }

    proptest! {
        #[test]
        fn what_is_due_never_shrinks(rate in 0.001f64..1e8, ramp in 0u64..10_000, a in 0u64..100_000, b in 0u64..100_000) {
            let schedule = RateSchedule::new(rate).with_ramp(millis(ramp));
            prop_assert!(schedule.due(millis(a.min(b))) <= schedule.due(millis(a.max(b))));
            // Never more than at the full rate from the start, and one frame.
            prop_assert!(schedule.due(millis(a)) <= (rate * a as f64 / 1000.0) as u64 + 1);
        }
    }
}
