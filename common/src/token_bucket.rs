//! A rate limit that allows bursts. Time is an argument.

use crate::time::Nanos;

/// Tokens that come at a steady rate and are saved up to a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Nanoseconds a token.
    interval: u64,
    /// Nanoseconds that a whole burst takes to come.
    burst: u64,
    /// The instant at which the bucket would be full.
    full_at: Nanos,
}

impl TokenBucket {
    /// `rate` tokens a second, `burst` of them at once; 0 counts as 1. It is full at the start.
    pub fn new(rate: u32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(rate.max(1));
        Self { interval, burst: interval * u64::from(burst.max(1)), full_at: Nanos(0) }
    }

    /// Takes a token; false if there is none.
    #[inline]
    pub fn take(&mut self, now: Nanos) -> bool {
        let full_at = self.full_at.0.max(now.0) + self.interval;
        let fits = full_at <= now.0 + self.burst;
        if fits {
            self.full_at = Nanos(full_at);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prop_assert, proptest};

    use super::*;

    const fn millis(millis: u64) -> Nanos {
        Nanos(millis * 1_000_000)
    }

    #[test]
    fn it_gives_its_burst_at_once_and_then_its_rate() {
        let mut bucket = TokenBucket::new(1000, 50);
        let mut taken = |ms: u64| (0..100).filter(|_| bucket.take(millis(7000 + ms))).count();
        assert_eq!([taken(0), taken(10), taken(10_000)], [50, 10, 50]);
    }

    #[test]
    fn a_refusal_costs_nothing_and_the_next_token_comes_on_time() {
        let mut bucket = TokenBucket::new(20, 60);
        assert_eq!((0..90).filter(|_| bucket.take(millis(1000))).count(), 60);
        assert!(!bucket.take(millis(1049)) && bucket.take(millis(1050)) && !bucket.take(millis(1050)));
    }

    #[test]
    fn none_a_second_and_none_at_once_are_one() {
        let mut bucket = TokenBucket::new(0, 0);
        assert!(bucket.take(millis(0)) && !bucket.take(millis(999)) && bucket.take(millis(1000)));
    }

    proptest! {
        #[test]
        fn no_time_sees_more_than_the_burst_and_the_rate(
            rate in 1u32..100_000,
            burst in 1u32..1000,
            pauses in vec(0u64..50_000_000, 1..500),
        ) {
            let mut bucket = TokenBucket::new(rate, burst);
            let (mut now, mut taken) = (Nanos(0), 0u64);
            for pause in pauses {
                now.0 += pause;
                taken += u64::from(bucket.take(now));
                prop_assert!(taken <= u64::from(burst) + now.0 / (1_000_000_000 / u64::from(rate)));
            }
        }
    }
}
