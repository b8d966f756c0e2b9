//! Messages to the log about a peer, and how often a peer may cause one.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use common::time::Nanos;

use super::{
    debug::Facility,
    inbound::Close,
    manager::{fsm::Loss, weights::MAX_ROWS},
    packet::{DecodeError, Row},
};

/// Time between two messages of one kind about one peer.
pub const PAUSE: Duration = Duration::from_secs(10);

/// Most peers and kinds that are remembered; beyond that nothing new is logged until one is forgotten.
const MOST: usize = 1024;

/// Something that the operator should hear of. Displays as the text, without facility and mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A manager wants to hear from us more often than agents send: every 1 or 2 seconds.
    KeepAlive { seconds: u32, manager: Ipv4Addr },
    /// A message was discarded since it does not decode, or is not secured as it must be.
    Discarded { error: DecodeError, peer: SocketAddrV4 },
    /// A connection was closed since nothing more can be made of it, or too much that is bad has come.
    Closed { close: Close, peer: SocketAddrV4 },
    /// Our manager is connected with an agent.
    Opened { agent: SocketAddrV4 },
    /// It no longer is, and the weights that the agent has reported are gone.
    Lost { loss: Loss, agent: SocketAddrV4 },
    /// It tries no more.
    GaveUp { attempts: u32, agent: SocketAddrV4 },
    /// An agent has reported more rows than it may.
    Overflow { agent: SocketAddrV4 },
    /// A manager tells what it thinks of a server.
    ServerState { manager: Ipv4Addr, row: Row },
}

/// What makes a line of the log.
struct Line {
    severity: u8,
    name: &'static str,
    peer: Ipv4Addr,
    text: String,
}

impl Notice {
    fn line(&self) -> Line {
        let line = |severity, name, peer, text| Line { severity, name, peer, text };
        match *self {
            Self::KeepAlive { seconds, manager } => {
                let text = format!(
                    "Keep-alive of {seconds} seconds from manager {manager} is below the minimum of 3, using 3"
                );
                line(4, "KEEP_ALV", manager, text)
            }
            Self::Discarded { error, peer } => {
                let (name, text) = match error {
                    DecodeError::Security(_) => ("BAD_SEC", format!("{error} in message from {peer}")),
                    DecodeError::UnknownType(_) => ("UNK_TYPE", format!("{error} from {peer}")),
                    _ => ("BAD_MSG", format!("malformed message from {peer} ({error})")),
                };
                line(4, name, *peer.ip(), text)
            }
            Self::Closed { close, peer } => {
                line(4, "CLOSED", *peer.ip(), format!("connection with {peer} closed ({close})"))
            }
            Self::Opened { agent } => line(6, "OPENED", *agent.ip(), format!("connected with agent {agent}")),
            Self::Lost { loss, agent } => {
                let text = format!("connection with agent {agent} lost ({loss}), static weights return");
                line(4, "LOST", *agent.ip(), text)
            }
            Self::GaveUp { attempts, agent } => {
                line(4, "GAVE_UP", *agent.ip(), format!("agent {agent} given up after {attempts} attempts"))
            }
            Self::Overflow { agent } => {
                let text = format!("agent {agent} reports more than {MAX_ROWS} weights");
                line(4, "OVERFLOW", *agent.ip(), text)
            }
            Self::ServerState { manager, row: Row { key, weight } } => {
                let service = format!("{} {} {}", key.address, key.protocol, key.port);
                line(6, "SRV_STATE", manager, format!("manager {manager} reports {service} weight {weight}"))
            }
        }
    }

    fn emit(&self, facility: Facility) {
        let Line { severity, name, text, .. } = self.line();
        let mnemonic = format!("{}-{severity}-{name}", facility.name());
        let mnemonic = mnemonic.as_str();
        if severity > 4 {
            tracing::info!(mnemonic, "{text}");
        } else {
            tracing::warn!(mnemonic, "{text}");
        }
    }

    /// Writes it to the log, unless one of its kind about its peer was written less than [`PAUSE`] ago.
    pub fn emit_rarely(&self, facility: Facility, limiter: &mut Limiter, now: Nanos) {
        if limiter.allows(self, now) {
            self.emit(facility);
        }
    }
}

/// Remembers what was logged last about whom: by address, since a peer that reconnects has a new port each time.
#[derive(Clone, Debug, Default)]
pub struct Limiter(HashMap<(Ipv4Addr, &'static str), Nanos>);

impl Limiter {
    /// True if it may be logged at `now`, which is remembered then.
    pub fn allows(&mut self, notice: &Notice, now: Nanos) -> bool {
        let Line { peer, name, .. } = notice.line();
        let key = (peer, name);
        if self.0.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, until| now < *until);
            if self.0.len() >= MOST {
                return false;
            }
        }
        self.0.insert(key, now.after(PAUSE));
        true
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::{
        dfp::packet::{BindId, MessageType, Protocol, RowKey, SecurityError},
        manage::log::{LogBook, LogLayer},
    };

    const MANAGER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);

    fn discarded(error: DecodeError) -> Notice {
        Notice::Discarded { error, peer: SocketAddrV4::new(MANAGER, 41022) }
    }

    fn logged(what: impl FnOnce()) -> Vec<String> {
        let book = LogBook::new(64);
        let subscriber = tracing_subscriber::registry().with(LogLayer(book.clone()));
        tracing::subscriber::with_default(subscriber, what);
        let lines = book.view().lines;
        lines.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn notices_read_as_in_the_manual() {
        let row = Row {
            key: RowKey {
                address: Ipv4Addr::new(10, 1, 1, 52),
                protocol: Protocol::UDP,
                port: 434,
                bind_id: BindId::ANY,
            },
            weight: 0,
        };
        let notices = [
            Notice::KeepAlive { seconds: 2, manager: MANAGER },
            discarded(SecurityError::Mismatch.into()),
            discarded(DecodeError::TlvLength { tlv: 2, length: 3 }),
            discarded(DecodeError::UnknownType(MessageType(0x0601))),
            Notice::ServerState { manager: MANAGER, row },
            Notice::Closed { close: Close::Rate, peer: SocketAddrV4::new(MANAGER, 41022) },
        ];
        assert_eq!(
            logged(|| notices.iter().for_each(|notice| notice.emit(Facility::Agent))),
            [
                "%DFP-4-KEEP_ALV: Keep-alive of 2 seconds from manager 10.1.1.1 is below the minimum of 3, using 3",
                "%DFP-4-BAD_SEC: mismatch security information in message from 10.1.1.1:41022",
                "%DFP-4-BAD_MSG: malformed message from 10.1.1.1:41022 (TLV length 3)",
                "%DFP-4-UNK_TYPE: unknown message type 0x0601 from 10.1.1.1:41022",
                "%DFP-6-SRV_STATE: manager 10.1.1.1 reports 10.1.1.52 UDP 434 weight 0",
                "%DFP-4-CLOSED: connection with 10.1.1.1:41022 closed (too many messages)",
            ]
        );
        assert_eq!(
            logged(|| notices[1].emit(Facility::Manager)),
            ["%SLB_DFP-4-BAD_SEC: mismatch security information in message from 10.1.1.1:41022"]
        );
        let agent = SocketAddrV4::new(Ipv4Addr::new(10, 1, 1, 51), 500);
        let notices = [
            Notice::Opened { agent },
            Notice::Lost { loss: Loss::Silent, agent },
            Notice::GaveUp { attempts: 4, agent },
            Notice::Overflow { agent },
        ];
        assert_eq!(
            logged(|| notices.iter().for_each(|notice| notice.emit(Facility::Manager))),
            [
                "%SLB_DFP-6-OPENED: connected with agent 10.1.1.51:500",
                "%SLB_DFP-4-LOST: connection with agent 10.1.1.51:500 lost (no message within the timeout), \
                 static weights return",
                "%SLB_DFP-4-GAVE_UP: agent 10.1.1.51:500 given up after 4 attempts",
                "%SLB_DFP-4-OVERFLOW: agent 10.1.1.51:500 reports more than 4096 weights",
            ]
        );
    }

    #[test]
    fn a_peer_causes_one_line_of_a_kind_in_ten_seconds() {
        let mut limiter = Limiter::default();
        let (bad, other) = (discarded(SecurityError::Missing.into()), discarded(DecodeError::TooManyHosts));
        let start = Nanos(5);
        let lines = logged(|| {
            for seconds in 0..25 {
                for notice in [bad, other] {
                    notice.emit_rarely(
                        Facility::Agent,
                        &mut limiter,
                        start.after(Duration::from_secs(seconds)),
                    );
                }
            }
        });
        assert_eq!(lines.len(), 6, "{lines:?}");
    }

    #[test]
    fn many_peers_do_not_fill_the_memory() {
        let mut limiter = Limiter::default();
        let from = |bits: u32| Notice::KeepAlive { seconds: 1, manager: Ipv4Addr::from_bits(bits) };
        let most = u32::try_from(MOST).unwrap();
        assert!((0..most).all(|bits| limiter.allows(&from(bits), Nanos(0))));
        assert!(!limiter.allows(&from(most), Nanos(1)));
        assert_eq!(limiter.0.len(), MOST);
        assert!(limiter.allows(&from(most), Nanos(0).after(PAUSE)));
        assert_eq!(limiter.0.len(), 1);
    }
}
