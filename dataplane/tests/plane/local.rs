//! What virtual addresses answer, and what is the host's.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::Event,
    id::{InterfaceId, PortId},
    mac::MacAddr,
    verdict::Verdict,
};
use dataplane::harness::{
    AGENT, AGENT_MAC, DIRECTED, DISPATCHED, Harness, INTERFACES, MAC0, MAC1, VIRTUAL_MAC, agent_mac,
    virtual_address,
};
use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IcmpEchoHeader, Icmpv4Type, IpNumber, TcpHeader,
    TransportHeader,
};

use crate::frames::{from_agent, one, pad, punted, see};

const ASKER: MacAddr = agent_mac(51);

pub fn arp(operation: ArpOperation, sender: [u8; 4], target: Ipv4Addr) -> Vec<u8> {
    arp_from(ASKER, operation, sender, target)
}

fn arp_from(mac: MacAddr, operation: ArpOperation, sender: [u8; 4], target: Ipv4Addr) -> Vec<u8> {
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &mac.0,
        &sender,
        &[0; 6],
        &target.octets(),
    )
    .unwrap();
    let mut frame = [&[0xff; 6][..], &mac.0, &[8, 6]].concat();
    packet.write(&mut frame).unwrap();
    pad(frame)
}

#[test]
fn arp_for_a_virtual_address_is_answered_with_its_mac_on_its_interface_only() {
    let mut harness = Harness::new(1);
    for (vip, mac) in [(DISPATCHED, MAC0), (DIRECTED, VIRTUAL_MAC)] {
        for sender in [[10, 1, 1, 51], [0, 0, 0, 0]] {
            let (verdict, sent) = one(&mut harness, 0, &arp(ArpOperation::REQUEST, sender, vip));
            assert_eq!((verdict, sent.len(), sent[0].len()), (Verdict::ARP_REPLY, 1, 60));
            assert_eq!(sent[0][..14], [&ASKER.0[..], &mac.0, &[8, 6]].concat());
            let reply = ArpPacket::from_slice(&sent[0][14..]).unwrap();
            assert_eq!(reply.operation, ArpOperation::REPLY);
            assert_eq!(reply.sender_hw_addr(), mac.0);
            assert_eq!(reply.sender_protocol_addr(), vip.octets());
            assert_eq!(reply.target_hw_addr(), ASKER.0);
            assert_eq!(reply.target_protocol_addr(), sender);
        }
        assert_eq!(one(&mut harness, 1, &arp(ArpOperation::REQUEST, [15, 1, 1, 9], vip)).0, Verdict::PUNTED);
    }
}

#[test]
fn other_arp_is_the_kernels() {
    let mut harness = Harness::new(1);
    for frame in [
        arp(ArpOperation::REPLY, [10, 1, 1, 51], DISPATCHED),
        arp(ArpOperation::REQUEST, [10, 1, 1, 51], [10, 1, 1, 1].into()),
        arp(ArpOperation::REQUEST, DISPATCHED.octets(), DISPATCHED),
    ] {
        let (verdict, sent) = one(&mut harness, 0, &frame);
        assert_eq!((verdict, sent.len()), (Verdict::PUNTED, 0));
        assert_eq!(punted(&mut harness), Some((INTERFACES[0], frame)));
    }
    let mut group = arp(ArpOperation::REQUEST, [10, 1, 1, 51], DISPATCHED);
    group[22] |= 1;
    assert_eq!(one(&mut harness, 0, &group).0, Verdict::MARTIAN);
    assert_eq!(one(&mut harness, 0, &group[..41]).0, Verdict::TRUNCATED);
}

/// Interface, last octet of the address, who claims it and who had it, of each claim that was told.
fn claims(harness: &mut Harness) -> Vec<(InterfaceId, u8, MacAddr, MacAddr)> {
    let events = std::iter::from_fn(|| harness.control.events[0].pop().ok());
    let claim = |event| match event {
        Event::AddressClaimed { interface, address, mac, before } => {
            Some((interface, address.octets()[3], mac, before))
        }
        _ => None,
    };
    events.filter_map(claim).collect()
}

#[test]
fn who_claims_an_address_of_ours_or_of_another_neighbour_is_told_to_control() {
    const THIEF: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x66]);
    let [inside, outside, _] = INTERFACES;
    let mut harness = Harness::new(1);
    let own = Ipv4Addr::new(10, 1, 1, 1);
    for (target, before) in [(DISPATCHED, MAC0), (DIRECTED, VIRTUAL_MAC), (own, MAC0)] {
        for operation in [ArpOperation::REQUEST, ArpOperation::REPLY] {
            let frame = arp_from(THIEF, operation, target.octets(), target);
            assert_eq!(one(&mut harness, 0, &frame).0, Verdict::PUNTED);
            harness.clock.advance(Duration::from_secs(1));
        }
        let claim = (inside, target.octets()[3], THIEF, before);
        assert_eq!(claims(&mut harness), [claim, claim]);
    }
    // To ask for a virtual address claims one, too.
    let frame = arp_from(THIEF, ArpOperation::REQUEST, [10, 1, 1, 52], DISPATCHED);
    assert_eq!(one(&mut harness, 0, &frame).0, Verdict::ARP_REPLY);
    assert_eq!(claims(&mut harness), [(inside, 52, THIEF, agent_mac(52))]);
    one(&mut harness, 0, &arp_from(agent_mac(52), ArpOperation::REQUEST, [10, 1, 1, 52], own));
    assert_eq!(claims(&mut harness), [(inside, 52, agent_mac(52), THIEF)], "he is still there");
    one(&mut harness, 1, &arp_from(THIEF, ArpOperation::REQUEST, DISPATCHED.octets(), own));
    assert_eq!(claims(&mut harness), [(outside, 10, THIEF, MAC0)], "on another link");
}

#[test]
fn who_claims_his_own_or_nobodys_address_is_no_news() {
    let mut harness = Harness::new(1);
    for frame in [
        arp(ArpOperation::REQUEST, [10, 1, 1, 51], DISPATCHED),
        arp(ArpOperation::REPLY, [10, 1, 1, 51], [10, 1, 1, 1].into()),
        arp(ArpOperation::REQUEST, [0, 0, 0, 0], DISPATCHED),
        arp(ArpOperation::REQUEST, [10, 1, 1, 99], DISPATCHED),
        arp_from(VIRTUAL_MAC, ArpOperation::REQUEST, DIRECTED.octets(), DIRECTED),
        arp_from(MAC0, ArpOperation::REQUEST, DISPATCHED.octets(), DISPATCHED),
    ] {
        one(&mut harness, 0, &frame);
        assert_eq!(claims(&mut harness), []);
    }
}

#[test]
fn arp_on_a_vlan_is_answered_with_the_tag() {
    let mut harness = Harness::new(1);
    harness.change(|snapshot| {
        virtual_address(snapshot, DISPATCHED).interface = Some(INTERFACES[2]);
    });
    let mut request = arp(ArpOperation::REQUEST, [10, 15, 0, 9], DISPATCHED);
    request.splice(12..12, [0x81, 0, 0x20, 15]);
    let (verdict, sent) = one(&mut harness, 1, &request);
    assert_eq!((verdict, &sent[0][12..18]), (Verdict::ARP_REPLY, &[0x81, 0, 0, 15, 8, 6][..]));
}

#[test]
fn echo_is_answered_whatever_its_size_and_options() {
    let mut harness = Harness::new(1);
    let header = IcmpEchoHeader { id: 77, seq: 3 };
    for size in [0, 1, 2, 55, 56, 1471, 1472] {
        let payload: Vec<u8> = (0..size).map(|i| i as u8 ^ 0x5a).collect();
        for options in [false, true] {
            let mut build = from_agent(DISPATCHED);
            if options {
                build = build.options([7, 7, 4, 0, 0, 0, 0, 1]);
            }
            let frame = pad(build.clone().icmp(Icmpv4Type::EchoRequest(header), &payload));
            let (verdict, sent) = one(&mut harness, 1, &frame);
            assert_eq!((verdict, sent.len()), (Verdict::ECHO_REPLY, 1), "{size}");
            let reply = see(&sent[0]);
            assert_eq!((reply.source, reply.destination, reply.vlan), (MAC1, AGENT_MAC, None));
            assert_eq!((reply.from(), reply.to()), (DISPATCHED, AGENT));
            assert_eq!(reply.icmp(), Icmpv4Type::EchoReply(header));
            assert_eq!(reply.payload, payload);
            assert_eq!((reply.ip.options, reply.ip.time_to_live), (build.ip.options, 64));
        }
    }
    let frame = from_agent(DISPATCHED).vlan(15).icmp(Icmpv4Type::EchoRequest(header), b"tagged");
    let reply = see(&one(&mut harness, 1, &frame).1[0]);
    assert_eq!((reply.vlan, reply.icmp()), (Some(15), Icmpv4Type::EchoReply(header)));
    let wrong = from_agent(DISPATCHED).ip(IpNumber::ICMP, &[8, 0, 1, 2, 0, 0, 0, 0]);
    let sent = one(&mut harness, 1, &wrong).1;
    assert_eq!(sent[0][34..38], [0, 0, 9, 2], "a wrong checksum stays wrong");
}

#[test]
fn echo_replies_have_a_limit() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).icmp(Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 1, seq: 1 }), &[]);
    let answered = |harness: &mut Harness| (0..700).filter(|_| !one(harness, 1, &frame).1.is_empty()).count();
    assert_eq!(answered(&mut harness), 500);
    harness.clock.advance(Duration::from_millis(10));
    assert_eq!(answered(&mut harness), 100);
}

#[test]
fn what_no_virtual_server_serves_is_refused_as_a_host_does() {
    let mut harness = Harness::new(1);
    let frame = from_agent(DISPATCHED).udp(5000, 53, b"who is it");
    let (verdict, sent) = one(&mut harness, 1, &frame);
    let error = see(&sent[0]);
    assert_eq!((verdict, error.from(), error.to()), (Verdict::ICMP_ERROR, DISPATCHED, AGENT));
    assert!(matches!(
        error.icmp(),
        Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port)
    ));
    assert_eq!(error.payload, frame[14..]);
    let gre = from_agent(DISPATCHED).ip(IpNumber::GRE, &[9; 24]);
    let (verdict, sent) = one(&mut harness, 1, &gre);
    assert_eq!(verdict, Verdict::ICMP_ERROR);
    assert!(matches!(
        see(&sent[0]).icmp(),
        Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Protocol)
    ));
    let info = from_agent(DISPATCHED).ip(IpNumber::ICMP, &[13, 0, 0xf2, 0xff, 0, 0, 0, 0]);
    assert_eq!(one(&mut harness, 1, &info).0, Verdict::NO_SERVICE);
    assert_eq!(one(&mut harness, 1, &from_agent(DISPATCHED).ip(IpNumber::ICMP, &[])).0, Verdict::TRUNCATED);
    assert_eq!(
        one(&mut harness, 1, &from_agent(DISPATCHED).ip(IpNumber::ICMP, &[8, 0, 0])).0,
        Verdict::TRUNCATED
    );
}

#[test]
fn tcp_is_reset_by_the_rules_of_rfc_793() {
    let mut harness = Harness::new(1);
    let tcp = |flags: &str, ack: u32| {
        let mut tcp = TcpHeader::new(40000, 80, 0xffff_fff0, 1024);
        (tcp.syn, tcp.fin, tcp.rst) = (flags.contains('S'), flags.contains('F'), flags.contains('R'));
        (tcp.ack, tcp.acknowledgment_number) = (flags.contains('A'), ack);
        tcp
    };
    // (flags, payload, options) -> (sequence, acknowledgement)
    for (flags, payload, ip_options, sequence, acknowledgement) in [
        ("S", 0, false, 0, Some(0xffff_fff1)),
        ("S", 0, true, 0, Some(0xffff_fff1)),
        ("SF", 20, false, 0, Some(6)),
        ("", 20, false, 0, Some(4)),
        ("A", 20, false, 99, None),
        ("SA", 0, true, 99, None),
    ] {
        let mut build = from_agent(DISPATCHED);
        if ip_options {
            build = build.options([7, 3, 4, 0]);
        }
        let mut header = tcp(flags, 99);
        header.set_options_raw(&[2, 4, 5, 0xb4]).unwrap();
        let frame = pad(build.tcp(header, &vec![1; payload]));
        let (verdict, sent) = one(&mut harness, 1, &frame);
        let reset = see(&sent[0]);
        assert_eq!((verdict, reset.from(), reset.to()), (Verdict::TCP_RESET, DISPATCHED, AGENT), "{flags}");
        let Some(TransportHeader::Tcp(tcp)) = reset.transport else { panic!("not TCP") };
        assert_eq!((tcp.source_port, tcp.destination_port), (80, 40000));
        assert!(tcp.rst && !tcp.syn && !tcp.fin && reset.payload.is_empty());
        assert_eq!(tcp.ack, acknowledgement.is_some());
        assert_eq!(
            (tcp.sequence_number, tcp.acknowledgment_number),
            (sequence, acknowledgement.unwrap_or(0)),
            "{flags}"
        );
    }
    assert_eq!(one(&mut harness, 1, &from_agent(DISPATCHED).tcp(tcp("R", 0), &[])).0, Verdict::NO_SERVICE);
    assert_eq!(
        one(&mut harness, 1, &from_agent(DISPATCHED).ip(IpNumber::TCP, &[0; 19])).0,
        Verdict::TRUNCATED
    );
    // Its header in two segments, cut at any byte.
    for first in 34..54 {
        let frame = from_agent(DISPATCHED).tcp(tcp("S", 0), &[]);
        harness.wire.feed_segmented(PortId(1), 0, &frame, first, true);
        assert_eq!(harness.run()[1].len(), 1, "{first}");
        // Errors and resets share a limit.
        harness.clock.advance(Duration::from_secs(1));
    }
    let tagged = from_agent(DISPATCHED).vlan(15).tcp(tcp("S", 0), &[]);
    assert_eq!(see(&one(&mut harness, 1, &tagged).1[0]).vlan, Some(15));
}

#[test]
fn fragments_and_group_frames_to_a_virtual_address_are_dropped() {
    let mut harness = Harness::new(1);
    for (offset, more) in [(0, true), (100, false), (100, true)] {
        let frame = from_agent(DISPATCHED).fragment(offset, more).udp(434, 434, &[0; 40]);
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::FRAGMENT, vec![]));
    }
    for source in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
        let frame = from_agent(DISPATCHED).source_ip(source).udp(434, 434, &[0; 40]);
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::MARTIAN, vec![]), "{source:?}");
    }
    let group = from_agent(DISPATCHED).mac(MacAddr::BROADCAST).udp(434, 434, &[0; 40]);
    assert_eq!(one(&mut harness, 1, &group).0, Verdict::MARTIAN);
}

#[test]
fn everything_for_the_host_reaches_the_kernel_as_it_came() {
    let mut harness = Harness::new(1);
    let own = from_agent([15, 1, 1, 1].into());
    let elsewhere = from_agent([10, 1, 1, 1].into());
    let multicast = from_agent([224, 0, 0, 2].into()).mac(MacAddr([1, 0, 0x5e, 0, 0, 2]));
    let broadcast = from_agent([255; 4].into()).mac(MacAddr::BROADCAST).source_ip([0; 4]);
    let subnet = from_agent([15, 1, 1, 255].into()).mac(MacAddr::BROADCAST);
    for build in [own, elsewhere, multicast, broadcast, subnet] {
        let frame = build.clone().ttl(1).udp(68, 67, &[5; 40]);
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::PUNTED, vec![]));
        assert_eq!(punted(&mut harness), Some((INTERFACES[1], frame)));
    }
    let fragment = from_agent([15, 1, 1, 1].into()).fragment(0, true).udp(68, 67, &[5; 40]);
    assert_eq!(one(&mut harness, 1, &fragment).0, Verdict::PUNTED, "the kernel reassembles");
    harness.wire.feed_segmented(PortId(1), 0, &fragment, 60, false);
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::NOT_LINEAR), 1);
}
