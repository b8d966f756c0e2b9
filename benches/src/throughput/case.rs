//! What is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A row of the table beside the yardstick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Distinct mobile nodes in the capture: as many sessions.
    pub sessions: u32,
    /// How RRQs are sent on.
    pub mode: Mode,
}

/// Forwarding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// MAC rewrite.
    Dispatched,
    /// Server NAT.
    Directed,
}

/// The rows.
pub const CASES: [Case; 4] = [
    Case { sessions: 10_000, mode: Mode::Dispatched },
    Case { sessions: 1_000_000, mode: Mode::Dispatched },
    Case { sessions: 10_000, mode: Mode::Directed },
    Case { sessions: 1_000_000, mode: Mode::Directed },
];

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mode = match self.mode {
            Mode::Dispatched => "dispatched",
            Mode::Directed => "directed",
        };
        write!(f, "repeats, {mode}, {} sessions", self.sessions)
    }
}
