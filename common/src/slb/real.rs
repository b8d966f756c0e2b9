//! The live state of a real: changed by workers and by control, each change one compare-and-swap.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use crossbeam::utils::CachePadded;
use serde::Serialize;

use super::{
    Probe, RealState, Source,
    facts::{Inband, RealFacts},
    failures::{Failures, Uncounted},
};
use crate::{table::Identity, time::Tick};

/// What the configuration says of a real's live side; may change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealSettings {
    /// `weight`.
    pub weight: u32,
    /// `maxconns`.
    pub maxconns: u32,
    /// `faildetect numconns`.
    pub numconns: u32,
    /// `faildetect numclients`.
    pub numclients: u32,
    /// False after `no faildetect inband`: failures are not counted.
    pub inband: bool,
}

impl Default for RealSettings {
    fn default() -> Self {
        Self { weight: 8, maxconns: u32::MAX, numconns: 8, numclients: 2, inband: true }
    }
}

/// Everything `show ip slb reals` prints, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RealStatus {
    /// Printed state.
    pub state: RealState,
    /// Operational weight: DFP's if present, else the configured one.
    pub weight: u32,
    /// Configured weight.
    pub admin_weight: u32,
    /// Weight by DFP.
    pub dfp_weight: Option<u32>,
    /// Live sessions.
    pub conns: u32,
    /// Their limit.
    pub maxconns: u32,
    /// `failconn threshold`.
    pub numconns: u32,
    /// `failconn count`.
    pub failconns: u32,
    /// `failclient threshold`.
    pub numclients: u32,
    /// `failclient count`: distinct mobile nodes, or foreign agents where there is more than one.
    pub failclients: u32,
    /// `total conns established`.
    pub established: u64,
    /// `total conn failures`.
    pub failures: u64,
    /// Of them those that prove nothing of the real: aimed by the Home Agent field, or beyond the share of their source.
    pub disregarded: u64,
    /// Times that enough of them came together while somebody else said that the real is well.
    pub doubted: u64,
    /// `server failures`: times it became FAILED from service.
    pub server_failures: u64,
    /// In-band failure detection is on.
    pub inband: bool,
}

/// How a session left its real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReleaseReason {
    /// It idled out; `clean` without retry since the epoch. The only sign of success that there is.
    Idle { clean: bool, epoch: u16, test: bool },
    /// It was moved or deleted, which says nothing about the real.
    Other { test: bool },
    /// It was moved because the real did not answer its test.
    TestFailed { now: Tick },
}

/// No DFP weight.
const NONE: u32 = u32::MAX;

/// Live state of a real.
#[derive(Debug)]
pub struct RealLive {
    word: CachePadded<AtomicU64>,
    settings: CachePadded<Settings>,
    totals: CachePadded<Totals>,
    failures: Failures,
    /// The last counted failure was of one foreign agent among others.
    several_agents: AtomicBool,
}

/// A session that was left without an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// The session's.
    pub client: Identity,
    /// From where its requests come.
    pub source: Source,
    /// The Home Agent field chose the real.
    pub requested: bool,
    /// It was the real's test, and stays on it for want of another.
    pub test: bool,
}

/// Read at each pick, written by control.
#[derive(Debug)]
struct Settings {
    weight: AtomicU32,
    admin_weight: AtomicU32,
    dfp_weight: AtomicU32,
    maxconns: AtomicU32,
    numconns: AtomicU32,
    numclients: AtomicU32,
    inband: AtomicBool,
}

#[derive(Debug, Default)]
struct Totals {
    established: AtomicU64,
    failures: AtomicU64,
    disregarded: AtomicU64,
    doubted: AtomicU64,
    server_failures: AtomicU64,
}

impl Default for RealLive {
    fn default() -> Self {
        Self::new(RealSettings::default())
    }
}

impl RealLive {
    /// A real out of service.
    pub fn new(settings: RealSettings) -> Self {
        let live = Self {
            word: CachePadded::new(AtomicU64::new(0)),
            settings: CachePadded::new(Settings {
                weight: AtomicU32::new(settings.weight),
                admin_weight: AtomicU32::new(settings.weight),
                dfp_weight: AtomicU32::new(NONE),
                maxconns: AtomicU32::new(0),
                numconns: AtomicU32::new(0),
                numclients: AtomicU32::new(0),
                inband: AtomicBool::new(true),
            }),
            totals: CachePadded::default(),
            failures: Failures::default(),
            several_agents: AtomicBool::new(false),
        };
        live.configure(settings);
        live
    }

    /// Takes over changed settings; acts on the next packet.
    pub fn configure(&self, settings: RealSettings) {
        self.settings.maxconns.store(settings.maxconns, SeqCst);
        self.settings.numconns.store(settings.numconns, SeqCst);
        self.settings.numclients.store(settings.numclients, SeqCst);
        self.settings.inband.store(settings.inband, SeqCst);
        self.set_weight(settings.weight);
    }

    /// `weight N`; without effect on new sessions while a DFP weight stands.
    pub fn set_weight(&self, weight: u32) {
        self.settings.admin_weight.store(weight, SeqCst);
        if self.settings.dfp_weight.load(SeqCst) == NONE {
            self.settings.weight.store(weight, SeqCst);
        }
    }

    /// A DFP report of the weight arrived (0 throttles; more also ends FAILED, READY_TO_TEST and TESTING), or its row was
    /// dropped (the configured weight returns).
    pub fn set_dfp(&self, weight: Option<u32>) {
        self.override_weight(weight);
        if weight.is_none_or(|weight| weight == 0) {
            return;
        }
        // A real in service keeps its count: reports come all the time, also from a host whose service is dead. But what
        // failed before this one proves nothing alone.
        self.vouch();
    }

    /// As [`RealLive::set_dfp`], but nothing new was heard of the real: what has failed stays so.
    pub fn override_weight(&self, weight: Option<u32>) {
        let configured = self.settings.admin_weight.load(SeqCst);
        self.settings.dfp_weight.store(weight.map_or(NONE, |weight| weight.min(NONE - 1)), SeqCst);
        self.settings.weight.store(weight.unwrap_or(configured), SeqCst);
        self.change(|facts| RealFacts { throttled: weight == Some(0), ..facts });
    }

    /// Weight by DFP.
    pub fn dfp_weight(&self) -> Option<u32> {
        let weight = self.settings.dfp_weight.load(SeqCst);
        (weight != NONE).then_some(weight)
    }

    /// `inservice` and `no inservice`. Either way the failure machine starts afresh.
    pub fn set_in_service(&self, in_service: bool) {
        let (before, after) = self.change(|facts| RealFacts {
            in_service,
            inband: if facts.in_service == in_service { facts.inband } else { Inband::Ok },
            ..facts
        });
        if before.in_service != after.in_service {
            self.failures.clear();
        }
    }

    /// The address of a dispatched real is resolved, or no longer.
    pub fn set_arp_resolved(&self, resolved: bool) {
        self.change(|facts| RealFacts { arp_failed: !resolved, ..facts });
    }

    /// What the probes say. Of failed sessions they say nothing: see [`RealLive::vouch`].
    pub fn set_probe(&self, probe: Probe) {
        self.change(|facts| RealFacts { probe, ..facts });
    }

    /// Somebody who asked it says that it serves: a DFP report, or its answer to a registration request of ours. What failed
    /// before proves nothing alone, and where that was enough to take the real out, it is back.
    pub fn vouch(&self) {
        let (before, _) = self.change(|facts| RealFacts { inband: Inband::Ok, ..facts });
        if before.inband == Inband::Ok {
            self.failures.vouch();
        } else {
            self.failures.clear();
        }
    }

    /// FAILED becomes READY_TO_TEST once `retry` has passed since it failed; true if it did. For control's timer.
    pub fn retry_expired(&self, now: Tick, retry: Duration) -> bool {
        let due =
            |facts: RealFacts| facts.inband == Inband::Failed && !facts.failed_at.after(retry).is_after(now);
        let (before, _) = self
            .change(|facts| if due(facts) { RealFacts { inband: Inband::Ready, ..facts } } else { facts });
        due(before)
    }

    /// When it failed, while FAILED.
    pub fn failed_at(&self) -> Option<Tick> {
        let facts = self.facts();
        (facts.inband == Inband::Failed).then_some(facts.failed_at)
    }

    /// See [`RealStatus::doubted`].
    pub fn doubted(&self) -> u64 {
        self.totals.doubted.load(SeqCst)
    }

    /// Printed state.
    #[inline]
    pub fn state(&self) -> RealState {
        self.facts().state(self.settings.maxconns.load(Relaxed))
    }

    /// In service, nothing failed or in doubt: its sessions stay. False says nothing.
    #[inline]
    pub(super) fn is_healthy(&self) -> bool {
        RealFacts::is_healthy(self.word.load(SeqCst))
    }

    /// Live sessions.
    pub fn conns(&self) -> u32 {
        self.facts().conns
    }

    /// Operational weight.
    #[inline]
    pub fn weight(&self) -> u32 {
        self.settings.weight.load(Relaxed)
    }

    /// All that `show` prints.
    pub fn view(&self) -> RealStatus {
        let failures = self.failures.count();
        RealStatus {
            state: self.state(),
            weight: self.weight(),
            admin_weight: self.settings.admin_weight.load(SeqCst),
            dfp_weight: self.dfp_weight(),
            conns: self.conns(),
            maxconns: self.settings.maxconns.load(SeqCst),
            numconns: self.settings.numconns.load(SeqCst),
            failconns: failures,
            numclients: self.settings.numclients.load(SeqCst),
            failclients: if self.several_agents.load(Relaxed) { self.failures.sources() } else { failures },
            established: self.totals.established.load(SeqCst),
            failures: self.totals.failures.load(SeqCst),
            disregarded: self.totals.disregarded.load(SeqCst),
            doubted: self.doubted(),
            server_failures: self.totals.server_failures.load(SeqCst),
            inband: self.settings.inband.load(SeqCst),
        }
    }

    /// May take one more session, its test included.
    #[inline]
    pub fn takes_session(&self) -> bool {
        self.facts().takes_session(self.settings.maxconns.load(Relaxed))
    }

    /// May take a packet that belongs to no session; never a test.
    #[inline]
    pub(super) fn takes_packet(&self) -> bool {
        let facts = self.facts();
        facts.inband == Inband::Ok && facts.takes_session(self.settings.maxconns.load(Relaxed))
    }

    /// Counts a session in advance if the real may take one; true in `Some` if that session is the real's test.
    pub(super) fn reserve(&self) -> Option<bool> {
        let maxconns = self.settings.maxconns.load(SeqCst);
        let before = self.word.fetch_update(SeqCst, SeqCst, |word| {
            let facts = RealFacts::unpack(word);
            let test = facts.inband == Inband::Ready;
            let inband = if test { Inband::Testing } else { facts.inband };
            facts
                .takes_session(maxconns)
                .then(|| RealFacts { conns: facts.conns + 1, inband, ..facts }.pack())
        });
        before.ok().map(|word| RealFacts::unpack(word).inband == Inband::Ready)
    }

    /// [`RealLive::reserve_batch`] would do it now.
    pub(super) fn has_room(&self, sessions: u32) -> bool {
        self.has_room_for(self.facts(), sessions)
    }

    /// Counts some sessions in advance if the real may take all of them and none is a test.
    pub(super) fn reserve_batch(&self, sessions: u32) -> bool {
        let more = |word| {
            let facts = RealFacts::unpack(word);
            self.has_room_for(facts, sessions)
                .then(|| RealFacts { conns: facts.conns + sessions, ..facts }.pack())
        };
        self.word.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    fn has_room_for(&self, facts: RealFacts, sessions: u32) -> bool {
        let maxconns = self.settings.maxconns.load(SeqCst);
        facts.inband == Inband::Ok && facts.takes_session(maxconns) && maxconns - facts.conns >= sessions
    }

    /// Reserved sessions came into being.
    pub(super) fn established(&self, sessions: u64) {
        self.totals.established.fetch_add(sessions, Relaxed);
    }

    /// A session, or a reservation, is gone.
    pub(super) fn release(&self, reason: ReleaseReason) {
        let (before, _) = self.change(|facts| {
            let testing = facts.inband == Inband::Testing;
            let (inband, failed_at) = match reason {
                ReleaseReason::Idle { test: true, .. } if testing => (Inband::Ok, facts.failed_at),
                // The test was not finished: the next session is one.
                ReleaseReason::Other { test: true } if testing => (Inband::Ready, facts.failed_at),
                ReleaseReason::TestFailed { now } if testing => (Inband::Failed, now),
                _ => (facts.inband, facts.failed_at),
            };
            RealFacts { conns: facts.conns.saturating_sub(1), inband, failed_at, ..facts }
        });
        match reason {
            ReleaseReason::Idle { test: true, .. } if before.inband == Inband::Testing => {
                self.failures.clear();
            }
            ReleaseReason::Idle { clean: true, epoch, .. } => self.failures.clear_since(epoch),
            _ => {}
        }
    }

    /// A session got no answer: counts it, and takes the real out at the threshold. Requests prove nothing of who sends
    /// them, so
    ///
    /// - a session that the Home Agent field placed, and that never was quiet, does not count: nobody aims failures;
    /// - a source that is none of the known foreign agents does not count;
    /// - of several foreign agents each counts for at most half of `numconns`, and `numclients` of them (all, if there are
    ///   fewer) must have failed; of one alone, `numclients` nodes;
    /// - if somebody vouched for the real since the first of them, they are forgotten, and their number is kept for an
    ///   alarm.
    pub(super) fn record_failure(&self, failure: &Failure, now: Tick) {
        self.totals.failures.fetch_add(1, Relaxed);
        if failure.test {
            self.change(|facts| match facts.inband {
                Inband::Testing => RealFacts { inband: Inband::Failed, failed_at: now, ..facts },
                _ => facts,
            });
        }
        if !self.settings.inband.load(SeqCst) {
            return;
        }
        let Failure { client, source, requested, .. } = *failure;
        let disregard = || _ = self.totals.disregarded.fetch_add(1, Relaxed);
        if requested || !source.known {
            return disregard();
        }
        let numconns = self.settings.numconns.load(SeqCst);
        let several = source.agents > 1;
        let share = if several { numconns.div_ceil(2) } else { u32::MAX };
        let counted = match self.failures.record(client, source.address, share) {
            Ok(counted) => counted,
            Err(Uncounted::Client) => return,
            Err(Uncounted::Share) => return disregard(),
        };
        self.several_agents.store(several, Relaxed);
        let numclients = self.settings.numclients.load(SeqCst);
        let enough = if several {
            counted.sources >= numclients.min(source.agents)
        } else {
            counted.failures >= numclients
        };
        if counted.failures < numconns || !enough {
            return;
        }
        if self.failures.is_vouched() {
            self.totals.doubted.fetch_add(1, Relaxed);
            self.failures.clear();
            return;
        }
        let (before, after) = self.change(|facts| {
            if facts.in_service && facts.inband == Inband::Ok {
                RealFacts { inband: Inband::Failed, failed_at: now, ..facts }
            } else {
                facts
            }
        });
        if before.inband != after.inband {
            self.totals.server_failures.fetch_add(1, Relaxed);
        }
    }

    /// What a session remembers of the failures so far.
    pub(super) fn epoch(&self) -> u16 {
        self.failures.epoch()
    }

    #[inline]
    fn facts(&self) -> RealFacts {
        RealFacts::unpack(self.word.load(SeqCst))
    }

    /// One compare-and-swap, repeated while others win; facts before and after.
    fn change(&self, f: impl Fn(RealFacts) -> RealFacts) -> (RealFacts, RealFacts) {
        let mut word = self.word.load(SeqCst);
        loop {
            let before = RealFacts::unpack(word);
            let after = f(before);
            if before == after {
                return (before, after);
            }
            match self.word.compare_exchange_weak(word, after.pack(), SeqCst, SeqCst) {
                Ok(_) => return (before, after),
                Err(found) => word = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In service, with sessions.
    fn real(sessions: u32) -> RealLive {
        let real = RealLive::new(RealSettings { numconns: 2, ..RealSettings::default() });
        real.set_in_service(true);
        real.set_arp_resolved(true);
        for _ in 0..sessions {
            assert_eq!(real.reserve(), Some(false));
        }
        real
    }

    fn client(number: u128) -> Identity {
        Identity::from_hash(number << 48)
    }

    /// By the only foreign agent.
    fn failure(number: u128) -> Failure {
        let source = Source { address: std::net::Ipv4Addr::new(15, 1, 1, 51), known: true, agents: 1 };
        Failure { client: client(number), source, requested: false, test: false }
    }

    fn fail(real: &RealLive, now: Tick) {
        for number in 1..=2 {
            real.record_failure(&failure(number), now);
        }
        assert_eq!(real.state(), RealState::Failed);
    }

    #[test]
    fn a_real_that_is_ready_to_test_takes_one_session_whatever_it_has() {
        for sessions in [0, 1, 3] {
            let (real, now) = (real(sessions), Tick::default());
            fail(&real, now);
            assert_eq!((real.reserve(), real.takes_session()), (None, false));
            assert!(real.retry_expired(now, Duration::ZERO));
            assert_eq!(real.state(), RealState::ReadyToTest);
            assert!(real.takes_session() && !real.takes_packet() && !real.has_room(1));
            assert!(!real.reserve_batch(1), "no batch is a test");
            assert_eq!(real.reserve(), Some(true));
            assert_eq!((real.reserve(), real.takes_session(), real.conns()), (None, false, sessions + 1));
            assert_eq!(real.state(), RealState::Testing);
        }
    }

    #[test]
    fn a_passed_test_forgets_the_failures_before_it() {
        let (real, now) = (real(0), Tick::default());
        fail(&real, now);
        assert!(real.retry_expired(now, Duration::ZERO));
        assert_eq!(real.reserve(), Some(true));
        assert_eq!(real.view().failconns, 2);
        // With a retry meanwhile, so that it is the test that counts and not the quiet.
        real.release(ReleaseReason::Idle { clean: false, epoch: real.epoch(), test: true });
        assert_eq!((real.state(), real.view().failconns), (RealState::Operational, 0));
        real.record_failure(&failure(3), now);
        assert_eq!(real.state(), RealState::Operational, "one of two");
    }

    #[test]
    fn a_dfp_report_in_service_clears_no_failures_but_vouches_against_those_before_it() {
        let (real, now) = (real(0), Tick::default());
        real.record_failure(&failure(1), now);
        for weight in [5, 6, 5] {
            real.set_dfp(Some(weight));
            assert_eq!((real.view().failconns, real.weight()), (1, weight));
        }
        real.record_failure(&failure(2), now);
        let view = real.view();
        assert_eq!((view.state, view.failconns, view.doubted), (RealState::Operational, 0, 1));
        // Without another report the next ones count.
        fail(&real, now);
        real.set_dfp(Some(7));
        assert_eq!((real.state(), real.view().failconns), (RealState::Operational, 0));
    }

    #[test]
    fn what_the_home_agent_field_aimed_and_what_no_foreign_agent_sent_does_not_count() {
        let real = real(0);
        for number in 0..20 {
            let failure = failure(number);
            real.record_failure(&Failure { requested: true, ..failure }, Tick::default());
            let stranger = Source { known: false, ..failure.source };
            real.record_failure(&Failure { source: stranger, ..failure }, Tick::default());
        }
        let view = real.view();
        assert_eq!((view.state, view.failconns), (RealState::Operational, 0));
        assert_eq!((view.failures, view.disregarded), (40, 40));
        fail(&real, Tick::default());
    }

    #[test]
    fn of_several_foreign_agents_one_alone_fails_no_real() {
        let real = real(0);
        real.configure(RealSettings { numconns: 5, numclients: 2, ..RealSettings::default() });
        let by = |agent, number| {
            let source = Source { address: std::net::Ipv4Addr::new(15, 1, 1, agent), known: true, agents: 3 };
            Failure { source, ..failure(number) }
        };
        for number in 0..50 {
            real.record_failure(&by(1, number), Tick::default());
        }
        let view = real.view();
        assert_eq!((view.state, view.failconns, view.failclients), (RealState::Operational, 3, 1));
        real.record_failure(&by(2, 100), Tick::default());
        assert_eq!((real.state(), real.view().failclients), (RealState::Operational, 2));
        real.record_failure(&by(2, 101), Tick::default());
        assert_eq!(real.state(), RealState::Failed);
    }
}
