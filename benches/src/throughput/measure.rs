//! One round of one program, and several beside each other.

use serde::{Deserialize, Serialize};

/// What a round gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Median of the samples, million packets a second.
    pub mpps: f64,
    /// Packets received in all.
    pub received: u64,
    /// Packets sent in all.
    pub sent: u64,
    /// The session table in the end, of a program that has one.
    pub table: Option<Table>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Bytes of all its memory by its stated capacity.
    pub bytes_per_session: f64,
    /// Of the nodes that came, how many in a hundred found no room.
    pub refused_percent: f64,
}

/// The middle value (of an even number, the upper middle); 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Least, middle and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    /// Of some values; zeros of none.
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        let median = median(&mut values);
        Self {
            min: values.first().copied().unwrap_or_default(),
            median,
            max: values.last().copied().unwrap_or_default(),
        }
    }

    /// With so many decimals: `20.0 (19.5..20.6)`, or one figure if they do not differ.
    pub fn text(&self, decimals: usize) -> String {
        let [min, median, max] = [self.min, self.median, self.max].map(|value| format!("{value:.decimals$}"));
        if min == max { median } else { format!("{median} ({min}..{max})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_ordered_and_says_what_differs() {
        let spread = Spread::from_values([3.0, 1.0, 2.04]);
        assert_eq!(spread, Spread { min: 1.0, median: 2.04, max: 3.0 });
        assert_eq!(spread.text(1), "2.0 (1.0..3.0)");
        assert_eq!(Spread::from_values([46.91, 46.93]).text(1), "46.9");
    }
}
