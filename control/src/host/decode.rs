//! What netlink messages say of addresses, routes, next-hop objects and neighbours, IPv4 only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::mac::MacAddr;
use ipnet::Ipv4Net;
use rtnetlink::{
    packet_core::NlasIterator,
    packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage},
        route::{
            RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags,
            RouteType, RouteVia,
        },
    },
};

use super::apply::PROTOCOL;

/// Bytes of `struct nhmsg` in front of the attributes (`linux/nexthop.h`).
const NEXT_HOP_HEADER: usize = 8;
/// Attribute with the id of a next-hop object.
const NHA_ID: u16 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) net: Ipv4Net,
    pub(crate) secondary: bool,
    pub(crate) label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteNextHop {
    pub(crate) gateway: Gateway,
    pub(crate) index: u32,
    /// Its share beside the others' of the route, 1 to 256.
    pub(super) weight: u16,
    /// Neither dead nor without link.
    pub(super) usable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    None,
    V4(Ipv4Addr),
    /// IPv4 by IPv6 (RFC 8950, once 5549).
    V6(Ipv6Addr),
    /// Of another family.
    Other,
}

/// A route as the kernel told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelRoute {
    pub(crate) metric: u32,
    pub(crate) protocol: u8,
    pub(crate) kind: RouteType,
    pub(crate) hops: Vec<RouteNextHop>,
    /// The next-hop object that it goes by (`nhid`); `hops` are what is in it, unless the kernel was told not to say that.
    pub(crate) object: Option<u32>,
}

impl KernelRoute {
    /// True for lines `ip route` of one distance: they share the flows, as in IOS, though the kernel itself takes the first.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        let can = |route: &Self| route.protocol == PROTOCOL && route.kind == RouteType::Unicast;
        can(self) && can(other) && self.metric == other.metric
    }

    pub(super) fn same_route(&self, other: &Self) -> bool {
        // What an object leads to, a blackhole among it, may have changed in between.
        let ways = |route: &Self| -> Vec<_> {
            route.hops.iter().map(|hop| (hop.index, hop.gateway, hop.weight)).collect()
        };
        let same_way = || self.kind == other.kind && ways(self) == ways(other);
        self.metric == other.metric
            && self.protocol == other.protocol
            && self.object == other.object
            && (self.object.is_some() || same_way())
    }
}

pub(super) fn read_address(message: &AddressMessage) -> Option<Address> {
    let mut local = None;
    let mut peer = None;
    let mut label = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => local = Some(*address),
            AddressAttribute::Address(IpAddr::V4(address)) => peer = Some(*address),
            AddressAttribute::Label(text) => label = Some(text.clone()),
            _ => {}
        }
    }
    let net = Ipv4Net::new(local.or(peer)?, message.header.prefix_len).ok()?;
    Some(Address { net, secondary: message.header.flags.contains(AddressHeaderFlags::Secondary), label })
}

pub(super) fn read_route(message: &RouteMessage) -> Option<(Ipv4Net, KernelRoute)> {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let mut metric = 0;
    let dead = header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown);
    let mut single = RouteNextHop { gateway: Gateway::None, index: 0, weight: 1, usable: !dead };
    let mut hops = Vec::new();
    let mut object = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(value) => table = *value,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::Oif(index) => single.index = *index,
            RouteAttribute::NhId(id) => object = Some(*id),
            RouteAttribute::MultiPath(list) => {
                hops.extend(list.iter().map(|hop| RouteNextHop {
                    gateway: gateway(&hop.attributes),
                    index: hop.interface_index,
                    weight: u16::from(hop.hops) + 1,
                    usable: !hop.flags.intersects(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown),
                }));
            }
            _ => {}
        }
    }
    if header.address_family != AddressFamily::Inet
        || table != u32::from(RouteHeader::RT_TABLE_MAIN)
        || header.tos != 0
        || header.flags.contains(RouteFlags::Cloned)
    {
        return None;
    }
    single.gateway = gateway(&message.attributes);
    if hops.is_empty() && single.index != 0 {
        hops.push(single);
    }
    let prefix = Ipv4Net::new(destination, header.destination_prefix_length).ok()?.trunc();
    Some((prefix, KernelRoute { metric, protocol: header.protocol.into(), kind: header.kind, hops, object }))
}

fn gateway(attributes: &[RouteAttribute]) -> Gateway {
    attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(address))
            | RouteAttribute::Via(RouteVia::Inet(address)) => Some(Gateway::V4(*address)),
            RouteAttribute::Gateway(RouteAddress::Inet6(address))
            | RouteAttribute::Via(RouteVia::Inet6(address)) => Some(Gateway::V6(*address)),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => Some(Gateway::Other),
            _ => None,
        })
        .unwrap_or(Gateway::None)
}

/// Which next-hop object a message behind its netlink header is about; `None` if it does not say so.
pub(super) fn read_next_hop_id(message: &[u8]) -> Option<u32> {
    let attributes = NlasIterator::new(message.get(NEXT_HOP_HEADER..)?);
    let id = attributes.flatten().find(|attribute| attribute.kind() == NHA_ID)?;
    id.value().try_into().ok().map(u32::from_ne_bytes)
}

pub(super) fn read_neighbour(message: &NeighbourMessage) -> Option<((u32, Ipv4Addr), Option<MacAddr>)> {
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(value)) => address = Some(*value),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.as_slice().try_into().ok().map(MacAddr);
            }
            _ => {}
        }
    }
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    Some(((message.header.ifindex, address?), mac))
}
