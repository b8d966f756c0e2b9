//! Packets to and from mobile nodes that are away. Outer headers and pieces are read by `etherparse`, and compared with recorded
//! bytes.

use std::net::Ipv4Addr;

use common::{
    id::PortId,
    mobile::{Carrier, HomeNetwork, Tunnel},
    verdict::Verdict,
    wire::checksum,
};
use dataplane::harness::{
    AGENT, AGENT_MAC, Harness, MAC0, MAC1, agent_mac,
    home_agent::{HOME_AGENT, NAT, NAT_CARRIER, home_agent, tunnel},
};
use etherparse::{Icmpv4Type, IpNumber, Ipv4Header, icmpv4::DestUnreachableHeader};
use proptest::prelude::*;

use crate::frames::{from_agent, one, punted, see, totals};

/// A node that is away in these tests.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Somebody behind 15.1.1.51 who talks to the node.
pub const CORRESPONDENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// As received by the home agent: an echo request to the node.
const PLAIN: &str =
    "4500002c222240003f01e570c63364010a0900010800b4b2000100016162636465666768696a6b6c6d6e6f70";
/// The same as it is sent to the care-of address, by encapsulation.
const IP_IN_IP: &str = "4500004033334000ff042d1f0a0101330f0101334500002c222240003e01e670c63364010a0900010800b4b2000100016162636465666768696a6b6c6d6e6f70";
const GRE: &str = "4500004433344000ff2f2cef0a0101330f010133000008004500002c222240003e01e670c63364010a0900010800b4b2000100016162636465666768696a6b6c6d6e6f70";
const UDP: &str = "4500004c33354000ff11012e0a010133cb00710901b2c73800380000040400004500002c222240003e01e670c63364010a0900010800b4b2000100016162636465666768696a6b6c6d6e6f70";
/// In a reverse tunnel, of the node's care-of address and of a stranger.
const REVERSE: &str = "45000040444400003c041f0f0f0101330a0101334500002c555500003f01f23d0a090001c63364010000bcb2000100016162636465666768696a6b6c6d6e6f70";
const STRANGER: &str = "45000040444500003c041ede0f0101630a0101334500002c555500003f01f23d0a090001c63364010000bcb2000100016162636465666768696a6b6c6d6e6f70";

/// A home agent with the node of these tests bound to `tunnels`.
pub fn away(tunnels: &[Tunnel]) -> Harness {
    let harness = Harness::new(1);
    harness.change(home_agent);
    harness.bind(NODE, tunnels);
    harness
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A recorded packet as it comes to port 1.
fn frame(hex: &str) -> Vec<u8> {
    [&MAC1.0[..], &AGENT_MAC.0, &[8, 0], &bytes(hex)].concat()
}

/// The packet of a frame, but for identification and checksum of the outer header, which has been found right.
fn comparable(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (header, _) = Ipv4Header::from_slice(&packet).unwrap();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    packet[4..6].fill(0);
    packet[10..12].fill(0);
    packet
}

#[test]
fn packets_go_to_the_care_of_address_as_recorded() {
    let gre = Tunnel { gre: true, ..tunnel(AGENT) };
    let nat = Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) };
    for (tunnel, recorded) in [(tunnel(AGENT), IP_IN_IP), (gre, GRE), (nat, UDP)] {
        let mut harness = away(&[tunnel]);
        let (verdict, sent) = one(&mut harness, 1, &frame(PLAIN));
        assert_eq!((verdict, sent.len()), (Verdict::TUNNELLED, 1), "{tunnel:?}");
        assert_eq!(comparable(&sent[0][14..]), comparable(&bytes(recorded)), "{tunnel:?}");
        assert_eq!(sent[0][..12], [AGENT_MAC.0, MAC1.0].concat());
    }
}

#[test]
fn a_reverse_tunnel_is_taken_off_and_one_of_a_stranger_is_not() {
    let mut harness = away(&[tunnel(AGENT)]);
    let (verdict, sent) = one(&mut harness, 1, &frame(REVERSE));
    assert_eq!(verdict, Verdict::ROUTED);
    let seen = see(&sent[0]);
    assert_eq!((seen.from(), seen.to(), seen.ip.time_to_live), (NODE, CORRESPONDENT, 62));
    assert_eq!(sent[0][34..], bytes(REVERSE)[40..], "nothing else has changed");
    let (verdict, sent) = one(&mut harness, 1, &frame(STRANGER));
    assert_eq!((verdict, sent.len()), (Verdict::TUNNEL_SOURCE_MISMATCH, 0));
}

/// An inner packet of the node in a tunnel's headers, as it arrives.
pub fn arriving(tunnel: &Tunnel, optional: &[u8], inner: &[u8]) -> Vec<u8> {
    let protocol = if tunnel.gre { 47 } else { 4 };
    let mut payload = Vec::new();
    if tunnel.gre {
        let flags = optional.first().copied().unwrap_or(0);
        payload.extend([flags, 0, 8, 0]);
        payload.extend(optional.get(1..).unwrap_or_default());
    }
    payload.extend(inner);
    let outer = from_agent(HOME_AGENT).source_ip(tunnel.remote);
    match tunnel.carrier {
        Carrier::Ip => outer.ip(IpNumber(protocol), &payload),
        Carrier::Udp { local, remote } => {
            outer.udp(remote, local, &[&[4, protocol, 0, 0][..], &payload].concat())
        }
    }
}

pub fn of_the_node(to: Ipv4Addr) -> Vec<u8> {
    from_agent(to).source_ip(NODE).udp(5, 6, b"from the node")[14..].to_vec()
}

#[test]
fn what_comes_in_a_tunnel_must_be_what_was_agreed() {
    let inner = of_the_node(CORRESPONDENT);
    let all: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|gre| {
            [(Carrier::Ip, AGENT), (NAT_CARRIER, NAT), (Carrier::Udp { local: 434, remote: 9 }, NAT)]
                .map(|(carrier, remote)| Tunnel { gre, carrier, ..tunnel(remote) })
        })
        .collect();
    for agreed in &all {
        let mut harness = away(&[*agreed]);
        for used in &all {
            let expected = if used == agreed { Verdict::ROUTED } else { Verdict::TUNNEL_SOURCE_MISMATCH };
            let (verdict, _) = one(&mut harness, 1, &arriving(used, &[], &inner));
            assert_eq!(verdict, expected, "{used:?} where {agreed:?} was agreed");
        }
        let granted = Tunnel { reverse: false, ..*agreed };
        harness.bind(NODE, &[granted]);
        let (verdict, _) = one(&mut harness, 1, &arriving(agreed, &[], &inner));
        assert_eq!(verdict, Verdict::TUNNEL_SOURCE_MISMATCH, "no reverse tunnel");
    }
}

#[test]
fn optional_words_of_gre_are_stepped_over_and_what_is_not_read_is_refused() {
    let gre = Tunnel { gre: true, ..tunnel(AGENT) };
    let mut harness = away(&[gre]);
    let inner = of_the_node(CORRESPONDENT);
    for optional in [&[0x20, 0, 0, 0, 7][..], &[0x10, 0, 0, 0, 7]] {
        let (verdict, sent) = one(&mut harness, 1, &arriving(&gre, optional, &inner));
        assert_eq!((verdict, see(&sent[0]).payload), (Verdict::ROUTED, b"from the node".to_vec()));
    }
    let every: Vec<u8> = summed([&[0xb0], &[0; 4][..], &[1; 8]].concat(), &inner);
    assert_eq!(one(&mut harness, 1, &arriving(&gre, &every, &inner)).0, Verdict::ROUTED);
    for refused in [0x40, 0x08, 0x04] {
        assert_eq!(one(&mut harness, 1, &arriving(&gre, &[refused], &inner)).0, Verdict::TUNNEL_HEADER);
    }
    let odd = from_agent(HOME_AGENT).udp(434, 434, &[4, 41, 0, 0, 1, 2, 3, 4]);
    assert_eq!(one(&mut harness, 1, &odd).0, Verdict::TUNNEL_HEADER, "IPv6");
}

/// First byte and optional words of a GRE header, with the right checksum.
fn summed(mut optional: Vec<u8>, inner: &[u8]) -> Vec<u8> {
    let packet = [&[optional[0], 0, 8, 0], &optional[1..], inner].concat();
    optional[1..3].copy_from_slice(&checksum::of(&[&packet]).to_be_bytes());
    optional
}

#[test]
fn a_checksum_of_a_tunnel_is_looked_at_if_there_is_one() {
    let inner = of_the_node(CORRESPONDENT);
    let gre = Tunnel { gre: true, ..tunnel(AGENT) };
    let udp = Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) };
    let both = Tunnel { gre: true, ..udp };
    let words = summed(vec![0x80, 0, 0, 0, 0], &inner);
    for (tunnel, optional) in [(gre, &words[..]), (udp, &[]), (both, &words)] {
        let mut harness = away(&[tunnel]);
        let frame = arriving(&tunnel, optional, &inner);
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::ROUTED, "{tunnel:?}");
        let last = frame.len() - 1;
        let spoilt = [&frame[..last], &[!frame[last]]].concat();
        assert_eq!(one(&mut harness, 1, &spoilt).0, Verdict::TUNNEL_CHECKSUM, "{tunnel:?}");
    }
    let mut harness = away(&[both]);
    let wrong = [&words[..1], &[!words[1]], &words[2..]].concat();
    assert_eq!(
        one(&mut harness, 1, &arriving(&both, &wrong, &inner)).0,
        Verdict::TUNNEL_CHECKSUM,
        "GRE in UDP"
    );
}

#[test]
fn the_host_gets_what_is_in_no_tunnel_and_what_is_for_it_in_one() {
    let mut harness = away(&[tunnel(AGENT)]);
    let request = from_agent(HOME_AGENT).udp(434, 435, &[1; 60]);
    assert_eq!(one(&mut harness, 1, &request).0, Verdict::PUNTED);
    assert_eq!(punted(&mut harness).unwrap().1, request);
    let inner = of_the_node(HOME_AGENT);
    assert_eq!(one(&mut harness, 1, &arriving(&tunnel(AGENT), &[], &inner)).0, Verdict::PUNTED);
    assert_eq!(punted(&mut harness).unwrap().1[14..], inner);
}

#[test]
fn a_packet_from_one_node_to_another_turns_round_in_the_home_agent() {
    let mut harness = away(&[tunnel(AGENT)]);
    let other = Ipv4Addr::new(10, 9, 0, 2);
    harness.bind(other, &[Tunnel { gre: true, ..tunnel([10, 1, 1, 52]) }]);
    let inner = of_the_node(other);
    let (verdict, sent) = one(&mut harness, 1, &arriving(&tunnel(AGENT), &[], &inner));
    let outer = see(&sent[0]);
    assert_eq!(
        (verdict, outer.to(), outer.ip.protocol),
        (Verdict::TUNNELLED, [10, 1, 1, 52].into(), IpNumber(47))
    );
    assert_eq!((outer.destination, outer.source), (agent_mac(52), MAC0));
    let (turned, payload) = Ipv4Header::from_slice(&sent[0][14 + 24..]).unwrap();
    assert_eq!((turned.destination, turned.time_to_live), (other.octets(), 63));
    assert_eq!(payload, &inner[20..]);
}

#[test]
fn a_node_at_home_is_routed_to_and_one_that_comes_home_is_again() {
    let mut harness = away(&[tunnel(AGENT)]);
    let inside = Ipv4Addr::new(10, 1, 1, 52);
    harness.change(|snapshot| {
        snapshot.mobile_mut().networks.insert("10.1.1.0/24".parse().unwrap(), HomeNetwork::Physical);
    });
    let packet = from_agent(inside).source_ip(CORRESPONDENT).udp(1, 2, &[7; 40]);
    assert_eq!(one(&mut harness, 1, &packet).0, Verdict::ROUTED);
    harness.bind(inside, &[tunnel(AGENT)]);
    assert_eq!(one(&mut harness, 1, &packet).0, Verdict::TUNNELLED);
    harness.bind(inside, &[]);
    assert_eq!(one(&mut harness, 1, &packet).0, Verdict::ROUTED);
    let nobody = from_agent([10, 9, 7, 7].into()).udp(1, 2, &[7; 40]);
    let (_, sent) = one(&mut harness, 1, &nobody);
    let unreachable = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
    assert_eq!(see(&sent[0]).icmp(), unreachable, "a virtual network has nobody at home");
    harness.change(|snapshot| snapshot.mobile_mut().suppress_unreachable = true);
    assert_eq!(one(&mut harness, 1, &nobody), (Verdict::NOT_REGISTERED, Vec::new()), "and nobody is told so");
}

#[test]
fn each_care_of_address_gets_a_copy() {
    let tunnels = [
        tunnel([10, 1, 1, 52]),
        Tunnel { gre: true, ..tunnel([10, 15, 0, 9]) },
        Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) },
    ];
    let mut harness = away(&tunnels);
    let packet = from_agent(NODE).source_ip(CORRESPONDENT).udp(1, 2, &[7; 40]);
    let (verdict, sent) = one(&mut harness, 1, &packet);
    assert_eq!((verdict, sent.len()), (Verdict::TUNNELLED, 3));
    let mut seen: Vec<_> = sent.iter().map(|frame| see(frame)).map(|seen| (seen.to(), seen.vlan)).collect();
    seen.sort();
    assert_eq!(seen, [([10, 1, 1, 52].into(), None), ([10, 15, 0, 9].into(), Some(15)), (NAT, None)]);
    for frame in &sent {
        assert_eq!(frame[frame.len() - 40..], [7; 40]);
    }
    // One that cannot be reached costs the others nothing.
    harness.change(|snapshot| snapshot.net_mut().ports_mut()[0].link_up = false);
    assert_eq!(one(&mut harness, 1, &packet).1.len(), 2);
}

#[test]
fn what_does_not_fit_and_must_not_be_cut_is_refused_with_the_mtu_of_the_tunnel() {
    let nat = Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) };
    let cases = [
        (tunnel(AGENT), 1480),
        (Tunnel { gre: true, ..tunnel(AGENT) }, 1476),
        (nat, 1468),
        (Tunnel { gre: true, ..nat }, 1464),
    ];
    for (tunnel, mtu) in cases {
        let mut harness = away(&[tunnel]);
        let packet = |length: u16| {
            let payload = vec![1; usize::from(length) - 28];
            from_agent(NODE).source_ip(CORRESPONDENT).dont_fragment(true).udp(1, 2, &payload)
        };
        let (verdict, sent) = one(&mut harness, 1, &packet(mtu));
        assert_eq!((verdict, sent[0].len()), (Verdict::TUNNELLED, 1514), "the largest");
        let refused = |sent: &[Vec<u8>]| match see(&sent[0]).icmp() {
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                next_hop_mtu,
            }) => next_hop_mtu,
            other => panic!("{other:?}"),
        };
        let (verdict, sent) = one(&mut harness, 1, &packet(mtu + 1));
        assert_eq!((verdict, refused(&sent)), (Verdict::ICMP_ERROR, mtu));
        // Somebody on the way has told of less.
        let tables = harness.control.tables.mobile.clone().unwrap();
        let bindings = &tables.bindings;
        bindings.tunnel(NODE, 0).unwrap().learn_path_mtu(1000, harness.clock.now());
        let (_, sent) = one(&mut harness, 1, &packet(mtu));
        assert_eq!(refused(&sent), mtu - 500);
        harness.clock.advance(std::time::Duration::from_mins(11));
        assert_eq!(one(&mut harness, 1, &packet(mtu)).0, Verdict::TUNNELLED);
    }
}

#[test]
fn what_the_kernel_routes_to_the_dataplane_is_tunnelled_from_our_own_address_too() {
    let mut harness = away(&[tunnel(AGENT)]);
    let dataplane = common::id::InterfaceId::DATAPLANE;
    let packet = from_agent(NODE).source_ip(HOME_AGENT).udp(1, 2, b"from the host");
    assert!(harness.control.injects[0].send(dataplane, &packet));
    let [_, sent] = harness.run();
    let outer = see(&sent[0]);
    assert_eq!((outer.to(), outer.ip.protocol, outer.destination), (AGENT, IpNumber(4), AGENT_MAC));
    assert_eq!(sent[0][sent[0].len() - 13..], *b"from the host");
    // Nobody is told of what cannot be delivered, and what is not IPv4 goes nowhere.
    let nobody = from_agent([10, 9, 7, 7].into()).source_ip(HOME_AGENT).udp(1, 2, b"x");
    for frame in [nobody, from_agent(NODE).link(0x86dd), packet[..20].to_vec()] {
        assert!(harness.control.injects[0].send(dataplane, &frame));
        assert_eq!(harness.run(), [vec![], Vec::<Vec<u8>>::new()]);
    }
    assert_eq!(harness.control.stats[0].inject_refused.load(std::sync::atomic::Ordering::Relaxed), 3);
}

/// What a router on the way answers to a packet of ours that is too long for it.
fn too_big(sent: &[u8], mtu: u16) -> Vec<u8> {
    let header = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
    from_agent(HOME_AGENT)
        .icmp(Icmpv4Type::DestinationUnreachable(header), &sent[14..sent.len().min(14 + 548)])
}

#[test]
fn what_a_router_says_of_the_way_lowers_the_mtu_of_that_tunnel_alone() {
    let gre = Tunnel { gre: true, ..tunnel(AGENT) };
    let nat = Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) };
    for tunnel in [tunnel(AGENT), gre, nat, Tunnel { gre: true, ..nat }] {
        let mut harness = away(&[tunnel]);
        let other = Ipv4Addr::new(10, 9, 0, 2);
        harness.bind(other, &[tunnel]);
        let packet = |to| from_agent(to).source_ip(CORRESPONDENT).dont_fragment(true).udp(1, 2, &[1; 1300]);
        let (verdict, sent) = one(&mut harness, 1, &packet(NODE));
        assert_eq!(verdict, Verdict::TUNNELLED);
        // What is not about a packet of ours, or is damaged, changes nothing.
        let mut damaged = too_big(&sent[0], 1200);
        damaged[40] ^= 1;
        let mut elsewhere = sent[0].clone();
        elsewhere[30..34].copy_from_slice(&[198, 51, 100, 7]);
        let unknown =
            [damaged, too_big(&elsewhere, 1200), too_big(&sent[0][..14 + 39], 1200), too_big(&sent[0], 0)];
        for error in unknown {
            assert_eq!(one(&mut harness, 1, &error).0, Verdict::PUNTED);
            assert_eq!(one(&mut harness, 1, &packet(NODE)).0, Verdict::TUNNELLED, "{tunnel:?}");
        }
        assert_eq!(
            one(&mut harness, 1, &too_big(&sent[0], 1200)).0,
            Verdict::PUNTED,
            "the host hears it, too"
        );
        let (_, sent) = one(&mut harness, 1, &packet(NODE));
        let refused = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
            next_hop_mtu: 1200 - tunnel.overhead() as u16,
        });
        assert_eq!(see(&sent[0]).icmp(), refused, "{tunnel:?}");
        assert_eq!(
            one(&mut harness, 1, &packet(other)).0,
            Verdict::TUNNELLED,
            "another node's is another tunnel"
        );
    }
}

#[test]
fn loops_end() {
    let mut harness = away(&[tunnel(AGENT)]);
    let to_node = |source: Ipv4Addr| from_agent(NODE).source_ip(source).udp(1, 2, &[0; 40]);
    for source in [AGENT, HOME_AGENT, [15, 1, 1, 1].into()] {
        assert_eq!(one(&mut harness, 1, &to_node(source)).0, Verdict::TUNNEL_LOOP, "{source}");
    }
    let (_, sent) =
        one(&mut harness, 1, &from_agent(NODE).source_ip(CORRESPONDENT).ttl(1).udp(1, 2, &[0; 40]));
    assert!(matches!(see(&sent[0]).icmp(), Icmpv4Type::TimeExceeded(_)));
    // In a tunnel to the node already: sent on to where it is.
    let nested = from_agent(NODE).source_ip(CORRESPONDENT).ip(IpNumber(4), &to_node(CORRESPONDENT)[14..]);
    let (verdict, sent) = one(&mut harness, 1, &nested);
    let seen = see(&sent[0]);
    assert_eq!((verdict, seen.from(), seen.to()), (Verdict::TUNNELLED, CORRESPONDENT, AGENT));
    assert_eq!(sent[0][34..], nested[34..]);
    let other = from_agent(NODE).source_ip(CORRESPONDENT).ip(IpNumber(4), &of_the_node(CORRESPONDENT));
    let (_, sent) = one(&mut harness, 1, &other);
    assert_eq!((see(&sent[0]).to(), sent[0].len()), (AGENT, other.len() + 20), "for another: as any packet");
}

/// Puts pieces together as a receiver does; every byte must come once.
fn reassembled(pieces: &[(Ipv4Header, Vec<u8>)]) -> Vec<u8> {
    let mut pieces = pieces.to_vec();
    pieces.sort_by_key(|(header, _)| header.fragment_offset);
    let mut whole = Vec::new();
    for (at, (header, payload)) in pieces.iter().enumerate() {
        assert_eq!(usize::from(header.fragment_offset.value()) * 8, whole.len());
        assert_eq!(header.more_fragments, at + 1 < pieces.len());
        whole.extend(payload);
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pieces_are_the_packet(
        length in 0..1440_usize,
        path_mtu in prop::option::of(100..1500_u16),
        with_options: bool,
        gre: bool,
        nat: bool,
    ) {
        let carrier = if nat { NAT_CARRIER } else { Carrier::Ip };
        let tunnel = Tunnel { gre, carrier, ..tunnel(if nat { NAT } else { AGENT }) };
        let mut harness = away(&[tunnel]);
        if let Some(mtu) = path_mtu {
            let tables = harness.control.tables.mobile.clone().unwrap();
        let bindings = &tables.bindings;
            bindings.tunnel(NODE, 0).unwrap().learn_path_mtu(mtu, harness.clock.now());
        }
        let payload: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
        let mut packet = from_agent(NODE).source_ip(CORRESPONDENT).dont_fragment(false);
        if with_options {
            // Record route, for the first piece alone; router alert, for all.
            packet = packet.options([7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 1]);
        }
        let whole = packet.clone().udp(1, 2, &payload)[14..].to_vec();
        let (verdict, sent) = one(&mut harness, 1, &packet.udp(1, 2, &payload));
        prop_assert_eq!(verdict, Verdict::TUNNELLED);
        let limit = usize::from(path_mtu.unwrap_or(1500));
        let (inner, header): (Vec<_>, usize) = (
            sent.iter().map(|frame| {
                let outer = see(frame);
                assert!(usize::from(outer.ip.total_len) <= limit && !outer.ip.dont_fragment);
                assert_eq!(outer.ip.time_to_live, 255);
                let (header, payload) = Ipv4Header::from_slice(&frame[14 + tunnel.overhead()..]).unwrap();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                assert_eq!(usize::from(header.total_len), header.header_len() + payload.len());
                (header, payload.to_vec())
            }).collect(),
            if with_options { 32 } else { 20 },
        );
        prop_assert_eq!(reassembled(&inner), &whole[header..]);
        for (header, _) in &inner {
            prop_assert_eq!(header.time_to_live, 63);
            let first = header.fragment_offset.value() == 0;
            let options: &[u8] = match (with_options, first) {
                (false, _) => &[],
                (true, true) => &[7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 1],
                (true, false) => &[1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 1],
            };
            prop_assert_eq!(header.options.as_slice(), options);
        }
        let ids: std::collections::BTreeSet<_> = inner.iter().map(|(header, _)| header.identification).collect();
        prop_assert_eq!(ids.len(), 1);
    }

    #[test]
    fn pieces_of_a_piece_keep_their_places(length in 1..100_usize, last: bool) {
        let mut harness = away(&[tunnel(AGENT)]);
        let tables = harness.control.tables.mobile.clone().unwrap();
        let bindings = &tables.bindings;
        bindings.tunnel(NODE, 0).unwrap().learn_path_mtu(100, harness.clock.now());
        let payload: Vec<u8> = (0..length * 8).map(|at| at as u8).collect();
        let part = from_agent(NODE).source_ip(CORRESPONDENT).fragment(50, !last);
        let (_, sent) = one(&mut harness, 1, &part.ip(IpNumber::UDP, &payload));
        let mut pieces: Vec<_> = sent.iter().map(|frame| {
            let (header, payload) = Ipv4Header::from_slice(&frame[34..]).unwrap();
            (header, payload.to_vec())
        }).collect();
        pieces.sort_by_key(|(header, _)| header.fragment_offset);
        let offsets: Vec<_> = pieces.iter().map(|(header, _)| header.fragment_offset.value()).collect();
        let expected: Vec<u16> = (0..pieces.len() as u16).map(|at| 50 + at * 7).collect();
        prop_assert_eq!(if pieces.len() > 1 { offsets } else { vec![50] }, expected);
        let more: Vec<_> = pieces.iter().map(|(header, _)| header.more_fragments).collect();
        prop_assert!(more[..more.len() - 1].iter().all(|more| *more) && more[more.len() - 1] != last);
        let together: Vec<u8> = pieces.into_iter().flat_map(|(_, payload)| payload).collect();
        prop_assert_eq!(together, payload);
    }

    #[test]
    fn whatever_comes_to_the_end_of_a_tunnel_has_one_verdict(
        protocol in prop::sample::select(&[4_u8, 47, 17][..]),
        mut payload in prop::collection::vec(any::<u8>(), 0..120),
        aimed: bool,
        bound in 0..4_usize,
    ) {
        let all = [tunnel(AGENT), Tunnel { gre: true, ..tunnel(AGENT) }, Tunnel { carrier: Carrier::Udp { local: 434, remote: 434 }, ..tunnel(AGENT) }];
        let mut harness = away(&all[..bound]);
        if aimed && payload.len() >= 60 {
            // What is random behind the outer headers is a packet of the node.
            let at = match protocol { 4 => 0, 47 => { payload[..4].copy_from_slice(&[0, 0, 8, 0]); 4 } _ => {
                payload[..12].copy_from_slice(&[1, 178, 1, 178, 0, 0, 0, 0, 4, 4, 0, 0]);
                let length = (payload.len() as u16).to_be_bytes();
                payload[4..6].copy_from_slice(&length);
                12
            } };
            payload[at] = 0x45;
            payload[at + 12..at + 16].copy_from_slice(&NODE.octets());
        }
        prop_assert!(harness.wire.feed(PortId(1), 0, &from_agent(HOME_AGENT).ip(IpNumber(protocol), &payload)));
        harness.run();
        prop_assert_eq!(harness.received(), 1);
        prop_assert_eq!(totals(&harness).iter().sum::<u64>(), 1);
    }
}
