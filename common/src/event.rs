//! What a worker tells control about sessions and neighbours, over a bounded ring; never waited for.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    id::{InterfaceId, RealId, VserverId},
    mac::MacAddr,
};

/// Longest part of a NAI that an event carries; a NAI has at most 255 bytes (RFC 2794, section 2).
pub const EVENT_NAI: usize = 255;

/// Something that control shows, logs or acts upon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A session began, was repeated, moved or ended; sent only while a `debug` wants it.
    Session(SessionEvent),
    /// The dataplane needs the MAC of a neighbour.
    Resolve {
        /// Where the neighbour is directly reached.
        interface: InterfaceId,
        /// The neighbour's.
        address: Ipv4Addr,
    },
    /// By ARP somebody said that he has an address of ours, or a neighbour's that another station was known to have.
    AddressClaimed {
        /// Where it was heard.
        interface: InterfaceId,
        /// The address.
        address: Ipv4Addr,
        /// Who said so.
        mac: MacAddr,
        /// Who had it: we, or the neighbour as it was known or heard before.
        before: MacAddr,
    },
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionChange {
    /// First RRQ of a key: INIT -> ESTAB.
    Created,
    /// A further RRQ.
    Repeated,
    /// Moved to another real because the retries passed the limit, or the real went away.
    Reassigned,
    /// Idle time passed: ESTAB -> INIT.
    TimedOut,
    /// Deleted by `clear`, a purge or the virtual server going out of service.
    Cleared,
    /// An RRQ with lifetime 0, after which it lives on for a grace.
    Deregistered,
    /// Seen once and deleted for a new one, because the table is full.
    Evicted,
}

/// One line group of `debug ip slb sessions ipmobile`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionEvent {
    /// What happened.
    pub change: SessionChange,
    /// The virtual server.
    pub vserver: VserverId,
    /// The real that the session is on after the event (before it, if it ended).
    pub real: RealId,
    /// Source address of the last RRQ (the foreign agent).
    pub client: Ipv4Addr,
    /// Source port of the last RRQ.
    pub client_port: u16,
    /// FNV-1a 32 of the key.
    pub display_hash: u32,
    /// The NAI as received; empty where the event has none at hand (expiry) or the key is a home address.
    pub nai: Box<[u8]>,
}
