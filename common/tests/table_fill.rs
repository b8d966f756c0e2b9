//! How full the production table gets, and what it does at its limits.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use common::{
    config::Hugepages,
    id::RealId,
    slb::Session,
    table::{Entry, Geometry, Identity, Insert, NewEntry, Slab, SlabIndex, Table, Word},
    time::Tick,
};

const NOW: Tick = Tick(100);

struct Client {
    identity: Identity,
    deadline: Tick,
    ended: Vec<Identity>,
}

impl NewEntry<Session> for Client {
    fn ended(&mut self, word: Word<Session>, cold: [u32; 3]) {
        assert_eq!(cold[0], word.identity().bits() as u32, "cold words are the ended session's");
        self.ended.push(word.identity());
    }

    fn cold(&self) -> [u32; 3] {
        [self.identity.bits() as u32, 0, 0]
    }

    fn prepare(&mut self) -> Option<Word<Session>> {
        let session = Session::new(RealId::default());
        Some(Word::live(self.identity, session, self.deadline))
    }

    fn lost(&mut self, _word: Word<Session>) {
        panic!("there is no rival");
    }
}

fn table<E: Entry>(capacity: u32) -> Table<E> {
    Table::new(Geometry::<E>::new(capacity).unwrap().allocate(Hugepages::Off).unwrap().0)
}

fn insert(
    table: &Table<Session>,
    identity: Identity,
    now: Tick,
    at_capacity: bool,
) -> (Insert<Session>, Vec<Identity>) {
    let mut client = Client { identity, deadline: Tick(now.0 + 150), ended: Vec::new() };
    let result =
        table.insert(identity, now, Tick(now.0 + 1000), at_capacity, || identity.bits(), &mut client);
    (result, client.ended)
}

/// SplitMix64: as good as the keyed hash for filling.
fn identities(count: u64) -> impl Iterator<Item = Identity> {
    (1..=count).map(|n| {
        let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Identity::from_hash((word ^ word >> 31).into())
    })
}

/// Identities whose candidates are these two lines.
fn neighbours(table: &Table<Session>, lines: [u32; 2], count: usize) -> Vec<Identity> {
    let found: Vec<Identity> = identities(u64::MAX - 1)
        .filter(|identity| table.candidates(*identity) == lines)
        .take(count)
        .collect();
    assert_eq!(found.len(), count);
    found
}

#[test]
fn at_capacity_less_than_one_in_a_thousand_is_refused() {
    const CAPACITY: u32 = 200_000;
    let table = table(CAPACITY);
    let refused = identities(u64::from(CAPACITY))
        .filter(|identity| match insert(&table, *identity, NOW, false).0 {
            Insert::Inserted(..) => false,
            Insert::Full => true,
            other => panic!("{other:?}"),
        })
        .count();
    assert!(refused < CAPACITY as usize / 1000, "{refused} of {CAPACITY}");
    let found = identities(u64::from(CAPACITY)).filter(|identity| table.find(*identity).is_some()).count();
    assert_eq!(found + refused, CAPACITY as usize);
}

#[test]
fn both_lines_full_is_refused_until_something_expires() {
    let table = table(1024);
    let keys = neighbours(&table, [3, 5], 9);
    for (at, key) in keys[..8].iter().enumerate() {
        let now = Tick(NOW.0 + at as u32);
        assert!(
            matches!(insert(&table, *key, now, false), (Insert::Inserted(..), ended) if ended.is_empty())
        );
        assert!(matches!(insert(&table, *key, now, false).0, Insert::Existing(..)));
    }
    assert_eq!(insert(&table, keys[8], Tick(NOW.0 + 150), false).0, Insert::Full);
    // The first one has expired: its place is taken, and it is reported.
    let (result, ended) = insert(&table, keys[8], Tick(NOW.0 + 151), false);
    assert!(matches!(result, Insert::Inserted(..)));
    assert_eq!(ended, [keys[0]]);
    assert!(table.find(keys[0]).is_none() && table.find(keys[8]).is_some());
    // An own expired session is ended and made anew.
    let (result, ended) = insert(&table, keys[1], Tick(NOW.0 + 152), false);
    assert!(matches!(result, Insert::Inserted(..)));
    assert_eq!(ended, [keys[1]]);
}

#[test]
fn at_capacity_only_an_expired_slot_is_taken() {
    let table = table(1024);
    let keys = neighbours(&table, [3, 5], 2);
    assert!(matches!(insert(&table, keys[0], NOW, false).0, Insert::Inserted(..)));
    assert_eq!(insert(&table, keys[1], NOW, true).0, Insert::Full);
    let (result, ended) = insert(&table, keys[1], Tick(NOW.0 + 151), true);
    assert!(matches!(result, Insert::Inserted(..)));
    assert_eq!(ended, [keys[0]]);
}

#[test]
fn an_optimistic_read_holds_until_the_slot_has_another_word() {
    let table = table(1024);
    let [key, _] = neighbours(&table, [3, 5], 2)[..] else { panic!("two were asked for") };
    assert!(matches!(insert(&table, key, NOW, false).0, Insert::Inserted(..)));
    let read = table.read_optimistic(key).unwrap();
    assert!(read.holds() && read.replace(read.word.renewed(Tick(900))));
    assert!(!read.holds() && !read.replace(read.word));
    assert!(table.read_optimistic(key).is_some_and(|read| read.holds()));
}

#[test]
fn the_emptier_line_is_chosen() {
    let table = table(1024);
    for key in &neighbours(&table, [7, 9], 6) {
        insert(&table, *key, NOW, false);
    }
    let used = |line| table.slots_of(line).filter(|slot| !table.load(*slot).is_empty()).count();
    assert_eq!((used(7), used(9)), (3, 3));
}

#[test]
fn the_two_lines_of_an_identity_always_differ() {
    let table = table::<Session>(1024);
    let extremes = [0, u128::MAX, 1 << 32, u32::MAX.into(), u64::MAX.into()].map(Identity::from_hash);
    for identity in identities(100_000).chain(extremes) {
        let [first, second] = table.candidates(identity);
        assert!(first != second && first < table.lines() && second < table.lines());
    }
}

/// An entry whose record holds the key, for a table in which two keys may have one identity.
struct Record<'a> {
    slab: &'a Slab<AtomicU64>,
    key: u64,
    index: SlabIndex,
    ended: Vec<SlabIndex>,
    /// How often somebody else's claim was waited for.
    waited: Cell<u32>,
}

const SHARED: Identity = Identity::from_hash(7 << 64 | 9);

impl NewEntry<SlabIndex> for Record<'_> {
    fn matches(&self, entry: SlabIndex) -> bool {
        self.slab.get(entry).is_some_and(|key| key.load(SeqCst) == self.key)
    }

    fn ended(&mut self, word: Word<SlabIndex>, _cold: [u32; 0]) {
        self.ended.extend(word.entry());
    }

    fn cold(&self) -> [u32; 0] {
        []
    }

    fn prepare(&mut self) -> Option<Word<SlabIndex>> {
        Some(Word::permanent(SHARED, self.index))
    }

    fn rival_polls(&self) -> u32 {
        self.waited.set(self.waited.get() + 1);
        1
    }

    fn lost(&mut self, _word: Word<SlabIndex>) {
        panic!("there is no rival");
    }
}

#[test]
fn keys_of_one_identity_have_an_entry_each_where_keys_are_compared() {
    let (table, slab) = (table::<SlabIndex>(1024), Slab::new(16, AtomicU64::default));
    let insert = |key: u64, now: Tick| {
        let index = slab.allocate().unwrap();
        slab.get(index).unwrap().store(key, SeqCst);
        let mut record = Record { slab: &slab, key, index, ended: Vec::new(), waited: Cell::new(0) };
        let result = table.insert(SHARED, now, Tick(now.0 + 1000), false, || key, &mut record);
        assert!(record.ended.is_empty(), "they are permanent");
        assert_eq!(record.waited.get(), 0, "another key's entry is no rival");
        (result, index)
    };
    let find = |key: u64| {
        let matches = |entry| slab.get(entry).is_some_and(|found| found.load(SeqCst) == key);
        table.find_where(SHARED, matches).and_then(|(_, word)| word.entry())
    };
    let half_a_circle_later = Tick(NOW.0 + (1 << 21) - 1);
    // Both lines hold eight of them, whatever the time.
    for key in 0..8 {
        let (result, index) = insert(key, NOW);
        assert!(matches!(result, Insert::Inserted(..)), "{result:?}");
        assert_eq!(find(key), Some(index));
        let (again, spare) = insert(key, half_a_circle_later);
        assert!(matches!(again, Insert::Existing(_, word) if word.entry() == Some(index)), "{again:?}");
        assert!(slab.release(spare));
        slab.reclaim(2 * key, 2 * key);
        slab.reclaim(2 * key + 1, 2 * key + 1);
    }
    let (ninth, spare) = insert(8, half_a_circle_later);
    assert_eq!(ninth, Insert::Full);
    slab.release(spare);
    // The sweep takes none of them, at any time of the circular clock.
    for line in table.candidates(SHARED) {
        for now in (0..1 << 22).step_by(1 << 18) {
            table.clear_abandoned(line, Tick(now));
            let words = table.slots_of(line).map(|slot| table.load(slot));
            assert_eq!(words.filter(|word| word.is_live() && !word.expired(Tick(now))).count(), 4);
        }
    }
    assert!((0..8).all(|key| find(key).is_some()) && find(8).is_none());
}

#[test]
fn an_abandoned_claim_is_no_room_at_capacity_and_the_sweep_empties_its_slot() {
    let table = table::<Session>(1024);
    let [claimed, other] = neighbours(&table, [0, 1], 2)[..] else { panic!("two were asked for") };
    let slot = table.claim(Word::pending(claimed, 1, NOW)).expect("an empty line");
    let later = Tick(NOW.0 + 1);
    // It counts as no session, so its place would be one session more than there may be.
    assert_eq!(insert(&table, other, later, true).0, Insert::Full);
    for line in [0, 1] {
        table.clear_abandoned(line, NOW);
    }
    assert!(table.load(slot).is_pending(), "its time is not over");
    for line in [0, 1] {
        table.clear_abandoned(line, later);
    }
    assert!(table.load(slot).is_empty());
    assert!(matches!(insert(&table, other, later, false).0, Insert::Inserted(..)));
}
