//! The table and its JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    case::Case,
    measure::{Measured, median},
};

/// All rounds of a case beside its yardstick.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What.
    pub case: Case,
    /// Homeward, by round.
    pub homeward: Vec<Measured>,
    /// testpmd macswap on the same capture, by round.
    pub testpmd: Vec<Measured>,
}

/// Least, middle and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Least.
    pub min: f64,
    /// Middle.
    pub median: f64,
    /// Most.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        let median = median(&mut values);
        Self {
            min: values.first().copied().unwrap_or(0.0),
            median,
            max: values.last().copied().unwrap_or(0.0),
        }
    }
}

impl Row {
    /// Homeward over testpmd, round by round: drift of the machine hits both.
    pub fn ratio(&self) -> Spread {
        Spread::of(
            self.homeward.iter().zip(&self.testpmd).map(|(ours, theirs)| ours.mpps / theirs.mpps).collect(),
        )
    }

    fn mpps(rounds: &[Measured]) -> Spread {
        Spread::of(rounds.iter().map(|round| round.mpps).collect())
    }
}

/// The table as text.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<42} {:>9} {:>8} {:>9} {:>8} {:>20}\n{}\n",
        "case",
        "Mpps",
        "ns",
        "testpmd",
        "ns",
        "ratio (min..max)",
        "-".repeat(101)
    );
    for row in rows {
        let (ours, theirs, ratio) =
            (Row::mpps(&row.homeward).median, Row::mpps(&row.testpmd).median, row.ratio());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<42} {ours:>9.2} {:>8.1} {theirs:>9.2} {:>8.1} {:>6.2} ({:.2}..{:.2})",
            row.case.to_string(),
            1e3 / ours,
            1e3 / theirs,
            ratio.median,
            ratio.min,
            ratio.max
        );
    }
    text
}

/// The same with every round, and where it was taken.
pub fn json(rows: &[Row]) -> serde_json::Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        text.lines().find_map(|line| {
            line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned())
        })
    });
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.case.to_string(),
                "case": row.case,
                "homeward_mpps": Row::mpps(&row.homeward),
                "testpmd_mpps": Row::mpps(&row.testpmd),
                "ratio": row.ratio(),
                "rounds": { "homeward": row.homeward, "testpmd": row.testpmd },
            })
        })
        .collect();
    serde_json::json!({
        "cpu": cpu,
        "frame_bytes": super::capture::FRAME,
        "yardstick": "dpdk-testpmd --forward-mode=macswap",
        "rows": rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::case::CASES;

    #[test]
    fn the_ratio_is_that_of_the_rounds() {
        let measured = |mpps| Measured { mpps, received: 1, sent: 1 };
        let row = Row {
            case: CASES[0],
            homeward: [10.0, 30.0, 20.0].map(measured).to_vec(),
            testpmd: [40.0, 60.0, 50.0].map(measured).to_vec(),
        };
        assert_eq!(row.ratio(), Spread { min: 0.25, median: 0.4, max: 0.5 });
        assert!(table(&[row]).contains("20.00     50.0     50.00     20.0   0.40 (0.25..0.50)"));
    }
}
