//! What the configuration wants of the kernel: plain values, filled in by the configuration layer.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use common::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
    wire::{gre, ipv4, mobile_ip::tunnel_data, udp},
};
use ipnet::Ipv4Net;

/// Everything that the kernel shall hold for us. Applied whole and as often as one likes: what is right already is
/// left alone, what is ours and no longer wanted is removed, what is not ours is never touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredHost {
    /// Layer-3 interfaces that are carried by a port, each with a shadow. Shut down ones too.
    pub interfaces: Vec<DesiredInterface>,
    /// Addresses of loopback interfaces that are not shut down; they go on `lo` as /32.
    pub loopbacks: Vec<Ipv4Addr>,
    /// `ip route`.
    pub routes: Vec<DesiredRoute>,
    /// `arp`.
    pub neighbours: Vec<DesiredNeighbour>,
}

/// Address of the device: locally administered, seen by nobody.
const DEVICE_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// Bytes that may come in front of a packet in a tunnel.
const TUNNEL: usize = ipv4::LENGTH + udp::LENGTH + tunnel_data::LENGTH + gre::LENGTH;

impl DesiredHost {
    /// The same with routes to what the dataplane serves itself, such as networks of mobile nodes: through a device of their own,
    /// `Dataplane0`, on which nobody is asked for. Whatever the kernel sends there is routed by a worker. The device and its
    /// routes vanish with the process, and a routing daemon may redistribute them.
    #[must_use]
    pub fn with_prefixes(mut self, prefixes: &BTreeSet<Ipv4Net>) -> Self {
        if prefixes.is_empty() {
            return self;
        }
        let mtu = self.interfaces.iter().map(|interface| interface.mtu).min().unwrap_or(1500);
        self.interfaces.push(DesiredInterface {
            id: InterfaceId::DATAPLANE,
            name: "Dataplane0".to_owned(),
            port: PortId(u16::MAX),
            vlan: None,
            mac: DEVICE_MAC,
            // What fits here fits into any tunnel, so that the kernel can say so to its own senders.
            mtu: mtu.saturating_sub(TUNNEL as u16),
            up: true,
            arp: false,
            carrier: true,
            addresses: Vec::new(),
            arp_timeout: Duration::from_mins(1),
        });
        let target = RouteTarget::Interface(InterfaceId::DATAPLANE);
        self.routes.extend(prefixes.iter().map(|prefix| DesiredRoute {
            prefix: *prefix,
            target,
            distance: 0,
        }));
        self
    }
}

/// A layer-3 interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredInterface {
    /// Its position in the snapshot; must stay the same for as long as the interface lives.
    pub id: InterfaceId,
    /// Full name, such as `GigabitEthernet6/1.15`; the kernel name is made from it.
    pub name: String,
    /// The port that carries it.
    pub port: PortId,
    /// 802.1Q VLAN of a subinterface.
    pub vlan: Option<u16>,
    /// The port's address.
    pub mac: MacAddr,
    /// Layer-3 MTU in bytes.
    pub mtu: u16,
    /// Not shut down.
    pub up: bool,
    /// The kernel asks for neighbours there.
    pub arp: bool,
    /// The port has link. Without it the kernel does not use routes through the interface.
    pub carrier: bool,
    /// Addresses with their subnets, the primary first, in the order of the configuration.
    pub addresses: Vec<Ipv4Net>,
    /// A neighbour that answers with another link address is followed within so long.
    pub arp_timeout: Duration,
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredRoute {
    /// Destination network.
    pub prefix: Ipv4Net,
    /// Where to.
    pub target: RouteTarget,
    /// Administrative distance; the kernel's metric.
    pub distance: u8,
}

/// Where a static route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// A next hop, which must be on a connected subnet.
    Gateway(Ipv4Addr),
    /// An interface: every destination is a neighbour there.
    Interface(InterfaceId),
    /// `Null0`.
    Null,
}

/// A permanent neighbour, on the interface whose subnet holds the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesiredNeighbour {
    /// IPv4 address of the neighbour.
    pub address: Ipv4Addr,
    /// Its address on the link.
    pub mac: MacAddr,
}
