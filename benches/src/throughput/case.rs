//! What is measured of Homeward.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::source::{Frames, Source};

/// A row of the table beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What the frames of the capture ask for.
    pub traffic: Traffic,
    /// Distinct mobile nodes: as many sessions in the end.
    pub sessions: u32,
    /// How RRQs are sent on.
    pub mode: Mode,
    /// Workers, each with a source and a share of the nodes of its own; the baseline has as many cores.
    pub workers: u8,
    /// Snapshots published a second meanwhile.
    pub publications: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// Every node has its session.
    Repeats,
    /// One pass over a capture in which no node has one, into a table for as many.
    New,
    /// One pass: four of five frames are of nodes that have their session, the fifth is a new node's.
    Mixed,
    /// Packets to mobile nodes that are away, put into IP-in-IP tunnels: a binding each.
    IpInIp,
    /// The same in GRE.
    Gre,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// MAC rewrite.
    Dispatched,
    /// Server NAT.
    Directed,
}

/// What an instructive number of sessions is counted in.
pub const MILLION: u32 = 1_000_000;

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// It must not be less.
    AtLeast(f64),
    /// It must not be more.
    AtMost(f64),
}

impl Threshold {
    /// Whether a figure reaches it.
    pub fn met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

impl Case {
    /// Packets to mobile nodes, no requests.
    pub fn is_data(&self) -> bool {
        matches!(self.traffic, Traffic::IpInIp | Traffic::Gre)
    }

    pub fn source(&self) -> Source {
        let frames = match self.traffic {
            Traffic::Repeats | Traffic::New => Frames::Requests,
            Traffic::Mixed => Frames::Mixed,
            Traffic::IpInIp | Traffic::Gre => Frames::Data,
        };
        Source { frames, sessions: self.sessions, workers: self.workers }
    }

    /// The ratio to macswap that it is held against.
    pub fn target(&self) -> Option<Threshold> {
        if self.workers != 1 || self.publications != 0 {
            return None;
        }
        let least = match (self.traffic, self.mode, self.sessions) {
            (Traffic::Repeats, Mode::Dispatched, 10_000) => 0.50,
            (Traffic::Repeats, Mode::Dispatched, MILLION) => 0.45,
            (Traffic::Repeats, Mode::Directed, MILLION) => 0.42,
            (Traffic::New, Mode::Dispatched, 10_000_000) => 0.30,
            (Traffic::IpInIp | Traffic::Gre, _, MILLION) | (Traffic::Mixed, Mode::Dispatched, 10_000_000) => {
                0.35
            }
            _ => return None,
        };
        Some(Threshold::AtLeast(least))
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let traffic = match self.traffic {
            Traffic::Repeats => "repeats",
            Traffic::New => "new only",
            Traffic::Mixed => "mixed 80/20",
            Traffic::IpInIp => return write!(f, "into IP-in-IP, {} bindings", self.sessions),
            Traffic::Gre => return write!(f, "into GRE, {} bindings", self.sessions),
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
