//! One RRQ in, one decision out.

use std::net::Ipv4Addr;

use crate::{
    event::SessionChange,
    id::{RealId, VserverId},
    snapshot::Snapshot,
    time::Tick,
};

/// What the Mobile IP stage knows of an RRQ.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The virtual server that it is for.
    pub vserver: VserverId,
    /// Keyed hash of (virtual server, key).
    pub identity: u64,
    /// FNV-1a 32 of the key bytes.
    pub display_hash: u32,
    /// Source address.
    pub client: Ipv4Addr,
    /// Source port.
    pub client_port: u16,
    /// Lifetime 0.
    pub deregistration: bool,
    /// The Home Agent field names this real.
    pub wanted: Option<RealId>,
}

/// What to do with an RRQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send it to this real.
    Forward {
        /// The real.
        real: RealId,
        /// What happened to the session; `None`: forwarded without one.
        change: Option<SessionChange>,
    },
    /// Nobody can take it.
    NoReal,
}

/// The session table with the rules of sections 5 to 7.
#[derive(Debug)]
pub struct Director;

impl Director {
    /// Decides.
    pub fn handle(&self, _snapshot: &Snapshot, _request: &Request, _now: Tick) -> Outcome {
        Outcome::NoReal
    }
}
