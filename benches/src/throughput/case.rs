//! What is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A row of the table beside the yardstick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What the frames of the capture ask for.
    pub traffic: Traffic,
    /// Distinct mobile nodes: as many sessions in the end.
    pub sessions: u32,
    /// How RRQs are sent on.
    pub mode: Mode,
    /// Workers, each with a source and a share of the nodes of its own; the yardstick has as many cores.
    pub workers: u8,
    /// Snapshots published a second meanwhile.
    pub publications: u32,
}

/// Kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// Every node has its session.
    Repeats,
    /// One pass over a capture in which no node has one, into a table for as many.
    New,
    /// One pass: four of five frames are of nodes that have their session, the fifth is a new node's.
    Mixed,
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

const MILLION: u32 = 1_000_000;
const REPEATS: Case = Case {
    traffic: Traffic::Repeats,
    sessions: MILLION,
    mode: Mode::Dispatched,
    workers: 1,
    publications: 0,
};

/// The rows.
pub const CASES: [Case; 8] = [
    Case { sessions: 10_000, ..REPEATS },
    Case { sessions: 10_000, mode: Mode::Directed, ..REPEATS },
    REPEATS,
    Case { mode: Mode::Directed, ..REPEATS },
    Case { publications: 1000, ..REPEATS },
    Case { workers: 2, ..REPEATS },
    Case { traffic: Traffic::New, sessions: 10 * MILLION, ..REPEATS },
    Case { traffic: Traffic::Mixed, sessions: 10 * MILLION, ..REPEATS },
];

impl Case {
    /// Sessions that exist before the first frame.
    pub fn known(&self) -> u32 {
        if self.traffic == Traffic::Mixed { self.sessions / 5 * 4 } else { 0 }
    }

    /// What the capture holds, for its name.
    pub fn capture(&self) -> String {
        let kind = if self.traffic == Traffic::Mixed { "mixed" } else { "nodes" };
        format!("{kind}-{}-{}.pcap", self.sessions, self.workers)
    }

    /// Bytes of a packet buffer, headroom included, of both programs: a large capture has small ones.
    pub fn room(&self) -> u16 {
        if self.sessions > 4 * MILLION { 384 } else { 2176 }
    }

    /// Packet buffers: those that `infinite_rx` keeps, one a frame, and those in flight.
    pub fn buffers(&self) -> u32 {
        self.sessions + u32::from(self.workers) * 16_384
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let traffic = match self.traffic {
            Traffic::Repeats => "repeats",
            Traffic::New => "new only",
            Traffic::Mixed => "mixed 80/20",
        };
        let mode = match self.mode {
            Mode::Dispatched => "dispatched",
            Mode::Directed => "directed",
        };
        write!(f, "{traffic}, {mode}, {} sessions", self.sessions)?;
        if self.workers > 1 {
            write!(f, ", {} workers", self.workers)?;
        }
        if self.publications > 0 {
            write!(f, ", {} snapshots/s", self.publications)?;
        }
        Ok(())
    }
}
