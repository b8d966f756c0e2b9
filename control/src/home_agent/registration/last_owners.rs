//! Which address a mobile node had last, so that it gets it again while it is free.

use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
};

/// Nodes that are remembered; then the one that is known longest is forgotten. About 40 bytes each.
const MOST: usize = 1 << 18;

/// By a hash of the identity: two that collide may be given each other's address, which does no harm, as it is free.
#[derive(Debug)]
pub(super) struct LastOwners {
    by_owner: HashMap<u64, Ipv4Addr>,
    /// Each that is in the map, once.
    order: VecDeque<u64>,
    most: usize,
}

impl Default for LastOwners {
    fn default() -> Self {
        Self { by_owner: HashMap::new(), order: VecDeque::new(), most: MOST }
    }
}

impl LastOwners {
    pub fn remember(&mut self, owner: u64, address: Ipv4Addr) {
        if self.by_owner.insert(owner, address).is_some() {
            return;
        }
        self.order.push_back(owner);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_owner.remove(&oldest);
        }
    }

    pub fn get(&self, owner: u64) -> Option<Ipv4Addr> {
        self.by_owner.get(&owner).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut owners = LastOwners { most: 2, ..LastOwners::default() };
        let at = |last| Ipv4Addr::new(10, 9, 0, last);
        owners.remember(1, at(1));
        owners.remember(2, at(2));
        owners.remember(1, at(3));
        assert_eq!([1, 2].map(|owner| owners.get(owner)), [Some(at(3)), Some(at(2))]);
        owners.remember(4, at(4));
        assert_eq!([1, 2, 4].map(|owner| owners.get(owner)), [None, Some(at(2)), Some(at(4))]);
        assert_eq!((owners.by_owner.len(), owners.order.len()), (2, 2));
    }
}
