//! Time as workers and state machines see it: an argument, never the wall clock.

use std::time::Duration;

/// Nanoseconds since the process started, from a monotonic source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The instant `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The session clock at this instant.
    pub fn tick(self) -> Tick {
        Tick(((self.0 >> Tick::NANOS_SHIFT) & u64::from(Tick::MASK)) as u32)
    }
}

/// The session clock: steps of 2^26 ns (about 67 ms), 22 bits wide, so it wraps after about 78 hours.
///
/// Deadlines up to half of that (39 hours) compare correctly; the longest idle time is 65 535 s (18 hours).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// Bits in use.
    pub const BITS: u32 = 22;
    /// Mask of the bits in use.
    pub const MASK: u32 = (1 << Self::BITS) - 1;
    /// A tick is `1 << NANOS_SHIFT` nanoseconds.
    pub const NANOS_SHIFT: u32 = 26;

    /// The tick by which `duration` has certainly passed, never earlier.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ticks = duration.as_nanos().div_ceil(1 << Self::NANOS_SHIFT) as u32;
        Self(self.0.wrapping_add(ticks) & Self::MASK)
    }

    /// The tick before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1) & Self::MASK)
    }

    /// True if `self` lies after `other` on the circular clock.
    pub fn is_after(self, other: Self) -> bool {
        let distance = self.0.wrapping_sub(other.0) & Self::MASK;
        distance != 0 && distance < 1 << (Self::BITS - 1)
    }

    /// Time from `self` until `later`, zero if `later` has passed.
    pub fn until(self, later: Self) -> Duration {
        if later.is_after(self) {
            let ticks = later.0.wrapping_sub(self.0) & Self::MASK;
            Duration::from_nanos(u64::from(ticks) << Self::NANOS_SHIFT)
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        for start in [0, 1, 66_999_999, 67_108_864, 5_000_000_000] {
            for seconds in [1, 10, 300, 65_535] {
                let now = Nanos(start);
                let deadline = now.tick().after(Duration::from_secs(seconds));
                let exact = now.after(Duration::from_secs(seconds));
                assert!(!Nanos(exact.0 - 1).tick().is_after(deadline));
                assert!(exact.after(Duration::from_millis(140)).tick().is_after(deadline));
            }
        }
    }

    #[test]
    fn comparison_survives_the_wrap() {
        let late = Tick(Tick::MASK - 1);
        let deadline = late.after(Duration::from_secs(10));
        assert!(deadline.0 < late.0);
        assert!(deadline.is_after(late) && !late.is_after(deadline));
        assert!(late.until(deadline) >= Duration::from_secs(10));
    }
}
