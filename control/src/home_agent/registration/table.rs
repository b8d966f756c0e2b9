//! All mobile nodes, by identity, by home address and by the second in which they are due.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::Ipv4Addr,
};

use hashbrown::HashTable;

use super::{
    address_set::AddressSet,
    binding::{Binding, Grant, Node, Second},
    effects::{Cause, Effect, Effects},
    identity::Identity,
    last_owners::LastOwners,
    networks::Networks,
    now::Now,
    slab::Slab,
    tunnels::Tunnels,
    wheel::Wheel,
};

/// Seconds after its identification in which a request could still be replayed, at the widest tolerance, and one.
const REPLAYABLE: i64 = 256;
/// Nodes without a binding that are remembered for that long. The rest is covered by what no new node may go below.
const REMEMBERED: usize = 1 << 18;

/// The nodes. A node is in `by_home` if, and as long as, it has bindings.
#[derive(Debug)]
pub(super) struct Table {
    nodes: Slab<Node>,
    by_identity: HashTable<u32>,
    by_home: HashTable<u32>,
    /// Strangers choose the keys, so they must not know the hash.
    hasher: RandomState,
    in_use: AddressSet,
    owners: LastOwners,
    networks: Networks,
    wheel: Wheel,
    tunnels: Tunnels,
    bindings: usize,
    /// Identifications of nodes that are not known must be greater.
    floor: u64,
    remembered: usize,
}

impl Node {
    pub fn identity(&self) -> Identity<'_> {
        if self.nai.is_empty() { Identity::Address(self.home) } else { Identity::Nai(&self.nai) }
    }
}

impl Table {
    /// With room for `nodes` before anything must grow.
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes: Slab::default(),
            by_identity: HashTable::with_capacity(nodes),
            by_home: HashTable::with_capacity(nodes),
            hasher: RandomState::new(),
            in_use: AddressSet::default(),
            owners: LastOwners::default(),
            networks: Networks::default(),
            wheel: Wheel::default(),
            tunnels: Tunnels::default(),
            bindings: 0,
            floor: 0,
            remembered: REMEMBERED,
        }
    }

    /// Makes room for `nodes` at once: later it would be made between two requests.
    pub fn reserve(&mut self, nodes: usize) {
        let Self { nodes: slab, by_identity, by_home, hasher, .. } = self;
        let more = nodes.saturating_sub(slab.len());
        by_identity.reserve(more, |at| hasher.hash_one(slab.get(*at).identity()));
        by_home.reserve(more, |at| hasher.hash_one(slab.get(*at).home));
    }

    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    pub fn bindings(&self) -> usize {
        self.bindings
    }

    /// Nodes with bindings.
    pub fn registered(&self) -> usize {
        self.by_home.len()
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, at: u32) -> &Node {
        self.nodes.get(at)
    }

    pub fn network(&self, at: u32) -> &std::sync::Arc<super::host::Network> {
        self.networks.get(self.nodes.get(at).network)
    }

    pub fn floor(&self) -> u64 {
        self.floor
    }

    pub fn find(&self, identity: Identity<'_>) -> Option<u32> {
        let hash = self.hasher.hash_one(identity);
        self.by_identity.find(hash, |at| self.nodes.get(*at).identity() == identity).copied()
    }

    /// The node with bindings of a home address.
    pub fn holder(&self, home: Ipv4Addr) -> Option<u32> {
        self.by_home.find(self.hasher.hash_one(home), |at| self.nodes.get(*at).home == home).copied()
    }

    /// Home addresses with bindings from `home` on, in order.
    pub fn homes_from(&self, home: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        self.in_use.iter_from(home)
    }

    pub fn is_free(&self, home: Ipv4Addr) -> bool {
        !self.in_use.contains(home)
    }

    pub fn lowest_free(&self, low: Ipv4Addr, high: Ipv4Addr) -> Option<Ipv4Addr> {
        self.in_use.lowest_free(low, high)
    }

    /// The address that it had when it last had bindings.
    pub fn last_address(&self, identity: Identity<'_>) -> Option<Ipv4Addr> {
        self.owners.get(self.hasher.hash_one(identity))
    }

    /// The node, made if there is none.
    fn enter(&mut self, identity: Identity<'_>) -> u32 {
        if let Some(at) = self.find(identity) {
            return at;
        }
        let node = match identity {
            Identity::Nai(nai) => Node::new(nai, Ipv4Addr::UNSPECIFIED),
            Identity::Address(home) => Node::new(b"", home),
        };
        let at = self.nodes.insert(node);
        let Self { nodes, by_identity, hasher, .. } = self;
        let hash = hasher.hash_one(identity);
        by_identity.insert_unique(hash, at, |at| hasher.hash_one(nodes.get(*at).identity()));
        at
    }

    /// Notes that a request with this identification came in time; `accepted` if it was. A node without bindings is remembered until
    /// nothing of it could be replayed.
    pub fn note(
        &mut self,
        identity: Identity<'_>,
        identification: u64,
        accepted: Option<(super::binding::Mark, common::wire::mobile_ip::Code)>,
        now: Now,
    ) {
        let at = self.enter(identity);
        let node = self.nodes.get_mut(at);
        node.identification = identification;
        if accepted.is_some() {
            node.accepted = accepted;
        }
        self.settle(at, now);
    }

    /// Installs a binding; others of the node stay if `keep`. If the node had another home address all others end.
    pub fn install(
        &mut self,
        identity: Identity<'_>,
        (home, network): (Ipv4Addr, &std::sync::Arc<super::host::Network>),
        grant: &Grant,
        keep: bool,
        now: Now,
        effects: &mut impl Effects,
    ) -> bool {
        let at = self.enter(identity);
        let node = self.nodes.get(at);
        let (moves, care_of) = (node.home != home, grant.care_of);
        if !node.bindings.is_empty() && (moves || !keep) {
            let chosen = |binding: &Binding| moves || binding.care_of != care_of;
            self.remove(at, chosen, Cause::Replaced, effects);
        }
        let begun = Second::from(now.monotonic);
        if self.nodes.get(at).bindings.is_empty() {
            let Some(number) = self.networks.enter(network) else {
                self.settle(at, now);
                return false;
            };
            let node = self.nodes.get_mut(at);
            (node.home, node.network) = (home, number);
            let Self { nodes, by_home, hasher, .. } = self;
            by_home.insert_unique(hasher.hash_one(home), at, |at| hasher.hash_one(nodes.get(*at).home));
            self.in_use.insert(home);
            effects.apply(Effect::AddressOn { home, network });
        }
        let node = self.nodes.get_mut(at);
        let before = node.bindings.get(care_of).map(|before| (before.tunnel(home), before.created));
        let binding = Binding::new(grant, before.map_or(begun, |(_, created)| created), begun);
        let after = binding.tunnel(home);
        node.bindings.insert(binding);
        match before {
            None => {
                self.bindings += 1;
                self.tunnels.enter(&after);
                effects.apply(Effect::Installed(after));
            }
            Some((before, _)) if before != after => {
                self.tunnels.enter(&after);
                self.tunnels.leave(&before);
                effects.apply(Effect::Changed { before, after });
            }
            Some(_) => {}
        }
        true
    }

    /// Ends the bindings of a node for which `chosen` holds; [`Self::settle`] has to follow.
    fn remove(
        &mut self,
        at: u32,
        chosen: impl Fn(&Binding) -> bool,
        cause: Cause,
        effects: &mut impl Effects,
    ) {
        let node = self.nodes.get_mut(at);
        let home = node.home;
        let mut removed = 0;
        while let Some(binding) = node.bindings.take(&chosen) {
            removed += 1;
            let tunnel = binding.tunnel(home);
            self.tunnels.leave(&tunnel);
            effects.apply(Effect::Removed(tunnel, cause));
        }
        self.bindings -= removed;
        if removed > 0 && node.bindings.is_empty() {
            let number = node.network;
            let owner = self.hasher.hash_one(node.identity());
            if let Ok(entry) = self.by_home.find_entry(self.hasher.hash_one(home), |other| *other == at) {
                entry.remove();
            }
            self.in_use.remove(home);
            self.owners.remember(owner, home);
            let network = self.networks.leave(number);
            effects.apply(Effect::AddressOff { home, network: &network, cause });
        }
    }

    /// Ends those bindings of a node, and lets it be due when it is next.
    pub fn end(
        &mut self,
        at: u32,
        chosen: impl Fn(&Binding) -> bool,
        cause: Cause,
        now: Now,
        effects: &mut impl Effects,
    ) {
        self.remove(at, chosen, cause, effects);
        self.settle(at, now);
    }

    /// Ends what is due, of at most `most` nodes; false: there is more.
    pub fn expire(&mut self, now: Now, most: usize, effects: &mut impl Effects) -> bool {
        let second = Second::of(now.monotonic);
        for _ in 0..most {
            let Some(at) = self.wheel.pop(&mut self.nodes, second) else { return true };
            self.remove(at, |binding| binding.expires <= second, Cause::Expired, effects);
            self.settle(at, now);
        }
        false
    }

    /// Says when a node is due: at the end of a binding, or when nothing of it can be replayed any more.
    fn settle(&mut self, at: u32, now: Now) {
        let node = self.nodes.get(at);
        let second = Second::of(now.monotonic);
        if !node.bindings.is_empty() {
            let due = node.earliest();
            self.wheel.set(&mut self.nodes, at, due, second);
            return;
        }
        let ahead = i64::from((node.identification >> 32) as u32) - i64::from((now.ntp >> 32) as u32);
        let left = ahead + REPLAYABLE;
        let room = self.nodes.len() - self.by_home.len() <= self.remembered;
        if left > 0 && room {
            let due = Second(second.0.saturating_add(left as u32));
            self.wheel.set(&mut self.nodes, at, due, second);
            return;
        }
        if left > 0 {
            self.floor = self.floor.max(node.identification);
        }
        let hash = self.hasher.hash_one(node.identity());
        if let Ok(entry) = self.by_identity.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.wheel.remove(&mut self.nodes, at);
        self.nodes.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use common::time::Nanos;

    use super::*;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn who_finds_no_room_to_be_remembered_raises_what_new_nodes_must_exceed() {
        let mut table = Table { remembered: 2, ..Table::new(0) };
        let ntp = 0xc2b9_f5a0 * SECOND;
        let now = Now { monotonic: Nanos(5_000_000_000), ntp };
        for (nai, ahead) in [(b"a", 1), (b"b", 2), (b"c", 9), (b"d", 3)] {
            table.note(Identity::Nai(nai), ntp + ahead, None, now);
        }
        assert_eq!((table.nodes(), table.floor()), (2, ntp + 9));
        assert!(table.find(Identity::Nai(b"a")).is_some() && table.find(Identity::Nai(b"c")).is_none());
        // A request that nobody could replay is forgotten without a trace.
        table.note(Identity::Nai(b"e"), ntp - 300 * SECOND, None, now);
        assert_eq!((table.nodes(), table.floor()), (2, ntp + 9));
    }
}
