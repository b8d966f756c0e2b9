//! What netlink messages say of addresses, routes and neighbours, IPv4 only.

use std::net::{IpAddr, Ipv4Addr};

use common::mac::MacAddr;
use ipnet::Ipv4Net;
use rtnetlink::packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage},
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType,
    },
};

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
    pub(super) usable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    None,
    V4(Ipv4Addr),
    /// IPv6 next hop (RFC 5549): the kernel's own matter.
    Other,
}

/// A route as the kernel told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelRoute {
    pub(crate) metric: u32,
    pub(crate) protocol: u8,
    pub(crate) kind: RouteType,
    pub(crate) hops: Vec<RouteNextHop>,
}

impl KernelRoute {
    pub(super) fn same_route(&self, other: &Self) -> bool {
        let next_hops = |route: &Self| -> Vec<(u32, Gateway)> {
            route.hops.iter().map(|hop| (hop.index, hop.gateway)).collect()
        };
        self.metric == other.metric
            && self.kind == other.kind
            && self.protocol == other.protocol
            && next_hops(self) == next_hops(other)
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
    let mut single = RouteNextHop { gateway: Gateway::None, index: 0, usable: !dead };
    let mut hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(value) => table = *value,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::Oif(index) => single.index = *index,
            RouteAttribute::MultiPath(list) => {
                hops.extend(list.iter().map(|hop| RouteNextHop {
                    gateway: gateway(&hop.attributes),
                    index: hop.interface_index,
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
    Some((prefix, KernelRoute { metric, protocol: header.protocol.into(), kind: header.kind, hops }))
}

fn gateway(attributes: &[RouteAttribute]) -> Gateway {
    attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(Gateway::V4(*address)),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => Some(Gateway::Other),
            _ => None,
        })
        .unwrap_or(Gateway::None)
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
