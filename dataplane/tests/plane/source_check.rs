//! Sources that must route back: whoever the packet is for.

use common::{
    id::PortId,
    net::{NextHop, NextHopGroup, ReachableVia, Route, WeightedHop},
    verdict::Verdict,
};
use dataplane::harness::{AGENT, DIRECTED, DISPATCHED, Harness, INTERFACES, verify_sources};

use crate::{
    frames::{Build, from_agent, one, pad, totals},
    mobile_ip::rrq,
    tunnels,
};

const HOST: [u8; 4] = [15, 1, 1, 1];

fn checked(via: ReachableVia) -> Harness {
    let harness = Harness::new(1);
    harness.change(|snapshot| verify_sources(snapshot, Some(via)));
    harness
}

fn drops(harness: &Harness, interface: usize) -> u64 {
    let snapshot = harness.control.snapshot.load();
    snapshot.net.interfaces[interface].source_check.as_ref().unwrap().drops.total(0)
}

/// A request, a transit packet, one for the host and one for a group, from a source.
fn to_everybody(source: [u8; 4]) -> [Vec<u8>; 4] {
    let request = from_agent(DISPATCHED).source_ip(source).udp(434, 434, &rrq("node@example.com"));
    let transit = from_agent([10, 1, 1, 51].into()).source_ip(source).udp(1, 2, &[]);
    let host = from_agent(HOST.into()).source_ip(source).udp(1, 2, &[]);
    let group = from_agent([224, 0, 0, 9].into()).source_ip(source).udp(1, 2, &[]);
    [pad(request), transit, host, group]
}

#[test]
fn a_forged_source_reaches_nobody_and_a_true_one_everybody() {
    let mut harness = checked(ReachableVia::Rx);
    let ends = [Verdict::SLB_DISPATCHED, Verdict::ROUTED, Verdict::PUNTED, Verdict::PUNTED];
    let mut dropped = 0;
    for source in [AGENT.octets(), [192, 168, 1, 1]] {
        let verdicts = to_everybody(source).map(|frame| one(&mut harness, 1, &frame).0);
        assert_eq!(verdicts, ends, "{source:?}");
    }
    // The other side's, discarded, nobody's, our own, and the session's that there is by now.
    for source in [[10, 1, 1, 52], [192, 168, 66, 9], [198, 51, 100, 1], HOST, DIRECTED.octets()] {
        for frame in to_everybody(source) {
            assert_eq!(one(&mut harness, 1, &frame).0, Verdict::RPF_FAILED, "{source:?}");
            dropped += 1;
        }
    }
    assert_eq!((drops(&harness, 1), drops(&harness, 0)), (dropped, 0));
    let vlan = from_agent([10, 1, 1, 51].into()).vlan(15);
    assert_eq!(
        one(&mut harness, 1, &vlan.udp(1, 2, &[])).0,
        Verdict::RPF_FAILED,
        "the port's, not the VLAN's"
    );
    assert_eq!(drops(&harness, 2), 1);
}

#[test]
fn loose_wants_a_route_and_any_interface() {
    let mut harness = checked(ReachableVia::Any);
    let transit = |source: [u8; 4]| from_agent([10, 1, 1, 51].into()).source_ip(source).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &transit([10, 1, 1, 52])).0, Verdict::ROUTED);
    assert_eq!(one(&mut harness, 1, &transit([198, 51, 100, 1])).0, Verdict::RPF_FAILED);
    assert_eq!(one(&mut harness, 1, &transit([192, 168, 66, 9])).0, Verdict::RPF_FAILED);
}

#[test]
fn each_of_several_next_hops_is_a_way_back() {
    let mut harness = checked(ReachableVia::Rx);
    let [inside, outside, _] = INTERFACES;
    let frame = from_agent([10, 1, 1, 51].into()).source_ip([172, 16, 0, 1]).udp(1, 2, &[]);
    let route = |harness: &Harness, route| {
        harness.change(|snapshot| {
            snapshot.net_mut().routes.insert("172.16.0.0/12".parse().unwrap(), route);
        });
    };
    route(&harness, Route::Via(NextHop { interface: inside, address: [10, 1, 1, 52].into() }));
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::RPF_FAILED);
    let hops = [(inside, [10, 1, 1, 52]), (outside, [15, 1, 1, 51])];
    let hops =
        hops.map(|(interface, gateway)| WeightedHop { interface, gateway: Some(gateway.into()), weight: 1 });
    route(&harness, Route::Group(NextHopGroup::new(hops.to_vec()).into()));
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::ROUTED);
}

#[test]
fn who_asks_for_an_address_is_the_hosts_and_arp_is_not_checked() {
    let mut harness = checked(ReachableVia::Rx);
    let discover = |to: [u8; 4]| {
        let build: Build = from_agent(to.into()).source_ip([0, 0, 0, 0]);
        build.udp(68, 67, &[0; 240])
    };
    assert_eq!(one(&mut harness, 1, &discover([255; 4])).0, Verdict::PUNTED);
    assert_eq!(one(&mut harness, 1, &discover([15, 1, 1, 255])).0, Verdict::RPF_FAILED);
    let arp = crate::local::arp(etherparse::ArpOperation::REQUEST, [10, 1, 1, 51], HOST.into());
    assert_eq!(one(&mut harness, 1, &arp).0, Verdict::PUNTED);
}

#[test]
fn a_packet_out_of_a_tunnel_came_by_the_tunnel() {
    let mut harness = tunnels::harness();
    harness.change(|snapshot| verify_sources(snapshot, Some(ReachableVia::Rx)));
    let inner = from_agent([10, 1, 1, 51].into()).source_ip([10, 15, 0, 9]);
    assert!(harness.wire.feed(PortId(1), 0, &tunnels::nested(&inner.udp(1, 2, &[]), 1)));
    harness.run();
    harness.received();
    let at = Verdict::ALL.iter().position(|verdict| *verdict == Verdict::ROUTED).unwrap();
    assert_eq!(totals(&harness)[at], 1);
}
