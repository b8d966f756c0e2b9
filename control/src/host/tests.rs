//! Routes by several next hops, by next-hop objects and by what cannot be sent to, as messages tell of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use common::{
    id::InterfaceId,
    net::{NextHop, Route, WeightedHop},
};
use proptest::prelude::*;
use rtnetlink::{
    RouteMessageBuilder, RouteNextHopBuilder,
    packet_core::{Emitable, NetlinkDeserializable, NetlinkHeader},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::AddressMessage,
        link::{LinkAttribute, LinkMessage},
        route::{
            RouteAttribute, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol, RouteType, RouteVia,
        },
    },
};

use super::{
    apply::{self, PROTOCOL},
    decode::read_next_hop_id,
    state::{Changed, KernelTables},
    view::{HostState, RouteEntry, Unusable},
};

/// Kernel indexes of two shadows and of a device that is not ours.
const SHADOW: u32 = 7;
const SECOND: u32 = 8;
const OTHER: u32 = 20;

struct Mirror {
    tables: KernelTables,
    view: HostState,
}

impl Mirror {
    fn new() -> Self {
        let mut tables = KernelTables::default();
        for (index, name) in [(SHADOW, "Et0"), (SECOND, "Et1"), (OTHER, "other0")] {
            let mut link = LinkMessage::default();
            link.header.index = index;
            link.attributes.push(LinkAttribute::IfName(name.into()));
            tables.apply(&RouteNetlinkMessage::NewLink(link), false);
        }
        Self { tables, view: HostState::default() }
    }

    fn add(&mut self, message: RouteMessage) -> Changed {
        self.tell(&RouteNetlinkMessage::NewRoute(message), false)
    }

    fn tell(&mut self, message: &RouteNetlinkMessage, replace: bool) -> Changed {
        let changed = self.tables.apply(message, replace);
        let shadows = BTreeMap::from([(SHADOW, InterfaceId(0)), (SECOND, InterfaceId(1))]);
        self.view = self.tables.view(&shadows, &self.view);
        changed
    }

    fn leads(&self) -> Option<&Route> {
        self.view.routes.get("20.0.0.0/8".parse().unwrap())
    }

    fn entries(&self) -> Vec<&RouteEntry> {
        self.view.route_entries().collect()
    }

    /// What is wrong with the next hops of the only route.
    fn unusable(&self) -> Vec<Option<Unusable>> {
        self.entries()[0].hops.iter().map(|hop| hop.unusable).collect()
    }
}

/// To 20.0.0.0/8 in the main table.
fn route() -> RouteMessageBuilder<Ipv4Addr> {
    RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix([20, 0, 0, 0].into(), 8)
}

fn via(gateway: u8) -> RouteMessageBuilder<Ipv4Addr> {
    route().gateway([10, 1, 1, gateway].into()).output_interface(SHADOW)
}

/// A next hop of several.
fn hop(index: u32, gateway: &str, weight: u16) -> RouteNextHop {
    let builder = RouteNextHopBuilder::new_ipv4().interface(index);
    let mut hop = match gateway {
        "" => builder.build(),
        address => builder.via(address.parse().unwrap()).unwrap().build(),
    };
    hop.hops = (weight - 1) as u8;
    hop
}

fn weighted(interface: u16, gateway: Option<[u8; 4]>, weight: u32) -> WeightedHop {
    WeightedHop { interface: InterfaceId(interface), gateway: gateway.map(Into::into), weight }
}

fn single(gateway: u8) -> Route {
    Route::Via(NextHop { interface: InterfaceId(0), address: [10, 1, 1, gateway].into() })
}

fn group(hops: &[WeightedHop]) -> Route {
    Route::through(hops.to_vec()).unwrap()
}

#[test]
fn a_group_has_all_next_hops_and_their_weights() {
    let mut mirror = Mirror::new();
    let hops = [hop(SHADOW, "10.1.1.2", 1), hop(SECOND, "10.2.1.2", 256), hop(SECOND, "", 3)];
    mirror.add(route().multipath(hops.to_vec()).build());
    let wanted =
        [weighted(0, Some([10, 1, 1, 2]), 1), weighted(1, Some([10, 2, 1, 2]), 256), weighted(1, None, 3)];
    assert_eq!(mirror.leads(), Some(&group(&wanted)));
    let entries = mirror.entries();
    let shown =
        |hop: &super::view::HopEntry| (hop.gateway, hop.device.clone().unwrap(), hop.weight, hop.unusable);
    let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    assert_eq!(
        entries[0].hops.iter().map(shown).collect::<Vec<_>>(),
        [
            (address("10.1.1.2"), "Et0".into(), 1, None),
            (address("10.2.1.2"), "Et1".into(), 256, None),
            (None, "Et1".into(), 3, None),
        ]
    );
    assert!(entries[0].best);
    // Other weights are another route in its place.
    let other = [hop(SHADOW, "10.1.1.2", 5), hop(SECOND, "10.2.1.2", 256), hop(SECOND, "", 3)];
    mirror.tell(&RouteNetlinkMessage::NewRoute(route().multipath(other.to_vec()).build()), true);
    let wanted = [weighted(0, Some([10, 1, 1, 2]), 5), wanted[1], wanted[2]];
    assert_eq!((mirror.leads(), mirror.entries().len()), (Some(&group(&wanted)), 1));
}

#[test]
fn routes_with_the_same_next_hops_share_them_as_long_as_one_has_them() {
    let mut mirror = Mirror::new();
    let add = |mirror: &mut Mirror, second: u8, hops: [&str; 2]| {
        let hops = hops.map(|gateway| hop(SHADOW, gateway, 1)).to_vec();
        let to = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix([30, second, 0, 0].into(), 16);
        mirror.tell(&RouteNetlinkMessage::NewRoute(to.multipath(hops).build()), true);
    };
    add(&mut mirror, 1, ["10.1.1.2", "10.1.1.3"]);
    add(&mut mirror, 2, ["10.1.1.3", "10.1.1.2"]);
    add(&mut mirror, 3, ["10.1.1.2", "10.1.1.4"]);
    let groups: Vec<_> = mirror.view.routes.iter().map(|(_, route)| route.clone()).collect();
    let [Route::Group(one), Route::Group(two), Route::Group(three)] = groups.as_slice() else {
        panic!("{groups:?}")
    };
    assert!(Arc::ptr_eq(one, two));
    assert!(!Arc::ptr_eq(one, three));
    let gone = Arc::downgrade(three);
    drop(groups);
    add(&mut mirror, 3, ["10.1.1.2", "10.1.1.3"]);
    mirror.add(via(2).build());
    assert_eq!(gone.strong_count(), 0, "nobody keeps what no route has");
}

#[test]
fn what_is_dead_or_not_ours_takes_no_flows_but_is_shown() {
    let mut mirror = Mirror::new();
    let mut dead = hop(SECOND, "10.2.1.2", 1);
    dead.flags = RouteNextHopFlags::Linkdown;
    let hops = [hop(OTHER, "192.168.7.2", 1), dead.clone(), hop(SHADOW, "10.1.1.2", 2)];
    mirror.add(route().multipath(hops.to_vec()).build());
    assert_eq!(mirror.leads(), Some(&single(2)), "of one that is left no group is made");
    assert_eq!(mirror.unusable(), [Some(Unusable::OtherDevice), Some(Unusable::LinkDown), None]);
    let hops = [hop(OTHER, "192.168.7.2", 1), hop(OTHER, "fe80::1", 1), dead.clone()];
    mirror.tell(&RouteNetlinkMessage::NewRoute(route().multipath(hops.to_vec()).build()), true);
    assert_eq!(mirror.leads(), Some(&Route::Punt), "the kernel has a way");
    assert_eq!(mirror.unusable(), [None, None, Some(Unusable::LinkDown)]);
    mirror.tell(&RouteNetlinkMessage::NewRoute(route().multipath(vec![dead]).build()), true);
    assert_eq!(mirror.leads(), None, "nobody has: look further");
    assert!(!mirror.entries()[0].best);
}

#[test]
fn an_ipv6_next_hop_is_never_directly_connected() {
    let mut mirror = Mirror::new();
    mirror.add(route().via("fe80::1".parse().unwrap()).output_interface(SHADOW).build());
    assert_eq!(mirror.leads(), Some(&Route::Unusable));
    assert_eq!(mirror.unusable(), [Some(Unusable::Ipv6NextHop)]);
    assert_eq!(mirror.entries()[0].hops[0].gateway, Some("fe80::1".parse().unwrap()));
    assert!(
        mirror.entries()[0].best,
        "it is the route, though of no use: a shorter prefix would be a wrong way"
    );
    // Beside an IPv4 gateway that one has all flows.
    let hops = [hop(SHADOW, "fe80::1", 1), hop(SHADOW, "10.1.1.2", 1)];
    mirror.tell(&RouteNetlinkMessage::NewRoute(route().multipath(hops.to_vec()).build()), true);
    assert_eq!(mirror.leads(), Some(&single(2)));
    assert_eq!(mirror.unusable(), [Some(Unusable::Ipv6NextHop), None]);
    // IPv4 said the other way, and what is neither.
    let with = |via| {
        let mut message = route().output_interface(SHADOW).build();
        message.attributes.push(RouteAttribute::Via(via));
        RouteNetlinkMessage::NewRoute(message)
    };
    mirror.tell(&with(RouteVia::Inet([10, 1, 1, 9].into())), true);
    assert_eq!(mirror.leads(), Some(&single(9)));
    mirror.tell(&with(RouteVia::Other((AddressFamily::Mpls, vec![1, 2, 3]))), true);
    assert_eq!(
        (mirror.leads(), mirror.unusable()),
        (Some(&Route::Unusable), vec![Some(Unusable::OtherFamily)])
    );
}

#[test]
fn lines_of_one_distance_share_the_flows_and_others_routes_do_not() {
    let mut mirror = Mirror::new();
    let ours = |gateway| via(gateway).protocol(RouteProtocol::Other(PROTOCOL)).priority(1);
    mirror.add(ours(2).build());
    mirror.add(ours(3).build());
    mirror.add(ours(4).priority(9).build());
    mirror.add(via(5).protocol(RouteProtocol::Bgp).priority(1).build());
    let both = [weighted(0, Some([10, 1, 1, 2]), 1), weighted(0, Some([10, 1, 1, 3]), 1)];
    assert_eq!(mirror.leads(), Some(&group(&both)));
    let best = |mirror: &Mirror| mirror.entries().iter().map(|entry| entry.best).collect::<Vec<_>>();
    assert_eq!(best(&mirror), [true, true, false, false]);
    // The line that is left has all; a route of another program with the same metric is another route.
    mirror.tell(&RouteNetlinkMessage::DelRoute(ours(2).build()), false);
    assert_eq!(mirror.leads(), Some(&single(3)));
    mirror.tell(&RouteNetlinkMessage::DelRoute(ours(3).build()), false);
    assert_eq!((mirror.leads(), best(&mirror)), (Some(&single(5)), vec![true, false]));
    // Lines to Null0 share nothing.
    let null = route().kind(RouteType::BlackHole).protocol(RouteProtocol::Other(PROTOCOL)).priority(0);
    mirror.add(null.build());
    mirror.add(ours(6).priority(0).build());
    assert_eq!((mirror.leads(), best(&mirror)), (Some(&Route::Null), vec![true, false, false, false]));
}

#[test]
fn two_programs_routes_that_differ_by_protocol_alone_are_two() {
    let mut mirror = Mirror::new();
    mirror.add(via(2).protocol(RouteProtocol::Bgp).build());
    mirror.add(via(2).protocol(RouteProtocol::Other(PROTOCOL)).build());
    assert_eq!(mirror.entries().len(), 2);
    let own =
        |mirror: &Mirror| mirror.tables.own_routes().map(|(_, route)| route.protocol).collect::<Vec<_>>();
    assert_eq!(own(&mirror), [PROTOCOL], "the other one is not ours to remove");
    mirror
        .tell(&RouteNetlinkMessage::DelRoute(via(2).protocol(RouteProtocol::Other(PROTOCOL)).build()), false);
    assert_eq!(mirror.entries().iter().map(|entry| entry.protocol).collect::<Vec<_>>(), [186]);
    assert_eq!(own(&mirror), [0; 0]);
    // Nor is a step planned against it: nothing is wanted, and nothing of ours is there.
    let desired = super::DesiredHost::default();
    let (steps, _) = apply::plan(&desired, &mirror.tables, &BTreeMap::new(), &BTreeSet::new());
    assert_eq!(steps, []);
}

#[test]
fn an_address_that_goes_makes_routes_doubtful() {
    let mut mirror = Mirror::new();
    let mut message = AddressMessage::default();
    message.header.index = SHADOW;
    message.header.prefix_len = 24;
    message.attributes.push(rtnetlink::packet_route::address::AddressAttribute::Local([10, 1, 1, 1].into()));
    let came = mirror.tell(&RouteNetlinkMessage::NewAddress(message.clone()), false);
    assert_eq!(came, Changed { any: true, routes_doubtful: false });
    let went = mirror.tell(&RouteNetlinkMessage::DelAddress(message), false);
    assert_eq!(went, Changed { any: true, routes_doubtful: true });
    assert!(mirror.view.addresses.is_empty());
}

#[test]
fn an_object_that_routes_go_by_makes_them_doubtful() {
    let mut mirror = Mirror::new();
    let doubtful = |mirror: &Mirror, id| mirror.tables.next_hop_changed(id).routes_doubtful;
    assert!(!doubtful(&mirror, Some(10)) && !doubtful(&mirror, None), "nobody goes by any");
    let hops = [hop(SHADOW, "10.1.1.2", 1), hop(SHADOW, "10.1.1.3", 3)];
    mirror.add(route().multipath(hops.to_vec()).nhid(10).build());
    assert!(doubtful(&mirror, Some(10)) && !doubtful(&mirror, Some(11)) && doubtful(&mirror, None));
    assert_eq!(mirror.entries()[0].object, Some(10));
    // It leads elsewhere: the kernel tells of the route once more.
    mirror.tell(&RouteNetlinkMessage::NewRoute(via(4).nhid(10).build()), true);
    assert_eq!((mirror.leads(), mirror.entries().len()), (Some(&single(4)), 1));
    let blackhole = route().kind(RouteType::BlackHole).nhid(10);
    mirror.tell(&RouteNetlinkMessage::NewRoute(blackhole.build()), true);
    assert_eq!((mirror.leads(), mirror.entries().len()), (Some(&Route::Null), 1));
    // The kernel was told not to say where it leads: a default route would be a wrong way.
    mirror.tell(&RouteNetlinkMessage::NewRoute(route().nhid(10).build()), true);
    assert_eq!((mirror.leads(), mirror.entries().len()), (Some(&Route::Unusable), 1));
    // It goes, whatever it led to when that was last seen.
    mirror.tell(&RouteNetlinkMessage::DelRoute(via(9).nhid(10).build()), false);
    assert_eq!((mirror.leads(), mirror.entries().len()), (None, 0));
    mirror.tables.clear_routes();
    assert!(!doubtful(&mirror, Some(10)));
}

#[test]
fn a_replaced_route_among_several_alike_is_doubtful() {
    let mut mirror = Mirror::new();
    mirror.add(via(2).build());
    let replace = |mirror: &mut Mirror, gateway| {
        mirror.tell(&RouteNetlinkMessage::NewRoute(via(gateway).build()), true).routes_doubtful
    };
    assert!(!replace(&mut mirror, 3), "there is only one");
    mirror.add(via(4).build());
    assert!(replace(&mut mirror, 5));
}

/// `struct nhmsg` and attributes, as the kernel tells of object 10 with the members 1 and 2.
fn next_hop_message() -> Vec<u8> {
    let attribute = |kind: u16, value: &[u8]| {
        let length = (value.len() + 4) as u16;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    };
    let member = |id: u32| [&id.to_ne_bytes()[..], &[0; 4]].concat();
    let group = [member(1), member(2)].concat();
    [vec![0; 8], attribute(2, &group), attribute(1, &10_u32.to_ne_bytes()), attribute(3, &[0; 2])].concat()
}

#[test]
fn an_objects_id_is_found_among_its_attributes() {
    let message = next_hop_message();
    assert_eq!(read_next_hop_id(&message), Some(10));
    for length in 0..message.len() {
        let read = read_next_hop_id(&message[..length]);
        assert!(read.is_none() || length >= 28, "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![24_u16, 25, 104, 105]),
        flips in prop::collection::vec((0_usize..200, any::<u8>()), 0..8),
    ) {
        read_next_hop_id(&bytes);
        let hops = vec![hop(SHADOW, "10.1.1.2", 1), hop(SECOND, "fe80::1", 3)];
        let sound = route().multipath(hops).nhid(7).build();
        let mut message = vec![0; sound.buffer_len()];
        sound.emit(&mut message);
        if kind > 100 {
            message = next_hop_message();
        }
        for (at, value) in flips {
            if let Some(byte) = message.get_mut(at) {
                *byte = value;
            }
        }
        read_next_hop_id(&message);
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        let mut mirror = Mirror::new();
        for bytes in [&bytes, &message] {
            if let Ok(read) = RouteNetlinkMessage::deserialize(&header, bytes) {
                mirror.tell(&read, true);
            }
        }
    }
}
