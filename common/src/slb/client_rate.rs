//! How many sessions one source begins a second, bounded (`client-rate`).
//!
//! Windows of a second in a fixed table, which all workers share: a word a source holds its address, its last window and the
//! sessions begun in it, and changes by compare-and-swap. A source is told from the others by its whole address, so whatever others
//! send, none is refused for it. The table has room for 4096 sources a second, eight in each place of a keyed hash; a source that finds
//! its place full of present ones takes the room of the one with the fewest sessions, which then begins anew. So more sources
//! than there is room for make the limit wider, never narrower: who can send from many addresses is not what it bounds.
//!
//! Two workers that take two rooms for one source at the same moment, which only happens in a full place, admit one session
//! more. A source that was last heard 65 536 windows ago, 18 hours, may be taken for a present one, for one window.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::time::Tick;

/// Sources of one place.
const WAYS: usize = 8;
/// Places.
const SETS: usize = 512;
/// A second: 1.007 s.
const WINDOW_TICKS: u32 = 15;
/// Times that a source's word is looked at again because another worker changed it meanwhile.
const ATTEMPTS: u32 = 16;

/// A word that threads share.
pub trait Cell64: Default + Send + Sync {
    /// Reads it.
    fn load(&self) -> u64;

    /// Writes it if it is still `old`; false if it is not.
    fn replace(&self, old: u64, new: u64) -> bool;
}

impl Cell64 for AtomicU64 {
    fn load(&self) -> u64 {
        // Each word stands for itself: nothing else is read by it.
        Self::load(self, Relaxed)
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Relaxed, Relaxed).is_ok()
    }
}

/// A cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set<C>([C; WAYS]);

/// The limit of a virtual server, and who has begun what.
pub struct ClientRate<C: Cell64 = AtomicU64> {
    limit: u16,
    key: RandomState,
    sets: Box<[Set<C>]>,
}

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    address: Ipv4Addr,
    window: u16,
    begun: u16,
}

impl Source {
    fn unpack(word: u64) -> Self {
        Self {
            address: Ipv4Addr::from_bits((word >> 32) as u32),
            window: (word >> 16) as u16,
            begun: word as u16,
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.address.to_bits()) << 32 | u64::from(self.window) << 16 | u64::from(self.begun)
    }

    /// The same at a window: nothing is begun yet unless it was heard in that one, or in the next by a worker that is ahead.
    fn at(self, window: u16) -> Self {
        let present = self.window == window || self.window == window.wrapping_add(1);
        if present { self } else { Self { window, begun: 0, ..self } }
    }
}

impl<C: Cell64> ClientRate<C> {
    /// At most `limit` sessions a second of each source.
    pub fn new(limit: u16) -> Self {
        Self::with_places(limit, SETS)
    }

    /// The same with another number of places, at least one.
    pub fn with_places(limit: u16, places: usize) -> Self {
        let sets = (0..places.max(1)).map(|_| Set(std::array::from_fn(|_| C::default()))).collect();
        Self { limit, key: RandomState::new(), sets }
    }

    /// Sessions a second.
    pub fn limit(&self) -> u16 {
        self.limit
    }

    /// Whether `source` may begin a session now, which is then counted.
    pub fn admits(&self, source: Ipv4Addr, now: Tick) -> bool {
        let window = (now.0 / WINDOW_TICKS) as u16;
        let Set(cells) = &self.sets[self.key.hash_one(source) as usize % self.sets.len()];
        // Others who keep changing it are no reason to refuse anybody.
        (0..ATTEMPTS).find_map(|_| self.attempt(cells, source, window)).unwrap_or(true)
    }

    /// `None`: the word changed, look again.
    fn attempt(&self, cells: &[C; WAYS], address: Ipv4Addr, window: u16) -> Option<bool> {
        let mut room: Option<(u16, &C, u64)> = None;
        for cell in cells {
            let word = cell.load();
            let known = Source::unpack(word).at(window);
            if known.address == address {
                if known.begun >= self.limit {
                    return Some(false);
                }
                let next = Source { begun: known.begun + 1, ..known };
                return cell.replace(word, next.pack()).then_some(true);
            }
            if room.is_none_or(|(begun, ..)| known.begun < begun) {
                room = Some((known.begun, cell, word));
            }
        }
        let (_, cell, word) = room?;
        cell.replace(word, Source { address, window, begun: 1 }.pack()).then_some(true)
    }
}

impl<C: Cell64> fmt::Debug for ClientRate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRate").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::atomic::AtomicU32, thread};

    use proptest::prelude::*;

    use super::*;

    fn source(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0f01_0100 + number)
    }

    const fn window(number: u32) -> Tick {
        Tick(number * WINDOW_TICKS)
    }

    fn admitted(rate: &ClientRate, from: Ipv4Addr, now: Tick, times: u32) -> u32 {
        (0..times).filter(|_| rate.admits(from, now)).count() as u32
    }

    #[test]
    fn a_source_begins_as_many_as_it_may_in_each_window_and_others_are_not_touched() {
        let rate = ClientRate::new(3);
        assert_eq!(admitted(&rate, source(1), window(5), 10), 3);
        assert_eq!(admitted(&rate, source(2), window(5), 2), 2);
        assert_eq!(admitted(&rate, source(1), Tick(window(6).0 - 1), 10), 0);
        assert_eq!(admitted(&rate, source(1), window(6), 10), 3);
        assert_eq!(admitted(&rate, source(1), window(5), 10), 0, "a worker that is behind");
        assert_eq!(admitted(&rate, source(2), window(6), 10), 3);
        assert_eq!(admitted(&ClientRate::new(u16::MAX), source(1), window(1), 70_000), 65_535);
    }

    #[test]
    fn however_many_sources_flood_it_nobody_is_refused_for_them() {
        let rate = ClientRate::new(2);
        for number in 0..100_000 {
            assert!(rate.admits(Ipv4Addr::from_bits(0x0a00_0000 + number), window(1)), "its first");
            if number % 1000 == 0 {
                let agent = source(number);
                assert_eq!(admitted(&rate, agent, window(1), 2), 2);
            }
        }
    }

    #[test]
    fn as_many_sources_as_there_are_foreign_agents_are_each_held_to_the_limit() {
        let rate = ClientRate::new(2);
        let total: u32 = (0..500).map(|number| admitted(&rate, source(number), window(1), 20)).sum();
        // A place may be full, of 500 sources in 512 places of eight seldom.
        assert!((1000..1010).contains(&total), "{total}");
    }

    proptest! {
        #[test]
        fn a_few_sources_are_counted_as_a_map_of_windows_does(
            limit in 1_u16..5,
            steps in prop::collection::vec((0_u32..5, 0_u32..12), 1..200),
        ) {
            let rate = ClientRate::<AtomicU64>::new(limit);
            let mut model = BTreeMap::<(u32, u32), u16>::new();
            let mut now = Tick(0);
            for (from, pause) in steps {
                now.0 += pause;
                let begun = model.entry((from, now.0 / WINDOW_TICKS)).or_default();
                let may = *begun < limit;
                *begun += u16::from(may);
                prop_assert_eq!(rate.admits(source(from), now), may);
            }
        }
    }

    #[test]
    fn workers_share_one_limit() {
        for round in 0..200 {
            let rate = ClientRate::<AtomicU64>::new(100);
            let begun = [const { AtomicU32::new(0) }; 3];
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for step in 0..300 {
                            let from = step % 3;
                            if rate.admits(source(from), window(round)) {
                                begun[from as usize].fetch_add(1, Relaxed);
                            }
                        }
                    });
                }
            });
            assert_eq!(begun.map(AtomicU32::into_inner), [100; 3]);
        }
    }
}
