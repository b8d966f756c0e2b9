//! One RRQ in, one decision out: the rules of `ios-slb` sections 5 to 7.
//!
//! Workers call [`Balancer::handle`] for each request. A repeated request changes its session's word and nothing
//! else that is shared; only sessions that begin, move or end touch the words of reals, farms and virtual servers.

mod new_sessions;
mod repeat;
mod request_handler;
mod shedding;

use std::{
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use crossbeam::utils::CachePadded;
use hw::PageBacking;
use serde::Serialize;

use self::request_handler::RequestHandler;
pub use self::{new_sessions::BATCH, shedding::Shedding};
use super::{
    Identity, IdentityTag, KeySpace, Outcome, Request, Session, SessionEnd, SessionKey, SlbCounter, SlbStats,
    VserverCounter,
};
use crate::{
    config::Hugepages,
    id::WorkerId,
    slb::VirtualServer,
    snapshot::Snapshot,
    table::{CapacityError, Geometry, Table, TableUsage},
    time::Tick,
};

/// After this long without confirmation a claim counts as abandoned by a dead thread.
const ABANDONED: Duration = Duration::from_mins(1);

/// How full the session table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// Below 80 % of the capacity.
    Normal,
    /// 80 % or more.
    High,
    /// 95 % or more.
    Critical,
}

/// The session table with the rules of sections 5 to 7.
#[derive(Debug)]
pub struct Balancer {
    pub(super) table: Table<Session>,
    pub(super) stats: SlbStats,
    /// Live sessions, and those about to be.
    pub(super) live: CachePadded<AtomicU64>,
    /// Line that the next sweep begins with.
    pub(super) sweeper: CachePadded<AtomicU32>,
    nonce: CachePadded<AtomicU64>,
    /// Newest snapshot generation that anybody has come with.
    newest: CachePadded<AtomicU64>,
    key: SessionKey,
    geometry: Geometry<Session>,
    backing: PageBacking,
    shedding: CachePadded<AtomicU32>,
}

impl Balancer {
    /// A table for `capacity` sessions (1024 to 64 000 000) and counters for `workers` workers.
    ///
    /// # Errors
    /// [`CapacityError`]: with the memory needed and the memory available if there is not enough.
    pub fn new(
        capacity: u32,
        hugepages: Hugepages,
        workers: u8,
        key: SessionKey,
    ) -> Result<Self, CapacityError> {
        let geometry = Geometry::new(capacity)?;
        let (storage, backing) = geometry.allocate(hugepages)?;
        Ok(Self {
            table: Table::new(storage),
            stats: SlbStats::new(workers),
            live: CachePadded::default(),
            sweeper: CachePadded::default(),
            nonce: CachePadded::default(),
            newest: CachePadded::default(),
            key,
            geometry,
            backing,
            shedding: CachePadded::default(),
        })
    }

    /// Identity of a key at a virtual server.
    pub fn identity(&self, vserver: &VirtualServer, space: KeySpace, key: &[u8]) -> Identity {
        self.key.identity(self.key.tag(vserver, space), key)
    }

    /// The part of [`Balancer::identity`] that many keys have in common.
    pub fn tag(&self, vserver: &VirtualServer, space: KeySpace) -> IdentityTag {
        self.key.tag(vserver, space)
    }

    /// The rest of [`Balancer::identity`].
    #[inline(always)]
    pub fn tagged_identity(&self, tag: IdentityTag, key: &[u8]) -> Identity {
        self.key.identity(tag, key)
    }

    /// Brings the lines of an identity near; worth its cost a few packets before [`Balancer::handle`].
    #[inline(always)]
    pub fn prefetch(&self, identity: Identity) {
        self.table.prefetch(identity);
    }

    /// Decides what happens to a request.
    ///
    /// `display_hash` yields the FNV-1a 32 of the key bytes ([`super::display_hash`]); only a new session needs it.
    /// `ended` is told of each session that this request found idle for too long, purged or without a real: the
    /// key's own last session, or one whose place was needed.
    pub fn handle(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        display_hash: &dyn Fn() -> u32,
        now: Tick,
        worker: WorkerId,
        ended: impl FnMut(SessionEnd),
    ) -> Outcome {
        self.note(snapshot);
        let Some(vserver) = snapshot.vserver(request.vserver) else {
            self.no_real(snapshot, request.vserver, worker);
            return Outcome::NoReal;
        };
        let mut handler =
            RequestHandler { balancer: self, snapshot, vserver, request, display_hash, now, worker, ended };
        let outcome = handler.decide();
        if request.deregistration && outcome != Outcome::Stale {
            vserver.live.count(worker, VserverCounter::Deregistration);
        }
        outcome
    }

    /// Live sessions; while requests are being handled it includes those about to begin.
    pub fn occupancy(&self) -> u64 {
        self.live.load(Relaxed)
    }

    /// Sessions that the table was built for.
    pub fn capacity(&self) -> u32 {
        self.geometry.capacity
    }

    /// Bytes of memory that the table takes.
    pub fn bytes(&self) -> u64 {
        self.geometry.bytes()
    }

    /// The pages that the table lies in.
    pub fn backing(&self) -> PageBacking {
        self.backing
    }

    /// Sessions that found no room.
    pub fn refused(&self) -> u64 {
        self.stats.total(SlbCounter::FailedAllocs)
    }

    /// For `show memory`.
    pub fn usage(&self) -> TableUsage {
        TableUsage {
            name: "sessions",
            capacity: self.capacity(),
            used: self.occupancy(),
            refused: self.refused(),
            bytes: self.bytes(),
            pages: self.backing().name(),
        }
    }

    /// How full it is.
    pub fn alarm(&self) -> Alarm {
        let percent = self.occupancy().saturating_mul(100) / u64::from(self.geometry.capacity);
        match percent {
            0..80 => Alarm::Normal,
            80..95 => Alarm::High,
            _ => Alarm::Critical,
        }
    }

    /// Counters of the whole balancer.
    pub fn stats(&self) -> &SlbStats {
        &self.stats
    }

    /// Remembers the newest snapshot generation.
    #[inline]
    pub(super) fn note(&self, snapshot: &Snapshot) {
        if snapshot.generation > self.newest.load(Relaxed) {
            self.newest.fetch_max(snapshot.generation, SeqCst);
        }
    }

    /// Somebody has come with a newer snapshot than this.
    fn outdated(&self, snapshot: &Snapshot) -> bool {
        snapshot.generation < self.newest.load(SeqCst)
    }

    fn next_nonce(&self) -> u64 {
        self.nonce.fetch_add(1, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_claims_have_one_number() {
        let key = SessionKey::new(*b"0123456789abcdef");
        let balancer = Balancer::new(1024, Hugepages::Off, 1, key).expect("a small table");
        let mut numbers: Vec<u64> = std::iter::repeat_with(|| balancer.next_nonce()).take(100).collect();
        numbers.dedup();
        assert_eq!(
            numbers.len(),
            100,
            "else a slot claimed anew would look as if it never had been given up"
        );
    }
}
