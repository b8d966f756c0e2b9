//! Makes the kernel equal to [`DesiredHost`]: the differences as a list of steps, pure, and the netlink message of
//! each step. `super::task` sends them.
//!
//! Only what is ours is removed: everything on a shadow but other programs' routes and neighbours; on `lo` the
//! addresses with our label; of routes and permanent neighbours those with our protocol number. So what a killed
//! process left behind (addresses on `lo`, routes to `Null0`) is cleared by the next one, and what FRR or an
//! operator added stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use common::{id::InterfaceId, mac::MacAddr};
use ipnet::Ipv4Net;
use nix::errno::Errno;
use rtnetlink::{
    AddressMessageBuilder, LinkUnspec, RouteMessageBuilder,
    packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressMessage},
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
        route::{RouteMessage, RouteProtocol, RouteScope, RouteType},
    },
};

use super::{
    decode::{Address, Gateway, KernelRoute},
    desired::{DesiredHost, DesiredInterface, DesiredNeighbour, DesiredRoute, RouteTarget},
    state::KernelTables,
    view::ArpState,
};

/// Protocol number of our routes and permanent neighbours (`ip route show proto 72`); not assigned to another
/// program in `rtnetlink.h` or iproute2's `rt_protos`.
pub const PROTOCOL: u8 = 72;

/// Label of our addresses on `lo`.
pub const LOOPBACK_LABEL: &str = "lo:homeward";

/// One change of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Address, MTU, up and carrier of a shadow.
    SetLink {
        /// Kernel index.
        index: u32,
        /// Address, if it differs.
        mac: Option<MacAddr>,
        /// MTU, if it differs.
        mtu: Option<u16>,
        /// State, if it differs.
        up: Option<bool>,
        /// Whether neighbours are asked for, if it differs.
        arp: Option<bool>,
        /// Carrier, if it differs; it can be seen only while the link is up.
        carrier: Option<bool>,
    },
    /// Removes an address.
    DeleteAddress(u32, Ipv4Net),
    /// Adds an address; the label for `lo`.
    AddAddress(u32, Ipv4Net, Option<&'static str>),
    /// Removes a route of ours.
    DeleteRoute(RouteKey),
    /// Adds a route of ours.
    AddRoute(RouteKey),
    /// Removes a permanent neighbour.
    DeleteNeighbour(u32, Ipv4Addr),
    /// Adds or replaces a permanent neighbour.
    SetNeighbour(u32, Ipv4Addr, MacAddr),
}

/// A static route in the kernel's terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    /// Destination network.
    pub prefix: Ipv4Net,
    /// Administrative distance of the configuration.
    pub metric: u32,
    /// Next hop.
    pub gateway: Option<Ipv4Addr>,
    /// Kernel index of the device; with a gateway the kernel finds it.
    pub index: Option<u32>,
}

/// A line of the configuration that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What, as the operator wrote it.
    pub what: String,
    /// Why, and what would help.
    pub why: String,
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// The steps from `tables` to `desired`, in an order that the kernel accepts, and what cannot be done at present.
/// `indexes`: the shadows that exist. `ours`: permanent neighbours that we set before.
pub(crate) fn plan(
    desired: &DesiredHost,
    tables: &KernelTables,
    indexes: &BTreeMap<InterfaceId, u32>,
    ours: &BTreeSet<(u32, Ipv4Addr)>,
) -> (Vec<Step>, Vec<Pending>) {
    let mut steps = Vec::new();
    let mut pending = Vec::new();
    for interface in &desired.interfaces {
        if let Some(index) = indexes.get(&interface.id) {
            plan_interface(interface, *index, tables, &mut steps);
        }
    }
    plan_loopbacks(desired, tables, &mut steps);
    plan_routes(desired, tables, indexes, &mut steps, &mut pending);
    plan_neighbours(desired, tables, indexes, ours, &mut steps, &mut pending);
    (steps, pending)
}

fn plan_interface(interface: &DesiredInterface, index: u32, tables: &KernelTables, steps: &mut Vec<Step>) {
    let link = tables.links.get(&index).cloned().unwrap_or_default();
    let differs = |wanted: bool, is: bool| (wanted != is).then_some(wanted);
    let (mac, mtu, up, arp, carrier) = (
        (link.mac != interface.mac).then_some(interface.mac),
        (link.mtu != u32::from(interface.mtu)).then_some(interface.mtu),
        differs(interface.up, link.up),
        differs(interface.arp, link.arp),
        if interface.up { differs(interface.carrier, link.carrier) } else { None },
    );
    let known = tables.addresses.get(&index).map_or(&[][..], Vec::as_slice);
    let wrong = misplaced(&interface.addresses, known);
    steps.extend(wrong.iter().map(|net| Step::DeleteAddress(index, *net)));
    if mac.is_some() || mtu.is_some() || up.is_some() || arp.is_some() || carrier.is_some() {
        steps.push(Step::SetLink { index, mac, mtu, up, arp, carrier });
    }
    let kept = |net: &&Ipv4Net| !known.iter().any(|a| a.net == **net) || wrong.contains(net);
    steps.extend(interface.addresses.iter().filter(kept).map(|net| Step::AddAddress(index, *net, None)));
}

/// Addresses to remove: those not wanted, and all of a subnet whose primary the kernel has not first, because the
/// kernel makes the first of a subnet the primary.
fn misplaced(wanted: &[Ipv4Net], known: &[Address]) -> Vec<Ipv4Net> {
    let wrong_primary = |net: &Ipv4Net| {
        let same = |other: &Ipv4Net| other.trunc() == net.trunc();
        let primary = known.iter().find(|a| !a.secondary && same(&a.net));
        primary.map(|a| &a.net) != wanted.iter().find(|w| same(w))
    };
    known
        .iter()
        .map(|address| address.net)
        .filter(|net| !wanted.contains(net) || wrong_primary(net))
        .collect()
}

fn plan_loopbacks(desired: &DesiredHost, tables: &KernelTables, steps: &mut Vec<Step>) {
    let Some(lo) = tables.index_of("lo") else { return };
    let known = tables.addresses.get(&lo).map_or(&[][..], Vec::as_slice);
    let wanted: Vec<Ipv4Net> = desired.loopbacks.iter().map(|address| Ipv4Net::from(*address)).collect();
    let ours = |a: &&Address| a.label.as_deref() == Some(LOOPBACK_LABEL) && !wanted.contains(&a.net);
    steps.extend(known.iter().filter(ours).map(|a| Step::DeleteAddress(lo, a.net)));
    if !wanted.is_empty() && tables.links.get(&lo).is_some_and(|link| !link.up) {
        steps.push(Step::SetLink {
            index: lo,
            mac: None,
            mtu: None,
            up: Some(true),
            arp: None,
            carrier: None,
        });
    }
    let missing = |net: &&Ipv4Net| !known.iter().any(|a| a.net == **net);
    steps.extend(wanted.iter().filter(missing).map(|net| Step::AddAddress(lo, *net, Some(LOOPBACK_LABEL))));
}

fn plan_routes(
    desired: &DesiredHost,
    tables: &KernelTables,
    indexes: &BTreeMap<InterfaceId, u32>,
    steps: &mut Vec<Step>,
    pending: &mut Vec<Pending>,
) {
    let mut wanted = BTreeSet::new();
    for route in &desired.routes {
        match desired_route_key(route, desired, indexes) {
            Ok(placed) => {
                wanted.insert(placed);
            }
            Err(why) => pending.push(Pending { what: route.to_string(), why }),
        }
    }
    let mut present = BTreeSet::new();
    for (prefix, route) in tables.own_routes() {
        let is = route_key(prefix, route);
        match wanted.iter().find(|w| matches(w, &is)) {
            Some(w) => {
                present.insert(w.clone());
            }
            None => steps.push(Step::DeleteRoute(is)),
        }
    }
    steps.extend(wanted.difference(&present).cloned().map(Step::AddRoute));
}

fn matches(wanted: &RouteKey, is: &RouteKey) -> bool {
    let device = wanted.gateway.is_some() || wanted.index == is.index;
    (wanted.prefix, wanted.metric, wanted.gateway) == (is.prefix, is.metric, is.gateway) && device
}

fn desired_route_key(
    route: &DesiredRoute,
    desired: &DesiredHost,
    indexes: &BTreeMap<InterfaceId, u32>,
) -> Result<RouteKey, String> {
    let (gateway, index) = match route.target {
        RouteTarget::Gateway(gateway) => (Some(gateway), None),
        RouteTarget::Null => (None, None),
        RouteTarget::Interface(id) => {
            let up = desired.interfaces.iter().any(|interface| interface.id == id && interface.up);
            let index = indexes.get(&id).filter(|_| up);
            (None, Some(*index.ok_or("the interface is shut down or has no device")?))
        }
    };
    Ok(RouteKey { prefix: route.prefix.trunc(), metric: u32::from(route.distance), gateway, index })
}

fn route_key(prefix: Ipv4Net, route: &KernelRoute) -> RouteKey {
    let hop = route.hops.first();
    let gateway = match hop.map(|hop| hop.gateway) {
        Some(Gateway::V4(gateway)) => Some(gateway),
        _ => None,
    };
    // The kernel shows a blackhole without a device, whatever was asked for.
    RouteKey { prefix, metric: route.metric, gateway, index: hop.map(|hop| hop.index) }
}

impl std::fmt::Display for DesiredRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ip route {} {}", self.prefix.network(), self.prefix.netmask())?;
        match self.target {
            RouteTarget::Gateway(gateway) => write!(f, " {gateway}"),
            RouteTarget::Interface(id) => write!(f, " interface {id}"),
            RouteTarget::Null => f.write_str(" Null0"),
        }
    }
}

fn plan_neighbours(
    desired: &DesiredHost,
    tables: &KernelTables,
    indexes: &BTreeMap<InterfaceId, u32>,
    ours: &BTreeSet<(u32, Ipv4Addr)>,
    steps: &mut Vec<Step>,
    pending: &mut Vec<Pending>,
) {
    let mut wanted = BTreeMap::new();
    for neighbour in &desired.neighbours {
        match neighbour_device(neighbour, desired, indexes) {
            Some(index) => {
                wanted.insert((index, neighbour.address), neighbour.mac);
            }
            None => pending.push(Pending {
                what: format!("arp {} {}", neighbour.address, neighbour.mac),
                why: "no interface that is up has a subnet with this address".to_owned(),
            }),
        }
    }
    let gone = ours.iter().filter(|key| !wanted.contains_key(key) && tables.neighbours.contains_key(key));
    steps.extend(gone.map(|(index, address)| Step::DeleteNeighbour(*index, *address)));
    for ((index, address), mac) in wanted {
        if tables.neighbours.get(&(index, address)) != Some(&(ArpState::Permanent, Some(mac))) {
            steps.push(Step::SetNeighbour(index, address, mac));
        }
    }
}

fn neighbour_device(
    neighbour: &DesiredNeighbour,
    desired: &DesiredHost,
    indexes: &BTreeMap<InterfaceId, u32>,
) -> Option<u32> {
    let subnets = desired
        .interfaces
        .iter()
        .filter(|interface| interface.up)
        .flat_map(|interface| interface.addresses.iter().map(|net| (net, interface.id)));
    let (_, id) = subnets
        .filter(|(net, _)| net.contains(&neighbour.address))
        .max_by_key(|(net, _)| net.prefix_len())?;
    indexes.get(&id).copied()
}

impl Step {
    /// The netlink request and its flags.
    pub(crate) fn message(&self) -> (RouteNetlinkMessage, u16) {
        match self {
            Self::SetLink { index, mac, mtu, up, arp, carrier } => {
                let mut builder = LinkUnspec::new_with_index(*index);
                if let Some(mac) = mac {
                    builder = builder.address(mac.0.to_vec());
                }
                if let Some(mtu) = mtu {
                    builder = builder.mtu(u32::from(*mtu));
                }
                builder = match up {
                    Some(true) => builder.up(),
                    Some(false) => builder.down(),
                    None => builder,
                };
                if let Some(arp) = arp {
                    builder = builder.arp(*arp);
                }
                if let Some(carrier) = carrier {
                    builder = builder.carrier(*carrier);
                }
                (RouteNetlinkMessage::SetLink(builder.build()), 0)
            }
            Self::DeleteAddress(index, net) => {
                (RouteNetlinkMessage::DelAddress(address_message(*index, *net, None)), 0)
            }
            Self::AddAddress(index, net, label) => {
                let message = address_message(*index, *net, *label);
                (RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
            }
            Self::DeleteRoute(route) => (RouteNetlinkMessage::DelRoute(route.message()), 0),
            Self::AddRoute(route) => {
                (RouteNetlinkMessage::NewRoute(route.message()), NLM_F_CREATE | NLM_F_APPEND)
            }
            Self::DeleteNeighbour(index, address) => {
                (RouteNetlinkMessage::DelNeighbour(neighbour_message(*index, *address)), 0)
            }
            Self::SetNeighbour(index, address, mac) => {
                let mut message = neighbour_message(*index, *address);
                message.header.state = NeighbourState::Permanent;
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
                message.attributes.push(NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
                (RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
            }
        }
    }

    /// What a refusal of this step means for the operator; `None` if the kernel has already what was asked for.
    pub(crate) fn refused(&self, errno: Errno) -> Option<Pending> {
        let gone = matches!(errno, Errno::ESRCH | Errno::ENOENT | Errno::EADDRNOTAVAIL | Errno::ENODEV);
        let what = match self {
            Self::AddRoute(route) => {
                if errno == Errno::EEXIST {
                    return None;
                }
                let why = if matches!(errno, Errno::ENETUNREACH | Errno::ENETDOWN | Errno::EINVAL) {
                    "the next hop is not on a connected subnet of an interface that is up".to_owned()
                } else {
                    errno.desc().to_owned()
                };
                return Some(Pending { what: route.to_string(), why });
            }
            Self::DeleteAddress(..) | Self::DeleteRoute(_) | Self::DeleteNeighbour(..) if gone => {
                return None;
            }
            Self::AddAddress(_, net, _) => format!("ip address {} {}", net.addr(), net.netmask()),
            other => format!("{other:?}"),
        };
        Some(Pending { what, why: errno.desc().to_owned() })
    }
}

impl RouteKey {
    fn message(&self) -> RouteMessage {
        let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(self.prefix.network(), self.prefix.prefix_len())
            .protocol(RouteProtocol::Other(PROTOCOL))
            .priority(self.metric);
        builder = match (self.gateway, self.index) {
            (Some(gateway), _) => builder.gateway(gateway),
            (None, Some(index)) => builder.output_interface(index).scope(RouteScope::Link),
            (None, None) => builder.kind(RouteType::BlackHole),
        };
        builder.build()
    }
}

impl std::fmt::Display for RouteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ip route {} {}", self.prefix.network(), self.prefix.netmask())?;
        match (self.gateway, self.index) {
            (Some(gateway), _) => write!(f, " {gateway}"),
            (None, Some(index)) => write!(f, " (device {index})"),
            (None, None) => f.write_str(" Null0"),
        }
    }
}

fn address_message(index: u32, net: Ipv4Net, label: Option<&str>) -> AddressMessage {
    let mut message =
        AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(net.addr(), net.prefix_len()).build();
    message.header.family = AddressFamily::Inet;
    if let Some(label) = label {
        message.attributes.push(AddressAttribute::Label(label.to_owned()));
    }
    debug_assert!(message.attributes.contains(&AddressAttribute::Local(IpAddr::V4(net.addr()))));
    message
}

pub(crate) fn neighbour_message(index: u32, address: Ipv4Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.kind = RouteType::Unspec;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(address)));
    message
}
