//! One server that one probe asks.

use std::{
    fmt,
    net::SocketAddrV4,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::slb::RealLive;
use serde::{Deserialize, Serialize};

use crate::slb::config::{Bytes, ObjectName, ProbeConfig, ProbeKind, Script, UdpRequest};

/// A try that could not be made is made again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// The same of a script: each is a process.
const SCRIPT_AGAIN: Duration = Duration::from_secs(1);

/// Names a [`Target`]: another one after each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId(pub u32);

/// What a probe says of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProbeState {
    /// It answers, or has not failed yet.
    #[default]
    Operational,
    /// It answers again, not often enough yet.
    Testing,
    /// It does not answer.
    Failed,
}

impl ProbeState {
    /// As displayed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operational => "OPERATIONAL",
            Self::Testing => "TESTING",
            Self::Failed => "FAILED",
        }
    }
}

/// What is sent, and what answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// An ICMP echo request.
    Echo,
    /// A connection is opened.
    Connection,
    /// A registration request of this node.
    Registration {
        /// Its NAI.
        nai: Vec<u8>,
    },
    /// A datagram.
    Datagram {
        /// Its payload.
        payload: Vec<u8>,
        /// All of these are in the payload of the answer.
        responses: Vec<Bytes>,
    },
    /// A script is run; exit status 0 is an answer.
    Script(Script),
}

impl Question {
    /// What `probe` asks; `None` while it has no request.
    pub fn of(probe: &ProbeConfig) -> Option<Self> {
        let exchange = match &probe.kind {
            ProbeKind::Ping => return Some(Self::Echo),
            ProbeKind::Tcp => return Some(Self::Connection),
            ProbeKind::Script(script) => return script.clone().map(Self::Script),
            ProbeKind::CustomUdp(exchange) => exchange,
        };
        Some(match exchange.request.as_ref()? {
            UdpRequest::MobileIp { nai } => {
                let nai = nai.as_deref().unwrap_or(ProbeConfig::NAI);
                Self::Registration { nai: nai.as_bytes().to_vec() }
            }
            UdpRequest::Data(pieces) => {
                let mut payload = Vec::new();
                for (offset, bytes) in pieces {
                    let end = usize::from(*offset) + bytes.len();
                    payload.resize(payload.len().max(end), 0);
                    payload[usize::from(*offset)..end].copy_from_slice(bytes);
                }
                Self::Datagram { payload, responses: exchange.responses.values().cloned().collect() }
            }
        })
    }

    /// After what time a try is made again that this host could not make.
    pub fn again(&self) -> Duration {
        if let Self::Script(_) = self { SCRIPT_AGAIN } else { AGAIN }
    }
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What.
    pub question: Question,
    /// Time between two tries.
    pub interval: Duration,
    /// Time that an answer may take, at most the interval.
    pub timeout: Duration,
    /// Tries in a row without an answer after which it has failed.
    pub faildetect: u8,
    /// Answers in a row that it needs after that.
    pub retry: u8,
}

impl Terms {
    /// Those of `probe`; `None` while it has no request.
    pub fn of(probe: &ProbeConfig) -> Option<Self> {
        Some(Self {
            question: Question::of(probe)?,
            interval: Duration::from_secs(probe.interval.into()),
            timeout: Duration::from_secs(probe.timeout().into()),
            faildetect: probe.faildetect,
            retry: probe.retry,
        })
    }
}

/// What the tasks count, and control shows.
#[derive(Debug, Default)]
pub struct TargetCounters {
    /// Tries.
    pub tries: AtomicU64,
    /// Answers in time.
    pub answers: AtomicU64,
    /// Tries that could not be made, for a reason of this host: they say nothing.
    pub not_sent: AtomicU64,
    /// How long the last answer took, in nanoseconds; 0: there was none.
    pub round_trip: AtomicU64,
}

impl TargetCounters {
    /// How long the last answer took.
    pub fn round_trip(&self) -> Option<Duration> {
        let nanos = self.round_trip.load(Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}

/// One server that one probe asks, for every real that is this server.
pub struct Target {
    /// This one's.
    pub id: TargetId,
    /// Name of the probe.
    pub probe: ObjectName,
    /// Whom; port 0 where there is none.
    pub server: SocketAddrV4,
    /// How.
    pub terms: Arc<Terms>,
    /// What is known of it when it is begun.
    pub state: ProbeState,
    /// Shared with whoever shows them.
    pub counters: Arc<TargetCounters>,
    /// The reals for which an answer to a registration vouches.
    pub reals: Vec<Arc<RealLive>>,
}

/// Settings only, since a recording keeps it: what moves by itself is not shown.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} ({}) {:?}", self.id.0, self.probe, self.server, self.state.name(), self.terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slb::config::Exchange;

    #[test]
    fn pieces_of_a_payload_are_joined_with_zeros_between_and_the_later_ones_on_top() {
        let pieces = [(0, vec![1, 2, 3]), (2, vec![9]), (5, vec![7])].into();
        let exchange = Exchange {
            request: Some(UdpRequest::Data(pieces)),
            responses: [(1, Bytes { offset: 0, bytes: vec![4] })].into(),
        };
        let probe = ProbeConfig::new("P".parse().unwrap(), ProbeKind::CustomUdp(exchange));
        let Some(Question::Datagram { payload, responses }) = Question::of(&probe) else { panic!() };
        assert_eq!(payload, [1, 2, 9, 0, 0, 7]);
        assert_eq!(responses.len(), 1);
        let empty = ProbeConfig::new("P".parse().unwrap(), ProbeKind::CustomUdp(Exchange::default()));
        assert_eq!(Question::of(&empty), None);
    }
}
