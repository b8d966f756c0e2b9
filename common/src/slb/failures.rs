//! Failure counting of one real: a client counts once until the counters are cleared (`ios-slb` section 7.5), and a
//! source only for its share.

use std::{
    net::Ipv4Addr,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

use super::Session;
use crate::table::Identity;

/// Clients remembered since the last clear; more than the highest threshold (255).
const CLIENTS: usize = 256;

/// Sources remembered since the last clear; more than the highest `numclients` (8).
const SOURCES: usize = 16;

/// Recent clients and their number, and the sources that they came from.
///
/// The word is serial 16 | era 16 | count 32. The serial rises with each counted failure, the era with each clear. A
/// client is its identity's upper 48 bits with the era below, so a clear forgets all of them at once.
#[derive(Debug)]
pub(super) struct Failures {
    word: AtomicU64,
    clients: Box<[AtomicU64; CLIENTS]>,
    /// Address 32 | era 16 | count 16.
    sources: [AtomicU64; SOURCES],
    /// Era of whose failures somebody said since that the real is well; 0: of none.
    vouched: AtomicU32,
}

/// A failure that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Failures since the last clear, each of another client.
    pub failures: u32,
    /// Sources that they came from.
    pub sources: u32,
}

/// Why a failure does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// Its client has been counted.
    Client,
    /// Its source has its share.
    Share,
}

#[derive(Clone, Copy)]
struct Count {
    serial: u16,
    era: u16,
    count: u32,
}

impl Count {
    fn unpack(word: u64) -> Self {
        Self { serial: (word >> 48) as u16, era: (word >> 32) as u16, count: word as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.serial) << 48 | u64::from(self.era) << 32 | u64::from(self.count)
    }

    /// The counters as after a clear. Era 0 is left out: it is the era of empty entries.
    fn cleared(self) -> Self {
        Self { era: self.era.checked_add(1).unwrap_or(1), count: 0, ..self }
    }
}

impl Default for Failures {
    fn default() -> Self {
        let first = Count { serial: 0, era: 1, count: 0 };
        Self {
            word: AtomicU64::new(first.pack()),
            clients: Box::new(std::array::from_fn(|_| AtomicU64::new(0))),
            sources: Default::default(),
            vouched: AtomicU32::new(0),
        }
    }
}

impl Failures {
    /// Counts a failure of `client` that came by `source`, of which at most `share` count.
    pub fn record(&self, client: Identity, source: Ipv4Addr, share: u32) -> Result<Counted, Uncounted> {
        loop {
            let now = Count::unpack(self.word.load(SeqCst));
            if self.of_source(source, now.era) >= share {
                return Err(Uncounted::Share);
            }
            if !self.remember(client.bits(), now.era) {
                return Err(Uncounted::Client);
            }
            // A clear between the two steps makes the client new again.
            let counted = self.word.fetch_update(SeqCst, SeqCst, |word| {
                let found = Count::unpack(word);
                let next = Count { serial: found.serial.wrapping_add(1), count: found.count + 1, ..found };
                (found.era == now.era).then(|| next.pack())
            });
            if let Ok(before) = counted {
                self.add_to(source, now.era);
                let failures = Count::unpack(before).count + 1;
                return Ok(Counted { failures, sources: self.sources_of(now.era) });
            }
        }
    }

    fn of_source(&self, source: Ipv4Addr, era: u16) -> u32 {
        let words = self.sources.iter().map(|slot| slot.load(SeqCst));
        let own = words.filter(|word| word >> 16 == source_tag(source, era)).map(|word| word as u16);
        own.map(u32::from).sum()
    }

    /// One failure more of a source. Beyond the remembered ones it only counts as a failure.
    fn add_to(&self, source: Ipv4Addr, era: u16) {
        let tag = source_tag(source, era);
        for slot in &self.sources {
            let added = slot.fetch_update(SeqCst, SeqCst, |word| match word >> 16 {
                found if found == tag => Some(tag << 16 | u64::from((word as u16).saturating_add(1))),
                found if found as u16 != era => Some(tag << 16 | 1),
                _ => None,
            });
            if added.is_ok() {
                return;
            }
        }
    }

    fn sources_of(&self, era: u16) -> u32 {
        self.sources.iter().filter(|slot| (slot.load(SeqCst) >> 16) as u16 == era).count() as u32
    }

    /// Sources of the failures since the last clear.
    pub fn sources(&self) -> u32 {
        self.sources_of(Count::unpack(self.word.load(SeqCst)).era)
    }

    /// The real is well, says somebody who asked it: what has failed so far proves nothing alone.
    pub fn vouch(&self) {
        let now = Count::unpack(self.word.load(SeqCst));
        if now.count > 0 {
            self.vouched.store(now.era.into(), SeqCst);
        }
    }

    /// Whether somebody did since the first failure that counts.
    pub fn is_vouched(&self) -> bool {
        self.vouched.load(SeqCst) == u32::from(Count::unpack(self.word.load(SeqCst)).era)
    }

    /// False if `client` is already in the set of `era`, or the set is full.
    fn remember(&self, client: u64, era: u16) -> bool {
        let tag = client & !0xffff | u64::from(era);
        let start = (client >> 16) as usize;
        for step in 0..CLIENTS {
            let client = &self.clients[(start + step) % CLIENTS];
            let mut found = client.load(SeqCst);
            while found as u16 != era {
                match client.compare_exchange(found, tag, SeqCst, SeqCst) {
                    Ok(_) => return true,
                    Err(other) => found = other,
                }
            }
            if found == tag {
                return false;
            }
        }
        false
    }

    /// Failures (and clients) counted since the last clear.
    pub fn count(&self) -> u32 {
        Count::unpack(self.word.load(Relaxed)).count
    }

    /// What a session remembers to tell whether a failure was counted after its creation.
    pub fn epoch(&self) -> u16 {
        Count::unpack(self.word.load(SeqCst)).serial & Session::EPOCH_MASK
    }

    /// Forgets all failures.
    pub fn clear(&self) {
        self.clear_if(|_| true);
    }

    /// Forgets all failures if none was counted since a session of `epoch` was made.
    pub fn clear_since(&self, epoch: u16) {
        self.clear_if(|count| count.serial & Session::EPOCH_MASK == epoch);
    }

    fn clear_if(&self, allowed: impl Fn(Count) -> bool) {
        let _ = self.word.fetch_update(SeqCst, SeqCst, |word| {
            let found = Count::unpack(word);
            (found.count > 0 && allowed(found)).then(|| found.cleared().pack())
        });
    }
}

fn source_tag(source: Ipv4Addr, era: u16) -> u64 {
    u64::from(u32::from(source)) << 16 | u64::from(era)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);

    impl Failures {
        /// Failures so far, if this one of [`SOURCE`] counts.
        fn count_one(&self, client: u64) -> Option<u32> {
            let counted = self.record(Identity::from_hash(client.into()), SOURCE, u32::MAX);
            counted.ok().map(|counted| counted.failures)
        }
    }

    const CLIENT: u64 = 0x1234_5678_9abc_0000;

    #[test]
    fn a_client_counts_once_until_the_counters_are_cleared() {
        let failures = Failures::default();
        assert_eq!(failures.count_one(CLIENT), Some(1));
        assert_eq!(failures.count_one(CLIENT), None);
        assert_eq!(failures.count_one(CLIENT + (1 << 16)), Some(2));
        failures.clear();
        assert_eq!(failures.count(), 0);
        assert_eq!(failures.count_one(CLIENT), Some(1));
    }

    #[test]
    fn only_a_session_younger_than_the_last_failure_clears() {
        let failures = Failures::default();
        let old = failures.epoch();
        failures.count_one(CLIENT);
        failures.clear_since(old);
        assert_eq!(failures.count(), 1);
        failures.clear_since(failures.epoch());
        assert_eq!(failures.count(), 0);
    }

    #[test]
    fn the_highest_threshold_fits_and_a_full_set_counts_no_more() {
        let failures = Failures::default();
        let counted = (0..400u64).filter(|n| failures.count_one(n << 40).is_some()).count();
        assert_eq!(counted, CLIENTS);
        assert_eq!(failures.count(), 256);
    }

    #[test]
    fn a_source_counts_for_its_share_and_sources_are_counted() {
        let failures = Failures::default();
        let other = Ipv4Addr::new(15, 1, 1, 52);
        let mut client = 0;
        let mut record = |source| {
            client += 1 << 20;
            failures.record(Identity::from_hash(client), source, 2)
        };
        assert_eq!(record(SOURCE), Ok(Counted { failures: 1, sources: 1 }));
        assert_eq!(record(SOURCE), Ok(Counted { failures: 2, sources: 1 }));
        assert_eq!(record(SOURCE), Err(Uncounted::Share));
        assert_eq!(record(other), Ok(Counted { failures: 3, sources: 2 }));
        failures.clear();
        assert_eq!(failures.sources(), 0);
        assert_eq!(record(SOURCE), Ok(Counted { failures: 1, sources: 1 }));
    }

    #[test]
    fn who_vouches_speaks_of_what_has_failed_so_far() {
        let failures = Failures::default();
        failures.vouch();
        failures.count_one(CLIENT);
        assert!(!failures.is_vouched(), "that was before the first failure");
        failures.vouch();
        assert!(failures.is_vouched());
        failures.clear();
        assert!(!failures.is_vouched());
    }

    #[test]
    fn threads_count_each_client_once() {
        let failures = Failures::default();
        let counted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..200u64 {
                        if failures.count_one(number << 30).is_some() {
                            counted.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!((counted.load(SeqCst), failures.count()), (200, 200));
    }
}
