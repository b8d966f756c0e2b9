//! The mirror follows what `ip` does.

use std::net::Ipv4Addr;

use common::{mac::MacAddr, net::Route};
use control::host::{HostState, address_check, view::ArpState};

use crate::support::*;

fn leads(state: &HostState, prefix: &str) -> Option<Route> {
    state.routes.get(prefix.parse().unwrap()).copied()
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
