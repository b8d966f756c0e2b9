//! The production cell under many workers, with entries that are indices into a slab.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::HashMap,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
};

use common::{
    config::Hugepages,
    table::{Geometry, Identity, Insert, NewEntry, Slab, SlabIndex, Slot, Table, Word},
    time::Tick,
};

const WORKERS: u64 = 4;
const EACH: u32 = 100_000;
const KEYS: u64 = 64;
/// More keys than identities, so that every identity has four.
const IDENTITIES: u64 = 16;
/// Used up and reused many times.
const RECORDS: u32 = 1024;
const BURST: u32 = 32;

/// Its key, twice, so that a record that changes under a reader shows.
type Record = [AtomicU64; 2];

struct Harness {
    table: Table<SlabIndex>,
    slab: Slab<Record>,
    nonce: AtomicU64,
    clock: AtomicU32,
    created: AtomicU64,
    ended: AtomicU64,
    published: AtomicU64,
    /// By worker: the generation used in its burst.
    used: [AtomicU64; WORKERS as usize],
}

fn identity(key: u64) -> Identity {
    Identity::from_hash(u128::from(key % IDENTITIES).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

struct New<'a> {
    harness: &'a Harness,
    key: u64,
    index: SlabIndex,
    deadline: Option<Tick>,
}

impl NewEntry<SlabIndex> for New<'_> {
    fn matches(&self, entry: SlabIndex) -> bool {
        self.harness.holds(entry, self.key)
    }

    fn ended(&mut self, word: Word<SlabIndex>, _cold: [u32; 0]) {
        self.harness.end(word);
    }

    fn cold(&self) -> [u32; 0] {
        []
    }

    fn prepare(&mut self) -> Option<Word<SlabIndex>> {
        let identity = identity(self.key);
        Some(match self.deadline {
            Some(deadline) => Word::live(identity, self.index, deadline),
            None => Word::permanent(identity, self.index),
        })
    }

    fn lost(&mut self, _word: Word<SlabIndex>) {}
}

impl Harness {
    fn new() -> Self {
        let storage = Geometry::<SlabIndex>::new(1024).unwrap().allocate(Hugepages::Off).unwrap().0;
        Self {
            table: Table::new(storage),
            slab: Slab::new(RECORDS, Record::default),
            nonce: AtomicU64::new(0),
            clock: AtomicU32::new(0),
            created: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            published: AtomicU64::new(1),
            used: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn now(&self) -> Tick {
        Tick(self.clock.load(SeqCst) & Tick::MASK)
    }

    /// The record of an index is this key's, as long as it is not released.
    fn holds(&self, index: SlabIndex, key: u64) -> bool {
        let Some(record) = self.slab.get(index) else { return false };
        let [first, second] = record.each_ref().map(|part| part.load(SeqCst));
        assert_eq!(first, second, "a record changed within a burst");
        first == key
    }

    fn find(&self, key: u64) -> Option<(Slot, Word<SlabIndex>)> {
        self.table.find_where(identity(key), |index| self.holds(index, key))
    }

    fn end(&self, word: Word<SlabIndex>) {
        assert!(self.slab.release(word.entry().unwrap()), "an entry ends once");
        self.ended.fetch_add(1, SeqCst);
    }

    fn remove(&self, slot: Slot, word: Word<SlabIndex>) {
        if self.table.replace(slot, word, Word::EMPTY).is_ok() {
            self.end(word);
        }
    }

    fn insert(&self, key: u64, permanent: bool) {
        let Some(index) = self.slab.allocate() else { return std::thread::yield_now() };
        for part in self.slab.get(index).unwrap() {
            part.store(key, SeqCst);
        }
        let now = self.now();
        let deadline = (!permanent).then(|| Tick((now.0 + 50) & Tick::MASK));
        let mut new = New { harness: self, key, index, deadline };
        let nonce = || self.nonce.fetch_add(1, SeqCst);
        let abandoned = Tick((now.0 + 1000) & Tick::MASK);
        if let Insert::Inserted(..) = self.table.insert(identity(key), now, abandoned, false, nonce, &mut new)
        {
            self.created.fetch_add(1, SeqCst);
        } else {
            self.slab.release(index);
        }
    }

    /// One packet of a burst.
    fn packet(&self, dice: u64) {
        let key = dice % KEYS;
        match self.find(key) {
            Some((slot, word)) if (dice >> 8).is_multiple_of(8) => self.remove(slot, word),
            Some((slot, word)) if word.expired(self.now()) => self.remove(slot, word),
            Some((slot, word)) => {
                if let Some(deadline) = word.deadline() {
                    let later = Tick((deadline.0 + 1) & Tick::MASK);
                    let _ = self.table.replace(slot, word, word.renewed(later));
                }
            }
            None => self.insert(key, (dice >> 16).is_multiple_of(4)),
        }
        if (dice >> 24).is_multiple_of(8) {
            self.clock.fetch_add(1, SeqCst);
        }
    }

    /// The sweep of a line.
    fn sweep(&self, line: u32, now: Tick) {
        self.table.clear_abandoned(line, now);
        for slot in self.table.slots_of(line) {
            let word = self.table.load(slot);
            if word.is_live() && word.expired(now) {
                self.remove(slot, word);
            }
        }
    }

    fn publish(&self) {
        let newest = self.published.fetch_add(1, SeqCst) + 1;
        let oldest = self.used.iter().map(|used| used.load(SeqCst)).min().unwrap();
        self.slab.reclaim(newest, oldest);
    }

    fn words(&self) -> impl Iterator<Item = (Slot, Word<SlabIndex>)> {
        let slots = (0..self.table.lines()).flat_map(|line| self.table.slots_of(line));
        slots.map(|slot| (slot, self.table.load(slot))).filter(|(_, word)| !word.is_empty())
    }
}

#[test]
fn keys_that_share_identities_and_records_that_are_reused_stay_apart() {
    let harness = Harness::new();
    let (start, done) = (Barrier::new(WORKERS as usize), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (harness, start) = (&harness, &start);
                scope.spawn(move || {
                    let mut random = worker * 0x9e37_79b9 + 1;
                    start.wait();
                    for step in 0..EACH {
                        if step % BURST == 0 {
                            let used = &harness.used[worker as usize];
                            used.store(harness.published.load(SeqCst), SeqCst);
                        }
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        harness.packet(random >> 33);
                        if step % 64 == 0 {
                            harness.sweep(step / 64 % harness.table.lines(), harness.now());
                        }
                    }
                    harness.used[worker as usize].store(u64::MAX, SeqCst);
                })
            })
            .collect();
        let control = scope.spawn(|| {
            while !done.load(SeqCst) {
                harness.publish();
                std::thread::yield_now();
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, SeqCst);
        control.join().unwrap();
    });
    // Chance may have left no permanent one.
    while !harness.words().any(|(_, word)| word.is_permanent()) {
        if let Some((slot, word)) = harness.find(0) {
            harness.remove(slot, word);
        }
        harness.publish();
        harness.publish();
        harness.insert(0, true);
    }
    let mut live = HashMap::new();
    for (_, word) in harness.words() {
        assert!(word.is_live(), "a claim is left: {word:?}");
        let key = harness.slab.get(word.entry().unwrap()).unwrap()[0].load(SeqCst);
        assert_eq!(live.insert(key, word), None, "a key is live twice");
    }
    let (created, ended) = (harness.created.load(SeqCst), harness.ended.load(SeqCst));
    assert_eq!(created, ended + live.len() as u64);
    assert_eq!(harness.slab.used(), live.len());
    assert!(created > 2 * u64::from(RECORDS), "{created} created");
    // Everything with a deadline ends by the clock, and what is permanent by its owner alone.
    let permanent = live.values().filter(|word| word.is_permanent()).count();
    let later = Tick((harness.now().0 + (1 << 20)) & Tick::MASK);
    (0..harness.table.lines()).for_each(|line| harness.sweep(line, later));
    assert_eq!(harness.words().count(), permanent);
    assert!(permanent > 0);
    for (slot, word) in harness.words().collect::<Vec<_>>() {
        harness.remove(slot, word);
    }
    harness.publish();
    harness.publish();
    assert_eq!((harness.slab.used(), harness.slab.waiting()), (0, 0));
    assert!((0..harness.slab.capacity()).all(|_| harness.slab.allocate().is_some()));
}
