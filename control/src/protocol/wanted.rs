//! What several subsystems want kept: next hops resolved, networks routed to the dataplane.

use std::collections::{BTreeMap, BTreeSet};

/// By the subsystem that wants it.
#[derive(Debug)]
pub struct Wanted<T> {
    by_owner: BTreeMap<&'static str, BTreeSet<T>>,
    all: BTreeSet<T>,
}

impl<T> Default for Wanted<T> {
    fn default() -> Self {
        Self { by_owner: BTreeMap::new(), all: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Wanted<T> {
    /// Replaces what `owner` wants; true if what all want together has changed.
    pub fn set(&mut self, owner: &'static str, wanted: BTreeSet<T>) -> bool {
        if self.by_owner.get(owner) == Some(&wanted) {
            return false;
        }
        self.by_owner.insert(owner, wanted);
        let all = self.by_owner.values().flatten().copied().collect();
        let changed = self.all != all;
        self.all = all;
        changed
    }

    /// What is wanted by anybody.
    pub fn all(&self) -> &BTreeSet<T> {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_wanted_as_long_as_one_wants_it() {
        let set = |list: &[u8]| list.iter().copied().collect::<BTreeSet<_>>();
        let mut wanted = Wanted::default();
        assert!(!wanted.set("slb", set(&[])), "nothing, as before");
        assert!(wanted.set("slb", set(&[1, 2])));
        assert!(!wanted.set("slb", set(&[1, 2])));
        assert!(!wanted.set("tunnels", set(&[2])), "somebody wants it already");
        assert!(!wanted.set("slb", set(&[1])), "the other one still wants it");
        assert_eq!(*wanted.all(), set(&[1, 2]));
        assert!(wanted.set("tunnels", set(&[])));
        assert_eq!(*wanted.all(), set(&[1]));
    }
}
