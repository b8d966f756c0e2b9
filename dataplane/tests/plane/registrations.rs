//! Registration requests to the home agent and its replies, past the kernel.

use common::{mobile::Tunnel, stream::StreamEnd, verdict::Verdict};
use dataplane::harness::home_agent::{HOME_AGENT, tunnel};
use dataplane::harness::{AGENT, Harness, INTERFACES};
use etherparse::IpNumber;

use crate::{
    frames::{from_agent, one, punted},
    mobile_nodes::{NODE, away},
};

fn stream(harness: &Harness) -> StreamEnd {
    harness.control.tables.mobile.as_ref().unwrap().registrations.accept().pop().unwrap()
}

#[test]
fn a_request_reaches_control_as_it_came_and_the_reply_leaves_as_it_is() {
    let mut harness = away(&[]);
    let mut control = stream(&harness);
    let mut frame = Vec::new();
    for (request, interface) in [
        (from_agent(HOME_AGENT).udp(40000, 434, &[1; 24]), INTERFACES[1]),
        (from_agent(HOME_AGENT).vlan(15).udp(40000, 434, &[1; 24]), INTERFACES[2]),
    ] {
        assert_eq!(one(&mut harness, 1, &request), (Verdict::REGISTRATION, Vec::new()));
        assert_eq!(control.receiver.receive(&mut frame), Some(interface));
        assert_eq!(frame, request);
        assert!(control.sender.send(interface, &[7; 80]));
        assert_eq!(harness.run(), [vec![], vec![vec![7; 80]]]);
    }
    assert_eq!(punted(&mut harness), None);
}

#[test]
fn what_cannot_be_answered_where_it_came_from_is_the_kernels() {
    let mut harness = away(&[tunnel(AGENT)]);
    let mut control = stream(&harness);
    let inner = from_agent(HOME_AGENT).source_ip(NODE).udp(434, 434, &[1; 24]);
    let kernels = [
        from_agent(HOME_AGENT).source_ip(HOME_AGENT).udp(434, 434, &[1; 24]),
        from_agent(HOME_AGENT).source_ip([127, 0, 0, 1]).udp(434, 434, &[1; 24]),
        from_agent(HOME_AGENT).fragment(0, true).udp(434, 434, &[1; 24]),
        from_agent(HOME_AGENT).udp(434, 435, &[1; 24]),
        from_agent(HOME_AGENT).ip(IpNumber(4), &inner[14..]),
    ];
    for frame in kernels {
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::PUNTED, "{frame:02x?}");
    }
    assert_eq!(control.receiver.receive(&mut Vec::new()), None);
}

#[test]
fn what_the_ring_has_no_room_for_is_counted() {
    let mut harness = away(&[]);
    let request = from_agent(HOME_AGENT).udp(40000, 434, &[1; 1400]);
    let mut taken = 0;
    loop {
        match one(&mut harness, 1, &request).0 {
            Verdict::REGISTRATION => taken += 1,
            verdict => break assert_eq!(verdict, Verdict::REGISTRATION_FULL),
        }
    }
    let mut control = stream(&harness);
    let mut frame = Vec::new();
    while control.receiver.receive(&mut frame).is_some() {
        taken -= 1;
    }
    assert_eq!(taken, 0);
    assert_eq!(one(&mut harness, 1, &request).0, Verdict::REGISTRATION);
}

#[test]
fn data_in_udp_is_no_request() {
    let nat = Tunnel { carrier: common::mobile::Carrier::Udp { local: 434, remote: 5 }, ..tunnel(AGENT) };
    let mut harness = away(&[nat]);
    let inner = from_agent([198, 51, 100, 1].into()).source_ip(NODE).udp(5, 6, b"x");
    let frame = from_agent(HOME_AGENT).udp(5, 434, &[&[4, 4, 0, 0][..], &inner[14..]].concat());
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::ROUTED);
}
