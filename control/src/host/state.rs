//! What the kernel holds, kept up to date from netlink messages.
//!
//! No I/O: `netlink` feeds it, tests feed it too.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use common::{
    id::InterfaceId,
    mac::MacAddr,
    net::{Neighbours, NextHop, NextHopGroup, PrefixMap, Routes},
};
use ipnet::Ipv4Net;
use rtnetlink::packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::AddressMessage,
    link::{LinkAttribute, LinkFlags, LinkMessage},
    neighbour::NeighbourMessage,
    route::RouteMessage,
};

use super::{
    apply::PROTOCOL,
    decode::{Address, Gateway, KernelRoute, RouteNextHop, read_address, read_neighbour, read_route},
    forwarding::{decide, is_null, share, unusable, weighted},
    view::{ArpEntry, ArpState, HopEntry, HostState, KernelAddress, RouteEntry, ShadowLink},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct KernelLink {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// As the device says; `running` follows up to a second later, with the routes.
    pub(crate) carrier: bool,
    pub(crate) running: bool,
    pub(crate) arp: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: MacAddr,
}

/// What a message changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Anything at all.
    pub(crate) any: bool,
    /// The kernel changes or removes routes without a word when a link, an address or a next-hop object goes: they must be read
    /// anew.
    pub(crate) routes_doubtful: bool,
}

const NOTHING: Changed = Changed { any: false, routes_doubtful: false };

/// The kernel's tables, IPv4 only.
#[derive(Debug, Default)]
pub(crate) struct KernelTables {
    pub(crate) links: BTreeMap<u32, KernelLink>,
    pub(crate) addresses: BTreeMap<u32, Vec<Address>>,
    pub(crate) routes: BTreeMap<Ipv4Net, Vec<KernelRoute>>,
    pub(crate) neighbours: BTreeMap<(u32, Ipv4Addr), (ArpState, Option<MacAddr>)>,
    /// Prefixes that have routes of ours.
    own: BTreeSet<Ipv4Net>,
    /// Next-hop objects that routes go by; some may be in no route any more.
    objects: BTreeSet<u32>,
    /// Those that routes share.
    groups: BTreeSet<Arc<NextHopGroup>>,
    /// Prefixes whose routes changed since the last view.
    changed: BTreeSet<Ipv4Net>,
    /// The routes of the last view, where all were read anew since then.
    before: Option<BTreeMap<Ipv4Net, Vec<KernelRoute>>>,
    shared_routes: Routes,
    shared_table: PrefixMap<Arc<[RouteEntry]>>,
    previous_shadows: BTreeMap<u32, InterfaceId>,
    /// Names of links, of which the table tells too.
    previous_names: BTreeMap<u32, String>,
}

impl KernelTables {
    /// Takes one notification or dump entry. `replace`: the header says that a route replaces another.
    pub(crate) fn apply(&mut self, message: &RouteNetlinkMessage, replace: bool) -> Changed {
        match message {
            RouteNetlinkMessage::NewLink(link) => self.new_link(link),
            RouteNetlinkMessage::DelLink(link) => self.del_link(link),
            RouteNetlinkMessage::NewAddress(address) => self.new_address(address),
            RouteNetlinkMessage::DelAddress(address) => self.del_address(address),
            RouteNetlinkMessage::NewRoute(route) => self.new_route(route, replace),
            RouteNetlinkMessage::DelRoute(route) => self.del_route(route),
            RouteNetlinkMessage::NewNeighbour(neighbour) => self.new_neighbour(neighbour),
            RouteNetlinkMessage::DelNeighbour(neighbour) => self.del_neighbour(neighbour),
            _ => NOTHING,
        }
    }

    /// Forgets all routes; a dump follows.
    pub(crate) fn clear_routes(&mut self) {
        let routes = std::mem::take(&mut self.routes);
        self.own.clear();
        self.objects.clear();
        self.before.get_or_insert(routes);
    }

    /// Forgets all but the routes; a dump follows.
    pub(crate) fn clear_devices(&mut self) {
        self.links.clear();
        self.addresses.clear();
        self.neighbours.clear();
    }

    fn new_link(&mut self, message: &LinkMessage) -> Changed {
        // Bridges and wireless send link messages of other families about parts of a device.
        if message.header.interface_family != AddressFamily::Unspec {
            return NOTHING;
        }
        let mut link = self.links.get(&message.header.index).cloned().unwrap_or_default();
        let before = (link.up, link.running);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(bytes) => {
                    if let Ok(mac) = bytes.as_slice().try_into() {
                        link.mac = MacAddr(mac);
                    }
                }
                _ => {}
            }
        }
        link.up = message.header.flags.contains(LinkFlags::Up);
        link.arp = !message.header.flags.contains(LinkFlags::Noarp);
        link.carrier = link.up && message.header.flags.contains(LinkFlags::LowerUp);
        link.running = link.up && message.header.flags.contains(LinkFlags::Running);
        let routes_doubtful = before != (link.up, link.running);
        if routes_doubtful && !link.up {
            self.neighbours.retain(|(index, _), (state, _)| {
                *index != message.header.index || *state == ArpState::Permanent
            });
        }
        self.links.insert(message.header.index, link);
        Changed { any: true, routes_doubtful }
    }

    fn del_link(&mut self, message: &LinkMessage) -> Changed {
        let index = message.header.index;
        if message.header.interface_family != AddressFamily::Unspec {
            return NOTHING;
        }
        self.links.remove(&index);
        self.addresses.remove(&index);
        self.neighbours.retain(|(of, _), _| *of != index);
        Changed { any: true, routes_doubtful: true }
    }

    fn new_address(&mut self, message: &AddressMessage) -> Changed {
        let Some(address) = read_address(message) else { return NOTHING };
        let list = self.addresses.entry(message.header.index).or_default();
        match list.iter_mut().find(|known| known.net == address.net) {
            Some(known) => *known = address,
            None => list.push(address),
        }
        Changed { any: true, routes_doubtful: false }
    }

    fn del_address(&mut self, message: &AddressMessage) -> Changed {
        let Some(address) = read_address(message) else { return NOTHING };
        if let Some(list) = self.addresses.get_mut(&message.header.index) {
            list.retain(|known| known.net != address.net);
        }
        Changed { any: true, routes_doubtful: true }
    }

    fn new_route(&mut self, message: &RouteMessage, replace: bool) -> Changed {
        let Some((prefix, route)) = read_route(message) else { return NOTHING };
        self.objects.extend(route.object);
        let list = self.routes.entry(prefix).or_default();
        let alike = list.iter().filter(|known| known.metric == route.metric).count();
        let mut routes_doubtful = false;
        if let Some(known) = list.iter_mut().find(|known| known.same_route(&route)) {
            *known = route;
        } else if let Some(known) = list.iter_mut().find(|known| replace && known.metric == route.metric) {
            *known = route;
            // Of several the message does not say which one.
            routes_doubtful = alike > 1;
        } else {
            let at = list.iter().position(|known| known.metric > route.metric).unwrap_or(list.len());
            list.insert(at, route);
        }
        self.route_changed(prefix);
        Changed { any: true, routes_doubtful }
    }

    /// A next-hop object was made, changed or deleted. The kernel tells of the routes by it as well when somebody changes it, but
    /// not when it loses a member or goes.
    pub(crate) fn next_hop_changed(&self, id: Option<u32>) -> Changed {
        let used = id.map_or(!self.objects.is_empty(), |id| self.objects.contains(&id));
        Changed { any: used, routes_doubtful: used }
    }

    fn del_route(&mut self, message: &RouteMessage) -> Changed {
        let Some((prefix, route)) = read_route(message) else { return NOTHING };
        if let Some(list) = self.routes.get_mut(&prefix) {
            list.retain(|known| !known.same_route(&route));
            if list.is_empty() {
                self.routes.remove(&prefix);
            }
        }
        self.route_changed(prefix);
        Changed { any: true, routes_doubtful: false }
    }

    fn route_changed(&mut self, prefix: Ipv4Net) {
        self.changed.insert(prefix);
        let list = self.routes.get(&prefix).map_or(&[][..], Vec::as_slice);
        if list.iter().any(|route| route.protocol == PROTOCOL) {
            self.own.insert(prefix);
        } else {
            self.own.remove(&prefix);
        }
    }

    /// Routes of ours, by prefix.
    pub(crate) fn own_routes(&self) -> impl Iterator<Item = (Ipv4Net, &KernelRoute)> {
        let routes = self.own.iter().filter_map(|prefix| Some((*prefix, self.routes.get(prefix)?)));
        routes
            .flat_map(|(prefix, list)| list.iter().map(move |route| (prefix, route)))
            .filter(|(_, route)| route.protocol == PROTOCOL)
    }

    fn new_neighbour(&mut self, message: &NeighbourMessage) -> Changed {
        let Some((key, mac)) = read_neighbour(message) else { return NOTHING };
        match ArpState::from_kernel(message.header.state) {
            Some(state) => {
                let value = (state, mac.filter(|_| state.usable()));
                let any = self.neighbours.insert(key, value) != Some(value);
                Changed { any, routes_doubtful: false }
            }
            None => self.forget_neighbour(key),
        }
    }

    fn del_neighbour(&mut self, message: &NeighbourMessage) -> Changed {
        read_neighbour(message).map_or(NOTHING, |(key, _)| self.forget_neighbour(key))
    }

    fn forget_neighbour(&mut self, key: (u32, Ipv4Addr)) -> Changed {
        Changed { any: self.neighbours.remove(&key).is_some(), routes_doubtful: false }
    }

    /// The view for the publisher, `shadows` being our devices by kernel index and `last` the view before.
    pub(crate) fn view(&mut self, shadows: &BTreeMap<u32, InterfaceId>, last: &HostState) -> HostState {
        self.update_routes(shadows);
        let mut neighbours = Neighbours::with_hasher(*last.neighbours.hasher());
        let mut arp = Vec::new();
        for ((index, address), (state, mac)) in &self.neighbours {
            let Some(interface) = shadows.get(index).copied() else { continue };
            if let Some(mac) = mac {
                neighbours.insert(NextHop { interface, address: *address }, *mac);
            }
            arp.push(ArpEntry { interface, address: *address, mac: *mac, state: *state });
        }
        let neighbours =
            if neighbours == *last.neighbours { Arc::clone(&last.neighbours) } else { Arc::new(neighbours) };
        arp.sort_by_key(|entry| (entry.interface, entry.address));
        let mut view = HostState {
            generation: last.generation,
            links: self.view_links(shadows),
            addresses: self.view_addresses(shadows),
            routes: self.shared_routes.clone(),
            table: self.shared_table.clone(),
            neighbours,
            arp,
        };
        if !view.forwards_as(last) {
            view.generation += 1;
        }
        view
    }

    fn view_links(&self, shadows: &BTreeMap<u32, InterfaceId>) -> BTreeMap<InterfaceId, ShadowLink> {
        let known = |(index, id): (&u32, &InterfaceId)| {
            let link = self.links.get(index)?;
            let view = ShadowLink {
                device: link.name.clone(),
                index: *index,
                up: link.up,
                running: link.running,
                mtu: link.mtu,
                mac: link.mac,
            };
            Some((*id, view))
        };
        shadows.iter().filter_map(known).collect()
    }

    fn view_addresses(&self, shadows: &BTreeMap<u32, InterfaceId>) -> Vec<KernelAddress> {
        let of_device = |(index, list): (&u32, &Vec<Address>)| {
            let device = self.links.get(index).map_or_else(|| format!("if{index}"), |link| link.name.clone());
            let interface = shadows.get(index).copied();
            list.iter()
                .map(|address| KernelAddress {
                    device: device.clone(),
                    interface,
                    net: address.net,
                    secondary: address.secondary,
                })
                .collect::<Vec<_>>()
        };
        self.addresses.iter().flat_map(of_device).collect()
    }

    /// Brings the shared routes up to date: only what changed, unless shadows or names of links are others.
    fn update_routes(&mut self, shadows: &BTreeMap<u32, InterfaceId>) {
        let mut changed = std::mem::take(&mut self.changed);
        let before = self.before.take();
        let renamed = self
            .links
            .iter()
            .any(|(index, link)| self.previous_names.get(index).is_some_and(|name| *name != link.name));
        self.previous_names = self.links.iter().map(|(index, link)| (*index, link.name.clone())).collect();
        if renamed || *shadows != self.previous_shadows {
            self.previous_shadows.clone_from(shadows);
            changed.extend(self.routes.keys().chain(before.iter().flat_map(BTreeMap::keys)));
        } else if let Some(before) = before {
            let differs = |(prefix, list)| (self.routes.get(prefix) != Some(list)).then_some(*prefix);
            changed.extend(before.iter().filter_map(differs));
            changed.extend(self.routes.keys().filter(|prefix| !before.contains_key(prefix)));
        }
        for prefix in changed {
            self.update_prefix(prefix, shadows);
        }
        self.groups.retain(|group| Arc::strong_count(group) > 1);
    }

    fn update_prefix(&mut self, prefix: Ipv4Net, shadows: &BTreeMap<u32, InterfaceId>) {
        let list = self.routes.get(&prefix).map_or(&[][..], Vec::as_slice);
        let in_use = list.iter().find_map(|first| {
            let beside = |route: &&KernelRoute| std::ptr::eq(*route, first) || route.shares_with(first);
            let shared: Vec<_> = list.iter().filter(beside).collect();
            Some((decide(&shared, shadows)?, shared))
        });
        let is_best = |route: &KernelRoute| {
            in_use.as_ref().is_some_and(|(_, shared)| shared.iter().any(|one| std::ptr::eq(*one, route)))
        };
        let entries: Arc<[_]> =
            list.iter().map(|route| self.entry(prefix, route, shadows, is_best(route))).collect();
        let leads = in_use.map(|(route, _)| route);
        match leads.map(|route| share(&mut self.groups, route)) {
            Some(route) if self.shared_routes.get(prefix) == Some(&route) => {}
            Some(route) => drop(self.shared_routes.insert(prefix, route)),
            None => drop(self.shared_routes.remove(prefix)),
        }
        if entries.is_empty() {
            self.shared_table.remove(prefix);
        } else if self.shared_table.get(prefix) != Some(&entries) {
            self.shared_table.insert(prefix, entries);
        }
    }

    fn entry(
        &self,
        prefix: Ipv4Net,
        route: &KernelRoute,
        shadows: &BTreeMap<u32, InterfaceId>,
        best: bool,
    ) -> RouteEntry {
        let has_own = route.hops.iter().any(|hop| weighted(hop, shadows).is_some());
        let hop = |hop: &RouteNextHop| HopEntry {
            gateway: match hop.gateway {
                Gateway::V4(address) => Some(IpAddr::V4(address)),
                Gateway::V6(address) => Some(IpAddr::V6(address)),
                Gateway::None | Gateway::Other => None,
            },
            device: self.links.get(&hop.index).map(|link| link.name.clone()),
            interface: shadows.get(&hop.index).copied(),
            weight: hop.weight,
            unusable: unusable(hop, shadows, has_own),
        };
        RouteEntry {
            prefix,
            protocol: route.protocol,
            metric: route.metric,
            hops: route.hops.iter().map(hop).collect(),
            object: route.object,
            null: is_null(route.kind),
            best,
        }
    }

    /// Kernel index of the device called `name`.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use common::net::Route;
    use rtnetlink::{
        RouteMessageBuilder,
        packet_route::{neighbour::NeighbourAttribute, route::RouteHeader},
    };

    use super::*;

    const SHADOW: u32 = 7;

    fn shadows() -> BTreeMap<u32, InterfaceId> {
        BTreeMap::from([(SHADOW, InterfaceId(0))])
    }

    fn route(prefix: [u8; 4], gateway: u8) -> RouteNetlinkMessage {
        let mut message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.into(), 24)
            .gateway([10, 1, 1, gateway].into())
            .output_interface(SHADOW)
            .build();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        RouteNetlinkMessage::NewRoute(message)
    }

    fn neighbour(last: u8) -> RouteNetlinkMessage {
        let mut message = super::super::apply::neighbour_message(SHADOW, [10, 1, 1, last].into());
        message.header.state = rtnetlink::packet_route::neighbour::NeighbourState::Reachable;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, last]));
        RouteNetlinkMessage::NewNeighbour(message)
    }

    fn via(gateway: u8) -> Route {
        Route::Via(NextHop { interface: InterfaceId(0), address: [10, 1, 1, gateway].into() })
    }

    fn net(prefix: [u8; 4]) -> Ipv4Net {
        Ipv4Net::new_assert(prefix.into(), 24)
    }

    #[test]
    fn each_event_changes_its_own_part_of_the_view_and_shares_the_others() {
        let mut tables = KernelTables::default();
        for third in 0..100 {
            tables.apply(&route([20, 0, third, 0], 1), false);
        }
        let first = tables.view(&shadows(), &HostState::default());
        assert_eq!((first.routes.len(), first.route_entries().count()), (100, 100));

        tables.apply(&neighbour(1), false);
        let neighbours = tables.view(&shadows(), &first);
        assert!(neighbours.routes.ptr_eq(&first.routes) && neighbours.table.ptr_eq(&first.table));
        assert_eq!(neighbours.neighbours.len(), 1);
        assert_eq!(neighbours.generation, first.generation + 1);

        tables.apply(&route([20, 0, 50, 0], 2), true);
        let routes = tables.view(&shadows(), &neighbours);
        assert!(Arc::ptr_eq(&routes.neighbours, &neighbours.neighbours));
        assert_eq!(routes.routes.get(net([20, 0, 50, 0])), Some(&via(2)));
        assert_eq!(
            neighbours.routes.get(net([20, 0, 50, 0])),
            Some(&via(1)),
            "the view before keeps its own"
        );
        assert_eq!(routes.generation, neighbours.generation + 1);
        assert!(!routes.routes.ptr_eq(&neighbours.routes));
    }

    #[test]
    fn routes_that_were_read_anew_and_are_the_same_change_nothing() {
        let mut tables = KernelTables::default();
        for third in 0..3 {
            tables.apply(&route([20, 0, third, 0], 1), false);
        }
        let first = tables.view(&shadows(), &HostState::default());
        tables.clear_routes();
        tables.clear_routes();
        for third in 0..3 {
            tables.apply(&route([20, 0, third, 0], 1), false);
        }
        let same = tables.view(&shadows(), &first);
        assert!(same.routes.ptr_eq(&first.routes) && same.table.ptr_eq(&first.table));
        assert_eq!(same.generation, first.generation);
        // One is gone, one is new, one best_route elsewhere.
        tables.clear_routes();
        tables.apply(&route([20, 0, 1, 0], 2), false);
        tables.apply(&route([20, 0, 2, 0], 1), false);
        tables.apply(&route([20, 0, 3, 0], 1), false);
        let other = tables.view(&shadows(), &same);
        let listed: Vec<_> = other.routes.iter().map(|(prefix, route)| (prefix, route.clone())).collect();
        let wanted = [([20, 0, 1, 0], via(2)), ([20, 0, 2, 0], via(1)), ([20, 0, 3, 0], via(1))];
        assert_eq!(listed, wanted.map(|(prefix, route)| (net(prefix), route)));
        assert_eq!(other.route_entries().count(), 3);
        // Without its shadow a route is the kernel's matter.
        let bare = tables.view(&BTreeMap::new(), &other);
        assert!(bare.routes.iter().all(|(_, route)| *route == Route::Punt));
    }
}
