//! Registration requests: the decisions, the bytes that leave, the counters and the events.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::{Event, SessionChange},
    id::{PortId, VserverId},
    slb::{ClientRule, Shedding, VserverCounter},
    verdict::Verdict,
};
use dataplane::harness::{
    AGENT, AGENT_MAC, DIRECTED, DISPATCHED, Harness, MAC0, MAC1, agent_mac, virtual_address,
};
use etherparse::{
    Icmpv4Type, IpNumber,
    icmpv4::{DestUnreachableHeader, TimeExceededCode},
};

use crate::frames::{from_agent, one, pad, punted, see};

/// A registration request with a NAI, as few bytes as it takes.
pub fn rrq(nai: &str) -> Vec<u8> {
    let mut payload = vec![1, 2, 7, 8];
    payload.extend_from_slice(&[0; 8]);
    payload.extend_from_slice(&AGENT.octets());
    payload.extend_from_slice(&[0xc2, 0xb9, 0xf5, 0xa0, 0x12, 0x30, 0, 0]);
    payload.extend_from_slice(&[131, nai.len() as u8]);
    payload.extend_from_slice(nai.as_bytes());
    payload
}

/// The Home Agent field set.
pub fn to_agent(mut payload: Vec<u8>, agent: [u8; 4]) -> Vec<u8> {
    payload[8..12].copy_from_slice(&agent);
    payload
}

fn vectors() -> impl Iterator<Item = Vec<&'static str>> {
    include_str!("vectors.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn packet(name: &str) -> Vec<u8> {
    hex(vectors().find(|fields| fields[0] == name).unwrap()[5])
}

fn counter(harness: &Harness, vserver: u16, counter: VserverCounter) -> u64 {
    harness.control.snapshot.load().vserver(VserverId(vserver)).unwrap().live.total(counter)
}

fn link(destination: common::mac::MacAddr, source: common::mac::MacAddr, packet: &[u8]) -> Vec<u8> {
    [&destination.0[..], &source.0, &[8, 0], packet].concat()
}

#[test]
fn dispatched_mode_changes_the_link_and_the_time_to_live_only() {
    let mut harness = Harness::new(1);
    let frame = link(MAC1, AGENT_MAC, &packet("PKT-01"));
    let (verdict, sent) = one(&mut harness, 1, &frame);
    assert_eq!(verdict, Verdict::SLB_DISPATCHED);
    assert_eq!(sent, [link(agent_mac(51), MAC0, &packet("PKT-03"))]);
    see(&sent[0]);
}

#[test]
fn directed_mode_changes_destination_and_checksums_as_well() {
    let mut harness = Harness::new(1);
    harness.change(|snapshot| {
        snapshot.slb_mut().farms[0].as_mut().unwrap().nat_server = true;
    });
    let (verdict, sent) = one(&mut harness, 1, &link(MAC1, AGENT_MAC, &packet("PKT-01")));
    assert_eq!(verdict, Verdict::SLB_DIRECTED);
    assert_eq!(sent, [link(agent_mac(51), MAC0, &packet("PKT-02"))]);
}

#[test]
fn directed_mode_with_a_port_onto_a_vlan() {
    let mut harness = Harness::new(1);
    for (size, none) in [(0, false), (1, false), (2, true), (3, true)] {
        let nai = "x".repeat(20 + size);
        let mut frame = from_agent(DIRECTED).options([7, 3, 4, 0]).udp(434, 434, &rrq(&nai));
        if none {
            frame[44..46].fill(0);
        }
        let (verdict, sent) = one(&mut harness, 1, &frame);
        let seen = see(&sent[0]);
        assert_eq!((verdict, seen.vlan), (Verdict::SLB_DIRECTED, Some(15)));
        assert_eq!((seen.source, seen.destination), (MAC1, agent_mac(9)));
        assert_eq!((seen.from(), seen.to()), (AGENT, Ipv4Addr::new(10, 15, 0, 9)));
        assert_eq!((seen.udp().source_port, seen.udp().destination_port), (434, 8434));
        assert_eq!(seen.udp().checksum == 0, none);
        assert_eq!((seen.payload, seen.ip.time_to_live), (rrq(&nai), 63));
        assert_eq!(seen.ip.options.as_slice(), [7, 3, 4, 0]);
    }
}

#[test]
fn requests_on_a_vlan_leave_without_its_tag() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).vlan(15).udp(434, 434, &rrq("user@example.com"));
    let (verdict, sent) = one(&mut harness, 1, &frame);
    assert_eq!(verdict, Verdict::SLB_DISPATCHED);
    let seen = see(&sent[0]);
    assert_eq!((seen.vlan, seen.to(), seen.destination), (None, DISPATCHED, agent_mac(51)));
}

#[test]
fn every_vector_has_its_verdict_and_counter() {
    let mut seen = 0;
    for fields in vectors().filter(|fields| !fields[0].starts_with("PKT")) {
        let [name, wanted, counted, source, port, payload] = fields[..] else { panic!("six fields") };
        let mut harness = Harness::new(1);
        let payload = if payload == "-" { vec![] } else { hex(payload) };
        let source: Ipv4Addr = source.parse().unwrap();
        let frame = from_agent(DISPATCHED).source_ip(source).udp(port.parse().unwrap(), 434, &payload);
        let (verdict, sent) = one(&mut harness, 1, &pad(frame));
        if wanted == "forward" {
            assert_eq!((verdict, see(&sent[0]).payload), (Verdict::SLB_DISPATCHED, payload), "{name}");
        } else {
            assert_eq!((verdict.name(), sent.len()), (wanted, 0), "{name}");
        }
        for item in VserverCounter::ALL {
            if !["total_conns"].contains(&item.name()) {
                assert_eq!(
                    counter(&harness, 0, *item),
                    u64::from(counted.split(',').any(|name| name == item.name())),
                    "{name}: {}",
                    item.name()
                );
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 34);
}

#[test]
fn the_home_agent_field_may_name_a_real_or_in_strict_mode_nobody_else() {
    let mut harness = Harness::new(1);
    let host = |harness: &mut Harness, nai: &str, agent| {
        let frame = from_agent(DISPATCHED).udp(434, 434, &to_agent(rrq(nai), agent));
        let (verdict, sent) = one(harness, 1, &frame);
        (verdict, sent.first().map(|frame| see(frame).destination))
    };
    assert_eq!(host(&mut harness, "a", [10, 1, 1, 53]), (Verdict::SLB_DISPATCHED, Some(agent_mac(53))));
    assert_eq!(host(&mut harness, "b", [10, 1, 1, 52]), (Verdict::SLB_DISPATCHED, Some(agent_mac(52))));
    assert_eq!(host(&mut harness, "c", [192, 0, 2, 1]), (Verdict::SLB_DISPATCHED, Some(agent_mac(51))));
    assert_eq!(counter(&harness, 0, VserverCounter::HaFieldSet), 3);
    harness.change(|snapshot| snapshot.slb_mut().vservers[0].as_mut().unwrap().strict_home_agent = true);
    assert_eq!(host(&mut harness, "c", [192, 0, 2, 1]), (Verdict::HA_FIELD_MISMATCH, None));
    assert_eq!(counter(&harness, 0, VserverCounter::HaFieldMismatch), 1);
    assert_eq!(
        host(&mut harness, "d", [10, 15, 0, 9]),
        (Verdict::HA_FIELD_MISMATCH, None),
        "a real of another farm"
    );
    for agent in [[0; 4], [255; 4], [10, 1, 1, 10], [10, 1, 1, 51]] {
        assert_eq!(host(&mut harness, "e", agent).0, Verdict::SLB_DISPATCHED, "{agent:?}");
    }
}

#[test]
fn udp_lengths_must_fit() {
    let mut harness = Harness::new(1);
    let sound = from_agent(DISPATCHED).udp(434, 434, &rrq("user"));
    for length in [0_u16, 7, 8 + 24 + 6 + 1, u16::MAX] {
        let mut frame = sound.clone();
        frame[38..40].copy_from_slice(&length.to_be_bytes());
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::UDP_LENGTH, "{length}");
    }
    for bytes in 0..8 {
        let frame = from_agent(DISPATCHED).ip(IpNumber::UDP, &[1, 0xb2, 1, 0xb2, 0, 8, 0, 0][..bytes]);
        assert_eq!(one(&mut harness, 1, &pad(frame)).0, Verdict::UDP_LENGTH, "{bytes}");
    }
    assert_eq!(
        counter(&harness, 0, VserverCounter::Malformed),
        4 + 4,
        "with less than the ports it is nobody's"
    );
    let mut short = sound;
    short[38..40].copy_from_slice(&32_u16.to_be_bytes());
    assert_eq!(
        one(&mut harness, 1, &short).0,
        Verdict::NO_IDENTITY,
        "what lies behind the UDP length is not read"
    );
}

#[test]
fn clients_decide_which_virtual_server_takes_a_request() {
    let mut harness = Harness::new(1);
    let rule = |network: &str, exclude| ClientRule { network: network.parse().unwrap(), exclude };
    harness.change(|snapshot| {
        let mut second = snapshot.slb.vservers[1].clone().unwrap();
        (second.port, second.address) = (0, DISPATCHED);
        snapshot.slb_mut().vservers.push(Some(dataplane_vserver(second, 2)));
        virtual_address(snapshot, DISPATCHED).vservers.push(VserverId(2));
        snapshot.slb_mut().vservers[0].as_mut().unwrap().clients = vec![rule("15.1.1.0/24", true)];
    });
    let frame = from_agent(DISPATCHED).udp(434, 434, &rrq("user"));
    assert_eq!(
        one(&mut harness, 1, &frame).0,
        Verdict::SLB_DIRECTED,
        "the next one in the order of the configuration"
    );
    let any_port = from_agent(DISPATCHED).udp(434, 999, &rrq("user"));
    assert_eq!(one(&mut harness, 1, &any_port).0, Verdict::SLB_DIRECTED);
    harness.change(|snapshot| {
        snapshot.slb_mut().vservers[2].as_mut().unwrap().clients = vec![rule("16.0.0.0/8", false)];
    });
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::PUNTED, "routed like any packet");
    let elsewhere = from_agent(DISPATCHED).source_ip([16, 0, 0, 1]).udp(434, 434, &rrq("user"));
    assert_eq!(one(&mut harness, 1, &elsewhere).0, Verdict::SLB_DISPATCHED);
}

fn dataplane_vserver(mut vserver: common::slb::VirtualServer, slot: u16) -> common::slb::VirtualServer {
    vserver.id = VserverId(slot);
    vserver.name = format!("OTHER{slot}");
    vserver
}

#[test]
fn the_last_hop_and_the_largest_packet() {
    let mut harness = Harness::new(1);
    for ttl in [1, 0] {
        let frame = from_agent(DISPATCHED).ttl(ttl).udp(434, 434, &rrq("user"));
        let (verdict, sent) = one(&mut harness, 1, &frame);
        let error = see(&sent[0]);
        assert_eq!(
            (verdict, error.icmp()),
            (Verdict::ICMP_ERROR, Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),)
        );
        assert_eq!(error.payload, frame[14..]);
    }
    harness.change(|snapshot| {
        for real in snapshot.slb_mut().reals.iter_mut().flatten() {
            real.adjacency.as_mut().unwrap().mtu = 57;
        }
    });
    let big = |df| from_agent(DISPATCHED).dont_fragment(df).udp(434, 434, &rrq("user"));
    assert_eq!(big(true).len() - 14, 58);
    let (verdict, sent) = one(&mut harness, 1, &big(true));
    assert_eq!(
        (verdict, see(&sent[0]).icmp()),
        (
            Verdict::ICMP_ERROR,
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                next_hop_mtu: 57
            }),
        )
    );
    assert_eq!(one(&mut harness, 1, &big(false)), (Verdict::TOO_BIG, vec![]));
}

#[test]
fn without_a_real_or_its_mac_requests_are_dropped() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).udp(434, 434, &rrq("user"));
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::SLB_DISPATCHED);
    harness.change(|snapshot| {
        for real in snapshot.slb_mut().reals.iter_mut().flatten() {
            real.adjacency = None;
        }
    });
    assert_eq!(one(&mut harness, 1, &frame), (Verdict::NO_ADJACENCY, vec![]));
    let snapshot = harness.control.snapshot.load_full();
    for real in snapshot.slb.reals.iter().flatten() {
        real.live.set_in_service(false);
    }
    let other = from_agent(DISPATCHED).udp(434, 434, &rrq("other"));
    assert_eq!(one(&mut harness, 1, &other), (Verdict::NO_REAL, vec![]));
    assert_eq!(counter(&harness, 0, VserverCounter::NoReal), 1);
    assert!(punted(&mut harness).is_none());
}

#[test]
fn a_request_in_segments_is_read_whole() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).udp(434, 434, &rrq("user"));
    for first in [14, 34, 38, 42, 50, 70] {
        harness.wire.feed_segmented(PortId(1), 0, &frame, first, true);
    }
    let [inside, _] = harness.run();
    assert_eq!(inside.len(), 6);
    for first in [34, 42, 50, 70] {
        harness.wire.feed_segmented(PortId(1), 0, &frame, first, false);
    }
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::NOT_LINEAR), 4);
    assert_eq!(counter(&harness, 0, VserverCounter::Malformed), 0);
    harness.received();
}

#[test]
fn sessions_are_told_only_while_they_are_debugged() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).udp(1234, 434, &rrq("user@example.com"));
    one(&mut harness, 1, &frame);
    assert!(harness.control.events[0].pop().is_err());
    harness.change(|snapshot| snapshot.slb_mut().debug_sessions = true);
    one(&mut harness, 1, &frame);
    harness.clock.advance(Duration::from_secs(11));
    one(&mut harness, 1, &frame);
    let mut last = frame.clone();
    last[44..46].fill(0);
    last[40..42].fill(0);
    one(&mut harness, 1, &last);
    let mut changes = Vec::new();
    while let Ok(Event::Session(event)) = harness.control.events[0].pop() {
        assert_eq!((event.client, event.client_port, event.vserver), (AGENT, 1234, VserverId(0)));
        let ended = event.change == SessionChange::TimedOut;
        assert_eq!(&event.nai[..], if ended { &b""[..] } else { b"user@example.com" });
        changes.push(event.change);
    }
    assert_eq!(
        changes,
        [
            SessionChange::Repeated,
            SessionChange::TimedOut,
            SessionChange::Created,
            SessionChange::Deregistered
        ]
    );
}

#[test]
fn events_that_find_no_room_are_counted() {
    let mut harness = Harness::new(1);
    harness.change(|snapshot| snapshot.slb_mut().debug_sessions = true);
    let frame = from_agent(DISPATCHED).udp(1234, 434, &rrq("user@example.com"));
    for _ in 0..5000 {
        one(&mut harness, 1, &frame);
    }
    harness.clock.advance(Duration::from_secs(1));
    harness.run();
    let lost = harness.control.stats[0].events_lost.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(lost, 5000 - 4096);
}

#[test]
fn under_overload_a_first_request_is_dropped_and_repeated_ones_go_on() {
    let mut harness = Harness::new(1);
    let from = |nai: &str| from_agent(DISPATCHED).udp(434, 434, &rrq(nai));
    assert_eq!(one(&mut harness, 1, &from("known@x")).0, Verdict::SLB_DISPATCHED);
    harness.control.tables.slb.shed(Shedding::ALL);
    assert_eq!(one(&mut harness, 1, &from("new@x")), (Verdict::OVERLOAD, vec![]));
    assert_eq!(one(&mut harness, 1, &from("known@x")).0, Verdict::SLB_DISPATCHED);
    // In one burst.
    for nai in ["other@x", "known@x", "another@x"] {
        assert!(harness.wire.feed(PortId(1), 0, &from(nai)));
    }
    let [inside, _] = harness.run();
    assert_eq!(inside.len(), 1, "the repeated one");
    let stats = &harness.control.stats[0];
    assert_eq!((stats.verdict(Verdict::OVERLOAD), stats.verdict(Verdict::SLB_DISPATCHED)), (3, 3));
    assert_eq!(stats.verdict_sum(), harness.received());
    harness.control.tables.slb.shed(Shedding::NONE);
    assert_eq!(one(&mut harness, 1, &from("new@x")).0, Verdict::SLB_DISPATCHED);
}
