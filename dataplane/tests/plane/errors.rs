//! When no answer may be given (RFC 1122, 3.2.2), and how many are.

use std::time::Duration;

use common::{id::PortId, mac::MacAddr, verdict::Verdict};
use dataplane::{
    backend::{Frame, sim::HEADROOM},
    harness::{DISPATCHED, Harness},
};
use etherparse::{IpNumber, TcpHeader};

use crate::frames::{from_agent, one};

#[test]
fn no_error_about_an_icmp_error_but_about_a_query() {
    let mut harness = Harness::new(1);
    for kind in [3, 4, 5, 11, 12, 2, 40, 255] {
        let frame = from_agent([8, 8, 8, 8].into()).ip(IpNumber::ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(one(&mut harness, 1, &frame), (Verdict::NO_ROUTE, vec![]), "{kind}");
    }
    for kind in [0, 8, 13] {
        let frame = from_agent([8, 8, 8, 8].into()).ip(IpNumber::ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::ICMP_ERROR, "{kind}");
    }
    let mut nothing = from_agent([8; 4].into()).ip(IpNumber::ICMP, &[]);
    assert_eq!(one(&mut harness, 1, &nothing).0, Verdict::NO_ROUTE);
    // Nor is the padding behind it a query.
    nothing.resize(60, 0);
    assert_eq!(one(&mut harness, 1, &nothing).0, Verdict::NO_ROUTE);
}

#[test]
fn no_error_about_a_later_fragment_or_to_a_broadcast_source() {
    let mut harness = Harness::new(1);
    let lost = from_agent([8, 8, 8, 8].into());
    assert_eq!(one(&mut harness, 1, &lost.clone().fragment(10, false).udp(1, 2, &[])).0, Verdict::NO_ROUTE);
    assert_eq!(one(&mut harness, 1, &lost.clone().fragment(0, true).udp(1, 2, &[])).0, Verdict::ICMP_ERROR);
    let source = lost.source_ip([15, 1, 1, 255]);
    assert_eq!(one(&mut harness, 1, &source.udp(1, 2, &[])).0, Verdict::NO_ROUTE);
}

#[test]
fn no_answer_to_a_group_mac_or_without_an_address_of_our_own() {
    let mut harness = Harness::new(1);
    let mut lost = from_agent([8, 8, 8, 8].into());
    lost.source = MacAddr([1, 0, 0x5e, 0, 0, 1]);
    assert_eq!(one(&mut harness, 1, &lost.clone().udp(1, 2, &[])).0, Verdict::MARTIAN);
    let mut vip = from_agent(DISPATCHED);
    vip.source = lost.source;
    assert_eq!(one(&mut harness, 1, &vip.clone().tcp(TcpHeader::new(1, 2, 3, 4), &[])).0, Verdict::MARTIAN);
    assert_eq!(
        one(&mut harness, 1, &vip.ip(IpNumber::ICMP, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])).0,
        Verdict::MARTIAN
    );
    harness.change(|snapshot| snapshot.net_mut().interfaces_mut()[1].addresses.clear());
    let frame = from_agent([8, 8, 8, 8].into()).udp(1, 2, &[]);
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::NO_ROUTE);
}

#[test]
fn errors_and_resets_share_one_limit() {
    let mut harness = Harness::new(1);
    let expired = from_agent([10, 1, 1, 51].into()).ttl(1).udp(1, 2, &[]);
    let lost = from_agent([8, 8, 8, 8].into()).udp(1, 2, &[]);
    let closed = from_agent(DISPATCHED).udp(1, 2, &[]);
    let reset = from_agent(DISPATCHED).tcp(TcpHeader::new(1, 2, 3, 4), &[]);
    let mut answered = 0;
    while one(&mut harness, 1, &expired).0 == Verdict::ICMP_ERROR {
        answered += 1;
    }
    assert_eq!(answered, 50);
    assert_eq!(one(&mut harness, 1, &expired).0, Verdict::TTL_EXPIRED);
    assert_eq!(one(&mut harness, 1, &lost).0, Verdict::NO_ROUTE);
    assert_eq!(one(&mut harness, 1, &closed).0, Verdict::NO_SERVICE);
    assert_eq!(one(&mut harness, 1, &reset).0, Verdict::NO_SERVICE);
    harness.change(|snapshot| snapshot.net_mut().interfaces_mut()[0].mtu = 600);
    let big = from_agent([10, 1, 1, 51].into()).dont_fragment(true).udp(1, 2, &[0; 700]);
    assert_eq!(one(&mut harness, 1, &big).0, Verdict::TOO_BIG);
    harness.clock.advance(Duration::from_millis(4));
    for (frame, verdict) in [
        (&reset, Verdict::TCP_RESET),
        (&closed, Verdict::ICMP_ERROR),
        (&lost, Verdict::ICMP_ERROR),
        (&big, Verdict::ICMP_ERROR),
        (&expired, Verdict::TTL_EXPIRED),
    ] {
        assert_eq!(one(&mut harness, 1, frame).0, verdict);
    }
}

#[test]
fn without_room_for_it_nothing_is_added_to_a_frame() {
    let mut harness = Harness::new(1);
    let lost = from_agent([8, 8, 8, 8].into()).udp(1, 2, &[0; 22]);
    let pushed = from_agent([10, 15, 0, 9].into()).udp(1, 2, &[0; 22]);
    let tagged = from_agent([10, 1, 1, 51].into()).vlan(15).udp(1, 2, &[0; 22]);
    for bytes in [&lost, &pushed, &tagged] {
        let mut frame = harness.wire.allocate().unwrap();
        frame.prepend(HEADROOM).unwrap();
        frame.truncate(0);
        frame.append(bytes.len()).unwrap().copy_from_slice(bytes);
        assert!(harness.wire.feed_frame(PortId(1), 0, frame));
    }
    let [inside, outside] = harness.run();
    assert_eq!((inside.len(), outside.len()), (1, 0), "popping a tag needs no room");
    assert_eq!(harness.control.stats[0].verdict(Verdict::NO_BUFFER), 2);
    harness.wire.feed_segmented(PortId(1), 0, &lost, 40, false);
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::NOT_LINEAR), 1);
    harness.received();
}
