//! Where a real's packets go: the neighbour to resolve and, once it is, everything that the rewrite needs.

use std::{collections::HashMap, net::Ipv4Addr};

use common::{
    id::InterfaceId,
    mac::MacAddr,
    snapshot::{AddressHash, Adjacency, Interface, Route},
};
use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

/// A neighbour: on which interface, which address.
pub type NextHop = (InterfaceId, Ipv4Addr);

/// The network as the kernel sees it.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// Layer-3 interfaces by [`InterfaceId`].
    pub interfaces: &'a [Interface],
    /// Routing table.
    pub fib: &'a PrefixMap<Ipv4Net, Route>,
    /// MAC addresses of neighbours.
    pub neighbours: &'a HashMap<NextHop, MacAddr, AddressHash>,
}

impl Network<'_> {
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

    /// The neighbour that packets for `real` go to: in dispatched mode the real itself, which must be on a connected
    /// subnet; in directed mode the next hop of the longest matching route.
    pub fn next_hop(&self, real: Ipv4Addr, directed: bool) -> Option<NextHop> {
        if !directed {
            return self.connected(real).map(|interface| (interface.id, real));
        }
        match *self.fib.get_lpm(&Ipv4Net::from(real))?.1 {
            Route::Connected(interface) => Some((interface, real)),
            Route::Via(interface, gateway) => Some((interface, gateway)),
            Route::Null | Route::Punt => None,
        }
    }

    /// The adjacency of a resolved neighbour on an interface that is up.
    pub fn adjacency(&self, hop: NextHop) -> Option<Adjacency> {
        let interface = self.interfaces.get(hop.0.index()).filter(|interface| interface.up)?;
        let destination = *self.neighbours.get(&hop)?;
        Some(Adjacency {
            interface: interface.id,
            port: interface.port,
            vlan: interface.vlan,
            source: interface.mac,
            destination,
            mtu: interface.mtu,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::id::PortId;

    use super::*;

    fn interface(id: u16, up: bool, addresses: &[&str]) -> Interface {
        Interface {
            id: InterfaceId(id),
            name: format!("Ethernet{id}"),
            port: PortId(id),
            vlan: (id == 1).then_some(15),
            mac: MacAddr([2, 0, 0, 0, 0, id as u8]),
            mtu: 1500,
            up,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn dispatched_needs_a_connected_subnet_and_directed_follows_the_routes() {
        let interfaces = [
            interface(0, true, &["10.0.0.1/8"]),
            interface(1, true, &["10.1.1.1/24"]),
            interface(2, false, &["20.0.0.1/8"]),
        ];
        let mut fib = PrefixMap::new();
        let gateway = Ipv4Addr::new(10, 1, 1, 254);
        fib.insert("10.1.1.0/24".parse().unwrap(), Route::Connected(InterfaceId(1)));
        fib.insert("30.0.0.0/8".parse().unwrap(), Route::Via(InterfaceId(1), gateway));
        fib.insert("30.1.0.0/16".parse().unwrap(), Route::Null);
        let mut neighbours = HashMap::default();
        let mac = MacAddr([2, 0, 0, 0, 0, 0xfe]);
        neighbours.insert((InterfaceId(1), gateway), mac);
        let network = Network { interfaces: &interfaces, fib: &fib, neighbours: &neighbours };

        let near = Ipv4Addr::new(10, 1, 1, 51);
        assert_eq!(network.next_hop(near, false), Some((InterfaceId(1), near)), "longest prefix");
        let other = Ipv4Addr::new(10, 2, 0, 1);
        assert_eq!(network.next_hop(other, false), Some((InterfaceId(0), other)));
        assert_eq!(network.next_hop(Ipv4Addr::new(20, 0, 0, 5), false), None, "interface down");
        let far = Ipv4Addr::new(30, 0, 0, 5);
        assert_eq!(network.next_hop(far, false), None, "not adjacent");
        assert_eq!(network.next_hop(far, true), Some((InterfaceId(1), gateway)));
        assert_eq!(network.next_hop(Ipv4Addr::new(30, 1, 0, 5), true), None, "Null0");
        assert_eq!(network.next_hop(Ipv4Addr::new(40, 1, 0, 5), true), None, "no route");

        assert_eq!(network.adjacency((InterfaceId(1), near)), None, "not resolved");
        let adjacency = network.adjacency((InterfaceId(1), gateway)).unwrap();
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
