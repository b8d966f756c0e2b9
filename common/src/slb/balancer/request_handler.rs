//! One request on its way through the rules.

use std::net::Ipv4Addr;

use super::{ABANDONED, Balancer};
use crate::{
    event::SessionChange,
    id::{RealId, WorkerId},
    slb::{
        Outcome, PickError, Picked, Purpose, Real, RealState, Request, Session, SessionEnd, SessionInfo,
        SlbCounter, VirtualServer, VserverCounter,
        real::{Failure, ReleaseReason},
    },
    snapshot::Snapshot,
    table::{ColdWords, Insert, NewEntry, Slot, Word},
    time::Tick,
};

/// Times a request looks at its session again because another worker changed it meanwhile.
const ATTEMPTS: u32 = 16;

pub(super) struct RequestHandler<'a, F> {
    pub balancer: &'a Balancer,
    pub snapshot: &'a Snapshot,
    pub vserver: &'a VirtualServer,
    pub request: &'a Request,
    pub display_hash: &'a dyn Fn() -> u32,
    pub now: Tick,
    pub worker: WorkerId,
    pub ended: F,
}

/// What the state of its real means for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    /// It stays.
    Stay,
    /// It moves if it can.
    Failed,
    /// It moves or ends.
    Gone,
    /// It ends at once.
    Purge,
}

impl Disposition {
    fn from_real(real: &Real) -> Self {
        match real.live.state() {
            RealState::OutOfService => Self::Gone,
            RealState::Failed | RealState::ProbeFailed if real.purge => Self::Purge,
            RealState::Failed | RealState::ProbeFailed | RealState::ArpFailed => Self::Failed,
            _ if real.adjacency.is_none() => Self::Failed,
            _ => Self::Stay,
        }
    }
}

/// A real chosen for a session, already counted there.
#[derive(Clone, Copy, Debug)]
struct Selection {
    picked: Picked,
    backup: bool,
    /// The Home Agent field named it.
    requested: bool,
}

/// Why a session moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MoveReason {
    /// Its retries passed the limit.
    NoAnswer,
    /// Its real failed by other sessions' or by a probe's account.
    Failed,
    /// Its real is out of service or deleted.
    Gone,
}

impl<F: FnMut(SessionEnd)> RequestHandler<'_, F> {
    pub fn decide(&mut self) -> Outcome {
        for _ in 0..ATTEMPTS {
            let outcome = match self.balancer.table.find(self.request.identity) {
                Some((slot, word)) => match word.over(self.now) {
                    Some(change) => {
                        self.end(slot, word, change);
                        None
                    }
                    None => self.repeat(slot, word),
                },
                None if self.request.deregistration => Some(self.forward_without_session()),
                None => self.first(),
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        self.use_existing()
    }

    /// Others keep changing this key's session: no reason to hold up a burst. Follows the session as it is.
    fn use_existing(&self) -> Outcome {
        self.balancer.stats.count(self.worker, SlbCounter::Contended);
        let session = self.balancer.table.find(self.request.identity).and_then(|(_, word)| word.entry());
        match session.filter(|session| self.snapshot.real(session.real).is_some()) {
            Some(session) => Outcome::Forward { real: session.real, change: None },
            None => self.forward_without_session(),
        }
    }

    /// Section 7.3 rules 2 and 3, and the moves. `None`: the word changed, look again.
    fn repeat(&mut self, slot: Slot, word: Word<Session>) -> Option<Outcome> {
        let session = word.entry()?;
        let current = self.snapshot.real(session.real);
        if current.is_none() && self.balancer.outdated(self.snapshot) {
            return Some(Outcome::Stale);
        }
        let disposition = current.map_or(Disposition::Gone, Disposition::from_real);
        if self.request.deregistration {
            return self.deregister(slot, word, session, disposition);
        }
        match disposition {
            Disposition::Purge => {
                self.end(slot, word, SessionChange::Cleared);
                return None;
            }
            Disposition::Gone => return self.relocate(slot, word, session, MoveReason::Gone),
            Disposition::Failed => return self.relocate(slot, word, session, MoveReason::Failed),
            Disposition::Stay => {}
        }
        if let Some(selection) = self.requested_real(Some(session.real)) {
            return self.move_to(slot, word, session, selection, MoveReason::Failed);
        }
        let retry = if session.deregistered { 0 } else { (session.retry + 1).min(Session::MAX_RETRY) };
        let limit = current.and_then(|real| real.reassign);
        if limit.is_some_and(|limit| retry > u16::from(limit)) {
            return self.relocate(slot, word, session, MoveReason::NoAnswer);
        }
        self.refresh(slot, word, Session { retry, ..session })
    }

    /// Lifetime 0: to the session's real, which then waits for its end. From another address than its client's it is
    /// passed on only, for anybody can write a NAI.
    fn deregister(
        &self,
        slot: Slot,
        word: Word<Session>,
        session: Session,
        disposition: Disposition,
    ) -> Option<Outcome> {
        let mut change = None;
        if !self.is_its_client(slot) {
            self.vserver.live.count(self.worker, VserverCounter::DeregistrationRefused);
        } else if !session.deregistered {
            self.balancer.table.replace(slot, word, word.deregistered(session, self.now)).ok()?;
            change = Some(SessionChange::Deregistered);
        }
        Some(match disposition {
            Disposition::Stay | Disposition::Failed => Outcome::Forward { real: session.real, change },
            Disposition::Gone | Disposition::Purge => self.forward_without_session(),
        })
    }

    /// The request comes from where the session's last one came.
    fn is_its_client(&self, slot: Slot) -> bool {
        let [_, client, _] = self.balancer.table.cold(slot).read();
        Ipv4Addr::from(client) == self.request.client
    }

    /// Restarts the idle time of a session that stays.
    fn refresh(&self, slot: Slot, word: Word<Session>, session: Session) -> Option<Outcome> {
        let requested = session.requested && !self.was_quiet(word);
        let new = self.word(Session { requested, deregistered: false, ..session });
        // A saturated retry count within one tick: nothing to write.
        if new != word {
            self.balancer.table.replace(slot, word, new).ok()?;
        }
        self.balancer.record_client(slot, (self.request.client, self.request.client_port));
        Some(Outcome::Forward { real: session.real, change: Some(SessionChange::Repeated) })
    }

    /// Half the idle time passed before this request: so long nobody had a reason to ask again.
    fn was_quiet(&self, word: Word<Session>) -> bool {
        word.deadline().is_some_and(|deadline| self.now.until(deadline) <= self.vserver.idle / 2)
    }

    /// Moves a session to another real if there is one.
    fn relocate(
        &mut self,
        slot: Slot,
        word: Word<Session>,
        session: Session,
        reason: MoveReason,
    ) -> Option<Outcome> {
        match self.select(Some(session.real)) {
            Ok(selection) => self.move_to(slot, word, session, selection, reason),
            Err(PickError::Stale) => Some(Outcome::Stale),
            Err(PickError::NoReal) if reason == MoveReason::Gone => {
                self.end(slot, word, SessionChange::Cleared)?;
                Some(self.no_real())
            }
            Err(PickError::NoReal) => {
                let unanswered = reason == MoveReason::NoAnswer;
                let stays = Session {
                    retry: (session.retry + 1).min(Session::MAX_RETRY),
                    failure_recorded: session.failure_recorded || unanswered,
                    test: session.test && !unanswered,
                    ..session
                };
                let outcome = self.refresh(slot, word, stays)?;
                if unanswered
                    && !session.failure_recorded
                    && let Some(real) = self.snapshot.real(session.real)
                {
                    real.live.record_failure(&self.failure(session, session.test), self.now);
                }
                Some(outcome)
            }
        }
    }

    /// The one step of a move, and its accounting.
    fn move_to(
        &mut self,
        slot: Slot,
        word: Word<Session>,
        session: Session,
        selection: Selection,
        reason: MoveReason,
    ) -> Option<Outcome> {
        let moved = Session { moved: true, ..self.session(selection) };
        if self.balancer.table.replace(slot, word, self.word(moved)).is_err() {
            self.give_back(&moved);
            return None;
        }
        self.balancer.record_client(slot, (self.request.client, self.request.client_port));
        if let Some(old) = self.snapshot.real(session.real) {
            let unanswered = reason == MoveReason::NoAnswer;
            old.live.release(match session.test {
                true if unanswered => ReleaseReason::TestFailed { now: self.now },
                test => ReleaseReason::Other { test },
            });
            if unanswered && !session.failure_recorded {
                old.live.record_failure(&self.failure(session, false), self.now);
            }
        }
        if let Some(real) = self.snapshot.real(moved.real) {
            real.live.established(1);
        }
        self.count_backup(selection);
        self.vserver.live.count(self.worker, VserverCounter::Reassigned);
        self.balancer.stats.count(self.worker, SlbCounter::Reassigned);
        Some(Outcome::Forward { real: moved.real, change: Some(SessionChange::Reassigned) })
    }

    /// The session got no answer from its real.
    fn failure(&self, session: Session, test: bool) -> Failure {
        let source = self.vserver.live.foreign_agents().look_up(self.request.client);
        Failure { client: self.request.identity, source, requested: session.requested, test }
    }

    /// Section 7.3 rule 1. `None`: another worker was first, look again.
    fn first(&mut self) -> Option<Outcome> {
        let balancer = self.balancer;
        let (identity, now) = (self.request.identity, self.now);
        if balancer.sheds(identity) {
            balancer.stats.count(self.worker, SlbCounter::Shed);
            self.vserver.live.count(self.worker, VserverCounter::Shed);
            return Some(Outcome::Shed);
        }
        if let Some(rate) = &self.vserver.client_rate
            && !rate.admits(self.request.client, now)
        {
            balancer.stats.count(self.worker, SlbCounter::ClientRate);
            self.vserver.live.count(self.worker, VserverCounter::ClientRate);
            return Some(Outcome::OverRate);
        }
        let at_capacity = balancer.occupancy() >= u64::from(balancer.capacity());
        let mut new = NewSession { handler: self, selection: None, refusal: PickError::NoReal };
        let abandoned = now.after(ABANDONED);
        let nonce = || balancer.next_nonce();
        let result = balancer.table.insert(identity, now, abandoned, at_capacity, nonce, &mut new);
        let NewSession { selection, refusal, .. } = new;
        match result {
            Insert::Inserted(_, word) => {
                let session = word.entry()?;
                balancer.began(self.snapshot, self.vserver, &session, self.worker);
                if let Some(selection) = selection {
                    self.count_backup(selection);
                }
                Some(Outcome::Forward { real: session.real, change: Some(SessionChange::Created) })
            }
            Insert::Existing(..) => None,
            Insert::Refused if refusal == PickError::Stale => Some(Outcome::Stale),
            Insert::Refused => Some(self.no_real()),
            Insert::Full => {
                let outcome = self.forward_without_session();
                if outcome != Outcome::Stale {
                    balancer.stats.count(self.worker, SlbCounter::FailedAllocs);
                    self.vserver.live.count(self.worker, VserverCounter::SessionAllocFail);
                }
                Some(outcome)
            }
            Insert::Contended => Some(self.use_existing()),
        }
    }

    /// Forwards by the predictor without a session.
    fn forward_without_session(&self) -> Outcome {
        match self.pick(None, Purpose::Packet) {
            Ok(selection) => Outcome::Forward { real: selection.picked.real, change: None },
            Err(PickError::Stale) => Outcome::Stale,
            Err(PickError::NoReal) => self.no_real(),
        }
    }

    /// A real for a session: the one that the Home Agent field names, else by the farms' cursors.
    fn select(&self, exclude: Option<RealId>) -> Result<Selection, PickError> {
        match self.requested_real(exclude) {
            Some(selection) => Ok(selection),
            None => self.pick(exclude, Purpose::Session),
        }
    }

    /// The real that the Home Agent field names, if it is operational (`mobile-ip` section 7.4).
    fn requested_real(&self, exclude: Option<RealId>) -> Option<Selection> {
        let id = self.request.home_agent.filter(|id| exclude != Some(*id))?;
        let real = self.snapshot.real(id)?;
        let backup = self.vserver.backup == Some(real.farm);
        let fits = (real.farm == self.vserver.farm || backup)
            && real.adjacency.is_some()
            && real.live.state() == RealState::Operational;
        let test = if fits { real.live.reserve()? } else { return None };
        Some(Selection { picked: Picked { real: id, test }, backup, requested: true })
    }

    /// The primary farm's pick; the backup's only if nobody in the primary can take it.
    fn pick(&self, exclude: Option<RealId>, purpose: Purpose) -> Result<Selection, PickError> {
        for (id, backup) in [(Some(self.vserver.farm), false), (self.vserver.backup, true)] {
            let Some(farm) = id.and_then(|id| self.snapshot.farm(id)) else { continue };
            match farm.live.pick(farm, self.snapshot, exclude, purpose) {
                Ok(picked) => return Ok(Selection { picked, backup, requested: false }),
                Err(PickError::Stale) => return Err(PickError::Stale),
                Err(PickError::NoReal) => {}
            }
        }
        Err(PickError::NoReal)
    }

    /// The session as it begins at a selected real.
    fn session(&self, selection: Selection) -> Session {
        let epoch = self.snapshot.real(selection.picked.real).map_or(0, |real| real.live.epoch());
        let Selection { picked: Picked { real, test }, requested, .. } = selection;
        Session { test, requested, epoch, ..Session::new(real) }
    }

    /// A session's word, its idle time from now on.
    fn word(&self, session: Session) -> Word<Session> {
        Word::live(self.request.identity, session, self.now.after(self.vserver.idle))
    }

    /// Undoes the reservation of a session that did not come about.
    fn give_back(&self, session: &Session) {
        self.balancer.stats.count(self.worker, SlbCounter::PicksLost);
        if let Some(real) = self.snapshot.real(session.real) {
            real.live.release(ReleaseReason::Other { test: session.test });
        }
    }

    /// Ends a session and says so; `None` if its word has changed.
    fn end(&mut self, slot: Slot, word: Word<Session>, change: SessionChange) -> Option<()> {
        let end = self.balancer.end(self.snapshot, slot, word, change, self.worker)?;
        self.tell(end);
        Some(())
    }

    fn tell(&mut self, end: SessionEnd) {
        if end.is_news() {
            (self.ended)(end);
        }
    }

    fn no_real(&self) -> Outcome {
        self.balancer.no_real(self.snapshot, self.request.vserver, self.worker);
        Outcome::NoReal
    }

    fn count_backup(&self, selection: Selection) {
        if selection.backup {
            self.vserver.live.count(self.worker, VserverCounter::BackupHits);
        }
    }
}

/// A session that is being inserted.
struct NewSession<'v, 'a, F> {
    handler: &'v mut RequestHandler<'a, F>,
    selection: Option<Selection>,
    refusal: PickError,
}

impl<F: FnMut(SessionEnd)> NewEntry<Session> for NewSession<'_, '_, F> {
    fn gives_way(&self, session: Session) -> bool {
        session.seen_once()
    }

    fn ended(&mut self, word: Word<Session>, cold: [u32; 3]) {
        let handler = &mut *self.handler;
        if let Some(view) = SessionInfo::from_word(word, cold) {
            let in_time = !word.is_past(handler.now);
            let change = if in_time { SessionChange::Evicted } else { view.session.end_by_time() };
            let end = handler.balancer.ended(handler.snapshot, view, change, handler.worker);
            handler.tell(end);
        }
    }

    fn cold(&self) -> [u32; 3] {
        let [client, ports] = self.handler.request.cold();
        [(self.handler.display_hash)(), client, ports]
    }

    fn prepare(&mut self) -> Option<Word<Session>> {
        match self.handler.select(None) {
            Ok(selection) => {
                self.selection = Some(selection);
                self.handler.balancer.reserve(self.handler.vserver, 1);
                Some(self.handler.word(self.handler.session(selection)))
            }
            Err(error) => {
                self.refusal = error;
                None
            }
        }
    }

    fn lost(&mut self, word: Word<Session>) {
        self.handler.balancer.cancel(self.handler.vserver);
        if let Some(session) = word.entry() {
            self.handler.give_back(&session);
        }
    }
}
