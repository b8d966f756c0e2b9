//! Every verdict that is declared is one that some packet gets: a case for each, and no verdict without a case.

use common::{
    config::Poll,
    id::PortId,
    mac::MacAddr,
    net::{ReachableVia, Route},
    slb::Shedding,
    snapshot::Snapshot,
    verdict::Verdict,
};
use dataplane::harness::home_agent::{HOME_AGENT, tunnel};
use dataplane::{
    backend::{
        Frame,
        sim::{HEADROOM, Sizes},
    },
    harness::{self, AGENT, DIRECTED, DISPATCHED, Harness, MAC1, limit_clients, verify_sources},
    stage::stages::StageList,
};
use etherparse::{ArpOperation, IcmpEchoHeader, Icmpv4Type, IpNumber, TcpHeader};

use crate::{
    frames::{Build, from_agent, pad, totals},
    local::arp,
    mobile_ip::{rrq, to_agent},
    mobile_nodes::{NODE, away},
    tunnels::{self, FORGOTTEN, nested},
};

/// Totals by [`Verdict::ALL`] after a case.
type Totals = Vec<u64>;

fn transit() -> Build {
    from_agent([10, 1, 1, 52].into())
}

fn request(payload: &[u8]) -> Vec<u8> {
    pad(from_agent(DISPATCHED).udp(434, 434, payload))
}

fn feed<S: StageList>(mut harness: Harness<S>, port: u16, frame: &[u8], times: usize) -> Totals {
    for _ in 0..times {
        assert!(harness.wire.feed(PortId(port), 0, frame));
        harness.run();
    }
    harness.received();
    totals(&harness)
}

fn one(frame: &[u8]) -> Totals {
    feed(Harness::new(1), 1, frame, 1)
}

/// In a network that differs from the example.
fn where_(change: impl FnOnce(&mut Snapshot), frame: &[u8]) -> Totals {
    let harness = Harness::new(1);
    harness.change(change);
    feed(harness, 1, frame, 1)
}

fn extended(extension: &[u8]) -> Totals {
    one(&request(&[&rrq("node@example.com"), extension].concat()))
}

fn changed(frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame;
    frame[at] = byte;
    frame
}

fn without_headroom() -> Totals {
    let mut harness = Harness::new(1);
    let bytes = from_agent([10, 15, 0, 9].into()).udp(1, 2, &[0; 22]);
    let mut frame = harness.wire.allocate().unwrap();
    frame.prepend(HEADROOM).unwrap();
    frame.truncate(0);
    frame.append(bytes.len()).unwrap().copy_from_slice(&bytes);
    assert!(harness.wire.feed_frame(PortId(1), 0, frame));
    harness.run();
    totals(&harness)
}

fn in_segments() -> Totals {
    let mut harness = Harness::new(1);
    harness.wire.feed_segmented(PortId(1), 0, &transit().udp(1, 2, &[3; 100]), 20, false);
    harness.run();
    totals(&harness)
}

fn full_ring() -> Totals {
    let sizes = Sizes { transmit: 8, ..Sizes::default() };
    let mut harness = Harness::with(1, Poll::Always, sizes, harness::snapshot());
    for _ in 0..9 {
        assert!(harness.wire.feed(PortId(1), 0, &transit().udp(1, 2, &[])));
    }
    harness.workers[0].step(1);
    totals(&harness)
}

fn overload() -> Totals {
    let harness = Harness::new(1);
    harness.control.tables.slb.shed(Shedding::ALL);
    feed(harness, 1, &request(&rrq("new@example.com")), 1)
}

fn client_rate() -> Totals {
    let mut harness = Harness::new(1);
    harness.change(|snapshot| limit_clients(snapshot, Some(1)));
    assert!(harness.wire.feed(PortId(1), 0, &request(&rrq("one@example.com"))));
    harness.run();
    feed(harness, 1, &request(&rrq("other@example.com")), 1)
}

fn no_real(snapshot: &mut Snapshot) {
    for real in snapshot.slb.reals.iter().flatten() {
        real.live.set_in_service(false);
    }
}

fn without_the_mac_of_its_real() -> Totals {
    let mut harness = Harness::new(1);
    let frame = request(&rrq("node@example.com"));
    assert!(harness.wire.feed(PortId(1), 0, &frame));
    harness.run();
    harness.change(|snapshot| {
        for real in snapshot.slb_mut().reals.iter_mut().flatten() {
            real.adjacency = None;
        }
    });
    feed(harness, 1, &frame, 1)
}

fn narrow(snapshot: &mut Snapshot) {
    for adjacency in snapshot.slb_mut().reals.iter_mut().flatten().filter_map(|real| real.adjacency.as_mut())
    {
        adjacency.mtu = 60;
    }
}

type Case = (Verdict, fn() -> Totals);

const CASES: &[Case] = &[
    (Verdict::SLB_DISPATCHED, || one(&request(&rrq("node@example.com")))),
    (Verdict::SLB_DIRECTED, || one(&from_agent(DIRECTED).udp(434, 434, &rrq("node@example.com")))),
    (Verdict::ROUTED, || one(&transit().udp(1, 2, &[]))),
    (Verdict::ARP_REPLY, || {
        feed(Harness::new(1), 0, &arp(ArpOperation::REQUEST, [10, 1, 1, 51], DISPATCHED), 1)
    }),
    (Verdict::ECHO_REPLY, || {
        let echo = Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 1, seq: 1 });
        one(&pad(from_agent(DISPATCHED).icmp(echo, &[])))
    }),
    (Verdict::ICMP_ERROR, || one(&from_agent([8; 4].into()).udp(1, 2, &[]))),
    (Verdict::TCP_RESET, || one(&from_agent(DISPATCHED).tcp(TcpHeader::new(1, 2, 3, 4), &[]))),
    (Verdict::PUNTED, || one(&from_agent([15, 1, 1, 1].into()).udp(1, 2, &[]))),
    (Verdict::PUNT_FULL, || {
        feed(Harness::new(1), 1, &from_agent([15, 1, 1, 1].into()).udp(1, 2, &[0; 1400]), 800)
    }),
    (Verdict::OWN_FRAME, || one(&Build { source: MAC1, ..transit() }.udp(1, 2, &[]))),
    (Verdict::TRUNCATED, || one(&transit().udp(1, 2, &[])[..33])),
    (Verdict::BAD_IP_HEADER, || one(&changed(transit().udp(1, 2, &[]), 14, 0x65))),
    (Verdict::NOT_FOR_US, || one(&transit().mac(MacAddr([2, 9, 9, 9, 9, 9])).udp(1, 2, &[]))),
    (Verdict::UNKNOWN_VLAN, || one(&transit().vlan(16).udp(1, 2, &[]))),
    (Verdict::UNKNOWN_ETHERTYPE, || one(&pad(transit().link(0x88a8)))),
    (Verdict::INTERFACE_DOWN, || {
        where_(|s| s.net_mut().interfaces_mut()[1].up = false, &transit().udp(1, 2, &[]))
    }),
    (Verdict::RPF_FAILED, || {
        where_(
            |s| verify_sources(s, Some(ReachableVia::Rx)),
            &transit().source_ip([10, 1, 1, 51]).udp(1, 2, &[]),
        )
    }),
    (Verdict::FRAGMENT, || one(&from_agent(DISPATCHED).fragment(0, true).udp(434, 434, &[0; 40]))),
    (Verdict::UDP_LENGTH, || one(&changed(request(&rrq("node@example.com")), 39, 7))),
    (Verdict::TOO_SHORT, || one(&request(&rrq("")[..23]))),
    (Verdict::NOT_RRQ, || one(&request(&[3; 24]))),
    (Verdict::EXT_TRUNCATED, || extended(&[32])),
    (Verdict::EXT_OVERRUN, || extended(&[32, 9, 0])),
    (Verdict::NAI_EMPTY, || one(&request(&rrq("")))),
    (Verdict::NAI_DUPLICATE, || extended(&[131, 1, b'x'])),
    (Verdict::HA_FIELD_MISMATCH, || {
        let strict = |s: &mut Snapshot| s.slb_mut().vservers[0].as_mut().unwrap().strict_home_agent = true;
        where_(strict, &request(&to_agent(rrq("node@example.com"), [192, 0, 2, 1])))
    }),
    (Verdict::NO_IDENTITY, || one(&request(&rrq("")[..24]))),
    (Verdict::NO_REAL, || where_(no_real, &request(&rrq("node@example.com")))),
    (Verdict::OVERLOAD, overload),
    (Verdict::CLIENT_RATE, client_rate),
    (Verdict::NO_ADJACENCY, without_the_mac_of_its_real),
    (Verdict::TUNNELLED, || {
        feed(away(&[tunnel(AGENT)]), 1, &from_agent(NODE).source_ip([8; 4]).udp(1, 2, &[]), 1)
    }),
    (Verdict::TUNNEL_SOURCE_MISMATCH, || {
        feed(
            away(&[tunnel(AGENT)]),
            1,
            &from_agent(HOME_AGENT).ip(IpNumber(4), &transit().udp(1, 2, &[])[14..]),
            1,
        )
    }),
    (Verdict::TUNNEL_HEADER, || feed(away(&[]), 1, &from_agent(HOME_AGENT).ip(IpNumber(47), &[0; 30]), 1)),
    (Verdict::TUNNEL_CHECKSUM, || {
        let gre = common::mobile::Tunnel { gre: true, ..tunnel(AGENT) };
        let wrong =
            [&[0x80, 0, 8, 0, 1, 2, 0, 0], &from_agent([8; 4].into()).source_ip(NODE).udp(1, 2, &[])[14..]]
                .concat();
        feed(away(&[gre]), 1, &from_agent(HOME_AGENT).ip(IpNumber(47), &wrong), 1)
    }),
    (Verdict::NOT_REGISTERED, || {
        feed(away(&[]), 1, &from_agent([10, 9, 7, 7].into()).fragment(1, false).ip(IpNumber(17), &[0; 8]), 1)
    }),
    (Verdict::REGISTRATION, || feed(away(&[]), 1, &from_agent(HOME_AGENT).udp(434, 434, &[0; 24]), 1)),
    (Verdict::REGISTRATION_FULL, || {
        feed(away(&[]), 1, &from_agent(HOME_AGENT).udp(434, 434, &[0; 1400]), 1600)
    }),
    (Verdict::TUNNEL_LOOP, || feed(away(&[tunnel(AGENT)]), 1, &from_agent(NODE).udp(1, 2, &[]), 1)),
    (Verdict::FRAGMENT_HELD, || {
        feed(away(&[]), 1, &from_agent(HOME_AGENT).fragment(1, false).ip(IpNumber(4), &[0; 30]), 1)
    }),
    (Verdict::REASSEMBLY, || {
        feed(away(&[]), 1, &from_agent(HOME_AGENT).fragment(1, false).ip(IpNumber(4), &[0; 30]), 2)
    }),
    (Verdict::TTL_EXPIRED, || feed(Harness::new(1), 1, &transit().ttl(1).udp(1, 2, &[]), 51)),
    (Verdict::NO_ROUTE, || one(&from_agent([192, 168, 66, 1].into()).udp(1, 2, &[]))),
    (Verdict::UNUSABLE_ROUTE, || {
        let unusable = |s: &mut Snapshot| {
            s.net_mut().routes.insert("192.168.88.0/24".parse().unwrap(), Route::Unusable);
        };
        where_(unusable, &from_agent([192, 168, 88, 1].into()).udp(1, 2, &[]))
    }),
    (Verdict::NO_NEIGHBOUR, || one(&from_agent([10, 1, 1, 99].into()).ttl(1).udp(1, 2, &[]))),
    (Verdict::TOO_BIG, || {
        let whole = from_agent(DISPATCHED).dont_fragment(false);
        where_(narrow, &whole.udp(434, 434, &rrq("node@example.com")))
    }),
    (Verdict::NO_SERVICE, || {
        let reset = TcpHeader { rst: true, ..TcpHeader::new(1, 2, 3, 4) };
        one(&from_agent(DISPATCHED).tcp(reset, &[]))
    }),
    (Verdict::MARTIAN, || one(&transit().source_ip([127, 0, 0, 1]).udp(1, 2, &[]))),
    (Verdict::IP_OPTION, || one(&transit().options([131, 3, 4, 0]).udp(1, 2, &[]))),
    (Verdict::TX_FULL, full_ring),
    (Verdict::TX_DOWN, || where_(|s| s.net_mut().ports_mut()[0].link_up = false, &transit().udp(1, 2, &[]))),
    (Verdict::NO_BUFFER, without_headroom),
    (Verdict::NOT_LINEAR, in_segments),
    (Verdict::NESTED_TOO_DEEP, || feed(tunnels::harness(), 1, &nested(&transit().udp(1, 2, &[]), 5), 1)),
    (Verdict::UNENDED, || feed(tunnels::harness(), 1, &transit().ip(IpNumber(FORGOTTEN), &[0; 30]), 1)),
];

#[test]
fn every_verdict_is_one_that_some_packet_gets() {
    for (at, verdict) in Verdict::ALL.iter().enumerate() {
        let (_, case) = CASES
            .iter()
            .find(|(of, _)| of == verdict)
            .unwrap_or_else(|| panic!("no packet of this test ends as {verdict:?}: give it a case"));
        let totals = case();
        assert!(totals[at] > 0, "the case of {verdict:?} led to {:?}", met(&totals));
    }
    assert_eq!(CASES.len(), Verdict::COUNT);
}

fn met(totals: &Totals) -> Vec<Verdict> {
    Verdict::ALL.iter().zip(totals).filter(|(_, total)| **total > 0).map(|(verdict, _)| *verdict).collect()
}
