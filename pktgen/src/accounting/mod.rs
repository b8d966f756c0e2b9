//! What became of every request, for `generate` (replies), `measure` (arrivals) and `respond`.
//!
//! A request is known by a serial number that comes back with it; a ring holds the last ones. [`registrations`] judges
//! replies, [`deliveries`] judges arrivals and counts them by the [step](steps) that they were sent in.

pub mod deliveries;
pub mod home_agent;
mod outstanding;
pub mod port;
pub mod registrations;
pub mod steps;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hdrhistogram::Histogram;

/// An empty histogram of nanoseconds, up to a minute, three digits.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("1 to a minute in three digits is valid")
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}
