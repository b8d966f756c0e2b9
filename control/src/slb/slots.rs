//! Stable slots for named things: an index that stays while the thing is configured, and a generation that tells a
//! reused slot from the one before.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Slots for things of type `T` named by `K`.
#[derive(Clone, Debug)]
pub struct Slots<K, T> {
    by_key: HashMap<K, usize>,
    slots: Vec<Slot<K, T>>,
    free: VecDeque<usize>,
    limit: usize,
}

#[derive(Clone, Debug)]
struct Slot<K, T> {
    generation: u8,
    held: Option<(K, T)>,
}

/// No slot is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {0} slots are taken")]
pub struct Full(pub usize);

impl<K: Clone + Eq + Hash, T> Slots<K, T> {
    /// Room for `limit` things.
    pub fn new(limit: usize) -> Self {
        Self { by_key: HashMap::new(), slots: Vec::new(), free: VecDeque::new(), limit }
    }

    /// The slot of `key`; if it has none, the one free for longest, or a new one, filled by `make`.
    ///
    /// A generation is 1 to 255 and rises each time the slot is given away, so that a default value (index 0,
    /// generation 0) never names anything.
    pub fn insert(&mut self, key: &K, make: impl FnOnce(usize, u8) -> T) -> Result<usize, Full> {
        if let Some(index) = self.by_key.get(key) {
            return Ok(*index);
        }
        // A fresh slot is taken before a used one: the longer a slot rests, the safer its reuse.
        let index = if self.slots.len() < self.limit {
            self.slots.push(Slot { generation: 0, held: None });
            self.slots.len() - 1
        } else {
            self.free.pop_front().ok_or(Full(self.limit))?
        };
        let slot = &mut self.slots[index];
        slot.generation = if slot.generation == u8::MAX { 1 } else { slot.generation + 1 };
        slot.held = Some((key.clone(), make(index, slot.generation)));
        self.by_key.insert(key.clone(), index);
        Ok(index)
    }

    /// Frees every slot whose key `keep` rejects; returns what was there.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) -> Vec<(usize, K, T)> {
        let mut gone = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some((key, value)) = slot.held.take_if(|(key, _)| !keep(key)) {
                self.by_key.remove(&key);
                self.free.push_back(index);
                gone.push((index, key, value));
            }
        }
        gone
    }

    /// The thing of that name with its slot.
    pub fn get(&self, key: &K) -> Option<(usize, &T)> {
        let index = *self.by_key.get(key)?;
        Some((index, &self.slots[index].held.as_ref()?.1))
    }

    /// The thing of that name, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<(usize, &mut T)> {
        let index = *self.by_key.get(key)?;
        Some((index, &mut self.slots[index].held.as_mut()?.1))
    }

    /// What is in a slot.
    pub fn at(&self, index: usize) -> Option<(&K, &T)> {
        self.slots.get(index)?.held.as_ref().map(|(key, value)| (key, value))
    }

    /// What is in a slot, to change.
    pub fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.slots.get_mut(index)?.held.as_mut().map(|(_, value)| value)
    }

    /// Everything, in the order of slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut T)> {
        self.slots.iter_mut().filter_map(|slot| slot.held.as_mut()).map(|(key, value)| (&*key, value))
    }

    /// Everything, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &K, &T)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.held.as_ref().map(|(key, value)| (index, key, value)))
    }

    /// One more than the highest slot ever taken.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if no slot was ever taken.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_stable_and_a_reused_one_has_another_generation() {
        let mut slots = Slots::new(2);
        assert_eq!(slots.insert(&"a", |i, g| (i, g)), Ok(0));
        assert_eq!(slots.insert(&"b", |i, g| (i, g)), Ok(1));
        assert_eq!(slots.insert(&"a", |_, _| unreachable!("it has a slot")), Ok(0));
        assert_eq!(slots.insert(&"c", |i, g| (i, g)), Err(Full(2)));
        let gone = slots.retain(|key| *key != "a");
        assert_eq!(gone, [(0, "a", (0, 1))]);
        assert_eq!(slots.get(&"a"), None);
        slots.insert(&"c", |i, g| (i, g)).unwrap();
        assert_eq!(slots.get(&"c"), Some((0, &(0, 2))));
        assert_eq!(slots.get(&"b"), Some((1, &(1, 1))));
    }

    #[test]
    fn a_generation_is_never_zero() {
        let mut slots = Slots::new(1);
        for round in 0..600_u32 {
            slots.insert(&round, |_, generation| generation).unwrap();
            assert_ne!(slots.get(&round).unwrap().1, &0);
            slots.retain(|_| false);
        }
    }
}
