//! The network as the kernel sees it, in the shape in which workers read it.

use std::collections::HashMap;

use common::{
    id::InterfaceId,
    mac::MacAddr,
    snapshot::{AddressHash, AddressMap, Interface, PortView, Route, Snapshot},
};
use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

use crate::slb::adjacency::{Network, NextHop};

/// Interfaces, addresses, routes and neighbours at one moment.
#[derive(Clone, Debug, Default)]
pub struct NetworkView {
    /// Layer-3 interfaces by [`InterfaceId`].
    pub interfaces: Vec<Interface>,
    /// By port.
    pub ports: Vec<PortView>,
    /// Addresses of the host itself.
    pub local: AddressMap<InterfaceId>,
    /// Routing table.
    pub fib: PrefixMap<Ipv4Net, Route>,
    /// MAC addresses of neighbours.
    pub neighbours: HashMap<NextHop, MacAddr, AddressHash>,
}

impl NetworkView {
    /// What adjacencies are found in.
    pub fn network(&self) -> Network<'_> {
        Network { interfaces: &self.interfaces, fib: &self.fib, neighbours: &self.neighbours }
    }

    /// Copies everything into a snapshot.
    pub fn fill(&self, snapshot: &mut Snapshot) {
        snapshot.interfaces.clone_from(&self.interfaces);
        snapshot.ports.clone_from(&self.ports);
        snapshot.local.clone_from(&self.local);
        snapshot.fib = self.fib.clone();
        snapshot.neighbours.clone_from(&self.neighbours);
    }
}
