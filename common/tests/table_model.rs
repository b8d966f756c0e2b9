//! Every interleaving of the table's steps, up to a bound of preemptions: the production source on cells of loom.
//!
//! `Whole` is a cell whose compare-and-swap is one step; with it the properties must hold. `Torn` is the kept mutation:
//! the same cell with compare-and-swap split into a load and a store. With it the checker must find a violation,
//! else these models would prove nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{
    id::RealId,
    table::{Cell128, HeapStorage, Insert, Newcomer, Session, Slot, Table, Word},
    time::Tick,
};
use loom::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

const KEY: u64 = 0x1234_5678_9abc_def0;
const NOW: Tick = Tick(1000);
const LATER: Tick = Tick(2000);
const PREEMPTIONS: usize = 3;

trait ModelCell: Cell128 + 'static {
    fn new(word: u128) -> Self;
}

struct Whole(Mutex<u128>);
struct Torn(Mutex<u128>);

impl ModelCell for Whole {
    fn new(word: u128) -> Self {
        Self(Mutex::new(word))
    }
}

impl ModelCell for Torn {
    fn new(word: u128) -> Self {
        Self(Mutex::new(word))
    }
}

impl Cell128 for Whole {
    fn load(&self) -> u128 {
        *self.0.lock().unwrap()
    }

    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
        let mut word = self.0.lock().unwrap();
        let found = *word;
        if found == current {
            *word = new;
            Ok(found)
        } else {
            Err(found)
        }
    }
}

impl Cell128 for Torn {
    fn load(&self) -> u128 {
        *self.0.lock().unwrap()
    }

    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
        let found = self.load();
        if found != current {
            return Err(found);
        }
        *self.0.lock().unwrap() = new;
        Ok(found)
    }
}

/// Two lines of one slot: every identity may lie in both.
type Small<C> = Table<HeapStorage<C>, 1>;

struct World<C: Cell128> {
    table: Small<C>,
    /// Sessions that reals count.
    conns: AtomicUsize,
}

impl<C: ModelCell> World<C> {
    fn new(words: [Word; 2]) -> Arc<Self> {
        let cells = words.into_iter().map(|word| C::new(word.0)).collect();
        let live = words.iter().filter(|word| word.is_live()).count();
        Arc::new(Self { table: Table::new(HeapStorage::new(cells)), conns: AtomicUsize::new(live) })
    }

    fn words(&self) -> Vec<Word> {
        (0..2).flat_map(|line| self.table.slots_of(line)).map(|slot| self.table.load(slot)).collect()
    }

    /// What must hold once all threads are done.
    fn check(&self) {
        let words = self.words();
        let live = words.iter().filter(|word| word.is_live()).count();
        assert!(live <= 1, "two live slots of one identity: {words:?}");
        assert!(words.iter().all(|word| word.is_live() || word.is_empty()), "a claim is left: {words:?}");
        assert_eq!(self.conns.load(SeqCst), live, "connections counted for {words:?}");
    }

    fn insert(&self, nonce: u64, now: Tick) -> Insert {
        let mut newcomer = Client { world: self, now };
        self.table.insert(
            KEY,
            now,
            now.after(std::time::Duration::from_mins(1)),
            false,
            || nonce,
            &mut newcomer,
        )
    }

    /// Makes a session as a burst of new ones does: by the usual insertion's steps, or else the whole way.
    fn begin(&self, nonce: u64, now: Tick) -> bool {
        let claim = Word::pending(KEY, nonce, now.after(std::time::Duration::from_mins(1)));
        if let Some(slot) = self.table.claim(claim) {
            self.conns.fetch_add(1, SeqCst);
            if self.table.confirm(slot, claim, session(later(now))) {
                return true;
            }
            self.conns.fetch_sub(1, SeqCst);
        }
        matches!(self.insert(nonce + 10, now), Insert::Inserted(..))
    }

    /// Counts a repeated request; false if there was no session.
    fn refresh(&self) -> bool {
        while let Some((slot, word)) = self.table.find(KEY) {
            let session = word.session().unwrap();
            let new = Session { retry: session.retry + 1, deadline: later(LATER), ..session };
            if self.table.replace(slot, word, Word::live(new)).is_ok() {
                return true;
            }
        }
        false
    }

    /// Counts a repeated request as a worker does: by a glimpse, whose halves may be of different moments.
    fn repeat(&self) -> bool {
        let Some(glimpse) = self.table.glimpse(KEY) else { return self.refresh() };
        glimpse.replace(glimpse.word.repeated(later(LATER))) || self.refresh()
    }

    /// Moves the session to another real: one connection more before, one less after, or the other way round.
    fn reassign(&self) {
        while let Some((slot, word)) = self.table.find(KEY) {
            self.conns.fetch_add(1, SeqCst);
            let session = word.session().unwrap();
            let new = Session { real: RealId { index: 2, generation: 1 }, retry: 0, ..session };
            let moved = self.table.replace(slot, word, Word::live(new)).is_ok();
            self.conns.fetch_sub(1, SeqCst);
            if moved {
                return;
            }
        }
    }

    /// One look of the sweep.
    fn expire(&self, now: Tick) -> bool {
        match self.table.find(KEY) {
            Some((slot, word)) if word.expired(now) => self.remove(slot, word),
            _ => false,
        }
    }

    fn remove(&self, slot: Slot, word: Word) -> bool {
        let gone = self.table.replace(slot, word, Word::EMPTY).is_ok();
        if gone {
            self.conns.fetch_sub(1, SeqCst);
        }
        gone
    }
}

fn later(now: Tick) -> Tick {
    Tick(now.0 + 150)
}

fn session(deadline: Tick) -> Word {
    Word::live(Session {
        identity: KEY,
        real: RealId { index: 1, generation: 1 },
        retry: 0,
        deadline,
        test: false,
        failure_recorded: false,
        epoch: 0,
    })
}

struct Client<'a, C: Cell128> {
    world: &'a World<C>,
    now: Tick,
}

impl<C: ModelCell> Newcomer for Client<'_, C> {
    fn ended(&mut self, _word: Word, _cold: [u32; 3]) {
        self.world.conns.fetch_sub(1, SeqCst);
    }

    fn cold(&self) -> [u32; 3] {
        [0; 3]
    }

    fn prepare(&mut self) -> Option<Word> {
        self.world.conns.fetch_add(1, SeqCst);
        Some(session(later(self.now)))
    }

    fn lost(&mut self, _word: Word) {
        self.world.conns.fetch_sub(1, SeqCst);
    }

    fn patience(&self) -> u32 {
        0
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Two workers, the first request of one key.
fn claim_and_claim<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([Word::EMPTY; 2]);
        let other = Arc::clone(&world);
        let thread = loom::thread::spawn(move || other.insert(2, NOW));
        let results = [world.insert(1, NOW), thread.join().unwrap()];
        world.check();
        let inserted = results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count();
        assert_eq!(inserted, 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Insert::Inserted(..) | Insert::Existing(..))));
    });
}

/// The same in bursts of new sessions.
fn begin_and_begin<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([Word::EMPTY; 2]);
        let other = Arc::clone(&world);
        let thread = loom::thread::spawn(move || other.begin(2, NOW));
        let results = [world.begin(1, NOW), thread.join().unwrap()];
        world.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// One worker with a burst of new sessions, one with a single request, and a sweep that finds the last session expired.
fn begin_and_claim_and_expire<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([session(NOW), Word::EMPTY]);
        let (second, third) = (Arc::clone(&world), Arc::clone(&world));
        let claim = loom::thread::spawn(move || matches!(second.insert(2, LATER), Insert::Inserted(..)));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let results = [world.begin(1, LATER), claim.join().unwrap()];
        sweep.join().unwrap();
        world.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// A key's session has expired for one worker, while another with an older clock still counts a request for it.
fn claim_and_refresh_of_the_expired<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([session(NOW), Word::EMPTY]);
        let other = Arc::clone(&world);
        let thread = loom::thread::spawn(move || other.refresh());
        let result = world.insert(1, LATER);
        let refreshed = thread.join().unwrap();
        world.check();
        let live: Vec<_> = world.words().into_iter().filter_map(Word::session).collect();
        assert_eq!(live.len(), 1, "there is a session whoever came first");
        match result {
            Insert::Existing(..) => assert!(refreshed),
            Insert::Inserted(..) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// The sweep, an insertion and an insertion by another worker on an expired session.
fn claim_and_claim_and_expire<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([Word::EMPTY, session(NOW)]);
        let (second, third) = (Arc::clone(&world), Arc::clone(&world));
        let claim = loom::thread::spawn(move || second.insert(2, LATER));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let first = world.insert(1, LATER);
        let results = [first, claim.join().unwrap()];
        sweep.join().unwrap();
        world.check();
        assert_eq!(results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count(), 1);
    });
}

/// Everything that happens to a live session at once.
fn refresh_and_reassign_and_expire<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([session(NOW), Word::EMPTY]);
        let (second, third) = (Arc::clone(&world), Arc::clone(&world));
        let refresh = loom::thread::spawn(move || second.refresh());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        world.reassign();
        let (refreshed, expired) = (refresh.join().unwrap(), expire.join().unwrap());
        world.check();
        let live = world.words().into_iter().find_map(Word::session);
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(session) = live {
            assert!(refreshed, "it was there, so the request was counted");
            assert_eq!(session.deadline, later(LATER), "and its idle time restarted");
            assert_eq!(session.real.index, 2, "and it moved");
        }
    });
}

/// The same with the worker's quick step: a glimpse of two moments is never taken for a session.
fn repeat_and_reassign_and_expire<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([session(NOW), Word::EMPTY]);
        let (second, third) = (Arc::clone(&world), Arc::clone(&world));
        let repeat = loom::thread::spawn(move || second.repeat());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        world.reassign();
        let (repeated, expired) = (repeat.join().unwrap(), expire.join().unwrap());
        world.check();
        let live = world.words().into_iter().find_map(Word::session);
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(session) = live {
            assert!(repeated, "it was there, so the request was counted");
            assert_eq!((session.deadline, session.real.index), (later(LATER), 2), "once, and it moved");
        }
    });
}

/// Two requests of one session are two retries.
fn refresh_and_refresh<C: ModelCell>() {
    explore(|| {
        let world = World::<C>::new([session(later(LATER)), Word::EMPTY]);
        let other = Arc::clone(&world);
        let thread = loom::thread::spawn(move || other.refresh());
        world.refresh();
        thread.join().unwrap();
        world.check();
        assert_eq!(world.words()[0].session().unwrap().retry, 2);
    });
}

/// A worker that stalled in its claim for ever: nobody waits for it, and the sweep takes the claim away.
fn a_stalled_claim_blocks_nobody<C: ModelCell>() {
    explore(|| {
        let stalled = Word::pending(KEY, 99, later(NOW));
        let world = World::<C>::new([stalled, Word::EMPTY]);
        let other = Arc::clone(&world);
        let thread = loom::thread::spawn(move || {
            for line in 0..2 {
                other.table.clear_abandoned(line, LATER);
            }
        });
        let result = world.insert(1, NOW);
        assert!(matches!(result, Insert::Inserted(..)), "{result:?}");
        thread.join().unwrap();
        for line in 0..2 {
            world.table.clear_abandoned(line, LATER);
        }
        world.check();
    });
}

fn must_fail(model: fn()) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(model));
    std::panic::set_hook(hook);
    assert!(result.is_err(), "the checker does not see a torn compare-and-swap");
}

#[test]
fn two_claims_make_one_session() {
    claim_and_claim::<Whole>();
}

#[test]
fn a_torn_cell_breaks_two_claims() {
    must_fail(claim_and_claim::<Torn>);
}

#[test]
fn an_expired_session_is_renewed_or_replaced_never_both() {
    claim_and_refresh_of_the_expired::<Whole>();
}

#[test]
fn a_torn_cell_breaks_renewal() {
    must_fail(claim_and_refresh_of_the_expired::<Torn>);
}

#[test]
fn bursts_of_two_workers_make_one_session() {
    begin_and_begin::<Whole>();
    begin_and_claim_and_expire::<Whole>();
}

#[test]
fn a_torn_cell_breaks_bursts_too() {
    must_fail(begin_and_begin::<Torn>);
}

#[test]
fn two_claims_and_a_sweep_make_one_session() {
    claim_and_claim_and_expire::<Whole>();
}

#[test]
fn a_session_is_refreshed_moved_and_ended_by_one_step_each() {
    refresh_and_reassign_and_expire::<Whole>();
}

#[test]
fn a_glimpse_of_two_moments_is_never_taken_for_a_session() {
    repeat_and_reassign_and_expire::<Whole>();
}

#[test]
fn a_torn_cell_breaks_the_quick_step_too() {
    must_fail(repeat_and_reassign_and_expire::<Torn>);
}

#[test]
fn a_torn_cell_breaks_refresh_move_and_end() {
    must_fail(refresh_and_reassign_and_expire::<Torn>);
}

#[test]
fn no_retry_is_lost() {
    refresh_and_refresh::<Whole>();
}

#[test]
fn a_torn_cell_loses_a_retry() {
    must_fail(refresh_and_refresh::<Torn>);
}

#[test]
fn nobody_waits_for_a_stalled_claim() {
    a_stalled_claim_blocks_nobody::<Whole>();
}
