//! Calls per second of a home agent, as its guide counts them: over the last minute.

use std::{collections::VecDeque, time::Duration};

use crate::time::Nanos;

/// What the usage is computed over.
const MINUTE: Duration = Duration::from_mins(1);

/// Readings kept at most; one more in a minute takes the place of the last.
const READINGS: usize = 64;

/// Running totals of registrations, as they were read.
#[derive(Clone, Debug, Default)]
pub struct CallMeter {
    /// From the last one that is a minute old, if there is one, to the present.
    readings: VecDeque<(Nanos, u64)>,
}

impl CallMeter {
    /// Takes the running total at `now`. One that is less than before is that of a home agent that has started anew.
    pub fn read(&mut self, now: Nanos, total: u64) {
        if self.readings.back().is_some_and(|(_, before)| *before > total) {
            self.readings.clear();
        }
        if self.readings.len() >= READINGS {
            self.readings.pop_back();
        }
        self.readings.push_back((now, total));
        while self.readings.get(1).is_some_and(|(at, _)| now.since(*at) >= MINUTE) {
            self.readings.pop_front();
        }
    }

    /// Calls in the last minute, or since there are readings, and what `per_second` would have allowed in that time;
    /// none: there are not two readings yet. Both in thousandths of a call.
    pub fn usage(&self, per_second: u32) -> Option<(u64, u64)> {
        let ((from, before), (to, total)) = (*self.readings.front()?, *self.readings.back()?);
        let time = u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX);
        let possible = time.saturating_mul(per_second.into());
        (possible > 0).then(|| ((total - before).saturating_mul(1000), possible))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    /// A meter with readings (seconds, total).
    fn meter(readings: &[(u64, u64)]) -> CallMeter {
        let mut meter = CallMeter::default();
        for (seconds, total) in readings {
            meter.read(at(*seconds), *total);
        }
        meter
    }

    #[test]
    fn one_reading_says_nothing_and_two_say_calls_per_second() {
        assert_eq!(meter(&[]).usage(10), None);
        assert_eq!(meter(&[(5, 1000)]).usage(10), None);
        assert_eq!(meter(&[(5, 1000), (15, 1025)]).usage(10), Some((25_000, 100_000)));
        assert_eq!(meter(&[(5, 1000), (5, 1025)]).usage(10), None, "in no time");
    }

    #[test]
    fn only_the_last_minute_counts() {
        let readings: Vec<_> =
            (0..=20).map(|step| (step * 10, if step < 10 { step * 500 } else { 5000 })).collect();
        assert_eq!(meter(&readings).usage(1), Some((0, 60_000)), "the burst is over");
        assert_eq!(meter(&readings[..11]).usage(100), Some((3_000_000, 6_000_000)), "50 a second of 100");
        assert_eq!(
            meter(&[(0, 0), (300, 600)]).usage(4),
            Some((600_000, 1_200_000)),
            "fewer than one a minute"
        );
    }

    #[test]
    fn a_home_agent_that_starts_anew_begins_at_its_own_total() {
        let mut meter = meter(&[(0, 5000), (10, 9000), (20, 3)]);
        assert_eq!(meter.usage(10), None);
        meter.read(at(30), 53);
        assert_eq!(meter.usage(10), Some((50_000, 100_000)));
    }

    #[test]
    fn readings_are_bounded_and_none_of_them_overflows() {
        let many: Vec<_> = (0..1000).map(|step| (0, step)).collect();
        let mut meter = meter(&many);
        assert!(meter.readings.len() <= READINGS);
        meter.read(at(1), u64::MAX);
        assert_eq!(meter.usage(u32::MAX), Some((u64::MAX, 4_294_967_295_000)));
    }
}
