//! Home agents: which requests are theirs, and what they answer.

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    wire::{
        arp::{self, Arp},
        ethernet::{self, Ethernet},
        icmp::{self, Icmp},
        ipv4::Ipv4,
        mobile_ip::{AuthKind, Code, Extension, RRP_FIXED, RRQ_FIXED, Request},
        udp::{self, Udp},
    },
};
use pktgen::{command::Command, port_loop::Endpoint, respond::Responder, scenario::Scenario};
use zerocopy::IntoBytes;

use crate::network::{PORT, SMALL, STEP, datagram, load, replies};

const AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
const HA: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 1, 51), Ipv4Addr::new(10, 1, 1, 52)];
const MAC: [MacAddr; 2] = [MacAddr([2, 0, 10, 1, 1, 51]), MacAddr([2, 0, 10, 1, 1, 52])];

struct Harness {
    scenario: Scenario,
    responder: Responder,
}

impl Harness {
    fn new(text: &str) -> Self {
        let scenario = load(text);
        let responder = Responder::new(&scenario).unwrap();
        Self { scenario, responder }
    }

    fn frame(&self, to: MacAddr, address: Ipv4Addr, change: impl Fn(&mut Request)) -> Vec<u8> {
        let mut request = Request {
            flags: common::wire::mobile_ip::Flags::REVERSE_TUNNEL,
            lifetime: 600,
            home_address: Ipv4Addr::UNSPECIFIED,
            home_agent: Ipv4Addr::UNSPECIFIED,
            care_of: AGENT,
            identification: 0xc2b9_f5a0_0000_0007,
            extensions: vec![Extension::Nai(b"user1@r".to_vec())],
        };
        change(&mut request);
        let mut message = request.encode().unwrap();
        if let Some(association) = self.scenario.association() {
            association.sign(AuthKind::MobileHome, &mut message);
        }
        wrap(to, address, &message)
    }

    fn give(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        self.responder.receive(STEP, frame, &mut out);
        out
    }

    fn status(&self, agent: usize) -> pktgen::respond::Status {
        self.responder.status(STEP).remove(agent)
    }
}

fn wrap(to: MacAddr, address: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let mut datagram = Udp::new(5000, 434, message.len() as u16).as_bytes().to_vec();
    datagram.extend_from_slice(message);
    udp::fill_checksum(&mut datagram, AGENT, address);
    let ip = Ipv4::new(AGENT, address, 17, datagram.len() as u16, 0);
    [Ethernet::new(to, PORT, ethernet::IPV4).as_bytes(), ip.as_bytes(), &datagram].concat()
}

#[test]
fn dispatched_and_directed_requests_are_answered_from_the_real_address() {
    let mut harness = Harness::new(SMALL);
    for (agent, to) in [(0, VIP), (1, VIP), (0, HA[0]), (1, HA[1])] {
        let out = harness.give(&harness.frame(MAC[agent], to, |_| ()));
        assert_eq!(out.len(), 1);
        let (mac, ip, reply) = datagram(&out[0]).unwrap();
        assert_eq!((mac, ip.header.source(), ip.header.destination()), (PORT, HA[agent], AGENT));
        assert_eq!((reply.header.source(), reply.header.destination()), (434, 5000));
        harness
            .scenario
            .association()
            .unwrap()
            .verify(AuthKind::MobileHome, reply.payload, RRP_FIXED)
            .unwrap();
        let reply = replies(&out).remove(0);
        assert_eq!((reply.code, reply.lifetime, reply.home_agent), (Code::ACCEPTED, 600, HA[agent]));
        assert_eq!(reply.nai(), Some(&b"user1@r"[..]));
        assert_eq!(reply.identification, 0xc2b9_f5a0_0000_0007);
    }
    for agent in [0, 1] {
        let status = harness.status(agent);
        assert_eq!((status.counters.dispatched, status.counters.directed, status.bindings), (1, 1, 1));
    }
}

#[test]
fn what_is_for_others_is_not_answered() {
    let mut harness = Harness::new(SMALL);
    let frames = [
        harness.frame(MAC[0], HA[1], |_| ()),
        harness.frame(MAC[0], Ipv4Addr::new(10, 1, 1, 99), |_| ()),
        harness.frame(MacAddr([2, 0, 0, 0, 0, 77]), VIP, |_| ()),
    ];
    for frame in frames {
        assert!(harness.give(&frame).is_empty());
    }
    assert_eq!(harness.status(0).counters, harness.status(1).counters);
    assert_eq!(harness.status(0).counters.dispatched, 0);
}

#[test]
fn a_deaf_home_agent_answers_arp_and_nothing_else_until_it_hears_again() {
    let mut harness = Harness::new(SMALL);
    let frame = harness.frame(MAC[0], VIP, |_| ());
    assert_eq!(harness.responder.command(STEP, &Command::Deaf("ha1".into())), "ok");
    assert_eq!(
        harness.responder.command(STEP, &Command::Deaf("ha9".into())),
        "error: there is no home agent ha9"
    );
    assert!(harness.give(&frame).is_empty());
    assert_eq!(harness.give(&harness.frame(MAC[1], VIP, |_| ())).len(), 1);
    assert_eq!(harness.give(&arp(HA[0])).len(), 1);
    let status: serde_json::Value =
        serde_json::from_str(&harness.responder.command(STEP, &Command::Status)).unwrap();
    let agents = &status["home_agents"];
    assert_eq!(
        (&agents[0]["name"], &agents[0]["deaf"], &agents[0]["unheard"]),
        (&"ha1".into(), &true.into(), &1.into())
    );
    assert_eq!((&agents[1]["deaf"], &agents[1]["bindings"]), (&false.into(), &1.into()));
    assert_eq!(harness.responder.command(STEP, &Command::Hear("all".into())), "ok");
    assert_eq!(harness.give(&frame).len(), 1);
}

#[test]
fn denied_and_discarded_requests_are_told_apart() {
    let mut harness = Harness::new(SMALL);
    let mut spoilt = harness.frame(MAC[0], VIP, |_| ());
    // A byte of the NAI, and the checksum with it.
    spoilt[14 + 28 + RRQ_FIXED + 4] ^= 1;
    assert!(harness.give(&spoilt).is_empty());
    let message = spoilt[42..].to_vec();
    let out = harness.give(&wrap(MAC[0], VIP, &message));
    assert_eq!(replies(&out)[0].code, Code::MN_AUTHENTICATION);
    for (message, reason) in [
        (&message[..message.len() - 22], "no_authentication"),
        (&message[..20], "malformed"),
        (&[3; 40], "malformed"),
    ] {
        assert!(harness.give(&wrap(MAC[0], VIP, message)).is_empty(), "{reason}");
    }
    assert!(harness.give(&harness.frame(MAC[0], VIP, |request| request.extensions.clear())).is_empty());
    let count = harness.status(0).counters;
    assert_eq!((count.denied, count.accepted), (1, 0));
    let discarded: Vec<_> = count.discarded.into_iter().collect();
    assert_eq!(
        discarded,
        [("malformed", 2), ("no_authentication", 1), ("no_identity", 1), ("udp_checksum", 1)]
    );
}

#[test]
fn addresses_are_given_kept_and_used_up() {
    let mut harness = Harness::new(SMALL);
    let mut ask = |number: u32, lifetime| {
        let frame = harness.frame(MAC[1], VIP, |request| {
            request.extensions[0] = Extension::Nai(format!("user{number}@r").into_bytes());
            request.lifetime = lifetime;
        });
        let reply = replies(&harness.give(&frame)).remove(0);
        (reply.code, reply.home_address, harness.responder.status(STEP)[1].bindings)
    };
    // A pool of eight: six are given.
    for number in 1..=6 {
        let address = Ipv4Addr::new(10, 8, 0, number as u8);
        assert_eq!(ask(number, 600), (Code::ACCEPTED, address, number as usize));
    }
    assert_eq!(ask(7, 600), (Code::NO_RESOURCES, Ipv4Addr::UNSPECIFIED, 6));
    assert_eq!(ask(3, 600), (Code::ACCEPTED, Ipv4Addr::new(10, 8, 0, 3), 6));
    assert_eq!(ask(3, 0), (Code::ACCEPTED, Ipv4Addr::new(10, 8, 0, 3), 5));
    assert_eq!(ask(3, 600), (Code::ACCEPTED, Ipv4Addr::new(10, 8, 0, 3), 6));
    let later = STEP + std::time::Duration::from_mins(10);
    assert_eq!(harness.responder.status(later)[1].bindings, 0);
}

#[test]
fn a_challenge_comes_back_behind_the_authenticator() {
    let mut harness = Harness::new(SMALL);
    let challenge = Extension::Challenge(vec![1, 2, 3]);
    let frame = harness.frame(MAC[0], VIP, |request| request.extensions.push(challenge.clone()));
    let reply = replies(&harness.give(&frame)).remove(0);
    assert!(matches!(reply.extensions[1], Extension::Auth { kind: AuthKind::MobileHome, .. }));
    assert_eq!(reply.extensions[2], challenge);
}

#[test]
fn replies_take_the_gateway_once_it_is_known() {
    let text = SMALL.replace("[respond]", "[respond]\ngateway = \"10.1.1.1\"");
    let mut harness = Harness::new(&text);
    let frame = harness.frame(MAC[0], VIP, |_| ());
    assert!(harness.give(&frame).is_empty());
    assert_eq!(harness.status(0).counters.unsent, 1);
    let mut out = Vec::new();
    harness.responder.poll(STEP, &mut out);
    let question = *Arp::parse(ethernet::parse(&out[0]).unwrap().payload).unwrap();
    assert_eq!((question.operation(), question.target().1), (arp::REQUEST, Ipv4Addr::new(10, 1, 1, 1)));
    let gateway = MacAddr([2, 0, 0, 0, 0, 0x11]);
    let reply = Arp::reply((gateway, question.target().1), question.sender());
    let answer = [Ethernet::new(MAC[0], gateway, ethernet::ARP).as_bytes(), reply.as_bytes()].concat();
    harness.give(&answer);
    let out = harness.give(&frame);
    assert_eq!(datagram(&out[0]).unwrap().0, gateway);
}

fn arp(target: Ipv4Addr) -> Vec<u8> {
    let question = Arp::request((PORT, AGENT), target);
    [Ethernet::new(MacAddr::BROADCAST, PORT, ethernet::ARP).as_bytes(), question.as_bytes()].concat()
}

#[test]
fn arp_and_ping_are_answered_for_real_addresses_and_never_for_virtual_ones() {
    let mut harness = Harness::new(SMALL);
    let out = harness.give(&arp(HA[1]));
    let frame = ethernet::parse(&out[0]).unwrap();
    let reply = Arp::parse(frame.payload).unwrap();
    assert_eq!((frame.destination, reply.operation()), (PORT, arp::REPLY));
    assert_eq!((reply.sender(), reply.target()), ((MAC[1], HA[1]), (PORT, AGENT)));
    assert!(harness.give(&arp(VIP)).is_empty());
    let ping = |to: Ipv4Addr| {
        let echo = Icmp::new(icmp::ECHO_REQUEST, 0, [0, 1, 0, 2], b"abc");
        let ip = Ipv4::new(AGENT, to, 1, 11, 0);
        [Ethernet::new(MAC[0], PORT, ethernet::IPV4).as_bytes(), ip.as_bytes(), echo.as_bytes(), b"abc"]
            .concat()
    };
    let out = harness.give(&ping(HA[0]));
    let ip = common::wire::ipv4::parse(ethernet::parse(&out[0]).unwrap().payload).unwrap();
    let echo = icmp::parse(ip.payload).unwrap();
    assert!(ip.checksum_ok && echo.checksum_ok);
    assert_eq!(
        (echo.header.kind, echo.header.rest, echo.payload),
        (icmp::ECHO_REPLY, [0, 1, 0, 2], &b"abc"[..])
    );
    assert!(harness.give(&ping(VIP)).is_empty());
}

#[test]
fn any_bytes_are_taken() {
    let mut harness = Harness::new(SMALL);
    let whole = harness.frame(MAC[0], VIP, |_| ());
    for length in 0..whole.len() {
        assert!(harness.give(&whole[..length]).is_empty());
        for bit in 0..8 {
            let mut spoilt = whole.clone();
            spoilt[length] ^= 1 << bit;
            harness.give(&spoilt);
        }
    }
}

#[test]
fn no_more_lifetime_is_granted_than_the_scenario_allows() {
    let mut harness = Harness::new(&SMALL.replace("[respond]", "[respond]\nlifetime = 300"));
    for (asked, granted) in [(200, 200), (600, 300), (u16::MAX, 300), (0, 0)] {
        let frame = harness.frame(MAC[0], VIP, |request| request.lifetime = asked);
        assert_eq!(replies(&harness.give(&frame))[0].lifetime, granted);
    }
}

#[test]
fn an_own_frame_that_comes_back_is_ignored() {
    let mut harness = Harness::new(SMALL);
    let mut frame = harness.frame(MAC[0], VIP, |_| ());
    frame[6..12].copy_from_slice(&MAC[1].0);
    assert!(harness.give(&frame).is_empty());
    let mut question = arp(HA[0]);
    question[6..12].copy_from_slice(&MAC[1].0);
    assert!(harness.give(&question).is_empty());
}
