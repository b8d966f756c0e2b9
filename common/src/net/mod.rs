//! What every subsystem forwards by: interfaces, routes, neighbours, and whose an address is.
//!
//! A [`Network`] is made of parts that are shared by `Arc`. Whoever changes one part copies that part alone; routes are a
//! [`PrefixMap`], which shares what one route does not touch.

mod address_map;
mod interface;
mod neighbour;
mod next_hop;
mod next_hop_group;
mod owner;
mod prefix_map;
mod route;
mod source_check;

use std::sync::Arc;

pub use self::{
    address_map::{AddressHash, AddressHasher, AddressMap},
    interface::{Interface, PortView},
    neighbour::{NeighbourHash, NeighbourHasher, Neighbours},
    next_hop::{Adjacency, NextHop},
    next_hop_group::{Flow, NextHopGroup, Order, WeightedHop},
    owner::{Owner, Owners, VirtualAddress},
    prefix_map::PrefixMap,
    route::{Route, Routes},
    source_check::{ReachableVia, SourceCheck, VerifySource},
};

/// The network at one moment. A clone shares everything.
#[derive(Clone, Debug)]
pub struct Network {
    /// Layer-3 interfaces; [`InterfaceId`](crate::id::InterfaceId) is the position.
    pub interfaces: Arc<[Interface]>,
    /// By port: the untagged interface, and those by VLAN.
    pub ports: Arc<[PortView]>,
    /// Whose an address is.
    pub owners: Arc<Owners>,
    /// The routing table.
    pub routes: Routes,
    /// Link addresses.
    pub neighbours: Arc<Neighbours>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            interfaces: Arc::new([]),
            ports: Arc::new([]),
            owners: Arc::default(),
            routes: Routes::default(),
            neighbours: Arc::default(),
        }
    }
}

impl Network {
    /// True if both are made of the same parts; compares no contents.
    pub fn shares_all(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.interfaces, &other.interfaces)
            && Arc::ptr_eq(&self.ports, &other.ports)
            && Arc::ptr_eq(&self.owners, &other.owners)
            && Arc::ptr_eq(&self.neighbours, &other.neighbours)
            && self.routes.ptr_eq(&other.routes)
    }

    /// The interfaces, to be changed; copied if they are shared.
    pub fn interfaces_mut(&mut self) -> &mut [Interface] {
        Arc::make_mut(&mut self.interfaces)
    }

    /// The ports, to be changed; copied if they are shared.
    pub fn ports_mut(&mut self) -> &mut [PortView] {
        Arc::make_mut(&mut self.ports)
    }

    /// The owners of addresses, to be changed; copied if they are shared.
    pub fn owners_mut(&mut self) -> &mut Owners {
        Arc::make_mut(&mut self.owners)
    }

    /// The neighbours, to be changed; copied if they are shared.
    pub fn neighbours_mut(&mut self) -> &mut Neighbours {
        Arc::make_mut(&mut self.neighbours)
    }

    /// Takes interfaces, ports and owners of `earlier` if they are the same, so that they stay shared. Routes and
    /// neighbours, which can be many, are not compared: whoever makes them keeps what did not change.
    pub fn share_with(&mut self, earlier: &Self) {
        fn share<T: PartialEq + ?Sized>(part: &mut Arc<T>, earlier: &Arc<T>) {
            if !Arc::ptr_eq(part, earlier) && **part == **earlier {
                *part = Arc::clone(earlier);
            }
        }
        share(&mut self.interfaces, &earlier.interfaces);
        share(&mut self.ports, &earlier.ports);
        share(&mut self.owners, &earlier.owners);
    }
}
