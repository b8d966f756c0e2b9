//! Transit IPv4.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use common::{
    event::Event,
    id::PortId,
    mac::MacAddr,
    net::{NextHop, Route, WeightedHop},
    verdict::Verdict,
};
use dataplane::{
    backend::sim::Marks,
    harness::{AGENT, AGENT_MAC, Harness, INTERFACES, MAC0, MAC1, agent_mac},
};
use etherparse::{Icmpv4Type, IpNumber, icmpv4::DestUnreachableHeader, icmpv4::TimeExceededCode};

use crate::frames::{Build, from_agent, one, pad, punted, see};

const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 52);

fn from_inside(to: [u8; 4]) -> Build {
    let mut build = from_agent(to.into()).source_ip(INSIDE).mac(MAC0);
    build.source = agent_mac(52);
    build
}

#[test]
fn a_routed_packet_loses_one_hop_and_nothing_else() {
    let mut harness = Harness::new(1);
    let frame = from_agent(INSIDE).udp(7, 9, b"some payload of odd length.");
    let (verdict, sent) = one(&mut harness, 1, &frame);
    assert_eq!(verdict, Verdict::ROUTED);
    let mut wanted = from_agent(INSIDE).ttl(63).mac(agent_mac(52));
    wanted.source = MAC0;
    assert_eq!(sent, [wanted.udp(7, 9, b"some payload of odd length.")]);
    let back = from_inside([192, 168, 5, 5]).udp(7, 9, b"through a gateway");
    let (verdict, sent) = one(&mut harness, 0, &back);
    let seen = see(&sent[0]);
    assert_eq!((verdict, seen.source, seen.destination), (Verdict::ROUTED, MAC1, AGENT_MAC));
    assert_eq!(seen.to(), Ipv4Addr::new(192, 168, 5, 5));
}

#[test]
fn tags_are_pushed_popped_and_changed_at_the_edges() {
    let mut harness = Harness::new(1);
    let to_vlan = |build: Build| build.udp(1, 2, &[8; 33]);
    let push = see(&one(&mut harness, 0, &to_vlan(from_inside([10, 15, 0, 9]))).1[0]);
    assert_eq!((push.vlan, push.source, push.destination), (Some(15), MAC1, agent_mac(9)));
    let pop = see(&one(&mut harness, 1, &to_vlan(from_agent(INSIDE).vlan(15))).1[0]);
    assert_eq!((pop.vlan, pop.destination), (None, agent_mac(52)));
    harness.change(|snapshot| {
        snapshot.net_mut().ports_mut()[0].vlans.push((4094, INTERFACES[0]));
        snapshot.net_mut().interfaces_mut()[0].vlan = Some(4094);
    });
    let swap = see(&one(&mut harness, 0, &to_vlan(from_inside([10, 15, 0, 9]).vlan(4094))).1[0]);
    assert_eq!((swap.vlan, swap.payload), (Some(15), vec![8; 33]));
    let marks = Marks { vlan: Some(4094), ..Marks::default() };
    harness.wire.feed_marked(PortId(0), 0, &to_vlan(from_inside([10, 15, 0, 9])), marks);
    let [_, outside] = harness.run();
    assert_eq!(see(&outside[0]).vlan, Some(15), "the device stripped the tag");
    harness.received();
}

#[test]
fn options_are_forwarded_untouched_but_source_routes_are_not() {
    let mut harness = Harness::new(1);
    let record_route = [7, 7, 4, 0, 0, 0, 0, 0];
    let (verdict, sent) = one(&mut harness, 1, &from_agent(INSIDE).options(record_route).udp(1, 2, &[1; 9]));
    assert_eq!(verdict, Verdict::ROUTED);
    assert_eq!(see(&sent[0]).ip.options.as_slice(), record_route);
    for options in [
        [131, 7, 4, 10, 1, 1, 1, 0],
        [1, 137, 7, 4, 10, 1, 1, 1],
        [7, 9, 4, 0, 0, 0, 0, 0],
        [7, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 7],
    ] {
        for to in [INSIDE, dataplane::harness::DISPATCHED] {
            let (verdict, sent) = one(&mut harness, 1, &from_agent(to).options(options).udp(1, 2, &[]));
            assert_eq!((verdict, sent.len()), (Verdict::IP_OPTION, 0), "{options:?}");
        }
    }
}

#[test]
fn the_last_hop_is_told_to_the_sender() {
    let mut harness = Harness::new(1);
    for ttl in [0, 1] {
        let frame = from_agent(INSIDE).ttl(ttl).udp(33434, 33434, &[1; 31]);
        let (verdict, sent) = one(&mut harness, 1, &frame);
        let error = see(&sent[0]);
        assert_eq!((verdict, error.from(), error.to()), (Verdict::ICMP_ERROR, [15, 1, 1, 1].into(), AGENT));
        assert_eq!((error.source, error.destination), (MAC1, AGENT_MAC));
        assert_eq!(error.icmp(), Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit));
        assert_eq!(error.payload, frame[14..], "the packet as it came");
        assert_eq!((error.ip.dscp.value(), error.ip.time_to_live), (48, 64), "internetwork control");
    }
    assert_eq!(see(&one(&mut harness, 1, &from_agent(INSIDE).ttl(2).udp(1, 2, &[])).1[0]).ip.time_to_live, 1);
}

#[test]
fn no_route_and_too_big_are_told_to_the_sender() {
    let mut harness = Harness::new(1);
    let lost = from_agent([8, 8, 8, 8].into()).vlan(15).udp(1, 2, &[3; 1000]);
    let (verdict, sent) = one(&mut harness, 1, &lost);
    let error = see(&sent[0]);
    assert_eq!((verdict, error.vlan, error.ip.total_len), (Verdict::ICMP_ERROR, Some(15), 576));
    assert_eq!(error.from(), Ipv4Addr::new(10, 15, 0, 1));
    assert_eq!(error.icmp(), Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Network));
    assert_eq!(error.payload, lost[18..18 + 548]);
    harness.change(|snapshot| snapshot.net_mut().interfaces_mut()[0].mtu = 1000);
    let big = |size, df| from_agent(INSIDE).dont_fragment(df).udp(1, 2, &vec![3; size]);
    let (verdict, sent) = one(&mut harness, 1, &big(973, true));
    assert_eq!(verdict, Verdict::ICMP_ERROR);
    assert_eq!(
        see(&sent[0]).icmp(),
        Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1000 })
    );
    assert_eq!(one(&mut harness, 1, &big(973, false)), (Verdict::PUNTED, vec![]), "the kernel fragments");
    let flood = (0..300).map(|_| one(&mut harness, 1, &big(973, false)).0);
    assert_eq!(flood.filter(|verdict| *verdict == Verdict::TOO_BIG).count(), 101, "199 more were punted");
    assert_eq!(one(&mut harness, 1, &big(972, true)).0, Verdict::ROUTED);
}

#[test]
fn a_tag_that_the_device_stripped_comes_back_in_the_error() {
    let mut harness = Harness::new(1);
    let lost = from_agent([8, 8, 8, 8].into()).udp(1, 2, &[3; 10]);
    harness.wire.feed_marked(PortId(1), 0, &lost, Marks { vlan: Some(15), ..Marks::default() });
    let [_, sent] = harness.run();
    let error = see(&sent[0]);
    assert_eq!((error.vlan, error.payload), (Some(15), lost[14..].to_vec()));
    harness.received();
}

#[test]
fn a_neighbour_that_is_not_resolved_is_asked_for_once_a_second() {
    let mut harness = Harness::new(1);
    let frame = from_agent([10, 1, 1, 99].into()).udp(1, 2, &[]);
    let expired = from_agent([10, 1, 1, 99].into()).ttl(1).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &expired).0, Verdict::NO_NEIGHBOUR);
    for _ in 0..200 {
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::PUNTED, vec![]), "the kernel holds it");
    }
    assert_eq!(one(&mut harness, 1, &frame), (Verdict::NO_NEIGHBOUR, vec![]), "at a bounded rate");
    let mut asked = || match harness.control.events[0].pop() {
        Ok(Event::Resolve { interface, address }) => Some((interface, address)),
        _ => None,
    };
    assert_eq!(asked(), Some((INTERFACES[0], [10, 1, 1, 99].into())));
    assert_eq!(asked(), None);
    harness.clock.advance(Duration::from_secs(1));
    one(&mut harness, 1, &frame);
    assert!(harness.control.events[0].pop().is_ok());
}

/// Home agents' network behind two gateways inside, 51 with weight 1 and 52 with weight 3.
fn with_two_gateways(workers: u8) -> Harness {
    let harness = Harness::new(workers);
    let hop = |last, weight| WeightedHop {
        interface: INTERFACES[0],
        gateway: Some([10, 1, 1, last].into()),
        weight,
    };
    harness.change(|snapshot| {
        let group = Route::through(vec![hop(51, 1), hop(52, 3)]).unwrap();
        snapshot.net_mut().routes.insert("20.0.0.0/8".parse().unwrap(), group);
    });
    harness
}

/// Flows by their source port, and the gateway that each takes.
fn gateways(harness: &mut Harness, flows: std::ops::Range<u16>) -> Vec<MacAddr> {
    let flow = |port| from_agent([20, 0, 0, 1].into()).udp(port, 434, b"a flow of its own");
    flows.map(|port| see(&one(harness, 1, &flow(port)).1[0]).destination).collect()
}

#[test]
fn flows_share_next_hops_by_weight_and_each_keeps_its_own_on_every_worker() {
    let mut harness = with_two_gateways(1);
    let taken = gateways(&mut harness, 1000..1400);
    let second = taken.iter().filter(|mac| **mac == agent_mac(52)).count();
    assert!((260..340).contains(&second), "three quarters of 400: {second}");
    assert_eq!(gateways(&mut harness, 1000..1400), taken);
    let mut workers = with_two_gateways(2);
    for (port, gateway) in (1000..1100).zip(&taken) {
        let frame = from_agent([20, 0, 0, 1].into()).udp(port, 434, b"a flow of its own");
        for queue in 0..2 {
            workers.wire.feed(PortId(1), queue, &frame);
            let [inside, _] = workers.run();
            assert_eq!(see(&inside[0]).destination, *gateway, "{port} on worker {queue}");
        }
    }
    // Protocols without ports, and fragments, go by their addresses alone.
    let to = |last| from_agent([20, 0, 0, last].into());
    let way = |harness: &mut Harness, frame: &[u8]| see(&one(harness, 1, frame).1[0]).destination;
    let (mut pieces, mut tunnels) = (0, 0);
    for last in 0..100 {
        let first = way(&mut harness, &to(last).fragment(0, true).udp(1000, 434, &[1; 32]));
        assert_eq!(way(&mut harness, &to(last).fragment(5, false).ip(IpNumber::UDP, &[last; 40])), first);
        assert_eq!(way(&mut harness, &to(last).fragment(0, true).udp(1001, 434, &[1; 32])), first);
        pieces += usize::from(first == agent_mac(52));
        let inner = way(&mut harness, &to(last).ip(IpNumber::GRE, &[1; 8]));
        assert_eq!(way(&mut harness, &to(last).ip(IpNumber::GRE, &[2; 8])), inner);
        tunnels += usize::from(inner == agent_mac(52));
    }
    assert!((60..90).contains(&pieces) && (60..90).contains(&tunnels), "{pieces} {tunnels}");
    assert_eq!(
        one(&mut harness, 1, &to(1).ip(IpNumber::UDP, &[7; 2])).0,
        Verdict::ROUTED,
        "no room for ports"
    );
}

#[test]
fn only_the_flows_of_a_next_hop_that_cannot_be_sent_to_go_elsewhere_and_come_back() {
    let mut harness = with_two_gateways(1);
    let before = gateways(&mut harness, 1000..1100);
    let own = NextHop { interface: INTERFACES[0], address: [10, 1, 1, 52].into() };
    let mac = harness.control.snapshot.load().net.neighbours[&own];
    harness.change(|snapshot| {
        snapshot.net_mut().neighbours_mut().remove(&own);
    });
    assert_eq!(gateways(&mut harness, 1000..1100), [agent_mac(51); 100]);
    let mut asked = || match harness.control.events[0].pop() {
        Ok(Event::Resolve { address, .. }) => Some(address),
        _ => None,
    };
    assert_eq!((asked(), asked()), (Some(own.address), None), "the lost one is asked for, once a second");
    harness.change(|snapshot| {
        snapshot.net_mut().neighbours_mut().insert(own, mac);
    });
    assert_eq!(gateways(&mut harness, 1000..1100), before);
    // With nobody to send to, each flow asks for its own.
    harness.change(|snapshot| snapshot.net_mut().neighbours_mut().clear());
    harness.clock.advance(Duration::from_secs(1));
    let frame = |port| from_agent([20, 0, 0, 1].into()).udp(port, 434, b"a flow of its own");
    let mut wanted = BTreeSet::new();
    for (port, gateway) in (1000..1020).zip(&before) {
        assert_eq!(one(&mut harness, 1, &frame(port)), (Verdict::PUNTED, vec![]), "the kernel holds it");
        wanted.insert(Ipv4Addr::new(10, 1, 1, gateway.0[5]));
    }
    let events = &mut harness.control.events[0];
    let asked: BTreeSet<_> = std::iter::from_fn(|| match events.pop() {
        Ok(Event::Resolve { address, .. }) => Some(address),
        _ => None,
    })
    .collect();
    assert_eq!(asked, wanted);
}

#[test]
fn a_next_hop_behind_a_port_without_link_has_no_flows() {
    let mut harness = Harness::new(1);
    let hop =
        |interface, gateway: [u8; 4]| WeightedHop { interface, gateway: Some(gateway.into()), weight: 1 };
    let [inside, _, tagged] = INTERFACES;
    harness.change(|snapshot| {
        let group = Route::through(vec![hop(inside, [10, 1, 1, 51]), hop(tagged, [10, 15, 0, 9])]).unwrap();
        snapshot.net_mut().routes.insert("20.0.0.0/8".parse().unwrap(), group);
    });
    let sent = |harness: &mut Harness| {
        (1000..1050)
            .map(|port| one(harness, 1, &from_agent([20, 0, 0, 1].into()).udp(port, 434, &[])))
            .for_each(drop);
    };
    let verdicts = |harness: &Harness, verdict| harness.control.stats[0].verdict(verdict);
    sent(&mut harness);
    assert_eq!(verdicts(&harness, Verdict::ROUTED), 50);
    harness.change(|snapshot| snapshot.net_mut().ports_mut()[0].link_up = false);
    sent(&mut harness);
    assert_eq!((verdicts(&harness, Verdict::ROUTED), verdicts(&harness, Verdict::TX_DOWN)), (100, 0));
    harness.change(|snapshot| {
        snapshot.net_mut().ports_mut()[0].link_up = true;
        snapshot.net_mut().interfaces_mut()[tagged.index()].up = false;
    });
    sent(&mut harness);
    assert_eq!((verdicts(&harness, Verdict::ROUTED), verdicts(&harness, Verdict::TX_DOWN)), (150, 0));
}

#[test]
fn routes_may_discard_or_belong_to_the_kernel() {
    let mut harness = Harness::new(1);
    let to = |a, b, c, d| from_agent([a, b, c, d].into()).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &to(192, 168, 66, 1)), (Verdict::NO_ROUTE, vec![]));
    assert_eq!(one(&mut harness, 1, &to(192, 168, 77, 1)).0, Verdict::PUNTED);
    assert_eq!(punted(&mut harness), Some((INTERFACES[1], to(192, 168, 77, 1))));
}

#[test]
fn martians_and_group_frames_are_not_forwarded() {
    let mut harness = Harness::new(1);
    for source in [[0, 0, 0, 1], [127, 0, 0, 1], [169, 254, 1, 1], [224, 0, 0, 5], [240, 0, 0, 1], [255; 4]] {
        let frame = from_agent(INSIDE).source_ip(source).udp(1, 2, &[]);
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::MARTIAN, vec![]), "{source:?}");
    }
    for destination in [[0, 0, 0, 1], [127, 0, 0, 1], [169, 254, 1, 1], [240, 0, 0, 1]] {
        let frame = from_agent(destination.into()).udp(1, 2, &[]);
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::MARTIAN, "{destination:?}");
    }
    let directed = from_agent([10, 1, 1, 255].into()).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &directed).0, Verdict::MARTIAN, "a directed broadcast");
    assert!(harness.control.events[0].pop().is_err(), "nobody is asked for it");
    let group = from_agent(INSIDE).mac(MacAddr::BROADCAST).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &group).0, Verdict::MARTIAN);
}

#[test]
fn a_port_that_is_down_or_full_has_its_verdict() {
    let mut harness = Harness::new(1);
    let frame = from_agent(INSIDE).udp(1, 2, &[]);
    harness.change(|snapshot| snapshot.net_mut().ports_mut()[0].link_up = false);
    assert_eq!(one(&mut harness, 1, &frame), (Verdict::TX_DOWN, vec![]));
    harness.change(|snapshot| {
        snapshot.net_mut().ports_mut()[0].link_up = true;
        snapshot.net_mut().interfaces_mut()[0].up = false;
    });
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::TX_DOWN);
    harness.change(|snapshot| snapshot.net_mut().interfaces_mut()[0].up = true);
    harness.wire.set_link(PortId(0), false);
    assert_eq!(
        one(&mut harness, 1, &frame),
        (Verdict::TX_FULL, vec![]),
        "the device refuses before control knows"
    );
    assert_eq!(harness.control.stats[0].ports[0].tx_full.load(std::sync::atomic::Ordering::Relaxed), 1);
    harness.wire.set_link(PortId(0), true);
    assert_eq!(one(&mut harness, 1, &pad(frame)).0, Verdict::ROUTED);
}
