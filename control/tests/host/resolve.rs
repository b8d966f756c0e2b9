//! Next hops are resolved by the kernel's ARP through the rings.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use common::mac::MacAddr;
use control::host::view::ArpState;

use crate::support::*;

/// Answers the kernel's next question for `address`.
async fn answer(harness: &mut Harness, address: Ipv4Addr) {
    let question = harness.frame(|_, frame| is_arp(frame, 1, address)).await;
    assert_eq!(question[22..28], PORT_MAC.0);
    assert_eq!(question[28..32], HOST.octets());
    assert!(harness.punt.send(ETHERNET0, &arp(PORT_MAC, 2, (PEER_MAC, address), (PORT_MAC, HOST))));
}

#[test]
fn a_wanted_next_hop_is_asked_for_resolved_and_kept() {
    in_namespace(|| async {
        let mut harness = Harness::with_ethernet0().await;
        let deaf = Ipv4Addr::new(10, 1, 1, 66);
        harness.host.keep_resolved(BTreeSet::from([next_hop(PEER), next_hop(deaf)]));
        answer(&mut harness, PEER).await;
        let state = harness.state("the neighbour", |s| s.neighbours.contains_key(&next_hop(PEER))).await;
        assert_eq!(state.neighbours[&next_hop(PEER)], PEER_MAC);
        assert!(!state.neighbours.contains_key(&next_hop(deaf)));
        let unresolved = harness.host.unresolved().await.unwrap();
        assert_eq!(unresolved.iter().map(|u| u.address).collect::<Vec<_>>(), [deaf]);
        let entry = ip("neigh show 10.1.1.2");
        assert!(entry.contains("managed"), "{entry}");

        // The kernel gives up after three questions; they go on.
        harness
            .state("a failure", |s| s.arp.iter().any(|e| e.address == deaf && e.state == ArpState::Failed))
            .await;
        answer(&mut harness, deaf).await;
        harness.state("the late one", |s| s.neighbours.contains_key(&next_hop(deaf))).await;

        // A link that went down forgets; it is asked for again at once.
        let mut desired = one_interface();
        desired.interfaces[0].up = false;
        harness.host.apply(desired).await.unwrap();
        harness.state("nothing", |s| s.neighbours.is_empty()).await;
        harness.host.apply(one_interface()).await.unwrap();
        answer(&mut harness, PEER).await;
        harness.state("the neighbour again", |s| s.neighbours.contains_key(&next_hop(PEER))).await;

        harness.host.keep_resolved(BTreeSet::new());
        assert_eq!(harness.host.unresolved().await.unwrap(), []);
        let entry = ip("neigh show 10.1.1.2");
        assert!(entry.contains("02:00:5e:00:00:02") && !entry.contains("managed"), "{entry}");
        harness.host.shutdown().await;
    });
}

#[test]
fn a_worker_that_needs_a_neighbour_gets_it() {
    in_namespace(|| async {
        let mut harness = Harness::with_ethernet0().await;
        harness.host.resolve(ETHERNET0, PEER);
        answer(&mut harness, PEER).await;
        harness.state("the neighbour", |s| s.neighbours.get(&next_hop(PEER)) == Some(&PEER_MAC)).await;
        // Gone stale, it is confirmed without a packet of anybody: by a question to the neighbour alone.
        ip("neigh replace 10.1.1.2 lladdr 02:00:5e:00:00:02 dev Et0 nud stale");
        let question = harness.frame(|_, frame| is_arp(frame, 1, PEER)).await;
        assert_eq!(question[..6], PEER_MAC.0);
        harness.host.shutdown().await;
    });
}

#[test]
fn a_neighbour_that_silently_gets_another_address_is_followed_without_a_failure() {
    in_namespace(|| async {
        let mut harness = Harness::start().await;
        let mut desired = one_interface();
        desired.interfaces[0].arp_timeout = Duration::from_secs(5);
        harness.host.apply(desired.clone()).await.unwrap();
        // In whole ticks of the kernel.
        let base: u32 = setting("ipv4/neigh/Et0/base_reachable_time_ms").parse().unwrap();
        assert!((1333..=1340).contains(&base), "{base}");
        harness.host.keep_resolved(BTreeSet::from([next_hop(PEER)]));
        answer(&mut harness, PEER).await;
        harness.state("the neighbour", |s| s.neighbours.get(&next_hop(PEER)) == Some(&PEER_MAC)).await;
        // From here on it has another address: it hears what is for that one, or for everybody.
        let moved = MacAddr([2, 0, 0x5e, 0, 0, 3]);
        let end = Instant::now() + DEADLINE;
        let mut frame = Vec::new();
        loop {
            let known = harness.host.state().borrow().neighbours.get(&next_hop(PEER)).copied();
            assert!(known.is_some() && Instant::now() < end, "{known:?}");
            if known == Some(moved) {
                break;
            }
            while harness.inject.receive(&mut frame).is_some() {
                let heard = frame[..6] == moved.0 || frame[..6] == MacAddr::BROADCAST.0;
                if heard && is_arp(&frame, 1, PEER) {
                    let reply = arp(PORT_MAC, 2, (moved, PEER), (PORT_MAC, HOST));
                    assert!(harness.punt.send(ETHERNET0, &reply));
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // What is set live holds for the shadow that is there.
        desired.interfaces[0].arp_timeout = Duration::from_secs(30);
        harness.host.apply(desired).await.unwrap();
        assert_eq!(setting("ipv4/neigh/Et0/base_reachable_time_ms"), "18000");
        harness.host.shutdown().await;
    });
}
