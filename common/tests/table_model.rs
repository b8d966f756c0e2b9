//! Every interleaving of the table's steps, up to a bound of preemptions: the production source on cells of loom.
//!
//! `Whole` is a cell whose compare-and-swap is one step; with it the properties must hold. `Torn` is the kept mutation:
//! the same cell with compare-and-swap split into a load and a store. With it the checker must find a violation,
//! else these models would prove nothing.
//!
//! Each model runs with two kinds of entries: sessions, where a hash match is a match, and indices into a slab, where the
//! records hold the keys and each must have exactly one owner.
#![allow(missing_docs, clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{
    id::RealId,
    slb::Session,
    table::{
        Cell128, ColdWords, Entry, HeapStorage, Identity, Insert, NewEntry, Slab, SlabIndex, Slot, Table,
        Word,
    },
    time::Tick,
};
use loom::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

const IDENTITY: Identity = Identity::from_hash(0x1234_5678_9abc_def0);
const KEY: u64 = 1;
const OTHER_KEY: u64 = 2;
/// Real of the entries that give way.
const STRANGER: u16 = 9;
const NOW: Tick = Tick(1000);
const LATER: Tick = Tick(2000);

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

/// A kind of entries: what stands behind one is taken before it is in the table, and given back after.
trait ModelEntry: Entry<Cold: ColdWords<Values: Default>> + 'static {
    type Owner: Send + Sync + 'static;
    /// Of models with three threads; those with two have three.
    const PREEMPTIONS: usize;

    fn owner() -> Self::Owner;

    fn take(owner: &Self::Owner, key: u64, real: u16) -> Self;

    fn give_back(self, owner: &Self::Owner);

    fn matches(self, owner: &Self::Owner, key: u64) -> bool;

    /// Where it was made or moved to.
    fn real(self, owner: &Self::Owner) -> u16;

    /// How many are taken.
    fn taken(owner: &Self::Owner) -> usize;

    /// The word after another request.
    fn repeated(word: Word<Self>, deadline: Tick) -> Word<Self>;
}

/// Behind a session is a connection of its real.
impl ModelEntry for Session {
    type Owner = AtomicUsize;
    const PREEMPTIONS: usize = 3;

    fn owner() -> AtomicUsize {
        AtomicUsize::new(0)
    }

    fn take(conns: &AtomicUsize, _key: u64, real: u16) -> Self {
        conns.fetch_add(1, SeqCst);
        let real = RealId { index: real, generation: 1 };
        Self::new(real)
    }

    fn give_back(self, conns: &AtomicUsize) {
        conns.fetch_sub(1, SeqCst);
    }

    fn matches(self, _conns: &AtomicUsize, _key: u64) -> bool {
        true
    }

    fn real(self, _conns: &AtomicUsize) -> u16 {
        self.real.index
    }

    fn taken(conns: &AtomicUsize) -> usize {
        conns.load(SeqCst)
    }

    fn repeated(word: Word<Self>, deadline: Tick) -> Word<Self> {
        word.repeated(deadline)
    }
}

/// Behind an index is a record, of key and real.
struct Records(Slab<[std::sync::atomic::AtomicU64; 2]>);

/// Enough for one model, in which no record becomes free again.
const RECORDS: u32 = 40;

impl ModelEntry for SlabIndex {
    type Owner = Records;
    const PREEMPTIONS: usize = 2;

    fn owner() -> Records {
        Records(Slab::new(RECORDS, Default::default))
    }

    fn take(Records(slab): &Records, key: u64, real: u16) -> Self {
        let index = slab.allocate().unwrap();
        let record = slab.get(index).unwrap();
        record[0].store(key, SeqCst);
        record[1].store(real.into(), SeqCst);
        index
    }

    fn give_back(self, Records(slab): &Records) {
        assert!(slab.release(self), "a record has one owner");
    }

    fn matches(self, Records(slab): &Records, key: u64) -> bool {
        slab.get(self).is_some_and(|record| record[0].load(SeqCst) == key)
    }

    fn real(self, Records(slab): &Records) -> u16 {
        slab.get(self).unwrap()[1].load(SeqCst) as u16
    }

    fn taken(Records(slab): &Records) -> usize {
        slab.used()
    }

    fn repeated(word: Word<Self>, deadline: Tick) -> Word<Self> {
        word.renewed(deadline)
    }
}

/// Two lines of one slot: every identity may lie in both.
struct Harness<E: ModelEntry, C: Cell128> {
    table: Table<E, HeapStorage<C, E::Cold>, 1>,
    owner: E::Owner,
}

impl<E: ModelEntry, C: ModelCell> Harness<E, C> {
    /// With entries of `KEY` that last until these times, or none.
    fn new(deadlines: [Option<Tick>; 2]) -> Arc<Self> {
        Self::with(|owner| deadlines.map(|deadline| deadline.map_or(Word::EMPTY, |at| live(owner, at))))
    }

    fn with(words: impl FnOnce(&E::Owner) -> [Word<E>; 2]) -> Arc<Self> {
        let owner = E::owner();
        let cells = words(&owner).into_iter().map(|word| C::new(word.bits())).collect();
        Arc::new(Self { table: Table::new(HeapStorage::new(cells)), owner })
    }

    fn words(&self) -> Vec<Word<E>> {
        (0..2).flat_map(|line| self.table.slots_of(line)).map(|slot| self.table.load(slot)).collect()
    }

    /// What must hold once all threads are done.
    fn check(&self) {
        let words = self.words();
        for key in [KEY, OTHER_KEY] {
            let of_key = |word: &&Word<E>| word.entry().is_some_and(|entry| entry.matches(&self.owner, key));
            assert!(words.iter().filter(of_key).count() <= 1, "two live slots of one key: {words:?}");
        }
        let live = words.iter().filter(|word| word.is_live()).count();
        assert!(words.iter().all(|word| word.is_live() || word.is_empty()), "a claim is left: {words:?}");
        assert_eq!(E::taken(&self.owner), live, "taken for {words:?}");
    }

    fn insert(&self, nonce: u64, now: Tick) -> Insert<E> {
        self.insert_key(KEY, nonce, now)
    }

    fn insert_key(&self, key: u64, nonce: u64, now: Tick) -> Insert<E> {
        let abandoned = now.after(std::time::Duration::from_mins(1));
        let mut new = Client { harness: self, key, now };
        self.table.insert(IDENTITY, now, abandoned, false, || nonce, &mut new)
    }

    /// Makes an entry as a burst of new ones does: by the usual insertion's steps, or else the whole way.
    fn create_batch(&self, nonce: u64, now: Tick) -> bool {
        let claim = Word::pending(IDENTITY, nonce, now.after(std::time::Duration::from_mins(1)));
        if let Some(slot) = self.table.claim(claim) {
            let entry = E::take(&self.owner, KEY, 1);
            if self.table.confirm(slot, claim, Word::live(IDENTITY, entry, later(now))) {
                return true;
            }
            entry.give_back(&self.owner);
        }
        matches!(self.insert(nonce + 10, now), Insert::Inserted(..))
    }

    fn find(&self, key: u64) -> Option<(Slot, Word<E>)> {
        self.table.find_where(IDENTITY, |entry| entry.matches(&self.owner, key))
    }

    /// Counts a repeated request; false if there was no entry.
    fn refresh(&self) -> bool {
        while let Some((slot, word)) = self.find(KEY) {
            if self.table.replace(slot, word, E::repeated(word, later(LATER))).is_ok() {
                return true;
            }
        }
        false
    }

    /// Counts a repeated request as a worker does: by an optimistic read, whose halves may be of different moments.
    fn repeat(&self) -> bool {
        let Some(read) = self.table.read_optimistic(IDENTITY) else { return self.refresh() };
        read.replace(E::repeated(read.word, later(LATER))) || self.refresh()
    }

    /// Moves the entry to another real: one taken more before, one less after, or the other way round.
    fn reassign(&self) {
        while let Some((slot, word)) = self.find(KEY) {
            let (old, new) = (word.entry().unwrap(), E::take(&self.owner, KEY, 2));
            let moved =
                self.table.replace(slot, word, Word::live(IDENTITY, new, word.deadline().unwrap())).is_ok();
            if moved { old } else { new }.give_back(&self.owner);
            if moved {
                return;
            }
        }
    }

    /// One step of the sweep.
    fn expire(&self, now: Tick) -> bool {
        match self.find(KEY) {
            Some((slot, word)) if word.expired(now) => self.remove(slot, word),
            _ => false,
        }
    }

    fn remove(&self, slot: Slot, word: Word<E>) -> bool {
        let gone = self.table.replace(slot, word, Word::EMPTY).is_ok();
        if gone {
            word.entry().unwrap().give_back(&self.owner);
        }
        gone
    }
}

fn later(now: Tick) -> Tick {
    Tick(now.0 + 150)
}

fn live<E: ModelEntry>(owner: &E::Owner, deadline: Tick) -> Word<E> {
    Word::live(IDENTITY, E::take(owner, KEY, 1), deadline)
}

struct Client<'a, E: ModelEntry, C: Cell128> {
    harness: &'a Harness<E, C>,
    key: u64,
    now: Tick,
}

impl<E: ModelEntry, C: ModelCell> NewEntry<E> for Client<'_, E, C> {
    fn matches(&self, entry: E) -> bool {
        entry.matches(&self.harness.owner, self.key)
    }

    /// Strangers do, until they are asked for again.
    fn gives_way(&self, entry: E) -> bool {
        entry.real(&self.harness.owner) == STRANGER
    }

    fn ended(&mut self, word: Word<E>, _cold: <E::Cold as ColdWords>::Values) {
        word.entry().unwrap().give_back(&self.harness.owner);
    }

    fn cold(&self) -> <E::Cold as ColdWords>::Values {
        Default::default()
    }

    fn prepare(&mut self) -> Option<Word<E>> {
        Some(Word::live(IDENTITY, E::take(&self.harness.owner, self.key, 1), later(self.now)))
    }

    fn lost(&mut self, word: Word<E>) {
        word.entry().unwrap().give_back(&self.harness.owner);
    }

    fn rival_polls(&self) -> u32 {
        0
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two workers, the first request of one key.
fn claim_and_claim<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.insert(2, NOW));
        let results = [harness.insert(1, NOW), thread.join().unwrap()];
        harness.check();
        let inserted = results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count();
        assert_eq!(inserted, 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Insert::Inserted(..) | Insert::Existing(..))));
    });
}

/// The same in bursts of new sessions.
fn batch_and_batch<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.create_batch(2, NOW));
        let results = [harness.create_batch(1, NOW), thread.join().unwrap()];
        harness.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// One worker with a burst of new sessions, one with a single request, and a sweep that finds the last entry expired.
fn batch_and_claim_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || matches!(second.insert(2, LATER), Insert::Inserted(..)));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let results = [harness.create_batch(1, LATER), claim.join().unwrap()];
        sweep.join().unwrap();
        harness.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// A key's entry has expired for one worker, while another with an older clock still counts a request for it.
fn claim_and_refresh_of_the_expired<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.refresh());
        let result = harness.insert(1, LATER);
        let refreshed = thread.join().unwrap();
        harness.check();
        let live: Vec<_> = harness.words().into_iter().filter(|word| word.is_live()).collect();
        assert_eq!(live.len(), 1, "there is an entry whoever came first");
        match result {
            Insert::Existing(..) => assert!(refreshed),
            Insert::Inserted(..) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// The sweep, an insertion and an insertion by another worker on an expired entry.
fn claim_and_claim_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([None, Some(NOW)]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || second.insert(2, LATER));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let first = harness.insert(1, LATER);
        let results = [first, claim.join().unwrap()];
        sweep.join().unwrap();
        harness.check();
        assert_eq!(results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count(), 1);
    });
}

/// Everything that happens to a live entry at once.
fn refresh_and_reassign_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let refresh = loom::thread::spawn(move || second.refresh());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        harness.reassign();
        let (refreshed, expired) = (refresh.join().unwrap(), expire.join().unwrap());
        harness.check();
        let live = harness.words().into_iter().find(|word| word.is_live());
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(word) = live {
            assert!(refreshed, "it was there, so the request was counted");
            assert_eq!(word.deadline(), Some(later(LATER)), "and its idle time restarted");
            assert_eq!(word.entry().unwrap().real(&harness.owner), 2, "and it moved");
        }
    });
}

/// The same with the worker's quick step: a read of two moments is never taken for an entry.
fn repeat_and_reassign_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let repeat = loom::thread::spawn(move || second.repeat());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        harness.reassign();
        let (repeated, expired) = (repeat.join().unwrap(), expire.join().unwrap());
        harness.check();
        let live = harness.words().into_iter().find(|word| word.is_live());
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(word) = live {
            assert!(repeated, "it was there, so the request was counted");
            let real = word.entry().unwrap().real(&harness.owner);
            assert_eq!((word.deadline(), real), (Some(later(LATER)), 2), "once, and it moved");
        }
    });
}

/// Two requests of one session are two retries.
fn refresh_and_refresh<C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<Session, C>::new([Some(later(LATER)), None]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.refresh());
        harness.refresh();
        thread.join().unwrap();
        harness.check();
        assert_eq!(harness.words()[0].retry(), 2);
    });
}

/// Two workers make the entry of one key in a full table, while one of the others that give way is asked for again: it is
/// ended or stays, never both.
fn claim_and_claim_and_refresh_in_a_full_table<C: ModelCell>() {
    explore(2, || {
        let [first, second] = [1, 2].map(Identity::from_hash);
        let harness = Harness::<Session, C>::with(|owner| {
            [first, second]
                .map(|other| Word::live(other, Session::take(owner, OTHER_KEY, STRANGER), later(NOW)))
        });
        let (claimer, node) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || claimer.insert(2, NOW));
        let refresh = loom::thread::spawn(move || {
            let (slot, word) = node.table.find(first)?;
            let known = Session { real: RealId { index: 3, generation: 1 }, ..word.entry()? };
            node.table.replace(slot, word, Word::live(first, known, later(NOW))).ok()
        });
        let results = [harness.insert(1, NOW), claim.join().unwrap()];
        let refreshed = refresh.join().unwrap().is_some();
        let words = harness.words();
        let live: Vec<_> = words.iter().filter(|word| word.is_live()).collect();
        assert!(words.iter().all(|word| word.is_live() || word.is_empty()), "a claim is left: {words:?}");
        assert_eq!(Session::taken(&harness.owner), live.len(), "taken for {words:?}");
        assert_eq!(live.iter().any(|word| word.identity() == first), refreshed, "{words:?}");
        let of_key = live.iter().filter(|word| word.identity() == IDENTITY).count();
        let inserted = results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count();
        assert_eq!((of_key, inserted), (1, 1), "{results:?} {words:?}");
    });
}

/// A worker that stalled in its claim for ever: nobody waits for it, and the sweep takes the claim away.
fn a_stalled_claim_blocks_nobody<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let stalled = Word::pending(IDENTITY, 99, later(NOW));
        let harness = Harness::<E, C>::with(|_| [stalled, Word::EMPTY]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || {
            for line in 0..2 {
                other.table.clear_abandoned(line, LATER);
            }
        });
        let result = harness.insert(1, NOW);
        assert!(matches!(result, Insert::Inserted(..)), "{result:?}");
        thread.join().unwrap();
        for line in 0..2 {
            harness.table.clear_abandoned(line, LATER);
        }
        harness.check();
    });
}

/// Two keys with one identity, each with its first request: neither is taken for the other.
fn claim_and_claim_of_another_key<C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<SlabIndex, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.insert_key(OTHER_KEY, 2, NOW));
        let results = [harness.insert_key(KEY, 1, NOW), thread.join().unwrap()];
        harness.check();
        assert!(results.iter().all(|result| matches!(result, Insert::Inserted(..))), "{results:?}");
        assert!(harness.find(KEY).is_some() && harness.find(OTHER_KEY).is_some());
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
fn two_claims_make_one_entry() {
    claim_and_claim::<Session, Whole>();
    claim_and_claim::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_two_claims() {
    must_fail(claim_and_claim::<Session, Torn>);
    must_fail(claim_and_claim::<SlabIndex, Torn>);
}

#[test]
fn an_expired_entry_is_renewed_or_replaced_never_both() {
    claim_and_refresh_of_the_expired::<Session, Whole>();
    claim_and_refresh_of_the_expired::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_renewal() {
    must_fail(claim_and_refresh_of_the_expired::<Session, Torn>);
    must_fail(claim_and_refresh_of_the_expired::<SlabIndex, Torn>);
}

#[test]
fn bursts_of_two_workers_make_one_entry() {
    batch_and_batch::<Session, Whole>();
    batch_and_batch::<SlabIndex, Whole>();
    batch_and_claim_and_expire::<Session, Whole>();
    batch_and_claim_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_bursts_too() {
    must_fail(batch_and_batch::<Session, Torn>);
    must_fail(batch_and_batch::<SlabIndex, Torn>);
}

#[test]
fn two_claims_and_a_sweep_make_one_entry() {
    claim_and_claim_and_expire::<Session, Whole>();
    claim_and_claim_and_expire::<SlabIndex, Whole>();
}

#[test]
fn an_entry_is_refreshed_moved_and_ended_by_one_step_each() {
    refresh_and_reassign_and_expire::<Session, Whole>();
    refresh_and_reassign_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_read_of_two_moments_is_never_taken_for_an_entry() {
    repeat_and_reassign_and_expire::<Session, Whole>();
    repeat_and_reassign_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_the_quick_step_too() {
    must_fail(repeat_and_reassign_and_expire::<Session, Torn>);
    must_fail(repeat_and_reassign_and_expire::<SlabIndex, Torn>);
}

#[test]
fn a_torn_cell_breaks_refresh_move_and_end() {
    must_fail(refresh_and_reassign_and_expire::<Session, Torn>);
    must_fail(refresh_and_reassign_and_expire::<SlabIndex, Torn>);
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
    a_stalled_claim_blocks_nobody::<Session, Whole>();
    a_stalled_claim_blocks_nobody::<SlabIndex, Whole>();
}

#[test]
fn what_gives_way_in_a_full_table_is_ended_once_or_stays() {
    claim_and_claim_and_refresh_in_a_full_table::<Whole>();
}

#[test]
fn a_torn_cell_breaks_giving_way() {
    must_fail(claim_and_claim_and_refresh_in_a_full_table::<Torn>);
}

#[test]
fn keys_of_one_identity_do_not_meet() {
    claim_and_claim_of_another_key::<Whole>();
}

#[test]
fn a_torn_cell_loses_a_key() {
    must_fail(claim_and_claim_of_another_key::<Torn>);
}
