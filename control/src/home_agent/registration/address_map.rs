//! What belongs to an address: entries for single addresses and for ranges of them.

use std::net::Ipv4Addr;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

/// The range shares addresses with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range overlaps {low} to {high}")]
pub struct Overlap {
    /// First address of the other.
    pub low: Ipv4Addr,
    /// Its last one.
    pub high: Ipv4Addr,
}

/// Single addresses are found in one step and win against ranges; of those, which must not overlap, the one that holds an address is
/// found in as many steps as their number has binary digits. A copy is cheap: it shares everything that is not changed.
#[derive(Clone, Debug)]
pub struct AddressMap<T> {
    single: HashTrieMapSync<Ipv4Addr, T>,
    /// By the first address: the last one, and what belongs to them.
    ranges: RedBlackTreeMapSync<Ipv4Addr, (Ipv4Addr, T)>,
}

impl<T> Default for AddressMap<T> {
    fn default() -> Self {
        Self { single: HashTrieMapSync::new_sync(), ranges: RedBlackTreeMapSync::new_sync() }
    }
}

impl<T> AddressMap<T> {
    /// Sets what belongs to `low` to `high`; what this range had before is replaced.
    ///
    /// # Errors
    /// [`Overlap`] with a range that is not the same.
    pub fn insert(&mut self, low: Ipv4Addr, high: Ipv4Addr, value: T) -> Result<(), Overlap> {
        if low == high {
            self.single.insert_mut(low, value);
            return Ok(());
        }
        let last = self.ranges.range(..=high).next_back();
        match last {
            Some((&other, &(end, _))) if end >= low && (other, end) != (low, high) => {
                Err(Overlap { low: other, high: end })
            }
            _ => {
                self.ranges.insert_mut(low, (high, value));
                Ok(())
            }
        }
    }

    /// Removes the entry of exactly this range; false if there is none.
    pub fn remove(&mut self, low: Ipv4Addr, high: Ipv4Addr) -> bool {
        if low == high {
            return self.single.remove_mut(&low);
        }
        self.ranges.get(&low).is_some_and(|(end, _)| *end == high) && self.ranges.remove_mut(&low)
    }

    /// The entry of exactly this range.
    pub fn exact(&self, low: Ipv4Addr, high: Ipv4Addr) -> Option<&T> {
        if low == high {
            return self.single.get(&low);
        }
        self.ranges.get(&low).filter(|(end, _)| *end == high).map(|(_, value)| value)
    }

    /// What belongs to an address.
    pub fn get(&self, address: Ipv4Addr) -> Option<&T> {
        self.single.get(&address).or_else(|| {
            let (_, (high, value)) = self.ranges.range(..=address).next_back()?;
            (address <= *high).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, 0, last)
    }

    #[test]
    fn single_addresses_win_and_ranges_do_not_overlap() {
        let mut map = AddressMap::default();
        map.insert(at(10), at(20), 'a').unwrap();
        map.insert(at(15), at(15), 'b').unwrap();
        map.insert(at(21), at(30), 'c').unwrap();
        let get = |map: &AddressMap<char>, last| map.get(at(last)).copied();
        assert_eq!(
            [9, 10, 15, 20, 21, 30, 31].map(|last| get(&map, last)),
            [None, Some('a'), Some('b'), Some('a'), Some('c'), Some('c'), None]
        );
        let overlap = |low, high| Err(Overlap { low: at(low), high: at(high) });
        assert_eq!(map.insert(at(5), at(10), 'd'), overlap(10, 20));
        assert_eq!(map.insert(at(12), at(13), 'd'), overlap(10, 20));
        assert_eq!(map.insert(at(5), at(40), 'd'), overlap(21, 30));
        map.insert(at(10), at(20), 'e').unwrap();
        assert_eq!((map.exact(at(10), at(20)), map.exact(at(10), at(19))), (Some(&'e'), None));
        let copy = map.clone();
        assert!(!map.remove(at(10), at(19)) && map.remove(at(10), at(20)) && map.remove(at(15), at(15)));
        assert_eq!([10, 15].map(|last| get(&map, last)), [None, None]);
        assert_eq!(get(&copy, 10), Some('e'));
    }
}
