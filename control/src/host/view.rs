//! The view of the kernel that the publisher and the shows are given.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use common::{
    id::InterfaceId,
    mac::MacAddr,
    net::{Neighbours, PrefixMap, Routes},
};
use ipnet::Ipv4Net;
use rtnetlink::packet_route::neighbour::NeighbourState;
use serde::{Deserialize, Serialize};

/// The kernel as the publisher and the shows see it. Cheap to clone: the large parts are shared.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    /// Rises when links, addresses, routes or link addresses of neighbours change: all that a snapshot is built of.
    pub generation: u64,
    /// Shadows that exist, with their state.
    pub links: BTreeMap<InterfaceId, ShadowLink>,
    /// Every IPv4 address of the kernel, on devices of ours or not, by device and in the kernel's order.
    pub addresses: Vec<KernelAddress>,
    /// Main table: for each prefix what the best route says.
    pub routes: Routes,
    /// All routes of the main table with what `show ip route` needs, by prefix, best first.
    pub table: PrefixMap<Arc<[RouteEntry]>>,
    /// Neighbours on shadows whose link address is known.
    pub neighbours: Arc<Neighbours>,
    /// All neighbours on shadows, resolved or not, by interface and address.
    pub arp: Vec<ArpEntry>,
}

impl HostState {
    /// All routes of the main table, by prefix, best first.
    pub fn route_entries(&self) -> impl Iterator<Item = &RouteEntry> {
        self.table.iter().flat_map(|(_, entries)| &**entries)
    }

    pub(super) fn forwards_as(&self, other: &Self) -> bool {
        self.links == other.links
            && self.addresses == other.addresses
            && self.routes.ptr_eq(&other.routes)
            && Arc::ptr_eq(&self.neighbours, &other.neighbours)
    }
}

/// What a port turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortState {
    /// Address in use, [`common::port::PortInfo::mac`].
    pub mac: MacAddr,
    /// Layer-3 MTU in force, [`common::port::PortInfo::mtu`].
    pub mtu: u16,
    /// It has link, [`common::port::Link::up`].
    pub link_up: bool,
}

/// A shadow in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowLink {
    /// Kernel name.
    pub device: String,
    /// Kernel index.
    pub index: u32,
    /// Not shut down.
    pub up: bool,
    /// Up and with carrier.
    pub running: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// The shadow's link address.
    pub mac: MacAddr,
}

/// An address that the kernel holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelAddress {
    /// Kernel name of the device.
    pub device: String,
    /// The interface, if the device is a shadow.
    pub interface: Option<InterfaceId>,
    /// Address with its subnet.
    pub net: Ipv4Net,
    /// Second or later of its subnet.
    pub secondary: bool,
}

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    /// Destination network.
    pub prefix: Ipv4Net,
    /// `kernel`, `static`, `homeward`, `bgp`...
    pub protocol: u8,
    /// Lower is better.
    pub metric: u32,
    /// Where it leads: several next hops share the flows.
    pub hops: Box<[HopEntry]>,
    /// The kernel's next-hop object that it goes by (`ip nexthop`).
    pub object: Option<u32>,
    /// Discarded or refused.
    pub null: bool,
    /// In use for its prefix: the best one, and those of our own that share the flows with it.
    pub best: bool,
}

/// One next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HopEntry {
    /// Its address; without one the destination is the next hop.
    pub gateway: Option<IpAddr>,
    /// Kernel name of the device.
    pub device: Option<String>,
    /// The interface, if the device is a shadow.
    pub interface: Option<InterfaceId>,
    /// Its share beside the others' of the route.
    pub weight: u16,
    /// Why nothing is sent there.
    pub unusable: Option<Unusable>,
}

/// Why a next hop of a route is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusable {
    /// The kernel calls it dead: its device is down or has no carrier.
    LinkDown,
    /// An IPv6 address on an interface of ours, where IPv6 is off.
    Ipv6NextHop,
    /// An address that is neither IPv4 nor IPv6.
    OtherFamily,
    /// A device that is not ours, beside an interface of ours.
    OtherDevice,
}

impl Unusable {
    /// As a show prints it.
    pub fn text(self) -> &'static str {
        match self {
            Self::LinkDown => "link down",
            Self::Ipv6NextHop => "IPv6 next hop",
            Self::OtherFamily => "next hop of another address family",
            Self::OtherDevice => "not an interface of ours",
        }
    }
}

/// A neighbour on a shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArpEntry {
    /// On which interface.
    pub interface: InterfaceId,
    /// IPv4 address of the neighbour.
    pub address: Ipv4Addr,
    /// Its link address, where it is known and holds.
    pub mac: Option<MacAddr>,
    /// What the kernel thinks of it.
    pub state: ArpState,
}

/// State of a neighbour (`ip neigh`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ArpState {
    /// Being asked for, for the first time.
    Incomplete,
    /// Confirmed a short while ago.
    Reachable,
    /// Not confirmed of late; still used.
    Stale,
    /// Being confirmed; still used.
    Probe,
    /// Did not answer.
    Failed,
    /// Configured, never asked for.
    Permanent,
}

impl ArpState {
    pub(super) fn from_kernel(state: NeighbourState) -> Option<Self> {
        Some(match state {
            NeighbourState::Incomplete => Self::Incomplete,
            NeighbourState::Reachable => Self::Reachable,
            NeighbourState::Stale => Self::Stale,
            NeighbourState::Delay | NeighbourState::Probe => Self::Probe,
            NeighbourState::Failed => Self::Failed,
            NeighbourState::Permanent | NeighbourState::Noarp => Self::Permanent,
            _ => return None,
        })
    }

    /// True if the link address may be used.
    pub fn usable(self) -> bool {
        !matches!(self, Self::Incomplete | Self::Failed)
    }
}
