//! A persistent map from IPv4 prefixes, with longest-prefix match.
//!
//! A tree bitmap (W. Eatherton, G. Varghese, Z. Dittia, "Tree bitmap: hardware/software IP lookups with incremental
//! updates", 2004) with a stride of 5 bits: a /24 is found in five nodes at most, an address in seven. Nodes are shared by
//! `Arc`: a clone of the map costs one count, and a change of one prefix copies the nodes from the root to that prefix, at
//! most seven of at most 62 values and 32 children each, however large the map is. A map that shares nothing is changed in
//! place.
//!
//! ```text
//! node at depth d     bits 5d to 5d+4 of an address, from the left; prefixes of 5d+1 to 5d+5 bits
//! position            of the prefix with the l last bits v: 2^l + v, 2 to 63 (as in a heap: the parent is half)
//! position 1          of the root alone: 0.0.0.0/0
//! ```

use std::{net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;

const STRIDE: u32 = 5;
/// Positions of the longest prefixes of a node begin here.
const LEAVES: u32 = 1 << STRIDE;

/// By the five bits of an address: the positions of the prefixes that hold it.
const MATCHES: [u64; LEAVES as usize] = {
    let mut masks = [0; LEAVES as usize];
    let mut bits = 0;
    while bits < LEAVES {
        let mut position = LEAVES | bits;
        while position > 0 {
            masks[bits as usize] |= 1 << position;
            position >>= 1;
        }
        bits += 1;
    }
    masks
};

/// The map; see the module.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    root: Arc<Node<T>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Node<T> {
    /// Positions that have a value.
    occupied: u64,
    /// Values of five bits that have a child.
    branches: u32,
    /// By position.
    values: Vec<T>,
    /// By the five bits.
    children: Vec<Arc<Self>>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { occupied: 0, branches: 0, values: Vec::new(), children: Vec::new() }
    }
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { root: Arc::default(), len: 0 }
    }
}

/// Where a prefix lies: on the way down the five bits at each node, then a position.
#[derive(Clone, Copy)]
struct Place {
    /// Not yet walked, from the left.
    rest: u64,
    /// Nodes below this one.
    depth: u32,
    /// In the last node.
    position: u32,
}

impl Place {
    fn new(prefix: Ipv4Net) -> Self {
        let rest = u64::from(u32::from(prefix.network())) << 32;
        let length = u32::from(prefix.prefix_len());
        let Some(last) = length.checked_sub(1) else { return Self { rest, depth: 0, position: 1 } };
        let (depth, bits) = (last / STRIDE, last % STRIDE + 1);
        let value = (rest << (depth * STRIDE)) >> (64 - bits);
        Self { rest, depth, position: 1 << bits | value as u32 }
    }

    /// Steps down: the five bits that lead to the child.
    fn step(&mut self) -> Option<u32> {
        self.depth = self.depth.checked_sub(1)?;
        let bits = (self.rest >> (64 - STRIDE)) as u32;
        self.rest <<= STRIDE;
        Some(bits)
    }
}

impl<T> Node<T> {
    #[inline]
    fn index(&self, position: u32) -> usize {
        (self.occupied & ((1 << position) - 1)).count_ones() as usize
    }

    #[inline]
    fn child_index(&self, bits: u32) -> usize {
        (self.branches & ((1 << bits) - 1)).count_ones() as usize
    }

    #[inline]
    fn value(&self, position: u32) -> Option<&T> {
        let there = self.occupied & 1 << position != 0;
        if there { self.values.get(self.index(position)) } else { None }
    }

    #[inline]
    fn child(&self, bits: u32) -> Option<&Self> {
        self.shared_child(bits).map(|child| &**child)
    }

    #[inline]
    fn shared_child(&self, bits: u32) -> Option<&Arc<Self>> {
        let there = self.branches & 1 << bits != 0;
        if there { self.children.get(self.child_index(bits)) } else { None }
    }
}

impl<T: Clone> Node<T> {
    fn insert(&mut self, mut place: Place, value: T) -> Option<T> {
        let Some(bits) = place.step() else {
            let index = self.index(place.position);
            if self.occupied & 1 << place.position != 0 {
                return Some(std::mem::replace(&mut self.values[index], value));
            }
            self.occupied |= 1 << place.position;
            self.values.insert(index, value);
            return None;
        };
        let index = self.child_index(bits);
        if self.branches & 1 << bits == 0 {
            self.branches |= 1 << bits;
            self.children.insert(index, Arc::default());
        }
        Arc::make_mut(&mut self.children[index]).insert(place, value)
    }

    /// Removes a value that is there.
    fn remove(&mut self, mut place: Place) -> Option<T> {
        let Some(bits) = place.step() else {
            let index = self.index(place.position);
            self.occupied &= !(1 << place.position);
            return (index < self.values.len()).then(|| self.values.remove(index));
        };
        let index = self.child_index(bits);
        let child = Arc::make_mut(self.children.get_mut(index)?);
        let removed = child.remove(place);
        if child.occupied == 0 && child.branches == 0 {
            self.branches &= !(1 << bits);
            self.children.remove(index);
        }
        removed
    }
}

impl<T> PrefixMap<T> {
    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no prefix.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of exactly this prefix.
    pub fn get(&self, prefix: Ipv4Net) -> Option<&T> {
        let mut place = Place::new(prefix);
        let mut node = &*self.root;
        while let Some(bits) = place.step() {
            node = node.child(bits)?;
        }
        node.value(place.position)
    }

    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn longest_match(&self, address: Ipv4Addr) -> Option<&T> {
        let mut rest = u64::from(u32::from(address)) << 32;
        let mut node = &*self.root;
        let mut best = None;
        loop {
            let bits = (rest >> (64 - STRIDE)) as u32;
            let matching = node.occupied & MATCHES[bits as usize];
            if matching != 0 {
                best = Some((node, matching));
            }
            let Some(child) = node.child(bits) else { break };
            node = child;
            rest <<= STRIDE;
        }
        let (node, matching) = best?;
        node.values.get(node.index(matching.ilog2()))
    }

    /// All prefixes, by address and the shorter first.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { stack: vec![(&*self.root, 1, 0, 0)] }
    }

    /// True if both are one map: equal without looking at contents.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }
}

impl<T: PartialEq> PrefixMap<T> {
    /// What makes this map of `earlier`: each prefix that has another value, or none any more. What both share is not
    /// looked at.
    pub fn changes<'a>(&'a self, earlier: &'a Self) -> Vec<(Ipv4Net, Option<&'a T>)> {
        let mut out = Vec::new();
        changes([Some(&self.root), Some(&earlier.root)], 0, 0, &mut out);
        out
    }
}

/// The changes below two nodes, the later one first, which lie behind the bits `front`.
fn changes<'a, T: PartialEq>(
    nodes: [Option<&'a Arc<Node<T>>>; 2],
    front: u64,
    front_bits: u32,
    out: &mut Vec<(Ipv4Net, Option<&'a T>)>,
) {
    if let [Some(later), Some(earlier)] = nodes
        && Arc::ptr_eq(later, earlier)
    {
        return;
    }
    for position in 1..2 * LEAVES {
        let [later, earlier] = nodes.map(|node| node?.value(position));
        if later != earlier {
            out.push((prefix(front, front_bits, position), later));
        }
    }
    for bits in 0..LEAVES {
        let children = nodes.map(|node| node?.shared_child(bits));
        if children.iter().any(Option::is_some) {
            changes(children, front << STRIDE | u64::from(bits), front_bits + STRIDE, out);
        }
    }
}

/// The prefix at a position of the node behind the bits `front`.
fn prefix(front: u64, front_bits: u32, position: u32) -> Ipv4Net {
    let bits = position.ilog2();
    let length = front_bits + bits;
    let address = front << bits | u64::from(position - (1 << bits));
    Ipv4Net::new_assert(Ipv4Addr::from_bits((address << (32 - length)) as u32), length as u8)
}

impl<T: Clone> PrefixMap<T> {
    /// Gives a prefix a value; returns the one that it had.
    pub fn insert(&mut self, prefix: Ipv4Net, value: T) -> Option<T> {
        let before = Arc::make_mut(&mut self.root).insert(Place::new(prefix), value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes exactly this prefix; returns its value. Nothing is copied if it is not there.
    pub fn remove(&mut self, prefix: Ipv4Net) -> Option<T> {
        self.get(prefix)?;
        self.len -= 1;
        Arc::make_mut(&mut self.root).remove(Place::new(prefix))
    }
}

impl<T: Clone> FromIterator<(Ipv4Net, T)> for PrefixMap<T> {
    fn from_iter<I: IntoIterator<Item = (Ipv4Net, T)>>(list: I) -> Self {
        let mut map = Self::default();
        for (prefix, value) in list {
            map.insert(prefix, value);
        }
        map
    }
}

impl<'a, T> IntoIterator for &'a PrefixMap<T> {
    type Item = (Ipv4Net, &'a T);
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// All prefixes of a map, in order.
#[derive(Debug)]
pub struct Iter<'a, T> {
    /// Node, position, bits in front of the node and how many.
    stack: Vec<(&'a Node<T>, u32, u64, u32)>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = (Ipv4Net, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, position, front, front_bits) = self.stack.pop()?;
            let bits = position.ilog2();
            let address = front << bits | u64::from(position - (1 << bits));
            if position < LEAVES {
                self.stack.push((node, 2 * position + 1, front, front_bits));
                self.stack.push((node, 2 * position, front, front_bits));
            } else if let Some(child) = node.child(position - LEAVES) {
                self.stack.push((child, 1, address, front_bits + STRIDE));
            }
            if let Some(value) = node.value(position) {
                return Some((prefix(front, front_bits, position), value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_at_every_length() {
        let mut map = PrefixMap::default();
        let address = Ipv4Addr::new(0xaa, 0x55, 0xaa, 0x55);
        assert_eq!(map.longest_match(address), None);
        for length in 0..=32 {
            map.insert(Ipv4Net::new_assert(address, length).trunc(), length);
            assert_eq!(map.longest_match(address), Some(&length));
        }
        assert_eq!(map.longest_match(Ipv4Addr::new(0xaa, 0x55, 0xaa, 0x54)), Some(&31));
        assert_eq!(map.longest_match(Ipv4Addr::new(1, 2, 3, 4)), Some(&0));
        for length in (0..=32).rev() {
            assert_eq!(map.len(), usize::from(length) + 1);
            assert_eq!(map.remove(Ipv4Net::new_assert(address, length).trunc()), Some(length));
        }
        assert!(map.is_empty());
        assert_eq!(map.root.branches, 0, "nothing is left behind");
    }

    #[test]
    fn a_change_leaves_clones_alone_and_shares_what_it_does_not_touch() {
        let mut map: PrefixMap<u32> =
            (0..=255).map(|n| (Ipv4Net::new_assert([n, 1, 2, 0].into(), 24), u32::from(n))).collect();
        let before = map.clone();
        assert!(map.ptr_eq(&before));
        map.insert(net("10.1.2.0/24"), 1000);
        assert!(!map.ptr_eq(&before));
        assert_eq!((before.get(net("10.1.2.0/24")), map.get(net("10.1.2.0/24"))), (Some(&10), Some(&1000)));
        let pairs = || before.root.children.iter().zip(&map.root.children);
        assert_eq!(pairs().filter(|(old, new)| !Arc::ptr_eq(old, new)).count(), 1, "one path is new");
        assert_eq!(map.changes(&before), [(net("10.1.2.0/24"), Some(&1000))]);
        assert_eq!(map.remove(net("77.0.0.0/8")), None);
    }

    fn prefix() -> impl Strategy<Value = Ipv4Net> {
        // Few bits differ, so that prefixes hold each other.
        (0_u32..16, 0_u32..16, 0_u8..=32).prop_map(|(high, low, length)| {
            Ipv4Net::new_assert((high << 28 | low << 4).into(), length).trunc()
        })
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_map_and_a_search_of_all_do(
            steps in prop::collection::vec((prefix(), prop::option::of(0_u16..100)), 0..200),
            asked in prop::collection::vec((0_u32..16, 0_u32..256), 20),
            kept in 0_usize..200,
        ) {
            let mut model = BTreeMap::new();
            let mut map = PrefixMap::default();
            let mut earlier = PrefixMap::default();
            for (at, (prefix, value)) in steps.into_iter().enumerate() {
                if at == kept {
                    earlier = map.clone();
                }
                if let Some(value) = value {
                    prop_assert_eq!(map.insert(prefix, value), model.insert(prefix, value));
                } else {
                    prop_assert_eq!(map.remove(prefix), model.remove(&prefix));
                }
                prop_assert_eq!(map.get(prefix), model.get(&prefix));
                prop_assert_eq!(map.len(), model.len());
            }
            let listed: Vec<_> = map.iter().map(|(prefix, value)| (prefix, *value)).collect();
            let wanted: Vec<_> = model.iter().map(|(prefix, value)| (*prefix, *value)).collect();
            prop_assert_eq!(listed, wanted);
            let mut made = earlier.clone();
            for (prefix, value) in map.changes(&earlier) {
                let before = match value {
                    Some(value) => made.insert(prefix, *value),
                    None => made.remove(prefix),
                };
                prop_assert_ne!(before.as_ref(), value, "{}", prefix);
            }
            prop_assert_eq!(made.iter().collect::<Vec<_>>(), map.iter().collect::<Vec<_>>());
            for (high, low) in asked {
                let address = Ipv4Addr::from(high << 28 | low);
                let found = model.iter().filter(|(prefix, _)| prefix.contains(&address));
                prop_assert_eq!(map.longest_match(address), found.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, value)| value));
            }
        }
    }
}
