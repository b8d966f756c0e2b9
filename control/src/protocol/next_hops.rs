//! Who wants which next hop kept resolved.

use std::collections::{BTreeMap, BTreeSet};

use common::net::NextHop;

/// Next hops by the subsystem that wants them.
#[derive(Debug, Default)]
pub struct NextHops {
    wanted: BTreeMap<&'static str, BTreeSet<NextHop>>,
    all: BTreeSet<NextHop>,
}

impl NextHops {
    /// Replaces what `owner` wants; true if what all want together has changed.
    pub fn set_wanted(&mut self, owner: &'static str, next_hops: BTreeSet<NextHop>) -> bool {
        if self.wanted.get(owner) == Some(&next_hops) {
            return false;
        }
        self.wanted.insert(owner, next_hops);
        let all = self.wanted.values().flatten().copied().collect();
        let changed = self.all != all;
        self.all = all;
        changed
    }

    /// What is wanted by anybody.
    pub fn all(&self) -> &BTreeSet<NextHop> {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use common::id::InterfaceId;

    use super::*;

    #[test]
    fn a_next_hop_is_wanted_as_long_as_one_wants_it() {
        let set = |list: &[u8]| {
            let next_hop =
                |last: &u8| NextHop { interface: InterfaceId(0), address: [10, 1, 1, *last].into() };
            list.iter().map(next_hop).collect::<BTreeSet<_>>()
        };
        let mut next_hops = NextHops::default();
        assert!(!next_hops.set_wanted("slb", set(&[])), "nothing, as before");
        assert!(next_hops.set_wanted("slb", set(&[1, 2])));
        assert!(!next_hops.set_wanted("slb", set(&[1, 2])));
        assert!(!next_hops.set_wanted("tunnels", set(&[2])), "somebody wants it already");
        assert!(!next_hops.set_wanted("slb", set(&[1])), "the other one still wants it");
        assert_eq!(*next_hops.all(), set(&[1, 2]));
        assert!(next_hops.set_wanted("tunnels", set(&[])));
        assert_eq!(*next_hops.all(), set(&[1]));
    }
}
