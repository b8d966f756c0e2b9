//! The time of a call.

use common::time::Nanos;

/// The time of a call, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For lifetimes.
    pub monotonic: Nanos,
    /// The wall clock as NTP writes it: seconds since 1900 in the upper half, a fraction in the lower. For identifications.
    pub ntp: u64,
}
