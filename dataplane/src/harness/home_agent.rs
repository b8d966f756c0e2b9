//! A home agent in the example network, with nodes that are away.

use std::net::Ipv4Addr;

use common::{
    mobile::{Carrier, HomeNetwork, Tunnel},
    net::{NextHop, Owner, Route},
    snapshot::Snapshot,
};

use super::{AGENT, Harness, INTERFACES};
use crate::stage::stages::StageList;

/// The home agent's address, beside the director's on port 0.
pub const HOME_AGENT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
/// A NAT in front of a foreign network, behind 15.1.1.51.
pub const NAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// UDP tunnels to a node behind the NAT.
pub const NAT_CARRIER: Carrier = Carrier::Udp { local: 434, remote: 51_000 };

/// Home addresses 10.9.0.0/16 of a virtual network, and the home agent's address; 198.51.100.0/24 and 203.0.113.0/24 are behind
/// 15.1.1.51.
pub fn home_agent(snapshot: &mut Snapshot) {
    let [inside, ..] = INTERFACES;
    snapshot.mobile_mut().networks.insert("10.9.0.0/16".parse().expect("a prefix"), HomeNetwork::Virtual);
    snapshot.net_mut().owners_mut().insert(HOME_AGENT, Owner::TunnelEnd(inside));
    for net in ["198.51.100.0/24", "203.0.113.0/24"] {
        let agent = NextHop { interface: INTERFACES[1], address: AGENT };
        snapshot.net_mut().routes.insert(net.parse().expect("a prefix"), Route::Via(agent));
    }
}

/// IP in IP from the home agent, in both directions.
pub fn tunnel(remote: impl Into<Ipv4Addr>) -> Tunnel {
    Tunnel { local: HOME_AGENT, remote: remote.into(), carrier: Carrier::Ip, gre: false, reverse: true }
}

impl<S: StageList> Harness<S> {
    /// Binds a node to these tunnels, and to no others.
    ///
    /// # Panics
    /// If the table is full.
    pub fn bind(&self, node: Ipv4Addr, tunnels: &[Tunnel]) {
        let mobile = self.control.tables.mobile.as_ref().expect("the harness has the table");
        mobile.bindings.set(node, tunnels, self.clock.now()).expect("1024 bindings are not full");
    }
}
