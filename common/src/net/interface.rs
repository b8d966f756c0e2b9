//! Layer-3 interfaces, and which of them a frame of a port belongs to.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::SourceCheck;
use crate::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
};

/// One layer-3 interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Position in [`Network::interfaces`](super::Network::interfaces).
    pub id: InterfaceId,
    /// `Ethernet0`, `GigabitEthernet6/1.15`.
    pub name: String,
    /// The port that carries it.
    pub port: PortId,
    /// 802.1Q VLAN; `None` for the port's untagged interface.
    pub vlan: Option<u16>,
    /// Its own address: source of everything sent.
    pub mac: MacAddr,
    /// Addresses that it receives for beside its own, such as those of HSRP groups; few.
    pub virtual_macs: Vec<MacAddr>,
    /// Layer-3 MTU in bytes.
    pub mtu: u16,
    /// Not shut down.
    pub up: bool,
    /// Addresses with their subnets.
    pub addresses: Vec<Ipv4Net>,
    /// `ip verify unicast source`: what comes by it must have a source that routes back.
    pub source_check: Option<SourceCheck>,
}

impl Interface {
    /// True for the broadcast address of one of its subnets (a /31 or /32 has none, RFC 3021).
    pub fn broadcasts(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == address)
    }

    /// True if a unicast frame to `mac` is for it.
    #[inline]
    pub fn receives(&self, mac: MacAddr) -> bool {
        self.mac == mac || self.virtual_macs.contains(&mac)
    }
}

/// Which interface a frame of a port belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortView {
    /// Frames without a tag.
    pub untagged: Option<InterfaceId>,
    /// Frames by VLAN.
    pub vlans: Vec<(u16, InterfaceId)>,
    /// Link is up and the port started.
    pub link_up: bool,
}
