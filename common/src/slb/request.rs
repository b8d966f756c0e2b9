//! What the Mobile IP stage and control exchange with the balancer.

use std::net::Ipv4Addr;

use super::Session;
use crate::{
    event::{SessionChange, SessionEvent},
    id::{RealId, VserverId},
    table::{Identity, Word},
    time::Tick,
};

/// What the Mobile IP stage knows of an RRQ.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The virtual server that it is for.
    pub vserver: VserverId,
    /// Keyed hash of (virtual server, key): [`super::Balancer::identity`].
    pub identity: Identity,
    /// Source address.
    pub client: Ipv4Addr,
    /// Source port.
    pub client_port: u16,
    /// Lifetime 0.
    pub deregistration: bool,
    /// The Home Agent field names this real.
    pub home_agent: Option<RealId>,
}

/// What to do with an RRQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send it to this real.
    Forward {
        /// In service as of the snapshot that the request was handled with.
        real: RealId,
        /// What happened to the session; `None`: forwarded without one.
        change: Option<SessionChange>,
    },
    /// Nobody can take it: drop it. Counted as `no_real`.
    NoReal,
    /// The request would begin a session, and at this load not all may: drop it. Counted as `shed`.
    Shed,
    /// The request would begin a session, and its source begins too many: drop it. Counted as `client_rate`.
    OverRate,
    /// The snapshot is not the newest and does not know what the session or the cursor needs. Nothing was changed or
    /// counted: load the newest snapshot and ask again; if that is stale too, drop the request as `no_real`.
    Stale,
}

/// A session that ended, other than after a deregistration (that was in the [`Outcome`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// `TimedOut`, `Cleared` or `Evicted`.
    pub change: SessionChange,
    /// The session as it was.
    pub session: SessionInfo,
}

impl SessionEnd {
    /// Of a deregistration the outcome told already.
    pub(super) fn is_news(&self) -> bool {
        self.change != SessionChange::Deregistered
    }
}

/// A session as display_hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its virtual server.
    pub vserver: VserverId,
    /// FNV-1a 32 of its key.
    pub display_hash: u32,
    /// Source address of its last RRQ.
    pub client: Ipv4Addr,
    /// Source port of its last RRQ.
    pub client_port: u16,
    /// Of its key at its virtual server.
    pub identity: Identity,
    /// It ends once this tick has passed.
    pub deadline: Tick,
    /// Real, retries and flags.
    pub session: Session,
}

impl SessionInfo {
    pub(super) fn from_word(word: Word<Session>, cold: [u32; 3]) -> Option<Self> {
        Some(Self {
            vserver: VserverId(cold[2] as u16),
            display_hash: cold[0],
            client: Ipv4Addr::from(cold[1]),
            client_port: (cold[2] >> 16) as u16,
            identity: word.identity(),
            deadline: word.ends()?,
            session: word.entry()?,
        })
    }

    /// The event that a `debug` prints; without a NAI, which the table does not keep.
    pub fn event(&self, change: SessionChange) -> SessionEvent {
        SessionEvent {
            change,
            vserver: self.vserver,
            real: self.session.real,
            client: self.client,
            client_port: self.client_port,
            display_hash: self.display_hash,
            nai: Box::default(),
        }
    }
}

impl From<SessionEnd> for SessionEvent {
    fn from(end: SessionEnd) -> Self {
        end.session.event(end.change)
    }
}

impl Request {
    /// The cold words of its session behind the display hash: client address, client port and virtual server.
    #[inline]
    pub(super) fn cold(&self) -> [u32; 2] {
        let ports = u32::from(self.client_port) << 16 | u32::from(self.vserver.0);
        [u32::from(self.client), ports]
    }
}
