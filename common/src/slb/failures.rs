//! Failure counting of one real: a client counts once until the counters are cleared (`ios-slb` section 7.5).

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use super::Session;
use crate::table::Identity;

/// Clients remembered since the last clear; more than the highest threshold (255).
const CLIENTS: usize = 256;

/// Recent clients and their number.
///
/// The word is serial 16 | era 16 | count 32. The serial rises with each counted failure, the era with each clear. A
/// client is its identity's upper 48 bits with the era below, so a clear forgets all of them at once.
#[derive(Debug)]
pub(super) struct Failures {
    word: AtomicU64,
    clients: Box<[AtomicU64; CLIENTS]>,
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
        }
    }
}

impl Failures {
    /// Counts a failure of `client`; the number of failures so far, or `None` if this client has been counted.
    ///
    /// Each counted failure is of another client, so the number of failures is that of clients too.
    pub fn record(&self, client: Identity) -> Option<u32> {
        loop {
            let now = Count::unpack(self.word.load(SeqCst));
            if !self.remember(client.bits(), now.era) {
                return None;
            }
            // A clear between the two steps makes the client new again.
            let counted = self.word.fetch_update(SeqCst, SeqCst, |word| {
                let found = Count::unpack(word);
                let next = Count { serial: found.serial.wrapping_add(1), count: found.count + 1, ..found };
                (found.era == now.era).then(|| next.pack())
            });
            if let Ok(before) = counted {
                return Some(Count::unpack(before).count + 1);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u64) -> Identity {
        Identity::from_hash(u128::from(number))
    }

    const CLIENT: u64 = 0x1234_5678_9abc_0000;

    #[test]
    fn a_client_counts_once_until_the_counters_are_cleared() {
        let failures = Failures::default();
        assert_eq!(failures.record(client(CLIENT)), Some(1));
        assert_eq!(failures.record(client(CLIENT)), None);
        assert_eq!(failures.record(client(CLIENT + (1 << 16))), Some(2));
        failures.clear();
        assert_eq!(failures.count(), 0);
        assert_eq!(failures.record(client(CLIENT)), Some(1));
    }

    #[test]
    fn only_a_session_younger_than_the_last_failure_clears() {
        let failures = Failures::default();
        let old = failures.epoch();
        failures.record(client(CLIENT));
        failures.clear_since(old);
        assert_eq!(failures.count(), 1);
        failures.clear_since(failures.epoch());
        assert_eq!(failures.count(), 0);
    }

    #[test]
    fn the_highest_threshold_fits_and_a_full_set_counts_no_more() {
        let failures = Failures::default();
        let counted = (0..400u64).filter(|n| failures.record(client(n << 40)).is_some()).count();
        assert_eq!(counted, CLIENTS);
        assert_eq!(failures.count(), 256);
    }

    #[test]
    fn threads_count_each_client_once() {
        let failures = Failures::default();
        let counted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..200u64 {
                        if failures.record(client(number << 30)).is_some() {
                            counted.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!((counted.load(SeqCst), failures.count()), (200, 200));
    }
}
