//! How full the production table gets, and what it does at its limits.
#![allow(missing_docs, clippy::unwrap_used)]

use common::{
    config::Hugepages,
    id::RealId,
    table::{Geometry, Insert, Newcomer, PageStorage, Session, Table, Word},
    time::Tick,
};

const NOW: Tick = Tick(100);

struct Client {
    identity: u64,
    deadline: Tick,
    ended: Vec<u64>,
}

impl Newcomer for Client {
    fn ended(&mut self, word: Word, cold: [u32; 3]) {
        assert_eq!(u64::from(cold[0]), word.identity() & 0xffff_ffff, "cold words are the ended session's");
        self.ended.push(word.identity());
    }

    fn cold(&self) -> [u32; 3] {
        [self.identity as u32, 0, 0]
    }

    fn prepare(&mut self) -> Option<Word> {
        Some(Word::live(Session {
            identity: self.identity,
            real: RealId::default(),
            retry: 0,
            deadline: self.deadline,
            test: false,
            failure_recorded: false,
            epoch: 0,
        }))
    }

    fn lost(&mut self, _word: Word) {
        panic!("there is no rival");
    }
}

fn table(capacity: u32) -> Table<PageStorage> {
    Table::new(Geometry::new(capacity).unwrap().allocate(Hugepages::Off).unwrap().0)
}

fn insert(table: &Table<PageStorage>, identity: u64, now: Tick, at_capacity: bool) -> (Insert, Vec<u64>) {
    let mut client = Client { identity, deadline: Tick(now.0 + 150), ended: Vec::new() };
    let result = table.insert(identity, now, Tick(now.0 + 1000), at_capacity, || identity, &mut client);
    (result, client.ended)
}

/// SplitMix64: as good as the keyed hash for filling.
fn identities(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|n| {
        let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    })
}

/// Identities whose candidates are these two lines.
fn neighbours(table: &Table<PageStorage>, lines: [u32; 2], count: u64) -> Vec<u64> {
    let [low, high] = lines.map(|line| (u64::from(line) << 32).div_ceil(u64::from(table.lines())));
    let keys: Vec<u64> = (0..count).map(|n| high << 32 | (low + n)).collect();
    assert!(keys.iter().all(|key| table.candidates(*key) == lines));
    keys
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
fn at_capacity_only_an_expired_place_is_taken() {
    let table = table(1024);
    let keys = neighbours(&table, [3, 5], 2);
    assert!(matches!(insert(&table, keys[0], NOW, false).0, Insert::Inserted(..)));
    assert_eq!(insert(&table, keys[1], NOW, true).0, Insert::Full);
    let (result, ended) = insert(&table, keys[1], Tick(NOW.0 + 151), true);
    assert!(matches!(result, Insert::Inserted(..)));
    assert_eq!(ended, [keys[0]]);
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
    let table = table(1024);
    for identity in identities(100_000).chain([0, u64::MAX, 1 << 32, u64::from(u32::MAX)]) {
        let [first, second] = table.candidates(identity);
        assert!(first != second && first < table.lines() && second < table.lines());
    }
}
