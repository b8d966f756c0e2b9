//! The kernel becomes equal to the configuration, again and again, and is left clean.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use control::host::{DesiredHost, DesiredNeighbour, DesiredRoute, Host, HostError, HostState, RouteTarget};

use crate::support::*;

fn route(prefix: &str, target: RouteTarget) -> DesiredRoute {
    DesiredRoute { prefix: prefix.parse().unwrap(), target, distance: 1 }
}

/// Destinations of the routes that are ours.
fn ours() -> Vec<String> {
    let routes = ip_json("route show proto 72");
    routes.as_array().unwrap().iter().map(|r| r["dst"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn static_routes_are_installed_changed_and_removed_at_the_end() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        let gateway = RouteTarget::Gateway(PEER);
        let mut desired = one_interface();
        desired.routes = vec![
            route("20.0.0.0/8", gateway),
            route("30.0.0.0/8", RouteTarget::Null),
            route("40.0.0.0/8", RouteTarget::Interface(ETHERNET0)),
            route("50.0.0.0/8", RouteTarget::Gateway(Ipv4Addr::new(10, 99, 0, 1))),
        ];
        ip("route add 60.0.0.0/8 via 10.1.1.2 proto static");
        ip("route add blackhole 70.0.0.0/8");
        let pending = harness.host.apply(desired.clone()).await.unwrap();
        assert_eq!(pending.len(), 1, "{pending:?}");
        assert_eq!(
            pending[0].to_string(),
            "ip route 50.0.0.0 255.0.0.0 10.99.0.1: the next hop is not on a connected subnet of an interface that is up"
        );
        assert_eq!(ours(), ["20.0.0.0/8", "30.0.0.0/8", "40.0.0.0/8"]);
        let shown = ip_json("route show 20.0.0.0/8");
        assert_eq!((&shown[0]["gateway"], &shown[0]["metric"]), (&"10.1.1.2".into(), &1.into()));

        // The next hop becomes connected: the waiting route is installed by itself.
        desired.interfaces[0].addresses.push("10.99.0.2/24".parse().unwrap());
        assert_eq!(harness.host.apply(desired.clone()).await.unwrap(), []);
        assert_eq!(ours().len(), 4);
        // The same once more changes nothing.
        let before = ip_json("route show");
        assert_eq!(harness.host.apply(desired.clone()).await.unwrap(), []);
        assert_eq!(ip_json("route show"), before);

        // What somebody else removes comes back; what somebody else added stays.
        ip("route del 20.0.0.0/8");
        until("the route", || ours().len() >= 4).await;
        desired.routes.truncate(1);
        assert_eq!(harness.host.apply(desired).await.unwrap(), []);
        assert_eq!(ours(), ["20.0.0.0/8"]);
        harness.host.shutdown().await;
        assert_eq!(ours(), [""; 0]);
        assert_eq!(ip_json("route show 70.0.0.0/8").as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_shadow_that_is_deleted_is_made_again_with_all_that_was_on_it() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        let mut desired = one_interface();
        desired.routes = vec![route("20.0.0.0/8", RouteTarget::Gateway(PEER))];
        desired.neighbours = vec![DesiredNeighbour { address: PEER, mac: PEER_MAC }];
        assert_eq!(harness.host.apply(desired).await.unwrap(), []);
        let former = harness.host.state().borrow().links[&ETHERNET0].index;
        let begun = Instant::now();
        ip("link del Et0");
        let whole = |state: &HostState| {
            let link = state.links.get(&ETHERNET0);
            link.is_some_and(|link| link.index != former && link.up && link.running)
                && state.routes.len() == 2
                && state.neighbours.contains_key(&next_hop(PEER))
        };
        harness.state("the shadow again", whole).await;
        assert!(begun.elapsed() < Duration::from_secs(2));
        let link = &ip_json("addr show Et0")[0];
        assert_ne!(link["ifindex"], former);
        assert_eq!(
            (&link["address"], &link["addr_info"][0]["local"]),
            (&"02:00:5e:00:00:01".into(), &"10.1.1.1".into())
        );
        assert_eq!(ours(), ["20.0.0.0/8"]);
        harness.host.shutdown().await;
    });
}

#[test]
fn what_a_killed_process_left_behind_is_removed_at_the_next_start() {
    in_namespace(|| async {
        ip("link set lo up");
        ip("route add blackhole 30.0.0.0/8 proto 72");
        ip("addr add 10.10.10.10/32 dev lo label lo:homeward");
        ip("addr add 10.10.10.11/32 dev lo");
        let harness = Harness::start().await;
        assert_eq!(ours(), [""; 0]);
        let lo = &ip_json("-4 addr show lo")[0]["addr_info"];
        let left: Vec<_> = lo.as_array().unwrap().iter().map(|a| a["local"].as_str().unwrap()).collect();
        assert_eq!(left, ["127.0.0.1", "10.10.10.11"]);
        harness.host.shutdown().await;
    });
}

#[test]
fn a_live_change_moves_addresses_mac_mtu_and_state() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        let index = ip_json("link show Et0")[0]["ifindex"].clone();
        let mut desired = one_interface();
        // The former primary becomes the secondary.
        desired.interfaces[0].addresses =
            vec!["10.1.1.9/24".parse().unwrap(), "10.1.1.1/24".parse().unwrap()];
        desired.interfaces[0].mac = PEER_MAC;
        desired.interfaces[0].mtu = 1400;
        assert_eq!(harness.host.apply(desired.clone()).await.unwrap(), []);
        let link = &ip_json("addr show Et0")[0];
        assert_eq!(
            (&link["ifindex"], &link["mtu"], &link["address"]),
            (&index, &1400.into(), &"02:00:5e:00:00:02".into())
        );
        assert_eq!(link["addr_info"][0]["local"], "10.1.1.9");
        assert_eq!(link["addr_info"][1]["local"], "10.1.1.1");
        assert_eq!(link["addr_info"][1]["secondary"], true);

        desired.interfaces[0].carrier = false;
        harness.host.apply(desired.clone()).await.unwrap();
        // No link, no route.
        let quiet = |s: &HostState| {
            s.links.get(&ETHERNET0).is_some_and(|l| l.up && !l.running) && s.routes.is_empty()
        };
        harness.state("no carrier", quiet).await;
        desired.interfaces[0].carrier = true;
        harness.host.apply(desired.clone()).await.unwrap();
        harness
            .state("carrier", |s| s.links.get(&ETHERNET0).is_some_and(|l| l.running) && s.routes.len() == 1)
            .await;
        desired.interfaces[0].up = false;
        harness.host.apply(desired.clone()).await.unwrap();
        harness.state("down", |s| s.links.get(&ETHERNET0).is_some_and(|l| !l.up)).await;
        harness.host.apply(DesiredHost::default()).await.unwrap();
        harness.state("no shadow", |s| s.links.is_empty()).await;
        // And again, under the same name.
        assert_eq!(harness.host.apply(one_interface()).await.unwrap(), []);
        harness.host.shutdown().await;
    });
}

#[test]
fn permanent_neighbours_are_set_and_taken_back() {
    in_namespace(|| async {
        let harness = Harness::start().await;
        let mut desired = one_interface();
        desired.neighbours = vec![
            DesiredNeighbour { address: PEER, mac: PEER_MAC },
            DesiredNeighbour { address: Ipv4Addr::new(99, 0, 0, 1), mac: PEER_MAC },
        ];
        let pending = harness.host.apply(desired.clone()).await.unwrap();
        assert_eq!(pending.len(), 1);
        assert!(pending[0].what.starts_with("arp 99.0.0.1 0200.5e00.0002"), "{}", pending[0]);
        let shown = ip_json("neigh show 10.1.1.2");
        assert_eq!(
            (&shown[0]["lladdr"], &shown[0]["state"][0]),
            (&"02:00:5e:00:00:02".into(), &"PERMANENT".into())
        );
        desired.neighbours.clear();
        ip("neigh add 10.1.1.5 lladdr 02:00:5e:00:00:05 dev Et0 nud permanent");
        assert_eq!(harness.host.apply(desired).await.unwrap(), []);
        let left = ip_json("neigh show");
        assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
        assert_eq!(left[0]["dst"], "10.1.1.5");
        harness.host.shutdown().await;
    });
}

#[test]
fn a_name_that_is_taken_is_refused_and_nothing_changes() {
    in_namespace(|| async {
        let harness = Harness::with_ethernet0().await;
        ip("link add Et1 type veth peer name Et2");
        let mut desired = one_interface();
        for name in ["Ethernet3", "Ethernet1"] {
            let mut more = ethernet0();
            more.name = name.to_owned();
            desired.interfaces.push(more);
        }
        let error = harness.host.apply(desired).await.unwrap_err();
        assert!(matches!(error, HostError::Shadow(_)));
        assert!(
            error.to_string().contains("the kernel already has a device Et1, wanted for Ethernet1"),
            "{error}"
        );
        let names = ip_json("link show");
        assert!(names.as_array().unwrap().iter().all(|l| l["ifname"] != "Et3"));
        harness.host.shutdown().await;
        assert!(matches!(harness.host.apply(one_interface()).await, Err(HostError::Ended)));
        // With the first gone, the name is free for the next one.
        let next = Host::start(Vec::new(), Vec::new()).await.unwrap();
        assert_eq!(next.apply(one_interface()).await.unwrap(), []);
        next.shutdown().await;
    });
}
