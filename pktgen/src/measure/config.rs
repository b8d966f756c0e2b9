//! What a scenario says of a measurement: the receiving port, the director in between, the question.

use std::{net::Ipv4Addr, time::Duration};

use common::mac::MacAddr;
use serde::Deserialize;

use crate::{
    result,
    scenario::{optional_from_text, optional_seconds, seconds},
};

/// The receiving port, on the home agents' side. What EAL needs is said with the sending port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// PCI address or DPDK device string.
    pub device: String,
    /// Replaces the device's address.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub mac: Option<MacAddr>,
    /// A router in front of the home agents: frames to its Ethernet address go where their IPv4 destination says.
    /// Directed mode over a router.
    pub router: Option<Ipv4Addr>,
    /// It asks for this next hop by ARP, so that the other side knows that it lives.
    pub gateway: Option<Ipv4Addr>,
    /// Seconds to wait at most until somebody has asked for each home agent (or the router) by ARP: a director that
    /// does not know them yet forwards nothing.
    #[serde(default = "wait", deserialize_with = "seconds")]
    pub wait: Duration,
}

fn wait() -> Duration {
    Duration::from_secs(3)
}

impl Sink {
    /// A device with the defaults of all the rest.
    pub fn new(device: String) -> Self {
        Self { device, mac: None, router: None, gateway: None, wait: wait() }
    }
}

/// What is known of the director in between: when may a node change its home agent, and how it is asked for counters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Director {
    /// Its `idle ipmobile request`, seconds: a node that was silent for as long may have another home agent. Absent:
    /// never.
    #[serde(deserialize_with = "optional_seconds")]
    pub session: Option<Duration>,
    /// Its `reassign`: a node that sends more requests than this after the first, none later than `session` after
    /// the one before, may have another home agent. Absent: never.
    pub reassign: Option<u8>,
    /// A command that prints its counters as JSON documents: `workers` (each with `worker` and `received`) and
    /// `verdicts` (`verdict`, `class`, `packets`), with `received` beside them if they must add up to it; `sessions`, or
    /// `stats` with it, `connections_created` and `failed_connection_allocs`; `tables` (`name`, `capacity`, `used`). Run
    /// again and again.
    pub counters: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// `[mode.throughput]`
    Throughput(Throughput),
    /// `[mode.latency]`
    Latency(Latency),
    /// `[mode.sessions]`
    Sessions(Sessions),
    /// `[mode.soak]`
    Soak(Soak),
}

impl Mode {
    /// As the result says it.
    pub fn kind(&self) -> result::Mode {
        match self {
            Self::Throughput(_) => result::Mode::Throughput,
            Self::Latency(_) => result::Mode::Latency,
            Self::Sessions(_) => result::Mode::Sessions,
            Self::Soak(_) => result::Mode::Soak,
        }
    }
}

/// Binary search for the highest rate, RFC 2544, section 26.1. The search begins at the rate of `[traffic]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throughput {
    /// Seconds of a trial. The RFC asks for 60.
    #[serde(deserialize_with = "seconds")]
    pub trial: Duration,
    /// Seconds after a trial in which frames still count. The RFC asks for 2.
    #[serde(deserialize_with = "seconds")]
    pub settle: Duration,
    /// Seconds of traffic at `warmup_rate` in front of the first trial.
    #[serde(deserialize_with = "seconds")]
    pub warmup: Duration,
    /// Frames a second of the warm-up; absent: a tenth of the rate of `[traffic]`, or 1000.
    pub warmup_rate: Option<f64>,
    /// Share of frames that may be lost, 0 to 1.
    pub loss: f64,
    /// The search ends when the rate is known to within this share of the highest one.
    pub resolution: f64,
}

impl Default for Throughput {
    fn default() -> Self {
        Self {
            trial: Duration::from_mins(1),
            settle: Duration::from_secs(2),
            warmup: Duration::ZERO,
            warmup_rate: None,
            loss: 0.0,
            resolution: 0.01,
        }
    }
}

/// Latency at loads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    /// Percent of the rate of `[traffic]`, each a step.
    pub loads: Vec<f64>,
    /// Seconds of a load.
    #[serde(deserialize_with = "seconds")]
    pub trial: Duration,
    /// Seconds after it in which frames still count.
    #[serde(deserialize_with = "seconds")]
    pub settle: Duration,
    /// Seconds of traffic at the first load that are not measured.
    #[serde(deserialize_with = "seconds")]
    pub warmup: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            loads: vec![10.0, 50.0, 90.0],
            trial: Duration::from_mins(1),
            settle: Duration::from_secs(2),
            warmup: Duration::ZERO,
        }
    }
}

/// Share of frames that may be lost in a step of `sessions` and `soak` if nobody says: what a busy machine drops now and
/// then, and no more.
const LOSS: f64 = 0.01;

/// New sessions at the rate of `[traffic]` until the table is full, then churn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Nodes sent for at most to fill the table; absent: all. The fill ends before if `director.counters` say that the
    /// table is full.
    pub capacity: Option<u32>,
    /// Seconds of a step.
    #[serde(deserialize_with = "seconds")]
    pub interval: Duration,
    /// Seconds of churn, with the shares of `[traffic]`.
    #[serde(deserialize_with = "seconds")]
    pub churn: Duration,
    /// Share of new nodes in the churn, if `[traffic]` does not say.
    pub churn_new: f64,
    /// Seconds until a frame counts as lost.
    #[serde(deserialize_with = "seconds")]
    pub settle: Duration,
    /// Share of a step's frames that may be lost, 0 to 1. If nothing arrives it has failed, whatever is said here.
    pub loss: f64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            capacity: None,
            interval: Duration::from_secs(1),
            churn: Duration::from_mins(1),
            churn_new: 0.2,
            settle: Duration::from_secs(1),
            loss: LOSS,
        }
    }
}

/// Hours under watch, at the rate of `[traffic]` and for its duration. Stops at the first broken invariant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Soak {
    /// Seconds of a step, each with a line.
    #[serde(deserialize_with = "seconds")]
    pub interval: Duration,
    /// Seconds until a frame counts as lost.
    #[serde(deserialize_with = "seconds")]
    pub settle: Duration,
    /// Share of a step's frames that may be lost, 0 to 1. If nothing arrives an invariant is broken, whatever is said
    /// here.
    pub loss: f64,
}

impl Default for Soak {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), settle: Duration::from_secs(5), loss: LOSS }
    }
}
