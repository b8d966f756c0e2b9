//! Addresses in use, in order: a bit each.

use std::{collections::BTreeMap, net::Ipv4Addr};

/// Addresses of a page, all with the same upper half.
const PAGE: usize = 1 << 16;
/// Words of a page.
const WORDS: usize = PAGE / 64;

#[derive(Clone, Debug)]
struct Page {
    used: usize,
    words: Box<[u64; WORDS]>,
}

/// Addresses in use: the lowest free one of a range, and the next used one, are found by whole words.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressSet {
    pages: BTreeMap<u16, Page>,
}

fn split(address: Ipv4Addr) -> (u16, usize) {
    let bits = address.to_bits();
    ((bits >> 16) as u16, bits as usize % PAGE)
}

fn join(page: u16, at: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(page) << 16 | at as u32)
}

impl Page {
    fn new() -> Self {
        Self { used: 0, words: Box::new([0; WORDS]) }
    }

    /// First place from `from` on whose bit is set, or is not.
    fn next(&self, from: usize, set: bool) -> Option<usize> {
        let flip = if set { 0 } else { !0 };
        let first = (self.words[from / 64] ^ flip) & (!0 << (from % 64));
        let rest = self.words.iter().enumerate().skip(from / 64 + 1).map(|(at, word)| (at, word ^ flip));
        let mut words = std::iter::once((from / 64, first)).chain(rest);
        words.find(|(_, word)| *word != 0).map(|(at, word)| at * 64 + word.trailing_zeros() as usize)
    }
}

impl AddressSet {
    pub fn insert(&mut self, address: Ipv4Addr) {
        let (page, at) = split(address);
        let page = self.pages.entry(page).or_insert_with(Page::new);
        let bit = 1 << (at % 64);
        page.used += usize::from(page.words[at / 64] & bit == 0);
        page.words[at / 64] |= bit;
    }

    pub fn remove(&mut self, address: Ipv4Addr) {
        let (number, at) = split(address);
        let Some(page) = self.pages.get_mut(&number) else { return };
        let bit = 1 << (at % 64);
        page.used -= usize::from(page.words[at / 64] & bit != 0);
        page.words[at / 64] &= !bit;
        if page.used == 0 {
            self.pages.remove(&number);
        }
    }

    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let (page, at) = split(address);
        self.pages.get(&page).is_some_and(|page| page.words[at / 64] & 1 << (at % 64) != 0)
    }

    /// The lowest address from `low` to `high` that is not in use.
    pub fn lowest_free(&self, low: Ipv4Addr, high: Ipv4Addr) -> Option<Ipv4Addr> {
        if low > high {
            return None;
        }
        let (last_page, last) = split(high);
        let (mut number, mut from) = split(low);
        loop {
            let free = match self.pages.get(&number) {
                None => Some(from),
                Some(page) if page.used == PAGE => None,
                Some(page) => page.next(from, false),
            };
            match free {
                Some(at) => return (number < last_page || at <= last).then(|| join(number, at)),
                None if number == last_page => return None,
                None => (number, from) = (number + 1, 0),
            }
        }
    }

    /// The addresses in use from `from` on, in order.
    pub fn iter_from(&self, from: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        let (first, at) = split(from);
        self.pages.range(first..).flat_map(move |(number, page)| {
            let mut next = if *number == first { at } else { 0 };
            std::iter::from_fn(move || {
                let found = if next < PAGE { page.next(next, true) } else { None }?;
                next = found + 1;
                Some(join(*number, found))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Few addresses, around the bounds of words and pages.
    fn address() -> impl Strategy<Value = Ipv4Addr> {
        let at = prop_oneof![0..70_u32, 65_500..65_600_u32, 131_000..131_080_u32];
        at.prop_map(|at| Ipv4Addr::from_bits(0x0a08_0000 + at))
    }

    #[test]
    fn the_ends_of_the_address_space_hold() {
        let mut set = AddressSet::default();
        let (low, high) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        set.insert(high);
        assert_eq!(set.lowest_free(high, high), None);
        assert_eq!(set.lowest_free(low, high), Some(low));
        assert_eq!(set.lowest_free(high, low), None);
        assert_eq!(set.iter_from(high).collect::<Vec<_>>(), [high]);
    }

    #[test]
    fn a_full_page_is_passed_over() {
        let mut set = AddressSet::default();
        (0..=0xffff).for_each(|at| set.insert(Ipv4Addr::from_bits(0x0a00_0000 + at)));
        let low = Ipv4Addr::new(10, 0, 0, 0);
        assert_eq!(set.lowest_free(low, Ipv4Addr::new(10, 0, 255, 255)), None);
        assert_eq!(set.lowest_free(low, Ipv4Addr::new(10, 1, 0, 0)), Some(Ipv4Addr::new(10, 1, 0, 0)));
    }

    proptest! {
        #[test]
        fn it_is_a_set_in_order(
            changes in proptest::collection::vec((any::<bool>(), address()), 0..200),
            (low, high) in (address(), address()),
        ) {
            let (mut set, mut model) = (AddressSet::default(), BTreeSet::new());
            for (add, address) in changes {
                if add {
                    set.insert(address);
                    model.insert(address);
                } else {
                    set.remove(address);
                    model.remove(&address);
                }
                prop_assert_eq!(set.contains(address), add);
            }
            let free = (low.to_bits()..=high.to_bits()).map(Ipv4Addr::from_bits).find(|one| !model.contains(one));
            prop_assert_eq!(set.lowest_free(low, high), free);
            prop_assert_eq!(set.iter_from(low).collect::<Vec<_>>(), model.range(low..).copied().collect::<Vec<_>>());
            let pages: BTreeSet<u32> = model.iter().map(|one| one.to_bits() >> 16).collect();
            prop_assert_eq!(set.pages.len(), pages.len());
        }
    }
}
