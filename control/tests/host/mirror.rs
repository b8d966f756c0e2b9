//! The mirror follows what `ip` does.

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    net::{NextHop, Route, WeightedHop},
};
use control::host::{
    HostState, address_check,
    view::{ArpState, Unusable},
};

use crate::support::*;

fn leads(state: &HostState, prefix: &str) -> Option<Route> {
    state.routes.get(prefix.parse().unwrap()).cloned()
}

#[test]
fn routes_come_and_go_as_ip_says() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        let gateway = Ipv4Addr::new(10, 1, 1, 254);
        let via = Some(Route::Via(next_hop(gateway)));
        harness.state("connected", |s| leads(s, "10.1.1.0/24") == Some(Route::Connected(ETHERNET0))).await;
        ip("route add 20.0.0.0/8 via 10.1.1.254");
        ip("route add blackhole 20.1.0.0/16");
        ip("route add unreachable 20.2.0.0/16");
        ip("link add other0 type veth peer name other1");
        ip("link set other0 up");
        ip("link set other1 up");
        ip("addr add 192.168.7.1/24 dev other0");
        ip("route add default via 192.168.7.2");
        ip("route add 20.3.0.0/16 nexthop via 192.168.7.2 nexthop via 10.1.1.254");
        // Another table is not ours to follow.
        ip("route add 20.4.0.0/16 via 10.1.1.254 table 100");
        let state = harness.state("the multipath route", |s| leads(s, "20.3.0.0/16") == via).await;
        assert_eq!(leads(&state, "20.0.0.0/8"), via);
        assert_eq!(leads(&state, "20.1.0.0/16"), Some(Route::Null));
        assert_eq!(leads(&state, "20.2.0.0/16"), Some(Route::Null));
        assert_eq!(leads(&state, "0.0.0.0/0"), Some(Route::Punt));
        assert_eq!(leads(&state, "192.168.7.0/24"), Some(Route::Punt));
        assert_eq!(leads(&state, "20.4.0.0/16"), None);

        // A better metric wins, whenever it comes; a replaced route leaves nothing behind.
        ip("route add 20.5.0.0/16 via 10.1.1.254 metric 20");
        ip("route add 20.5.0.0/16 via 10.1.1.253 metric 10");
        let better = Some(Route::Via(next_hop(Ipv4Addr::new(10, 1, 1, 253))));
        harness.state("the better route", |s| leads(s, "20.5.0.0/16") == better).await;
        ip("route del 20.5.0.0/16 metric 10");
        harness.state("the worse route", |s| leads(s, "20.5.0.0/16") == via).await;
        ip("route replace 20.5.0.0/16 via 10.1.1.252 metric 20");
        let replaced = Some(Route::Via(next_hop(Ipv4Addr::new(10, 1, 1, 252))));
        harness.state("the replaced route", |s| leads(s, "20.5.0.0/16") == replaced).await;
        ip("route del 20.5.0.0/16");
        harness.state("no route", |s| leads(s, "20.5.0.0/16").is_none()).await;

        // The kernel drops routes of a link that goes down without a word.
        ip("link set other0 down");
        harness.state("the default route to go", |s| leads(s, "0.0.0.0/0").is_none()).await;
        harness.host.shutdown().await;
    });
}

/// Through these gateways on Ethernet0, by the last byte of each and its weight.
fn group(hops: &[(u8, u32)]) -> Option<Route> {
    let hop = |&(last, weight): &(u8, u32)| WeightedHop {
        interface: ETHERNET0,
        gateway: Some(Ipv4Addr::new(10, 1, 1, last)),
        weight,
    };
    Route::through(hops.iter().map(hop).collect())
}

#[test]
fn all_next_hops_of_a_route_are_seen_and_those_of_objects_when_these_change() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        ip("route add 20.0.0.0/8 nexthop via 10.1.1.2 weight 1 nexthop via 10.1.1.3 weight 256");
        let wanted = group(&[(2, 1), (3, 256)]);
        harness.state("the group", |s| leads(s, "20.0.0.0/8") == wanted).await;

        for line in ["id 1 via 10.1.1.2 dev Et0", "id 2 via 10.1.1.3 dev Et0", "id 3 via 10.1.1.4 dev Et0"] {
            ip(&format!("nexthop add {line}"));
        }
        ip("nexthop add id 10 group 1,1/2,3/3,5");
        ip("route add 30.0.0.0/8 nhid 10");
        let wanted = group(&[(2, 1), (3, 3), (4, 5)]);
        harness.state("the object's", |s| leads(s, "30.0.0.0/8") == wanted).await;
        ip("nexthop replace id 1 via 10.1.1.9 dev Et0");
        let wanted = group(&[(9, 1), (3, 3), (4, 5)]);
        harness.state("a replaced member", |s| leads(s, "30.0.0.0/8") == wanted).await;
        // Of these the kernel says nothing about the route.
        ip("nexthop del id 2");
        let wanted = group(&[(9, 1), (4, 5)]);
        harness.state("a lost member", |s| leads(s, "30.0.0.0/8") == wanted).await;
        ip("nexthop replace id 10 group 3");
        harness.state("one member", |s| leads(s, "30.0.0.0/8") == group(&[(4, 1)])).await;
        // The kernel hangs blackholes on lo.
        ip("link set lo up");
        ip("nexthop replace id 3 blackhole");
        harness.state("a blackhole", |s| leads(s, "30.0.0.0/8") == Some(Route::Null)).await;
        ip("nexthop del id 10");
        harness.state("no route", |s| leads(s, "30.0.0.0/8").is_none()).await;

        // A kernel that is told not to say where an object leads.
        ip("route add default via 10.1.1.2");
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap();
        ip("route add 40.0.0.0/8 nhid 1");
        let state = harness.state("no way", |s| leads(s, "40.0.0.0/8") == Some(Route::Unusable)).await;
        let entry = state.route_entries().find(|entry| entry.object == Some(1)).unwrap();
        assert!(entry.best && entry.hops.is_empty());
        harness.host.shutdown().await;
    });
}

#[test]
fn an_ipv6_next_hop_is_known_for_what_it_is() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        std::fs::write("/proc/sys/net/ipv6/conf/Et0/disable_ipv6", "0").unwrap();
        ip("route add 20.0.0.0/8 via inet6 fe80::1 dev Et0");
        let state = harness.state("the route", |s| leads(s, "20.0.0.0/8").is_some()).await;
        assert_eq!(leads(&state, "20.0.0.0/8"), Some(Route::Unusable));
        let entry = state.route_entries().find(|entry| entry.prefix.prefix_len() == 8).unwrap();
        let hop = &entry.hops[0];
        assert_eq!((hop.gateway, hop.unusable), ("fe80::1".parse().ok(), Some(Unusable::Ipv6NextHop)));
        ip("route replace 20.0.0.0/8 nexthop via inet6 fe80::1 dev Et0 nexthop via 10.1.1.254 dev Et0");
        let via = Route::Via(NextHop { interface: ETHERNET0, address: Ipv4Addr::new(10, 1, 1, 254) });
        harness.state("the IPv4 gateway", |s| leads(s, "20.0.0.0/8") == Some(via.clone())).await;
        harness.host.shutdown().await;
    });
}

#[test]
fn routes_that_go_with_an_address_are_noticed() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        ip("link add other0 type veth peer name other1");
        ip("link set other0 up");
        ip("link set other1 up");
        ip("addr add 192.168.7.1/24 dev other0");
        ip("addr add 192.168.8.1/24 dev other0");
        // The kernel removes it with the address that it names, without a word.
        ip("route add 20.0.0.0/8 via 192.168.8.2 src 192.168.7.1");
        harness.state("the route", |s| leads(s, "20.0.0.0/8") == Some(Route::Punt)).await;
        ip("addr del 192.168.7.1/24 dev other0");
        harness.state("no route", |s| leads(s, "20.0.0.0/8").is_none()).await;
        harness.host.shutdown().await;
    });
}

#[test]
fn neighbours_and_addresses_follow() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        ip("neigh replace 10.1.1.2 lladdr 02:00:5e:00:00:02 dev Et0 nud reachable");
        let key = next_hop(PEER);
        let state = harness.state("the neighbour", |s| s.neighbours.get(&key) == Some(&PEER_MAC)).await;
        assert_eq!(state.arp.len(), 1);
        assert_eq!(state.arp[0].state, ArpState::Reachable);
        ip("neigh replace 10.1.1.2 lladdr 02:00:5e:00:00:03 dev Et0 nud stale");
        let moved = MacAddr([2, 0, 0x5e, 0, 0, 3]);
        harness.state("the new address", |s| s.neighbours.get(&key) == Some(&moved)).await;
        ip("neigh del 10.1.1.2 dev Et0");
        harness.state("the neighbour to go", |s| s.neighbours.is_empty()).await;

        let is_vip = |address| address == Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(address_check::held(&harness.host.state().borrow(), is_vip), []);
        ip("addr add 10.77.0.1/32 dev lo");
        let state = harness.state("the address", |s| !address_check::held(s, is_vip).is_empty()).await;
        assert_eq!(address_check::held(&state, is_vip)[0].device, "lo");
        harness.host.shutdown().await;
    });
}

#[test]
fn ten_thousand_routes_arrive_and_a_forced_reading_agrees() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        let line = |i| format!("route add 30.{}.{}.0/24 via 10.1.1.254", i / 250, i % 250);
        let lines: Vec<String> = (0..10_000).map(line).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        // The current-thread runtime does not run meanwhile: the listening socket has to hold it all, or overrun.
        ip(&format!("-batch {}", file.path().display()));
        let state = harness.state("all routes", |s| s.routes.len() == 10_001).await;
        let before = state.generation;
        ip("route flush proto boot");
        harness.state("one route", |s| s.routes.len() == 1 && s.generation > before).await;
        harness.host.resync();
        assert_eq!(harness.host.unresolved().await.unwrap(), []);
        assert_eq!(harness.host.state().borrow().routes.len(), 1);
        harness.host.shutdown().await;
    });
}
