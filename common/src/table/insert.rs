//! Making a session: claim, contest, confirm. The only operation of more than one step; `DESIGN.md` has the argument.

use super::{Slot, Storage, Table, Word, slots::read};
use crate::time::Tick;

/// Attempts before an insertion gives up; each lost attempt means that another thread got somewhere.
const ATTEMPTS: u32 = 16;

/// Loads that an insertion spends on waiting for another thread's claim on the same identity before striking it out.
const PATIENCE: u32 = 64;

/// The owner of an insertion.
pub trait Newcomer {
    /// An expired session made room, or was the same identity's own last one.
    fn ended(&mut self, word: Word, cold: [u32; 3]);

    /// The cold words of the new session.
    fn cold(&self) -> [u32; 3];

    /// Chooses the live word; called with the slot claimed and no rival in sight. `None` gives up.
    fn prepare(&mut self) -> Option<Word>;

    /// What [`Newcomer::prepare`] took must be given back: a rival won.
    fn lost(&mut self, word: Word);

    /// Loads to wait for a rival's claim; models use 0.
    fn patience(&self) -> u32 {
        PATIENCE
    }
}

/// How an insertion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// The session is in the table.
    Inserted(Slot, Word),
    /// Another thread has made one meanwhile.
    Existing(Slot, Word),
    /// Both lines are full.
    Full,
    /// [`Newcomer::prepare`] gave up.
    Refused,
    /// Lost `ATTEMPTS` times to others.
    Contended,
}

/// What a look at both lines found.
struct Survey {
    live: Option<(Slot, Word)>,
    rival: Option<(Slot, Word)>,
    /// Where to go: an empty slot of the emptier line, else an expired one.
    room: Option<(Slot, Word)>,
}

impl<S: Storage, const WAYS: usize> Table<S, WAYS> {
    /// Makes the session of `identity` unless it exists.
    ///
    /// `nonce` gives a different number at each call, over all threads; `abandoned` is when a claim may be swept.
    /// With `at_capacity` only the place of an expired session is taken.
    pub fn insert<N: Newcomer>(
        &self,
        identity: u64,
        now: Tick,
        abandoned: Tick,
        at_capacity: bool,
        nonce: impl Fn() -> u64,
        newcomer: &mut N,
    ) -> Insert {
        for _ in 0..ATTEMPTS {
            let survey = self.survey(identity, now, at_capacity, newcomer);
            if let Some((slot, word)) = survey.live {
                return Insert::Existing(slot, word);
            }
            if let Some((slot, word)) = survey.rival
                && self.wait_for(slot, word, newcomer.patience())
            {
                continue;
            }
            let Some((slot, found)) = survey.room else { return Insert::Full };
            let claim = Word::pending(identity, nonce(), abandoned);
            let gone = read(self.cold(slot));
            if self.replace(slot, found, claim).is_err() {
                continue;
            }
            if found.is_live() {
                newcomer.ended(found, gone);
            }
            for (part, value) in self.cold(slot).iter().zip(newcomer.cold()) {
                part.store(value, std::sync::atomic::Ordering::Relaxed);
            }
            if let Some((other, word)) = self.contest(slot, claim, now, newcomer) {
                self.withdraw(slot, claim);
                return Insert::Existing(other, word);
            }
            if self.load(slot) != claim {
                self.withdraw(slot, claim);
                continue;
            }
            let Some(word) = newcomer.prepare() else {
                self.withdraw(slot, claim);
                return Insert::Refused;
            };
            if self.confirm(slot, claim, word) {
                return Insert::Inserted(slot, word);
            }
            newcomer.lost(word);
        }
        Insert::Contended
    }

    /// The usual insertion's steps up to the choice of a real: puts `claim` into an empty slot of the emptier line. `None`,
    /// with nothing left behind, if there is none, or if a slot bears the identity before or after: then
    /// [`Table::insert`] finds out.
    ///
    /// The caller writes the cold words, then calls [`Table::confirm`] or [`Table::withdraw`].
    #[inline(always)]
    pub fn claim(&self, claim: Word) -> Option<Slot> {
        let identity = claim.identity();
        let [first, second] = self.candidates(identity);
        let bearers = |line| self.bearers(line, identity);
        if bearers(first).number() + bearers(second).number() > 0 {
            return None;
        }
        let (mut near, mut far) = (self.empties(first), self.empties(second));
        let slot = if far.number() > near.number() { far.next() } else { near.next() }?;
        self.replace(slot, Word::EMPTY, claim).ok()?;
        // Every thread looks here after its own claim is visible, so of two rivals at least one sees the other.
        let alone = bearers(first).chain(bearers(second)).all(|bearer| bearer == slot);
        if !alone {
            self.withdraw(slot, claim);
        }
        alone.then_some(slot)
    }

    /// The last step of the usual insertion; false, with nothing left behind, if a rival struck the claim out.
    #[inline(always)]
    pub fn confirm(&self, slot: Slot, claim: Word, word: Word) -> bool {
        let confirmed = self.replace(slot, claim, word).is_ok();
        if !confirmed {
            self.withdraw(slot, claim);
        }
        confirmed
    }

    /// Reads both lines once.
    fn survey<N: Newcomer>(&self, identity: u64, now: Tick, at_capacity: bool, newcomer: &mut N) -> Survey {
        let mut survey = Survey { live: None, rival: None, room: None };
        let mut most = 0;
        for line in self.candidates(identity) {
            for slot in self.bearers(line, identity) {
                let mut word = self.load(slot);
                while word.identity() == identity && word.is_live() {
                    if !word.expired(now) {
                        survey.live = Some((slot, word));
                        return survey;
                    }
                    word = self.end(slot, word, newcomer);
                }
                if word.identity() == identity && word.is_pending() && !word.expired(now) {
                    survey.rival = Some((slot, word));
                }
            }
            // A place that only seemed empty is found out by the claim.
            let mut empties = self.empties(line);
            if empties.number() > most {
                most = empties.number();
                survey.room = empties.next().map(|slot| (slot, Word::EMPTY));
            }
        }
        if at_capacity {
            survey.room = self.expired(identity, now).find(|(_, word)| word.is_live());
        } else if survey.room.is_none() {
            survey.room = self.expired(identity, now).next();
        }
        survey
    }

    /// What has expired in both lines: sessions and abandoned claims.
    fn expired(&self, identity: u64, now: Tick) -> impl Iterator<Item = (Slot, Word)> {
        let slots = self.candidates(identity).into_iter().flat_map(|line| self.slots_of(line));
        slots.map(|slot| (slot, self.load(slot))).filter(move |(_, word)| word.expired(now))
    }

    /// Empties the slot of an expired session; the word found there afterwards.
    fn end<N: Newcomer>(&self, slot: Slot, word: Word, newcomer: &mut N) -> Word {
        let cold = read(self.cold(slot));
        match self.replace(slot, word, Word::EMPTY) {
            Ok(()) => {
                newcomer.ended(word, cold);
                Word::EMPTY
            }
            Err(found) => found,
        }
    }

    /// With `claim` in `slot`: strikes out every rival claim, or finds the session that is already there.
    ///
    /// Every thread looks here after its own claim is visible, so of two rivals at least one sees the other.
    fn contest<N: Newcomer>(
        &self,
        own: Slot,
        claim: Word,
        now: Tick,
        newcomer: &mut N,
    ) -> Option<(Slot, Word)> {
        let identity = claim.identity();
        for line in self.candidates(identity) {
            for slot in self.bearers(line, identity) {
                if slot == own {
                    continue;
                }
                let mut word = self.load(slot);
                while word.identity() == identity && (word.is_live() || word.is_pending()) {
                    if word.is_live() {
                        if !word.expired(now) {
                            return Some((slot, word));
                        }
                        word = self.end(slot, word, newcomer);
                        continue;
                    }
                    // The younger claim waits for the older to become a session, so both are rarely struck out.
                    if claim.nonce() > word.nonce() && self.wait_for(slot, word, newcomer.patience()) {
                        word = self.load(slot);
                        continue;
                    }
                    word = match self.replace(slot, word, word.withdrawn()) {
                        Ok(()) => word.withdrawn(),
                        Err(found) => found,
                    };
                }
            }
        }
        None
    }

    /// Spins until `slot` no longer holds `word`, at most `patience` loads; true if it changed.
    fn wait_for(&self, slot: Slot, word: Word, patience: u32) -> bool {
        (0..patience).any(|_| {
            std::hint::spin_loop();
            self.load(slot) != word
        })
    }

    /// Gives up an own claim, struck out or not.
    #[cold]
    pub fn withdraw(&self, slot: Slot, claim: Word) {
        if self.replace(slot, claim, Word::EMPTY).is_err() {
            // Struck out; if the sweep emptied it meanwhile, there is nothing left to do.
            let _ = self.replace(slot, claim.withdrawn(), Word::EMPTY);
        }
    }
}
