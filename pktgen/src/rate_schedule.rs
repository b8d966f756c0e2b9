//! How many frames are due: a rate, reached by a ramp.

use std::time::Duration;

/// Bits that a frame takes on an Ethernet wire beyond its own: FCS, preamble and the gap between frames.
const OVERHEAD: u32 = 4 + 8 + 12;
/// Smallest frame without FCS.
const SMALLEST: u32 = 60;

/// Frames a second that fill a link of `mbps` Mbit/s with frames of `bytes` bytes (without FCS).
pub fn line_rate(mbps: u32, bytes: u32) -> f64 {
    f64::from(mbps) * 1e6 / (8.0 * f64::from(bytes.max(SMALLEST) + OVERHEAD))
}

/// Frames due by time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Frames a second; `None`: as fast as possible.
    pub rate: Option<f64>,
    /// For how long the rate rises from 0, evenly.
    pub ramp: Duration,
}

impl Pace {
    /// Without a ramp. 0 stands for as fast as possible.
    pub fn of(rate: f64) -> Self {
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
        let pace = Pace::of(100.0);
        let due = [0, 9, 10, 999, 1000].map(|at| pace.due(millis(at)));
        assert_eq!(due, [1, 1, 2, 100, 101]);
        assert_eq!([0, 1, 200, 3000, 3001].map(|it| pace.frames(millis(it))), [1, 1, 20, 300, 301]);
        assert_eq!(Pace::of(0.0).due(Duration::ZERO), u64::MAX);
        assert_eq!(Pace::of(0.0).frames(Duration::from_secs(3)), u64::MAX);
    }

    #[test]
    fn a_ramp_rises_evenly_and_costs_half_its_time() {
        let pace = Pace::of(1000.0).with_ramp(Duration::from_secs(4));
        let due = [0, 1000, 2000, 4000, 5000].map(|at| pace.due(millis(at)));
        assert_eq!(due, [1, 126, 501, 2001, 3001]);
    }

    #[test]
    fn a_link_holds_as_many_frames_as_the_standard_says() {
        // 64 bytes with FCS at 10 Gbit/s: 14.88 million; 1518 bytes at 1 Gbit/s: 81274 (RFC 2544, appendix B).
        assert_eq!(line_rate(10_000, 60) as u64, 14_880_952);
        assert_eq!(line_rate(1000, 1514) as u64, 81_274);
        assert_eq!(line_rate(10_000, 20) as u64, 14_880_952, "short frames are padded");
    }

    proptest! {
        #[test]
        fn what_is_due_never_shrinks(rate in 0.001f64..1e8, ramp in 0u64..10_000, a in 0u64..100_000, b in 0u64..100_000) {
            let pace = Pace::of(rate).with_ramp(millis(ramp));
            prop_assert!(pace.due(millis(a.min(b))) <= pace.due(millis(a.max(b))));
            // Never more than at the full rate from the start, and one frame.
            prop_assert!(pace.due(millis(a)) <= (rate * a as f64 / 1000.0) as u64 + 1);
        }
    }
}
