//! One round of one program.

use serde::{Deserialize, Serialize};

/// What a round gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Median of the samples, million packets a second.
    pub mpps: f64,
    /// Packets received in all.
    pub received: u64,
    /// Packets sent in all.
    pub sent: u64,
}

impl Measured {
    /// From rates in packets a second.
    pub fn of(mut rates: Vec<f64>, received: u64, sent: u64) -> Self {
        Self { mpps: median(&mut rates) / 1e6, received, sent }
    }
}

/// The middle value (of an even number, the upper middle); 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
