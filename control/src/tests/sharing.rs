//! A publication shares the parts that did not change.

use std::sync::Arc;

use common::{
    mac::MacAddr,
    net::{Route, Routes},
    snapshot::Snapshot,
};

use super::{Harness, neighbour, network};

const SLB: &str = "\
ip slb serverfarm HAFARM
 real 10.1.1.51
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 inservice
!
";

/// A harness whose network has routes beside, and the snapshot that it published.
fn harness() -> (Harness, Arc<Snapshot>) {
    let mut harness = Harness::new(SLB);
    let mut net = network();
    for third in 0..=255 {
        net.routes.insert(format!("30.0.{third}.0/24").parse().unwrap(), Route::Via(neighbour(254)));
    }
    harness.network(&net);
    let snapshot = harness.snapshot();
    (harness, snapshot)
}

#[test]
fn a_neighbour_changes_nothing_but_neighbours() {
    let (mut harness, before) = harness();
    let mut net = (*harness.snapshot().net).clone();
    net.neighbours_mut().insert(neighbour(200), MacAddr([2, 0, 0, 0, 9, 9]));
    harness.network(&net);
    let after = harness.snapshot();
    assert_eq!(after.generation, before.generation + 1);
    assert!(after.net.routes.ptr_eq(&before.net.routes));
    assert!(Arc::ptr_eq(&after.net.interfaces, &before.net.interfaces));
    assert!(Arc::ptr_eq(&after.net.ports, &before.net.ports));
    assert!(Arc::ptr_eq(&after.net.owners, &before.net.owners));
    assert!(Arc::ptr_eq(&after.slb, &before.slb), "no real is that neighbour");
    assert_eq!(after.net.neighbours[&neighbour(200)], MacAddr([2, 0, 0, 0, 9, 9]));
}

#[test]
fn the_neighbour_that_a_real_is_changes_the_balancers_part_too() {
    let (mut harness, before) = harness();
    let mut net = (*harness.snapshot().net).clone();
    net.neighbours_mut().remove(&neighbour(51));
    harness.network(&net);
    let after = harness.snapshot();
    assert!(!Arc::ptr_eq(&after.slb, &before.slb));
    assert!(after.net.routes.ptr_eq(&before.net.routes));
    assert_eq!(harness.real(51).0, "ARP_FAILED");
    assert!(after.targets.iter().all(Option::is_none) && before.targets[0].is_some());
}

#[test]
fn a_port_that_goes_down_takes_the_targets_along() {
    let (mut harness, before) = harness();
    let mut net = (*harness.snapshot().net).clone();
    net.ports_mut()[0].link_up = false;
    harness.network(&net);
    let after = harness.snapshot();
    assert!(before.targets[0].is_some() && after.targets[0].is_none());
    assert!(Arc::ptr_eq(&after.net.owners, &before.net.owners));
}

#[test]
fn a_route_changes_nothing_but_routes() {
    let (mut harness, before) = harness();
    let mut net = (*harness.snapshot().net).clone();
    net.routes.insert("30.0.7.0/24".parse().unwrap(), Route::Null);
    harness.network(&net);
    let after = harness.snapshot();
    assert!(Arc::ptr_eq(&after.net.neighbours, &before.net.neighbours));
    assert!(Arc::ptr_eq(&after.net.interfaces, &before.net.interfaces));
    assert!(Arc::ptr_eq(&after.net.owners, &before.net.owners) && Arc::ptr_eq(&after.slb, &before.slb));
    assert_eq!(after.net.routes.longest_match([30, 0, 7, 1].into()), Some(&Route::Null));
    assert_eq!(before.net.routes.longest_match([30, 0, 7, 1].into()), Some(&Route::Via(neighbour(254))));
}

#[test]
fn the_balancer_changes_nothing_of_the_network() {
    let (mut harness, before) = harness();
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3");
    let after = harness.snapshot();
    assert!(Arc::ptr_eq(&after.net, &before.net));
    assert!(!Arc::ptr_eq(&after.slb, &before.slb));
    // Another address is another owner, and nothing more.
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    let without = harness.snapshot();
    assert!(!Arc::ptr_eq(&without.net, &after.net));
    assert!(without.net.routes.ptr_eq(&after.net.routes));
    assert!(Arc::ptr_eq(&without.net.neighbours, &after.net.neighbours));
    let claimed =
        |snapshot: &Snapshot| snapshot.net.owners.values().any(|owner| owner.as_virtual().is_some());
    assert!(!claimed(&without) && claimed(&after));
}

#[test]
fn a_network_without_news_is_shared_whole() {
    let (mut harness, before) = harness();
    let mut net = (*harness.snapshot().net).clone();
    // The same contents, made anew, as a reading of the kernel gives them.
    net.interfaces = net.interfaces.iter().cloned().collect();
    net.ports = net.ports.iter().cloned().collect();
    net.owners = Arc::new((*net.owners).clone());
    harness.network(&net);
    assert!(Arc::ptr_eq(&harness.snapshot().net, &before.net));
    let mut net = (*harness.snapshot().net).clone();
    net.routes = Routes::default();
    harness.network(&net);
    assert!(!Arc::ptr_eq(&harness.snapshot().net, &before.net));
}
