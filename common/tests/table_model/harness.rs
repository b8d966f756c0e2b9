//! The production table on cells of loom, with entries of two kinds.

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
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use crate::checker;

pub const IDENTITY: Identity = Identity::from_hash(0x1234_5678_9abc_def0);
pub const KEY: u64 = 1;
pub const OTHER_KEY: u64 = 2;
/// Real of the entries that give way.
pub const STRANGER: u16 = 9;
pub const NOW: Tick = Tick(1000);
pub const LATER: Tick = Tick(2000);

pub type Whole = checker::Whole<u128>;
pub type Torn = checker::Torn<u128>;

pub trait ModelCell: Cell128 + From<u128> + 'static {}

impl<C: Cell128 + From<u128> + 'static> ModelCell for C {}

impl Cell128 for Whole {
    fn load(&self) -> u128 {
        self.get()
    }

    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
        self.exchange(current, new)
    }
}

impl Cell128 for Torn {
    fn load(&self) -> u128 {
        self.get()
    }

    fn compare_exchange(&self, current: u128, new: u128) -> Result<u128, u128> {
        self.exchange(current, new)
    }
}

/// A kind of entries: what stands behind one is taken before it is in the table, and given back after.
pub trait ModelEntry: Entry<Cold: ColdWords<Values: Default>> + 'static {
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
pub struct Records(Slab<[std::sync::atomic::AtomicU64; 2]>);

/// Enough for one model, in which no record becomes free again.
pub const RECORDS: u32 = 40;

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
pub struct Harness<E: ModelEntry, C: Cell128> {
    pub table: Table<E, HeapStorage<C, E::Cold>, 1>,
    pub owner: E::Owner,
}

impl<E: ModelEntry, C: ModelCell> Harness<E, C> {
    /// With entries of `KEY` that last until these times, or none.
    pub fn new(deadlines: [Option<Tick>; 2]) -> Arc<Self> {
        Self::with(|owner| deadlines.map(|deadline| deadline.map_or(Word::EMPTY, |at| live(owner, at))))
    }

    pub fn with(words: impl FnOnce(&E::Owner) -> [Word<E>; 2]) -> Arc<Self> {
        let owner = E::owner();
        let cells = words(&owner).into_iter().map(|word| C::from(word.bits())).collect();
        Arc::new(Self { table: Table::new(HeapStorage::new(cells)), owner })
    }

    pub fn words(&self) -> Vec<Word<E>> {
        (0..2).flat_map(|line| self.table.slots_of(line)).map(|slot| self.table.load(slot)).collect()
    }

    /// What must hold once all threads are done.
    pub fn check(&self) {
        let words = self.words();
        for key in [KEY, OTHER_KEY] {
            let of_key = |word: &&Word<E>| word.entry().is_some_and(|entry| entry.matches(&self.owner, key));
            assert!(words.iter().filter(of_key).count() <= 1, "two live slots of one key: {words:?}");
        }
        let live = words.iter().filter(|word| word.is_live()).count();
        assert!(words.iter().all(|word| word.is_live() || word.is_empty()), "a claim is left: {words:?}");
        assert_eq!(E::taken(&self.owner), live, "taken for {words:?}");
    }

    pub fn insert(&self, nonce: u64, now: Tick) -> Insert<E> {
        self.insert_key(KEY, nonce, now)
    }

    pub fn insert_key(&self, key: u64, nonce: u64, now: Tick) -> Insert<E> {
        let abandoned = now.after(std::time::Duration::from_mins(1));
        let mut new = Client { harness: self, key, now };
        self.table.insert(IDENTITY, now, abandoned, false, || nonce, &mut new)
    }

    /// Makes an entry as a burst of new ones does: by the usual insertion's steps, or else the whole way.
    pub fn create_batch(&self, nonce: u64, now: Tick) -> bool {
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

    pub fn find(&self, key: u64) -> Option<(Slot, Word<E>)> {
        self.table.find_where(IDENTITY, |entry| entry.matches(&self.owner, key))
    }

    /// Counts a repeated request; false if there was no entry.
    pub fn refresh(&self) -> bool {
        while let Some((slot, word)) = self.find(KEY) {
            if self.table.replace(slot, word, E::repeated(word, later(LATER))).is_ok() {
                return true;
            }
        }
        false
    }

    /// Counts a repeated request as a worker does: by an optimistic read, whose halves may be of different moments.
    pub fn repeat(&self) -> bool {
        let Some(read) = self.table.read_optimistic(IDENTITY) else { return self.refresh() };
        read.replace(E::repeated(read.word, later(LATER))) || self.refresh()
    }

    /// Moves the entry to another real: one taken more before, one less after, or the other way round.
    pub fn reassign(&self) {
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
    pub fn expire(&self, now: Tick) -> bool {
        match self.find(KEY) {
            Some((slot, word)) if word.expired(now) => self.remove(slot, word),
            _ => false,
        }
    }

    pub fn remove(&self, slot: Slot, word: Word<E>) -> bool {
        let gone = self.table.replace(slot, word, Word::EMPTY).is_ok();
        if gone {
            word.entry().unwrap().give_back(&self.owner);
        }
        gone
    }
}

pub fn later(now: Tick) -> Tick {
    Tick(now.0 + 150)
}

pub fn live<E: ModelEntry>(owner: &E::Owner, deadline: Tick) -> Word<E> {
    Word::live(IDENTITY, E::take(owner, KEY, 1), deadline)
}

pub struct Client<'a, E: ModelEntry, C: Cell128> {
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
