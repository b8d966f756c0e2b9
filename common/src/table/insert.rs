//! Making an entry: claim, contest, confirm. The only operation of more than one step; `DESIGN.md` has the argument.

use super::{ColdWords, Entry, Identity, Slot, Storage, Table, Word};
use crate::time::Tick;

/// Attempts before an insertion gives up; each lost attempt means that another thread got somewhere.
const ATTEMPTS: u32 = 16;

/// Loads that an insertion spends on waiting for another thread's claim on the same identity before striking it out.
const RIVAL_POLLS: u32 = 64;

/// What a table holds in the cold words of an entry.
type Cold<E> = <<E as Entry>::Cold as ColdWords>::Values;

/// An entry that is to be made.
pub trait NewEntry<E: Entry> {
    /// Whether a live entry of the same identity is the one that is to be made. Where entries hold their keys they
    /// compare them here; otherwise a hash match is a match.
    fn matches(&self, _entry: E) -> bool {
        true
    }

    /// Whether a live entry may be ended for the new one where there is no other room.
    fn gives_way(&self, _entry: E) -> bool {
        false
    }

    /// An expired entry, or one that gives way, made room, or an expired one had the same identity.
    fn ended(&mut self, word: Word<E>, cold: Cold<E>);

    /// The cold words of the new entry.
    fn cold(&self) -> Cold<E>;

    /// Chooses the live word; called with the slot claimed and no rival in sight. `None` gives up.
    fn prepare(&mut self) -> Option<Word<E>>;

    /// What [`NewEntry::prepare`] took must be given back: a rival won.
    fn lost(&mut self, word: Word<E>);

    /// Loads to wait for a rival's claim; models use 0.
    fn rival_polls(&self) -> u32 {
        RIVAL_POLLS
    }
}

/// How an insertion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert<E: Entry> {
    /// The entry is in the table.
    Inserted(Slot, Word<E>),
    /// Another thread has made it meanwhile.
    Existing(Slot, Word<E>),
    /// Both lines are full, and nothing in them gives way.
    Full,
    /// [`NewEntry::prepare`] gave up.
    Refused,
    /// Lost `ATTEMPTS` times to others.
    Contended,
}

/// What both lines held.
struct Survey<E: Entry> {
    live: Option<(Slot, Word<E>)>,
    rival: Option<(Slot, Word<E>)>,
    /// Where to go: an empty slot of the emptier line, else an expired one, else one that gives way.
    room: Option<(Slot, Word<E>)>,
}

impl<E: Entry, S: Storage<Cold = E::Cold>, const WAYS: usize> Table<E, S, WAYS> {
    /// Makes the entry of `identity` unless it exists.
    ///
    /// `nonce` gives a different number at each call, over all threads; `abandoned` is when a claim may be swept.
    /// With `at_capacity` only the slot of an expired entry is taken, or of one that gives way.
    pub fn insert<N: NewEntry<E>>(
        &self,
        identity: Identity,
        now: Tick,
        abandoned: Tick,
        at_capacity: bool,
        nonce: impl Fn() -> u64,
        new: &mut N,
    ) -> Insert<E> {
        for _ in 0..ATTEMPTS {
            let survey = self.survey(identity, now, at_capacity, new);
            if let Some((slot, word)) = survey.live {
                return Insert::Existing(slot, word);
            }
            if let Some((slot, word)) = survey.rival
                && self.wait_for(slot, word, new.rival_polls())
            {
                continue;
            }
            let Some((slot, found)) = survey.room else { return Insert::Full };
            let claim = Word::pending(identity, nonce(), abandoned);
            let gone = self.cold(slot).read();
            if self.replace(slot, found, claim).is_err() {
                continue;
            }
            if found.is_live() {
                new.ended(found, gone);
            }
            self.cold(slot).write(new.cold());
            if let Some((other, word)) = self.contest(slot, claim, now, new) {
                self.withdraw(slot, claim);
                return Insert::Existing(other, word);
            }
            if self.load(slot) != claim {
                self.withdraw(slot, claim);
                continue;
            }
            let Some(word) = new.prepare() else {
                self.withdraw(slot, claim);
                return Insert::Refused;
            };
            if self.confirm(slot, claim, word) {
                return Insert::Inserted(slot, word);
            }
            new.lost(word);
        }
        Insert::Contended
    }

    /// The usual insertion's steps up to the choice of the live word: puts `claim` into an empty slot of the emptier line. `None`,
    /// with nothing left behind, if there is none, or if a slot has the identity before or after: then
    /// [`Table::insert`] finds out.
    ///
    /// The caller writes the cold words, then calls [`Table::confirm`] or [`Table::withdraw`].
    #[inline(always)]
    pub fn claim(&self, claim: Word<E>) -> Option<Slot> {
        let identity = claim.identity();
        let [first, second] = self.candidates(identity);
        let matches = |line| self.matches(line, identity);
        if matches(first).number() + matches(second).number() > 0 {
            return None;
        }
        let (mut near, mut far) = (self.empties(first), self.empties(second));
        let slot = if far.number() > near.number() { far.next() } else { near.next() }?;
        self.replace(slot, Word::EMPTY, claim).ok()?;
        // Every thread reads here after its own claim is visible, so of two rivals at least one sees the other.
        let alone = matches(first).chain(matches(second)).all(|found| found == slot);
        if !alone {
            self.withdraw(slot, claim);
        }
        alone.then_some(slot)
    }

    /// The last step of the usual insertion; false, with nothing left behind, if a rival struck the claim out.
    #[inline(always)]
    pub fn confirm(&self, slot: Slot, claim: Word<E>, word: Word<E>) -> bool {
        let confirmed = self.replace(slot, claim, word).is_ok();
        if !confirmed {
            self.withdraw(slot, claim);
        }
        confirmed
    }

    /// Reads both lines once.
    fn survey<N: NewEntry<E>>(
        &self,
        identity: Identity,
        now: Tick,
        at_capacity: bool,
        new: &mut N,
    ) -> Survey<E> {
        let mut survey = Survey { live: None, rival: None, room: None };
        let mut most = 0;
        for line in self.candidates(identity) {
            for slot in self.matches(line, identity) {
                let mut word = self.load(slot);
                while word.identity() == identity && word.is_live() {
                    if !word.is_past(now) {
                        if word.entry().is_some_and(|entry| new.matches(entry)) {
                            survey.live = Some((slot, word));
                            return survey;
                        }
                        break;
                    }
                    word = self.end(slot, word, new);
                }
                if word.identity() == identity && word.is_pending() && !word.expired(now) {
                    survey.rival = Some((slot, word));
                }
            }
            // A slot that only seemed empty is found out by the claim.
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
        if survey.room.is_none() {
            survey.room = self.first_to_go(identity, now, new);
        }
        survey
    }

    /// What has expired in both lines: entries and abandoned claims.
    fn expired(&self, identity: Identity, now: Tick) -> impl Iterator<Item = (Slot, Word<E>)> {
        self.both_lines(identity).filter(move |(_, word)| word.expired(now))
    }

    /// Of the entries that give way the one whose deadline is the nearest.
    #[cold]
    fn first_to_go<N: NewEntry<E>>(&self, identity: Identity, now: Tick, new: &N) -> Option<(Slot, Word<E>)> {
        let left = |word: Word<E>| Some(now.until(word.deadline()?));
        self.both_lines(identity)
            .filter(|(_, word)| word.entry().is_some_and(|entry| new.gives_way(entry)))
            .filter_map(|(slot, word)| Some((left(word)?, slot, word)))
            .min_by_key(|(left, ..)| *left)
            .map(|(_, slot, word)| (slot, word))
    }

    /// Every slot of both lines with its word.
    fn both_lines(&self, identity: Identity) -> impl Iterator<Item = (Slot, Word<E>)> {
        let slots = self.candidates(identity).into_iter().flat_map(|line| self.slots_of(line));
        slots.map(|slot| (slot, self.load(slot)))
    }

    /// Empties the slot of an expired entry; the word found there afterwards.
    fn end<N: NewEntry<E>>(&self, slot: Slot, word: Word<E>, new: &mut N) -> Word<E> {
        let cold = self.cold(slot).read();
        match self.replace(slot, word, Word::EMPTY) {
            Ok(()) => {
                new.ended(word, cold);
                Word::EMPTY
            }
            Err(found) => found,
        }
    }

    /// With `claim` in `slot`: strikes out every rival claim, or finds the entry that is already there.
    ///
    /// Every thread reads here after its own claim is visible, so of two rivals at least one sees the other.
    fn contest<N: NewEntry<E>>(
        &self,
        own: Slot,
        claim: Word<E>,
        now: Tick,
        new: &mut N,
    ) -> Option<(Slot, Word<E>)> {
        let identity = claim.identity();
        for line in self.candidates(identity) {
            for slot in self.matches(line, identity) {
                if slot == own {
                    continue;
                }
                let mut word = self.load(slot);
                while word.identity() == identity && (word.is_live() || word.is_pending()) {
                    if word.is_live() {
                        if !word.is_past(now) {
                            if word.entry().is_some_and(|entry| new.matches(entry)) {
                                return Some((slot, word));
                            }
                            break;
                        }
                        word = self.end(slot, word, new);
                        continue;
                    }
                    // The younger claim waits for the older to become an entry, so both are rarely struck out.
                    if claim.nonce() > word.nonce() && self.wait_for(slot, word, new.rival_polls()) {
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

    /// Spins until `slot` no longer holds `word`, at most `polls` loads; true if it changed.
    fn wait_for(&self, slot: Slot, word: Word<E>, polls: u32) -> bool {
        (0..polls).any(|_| {
            std::hint::spin_loop();
            self.load(slot) != word
        })
    }

    /// Gives up an own claim, struck out or not.
    #[cold]
    pub fn withdraw(&self, slot: Slot, claim: Word<E>) {
        if self.replace(slot, claim, Word::EMPTY).is_err() {
            // Struck out; if the sweep emptied it meanwhile, there is nothing left to do.
            let _ = self.replace(slot, claim.withdrawn(), Word::EMPTY);
        }
    }
}
