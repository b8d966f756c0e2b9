//! Counters of virtual servers and of the whole balancer (`ios-slb` sections 7.1 and 9.5).

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde::Serialize;

use super::ForeignAgents;
use crate::{counters::Counters, id::WorkerId};

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$item,)*];

            /// Name in JSON and metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$item => $text,)* }
            }
        }
    };
}

counters! {
    /// What a virtual server counts. The Mobile IP stage counts what it sees while parsing, [`super::Balancer`] the rest.
    VserverCounter {
        /// Stage: bad lengths or extensions.
        Malformed = "malformed",
        /// Stage: not a registration request.
        NotRrq = "not_rrq",
        /// Stage: keyed by the home address for want of a NAI.
        NoNai = "no_nai",
        /// Stage: neither NAI nor home address.
        NoKey = "no_key",
        /// Stage: the Home Agent field is not a wildcard.
        HaFieldSet = "ha_field_set",
        /// Stage: dropped because the Home Agent field is somebody else's (strict mode).
        HaFieldMismatch = "ha_field_mismatch",
        /// Stage: an unknown extension below 128 was walked over.
        ExtUnknown = "ext_unknown_nonskippable",
        /// Balancer: lifetime 0.
        Deregistration = "dereg",
        /// Balancer: lifetime 0 from another address than the session's client; passed on, the session stays.
        DeregistrationRefused = "dereg_refused",
        /// Balancer: no real in the primary nor in the backup farm.
        NoReal = "no_real",
        /// Balancer: forwarded without a session because the table is full.
        SessionAllocFail = "session_alloc_fail",
        /// Balancer: dropped because under overload not every session may begin.
        Shed = "shed",
        /// Balancer: dropped because its source begins more sessions a second than it may.
        ClientRate = "client_rate",
        /// Balancer: new sessions ("total conns").
        TotalConns = "total_conns",
        /// Balancer: sessions that moved.
        Reassigned = "reassigned",
        /// Balancer: sessions given to the backup farm.
        BackupHits = "backup_hits",
    }
}

counters! {
    /// `show ip slb stats`; "Connections Established" equals `Created` for Mobile IP.
    SlbCounter {
        /// "Connections Created".
        Created = "created",
        /// "Connections Destroyed": timed out, cleared or deregistered.
        Destroyed = "destroyed",
        /// "Connections Reassigned".
        Reassigned = "reassigned",
        /// "Failed Connection Allocs": the session table had no room.
        FailedAllocs = "failed_allocs",
        /// "Failed Real Assignments": `no_real`.
        FailedReals = "failed_reals",
        /// Picks given back because another worker was first with the same key.
        PicksLost = "picks_lost",
        /// Requests forwarded without touching their session because other workers kept changing it.
        Contended = "contended",
        /// Requests dropped because under overload not every session may begin.
        Shed = "shed",
        /// Requests dropped because their source begins more sessions a second than it may.
        ClientRate = "client_rate",
        /// Sessions of `Destroyed` that idled out.
        TimedOut = "timed_out",
        /// Sessions of `Destroyed` that had been seen once and gave way to new ones in a full table.
        Evicted = "evicted",
    }
}

/// Shared counters of one virtual server.
#[derive(Debug, Default)]
pub struct VserverLive {
    counters: Counters<{ VserverCounter::ALL.len() }>,
    conns: AtomicU64,
    foreign_agents: ForeignAgents,
}

impl VserverLive {
    /// Cells for `workers` workers and for control.
    pub fn new(workers: u8) -> Self {
        Self { counters: Counters::new(workers), ..Self::default() }
    }

    /// From where its requests come.
    pub fn foreign_agents(&self) -> &ForeignAgents {
        &self.foreign_agents
    }

    /// Adds one.
    #[inline]
    pub fn count(&self, worker: WorkerId, counter: VserverCounter) {
        self.add(worker, counter, 1);
    }

    /// Adds some.
    #[inline]
    pub fn add(&self, worker: WorkerId, counter: VserverCounter, more: u64) {
        self.counters.add(worker, counter as usize, more);
    }

    /// Total since the last clear.
    pub fn total(&self, counter: VserverCounter) -> u64 {
        self.counters.total(counter as usize)
    }

    /// Live sessions.
    pub fn conns(&self) -> u64 {
        self.conns.load(SeqCst)
    }

    /// Counters start again from zero; the gauge stays.
    pub fn clear(&self) {
        self.counters.clear();
    }

    pub(super) fn began(&self, sessions: u64) {
        self.conns.fetch_add(sessions, SeqCst);
    }

    pub(super) fn ended(&self) {
        self.conns.fetch_sub(1, SeqCst);
    }
}

/// Counters of the whole balancer.
#[derive(Debug, Default)]
pub struct SlbStats {
    counters: Counters<{ SlbCounter::ALL.len() }>,
}

impl SlbStats {
    /// Cells for `workers` workers and for control.
    pub fn new(workers: u8) -> Self {
        Self { counters: Counters::new(workers) }
    }

    /// Adds one.
    #[inline]
    pub fn count(&self, worker: WorkerId, counter: SlbCounter) {
        self.add(worker, counter, 1);
    }

    /// Adds some.
    #[inline]
    pub fn add(&self, worker: WorkerId, counter: SlbCounter, more: u64) {
        self.counters.add(worker, counter as usize, more);
    }

    /// Total since the last clear.
    pub fn total(&self, counter: SlbCounter) -> u64 {
        self.counters.total(counter as usize)
    }

    /// Total since the start; `created = destroyed + live` holds for these.
    pub fn raw(&self, counter: SlbCounter) -> u64 {
        self.counters.raw(counter as usize)
    }

    /// Counters start again from zero.
    pub fn clear(&self) {
        self.counters.clear();
    }
}
