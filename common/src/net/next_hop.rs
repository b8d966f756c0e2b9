//! Next hops, and how they are found: the neighbour to resolve and, once it is, everything that the rewrite needs.

use std::{
    hash::{Hash, Hasher},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{Flow, Interface, Network, Route};
use crate::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
};

/// A neighbour that packets are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// On which interface.
    pub interface: InterfaceId,
    /// Its address there.
    pub address: Ipv4Addr,
}

impl Hash for NextHop {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.interface.0) << 32 | u64::from(u32::from(self.address)));
    }
}

impl std::fmt::Display for NextHop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on interface {}", self.address, self.interface)
    }
}

/// A resolved next hop: all that the rewrite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// Egress interface.
    pub interface: InterfaceId,
    /// Egress port.
    pub port: PortId,
    /// Tag to push.
    pub vlan: Option<u16>,
    /// Ethernet source.
    pub source: MacAddr,
    /// Ethernet destination.
    pub destination: MacAddr,
    /// Egress MTU in bytes.
    pub mtu: u16,
}

impl Network {
    /// The interface that is up and whose subnet holds `address`, longest prefix first.
    pub fn connected(&self, address: Ipv4Addr) -> Option<&Interface> {
        self.interfaces
            .iter()
            .filter(|interface| interface.up)
            .filter_map(|interface| {
                let subnets = interface.addresses.iter().filter(|subnet| subnet.contains(&address));
                Some((subnets.map(Ipv4Net::prefix_len).max()?, interface))
            })
            .max_by_key(|(length, interface)| (*length, std::cmp::Reverse(interface.id)))
            .map(|(_, interface)| interface)
    }

    /// The neighbour on a connected subnet that `address` is.
    pub fn connected_next_hop(&self, address: Ipv4Addr) -> Option<NextHop> {
        self.connected(address).map(|interface| NextHop { interface: interface.id, address })
    }

    /// The neighbours that packets to `address` may be routed to, by the longest matching route: those of a group in the
    /// order in which all packets to `address` are to take them.
    pub fn routed_next_hops(&self, address: Ipv4Addr) -> impl Iterator<Item = NextHop> {
        let route = self.routes.longest_match(address);
        let single = match route {
            Some(Route::Connected(interface)) => Some(NextHop { interface: *interface, address }),
            Some(Route::Via(next_hop)) => Some(*next_hop),
            Some(Route::Group(_) | Route::Null | Route::Punt | Route::Unusable) | None => None,
        };
        let group = match route {
            Some(Route::Group(group)) => Some(group.order(Flow::to(address), address)),
            _ => None,
        };
        single.into_iter().chain(group.into_iter().flatten())
    }

    /// True if packets can be sent to that neighbour: it is resolved, its interface not shut down, and the port has link.
    pub fn reaches(&self, next_hop: NextHop) -> bool {
        self.adjacency(next_hop).is_some_and(|adjacency| self.can_send(&adjacency))
    }

    /// The adjacency of a resolved neighbour on an interface that is up.
    pub fn adjacency(&self, next_hop: NextHop) -> Option<Adjacency> {
        let interface = self.interfaces.get(next_hop.interface.index()).filter(|interface| interface.up)?;
        Some(interface.adjacency(*self.neighbours.get(&next_hop)?))
    }

    /// True if what is sent through an adjacency can leave: its interface is not shut down, its port has link.
    pub fn can_send(&self, adjacency: &Adjacency) -> bool {
        self.interfaces.get(adjacency.interface.index()).is_some_and(|interface| interface.up)
            && self.ports.get(adjacency.port.index()).is_some_and(|port| port.link_up)
    }
}

impl Interface {
    /// The adjacency of its neighbour with that link address.
    pub fn adjacency(&self, destination: MacAddr) -> Adjacency {
        Adjacency {
            interface: self.id,
            port: self.port,
            vlan: self.vlan,
            source: self.mac,
            destination,
            mtu: self.mtu,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::Routes, *};

    fn interface(id: u16, up: bool, addresses: &[&str]) -> Interface {
        Interface {
            id: InterfaceId(id),
            name: format!("Ethernet{id}"),
            port: PortId(id),
            vlan: (id == 1).then_some(15),
            mac: MacAddr([2, 0, 0, 0, 0, id as u8]),
            virtual_macs: Vec::new(),
            source_check: None,
            mtu: 1500,
            up,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn next_hop(interface: u16, address: Ipv4Addr) -> NextHop {
        NextHop { interface: InterfaceId(interface), address }
    }

    #[test]
    fn dispatched_needs_a_connected_subnet_and_directed_follows_the_routes() {
        let gateway = Ipv4Addr::new(10, 1, 1, 254);
        let via = next_hop(1, gateway);
        let mut routes = Routes::default();
        routes.insert("10.1.1.0/24".parse().unwrap(), Route::Connected(InterfaceId(1)));
        routes.insert("30.0.0.0/8".parse().unwrap(), Route::Via(via));
        routes.insert("30.1.0.0/16".parse().unwrap(), Route::Null);
        routes.insert("30.2.0.0/16".parse().unwrap(), Route::Unusable);
        let mac = MacAddr([2, 0, 0, 0, 0, 0xfe]);
        let network = Network {
            interfaces: Arc::new([
                interface(0, true, &["10.0.0.1/8"]),
                interface(1, true, &["10.1.1.1/24"]),
                interface(2, false, &["20.0.0.1/8"]),
            ]),
            routes,
            neighbours: Arc::new([(via, mac)].into_iter().collect()),
            ..Network::default()
        };

        let near = Ipv4Addr::new(10, 1, 1, 51);
        assert_eq!(network.connected_next_hop(near), Some(next_hop(1, near)), "longest prefix");
        let other = Ipv4Addr::new(10, 2, 0, 1);
        assert_eq!(network.connected_next_hop(other), Some(next_hop(0, other)));
        assert_eq!(network.connected_next_hop(Ipv4Addr::new(20, 0, 0, 5)), None, "interface down");
        let far = Ipv4Addr::new(30, 0, 0, 5);
        assert_eq!(network.connected_next_hop(far), None, "not adjacent");
        let routed = |address| network.routed_next_hops(address).collect::<Vec<_>>();
        assert_eq!(routed(far), [via]);
        assert_eq!(routed(near), [next_hop(1, near)]);
        assert_eq!(routed(Ipv4Addr::new(30, 1, 0, 5)), [], "Null0");
        assert_eq!(routed(Ipv4Addr::new(30, 2, 0, 5)), [], "a next hop of no use");
        assert_eq!(routed(Ipv4Addr::new(40, 1, 0, 5)), [], "no route");

        assert_eq!(network.adjacency(next_hop(1, near)), None, "not resolved");
        let adjacency = network.adjacency(via).unwrap();
        assert_eq!(
            adjacency,
            Adjacency {
                interface: InterfaceId(1),
                port: PortId(1),
                vlan: Some(15),
                source: MacAddr([2, 0, 0, 0, 0, 1]),
                destination: mac,
                mtu: 1500,
            }
        );
    }
}
