//! A list of stages with two more: one takes IP-in-IP off (RFC 2003), one copies. Re-entry, copies and what nobody ended.

use std::{net::Ipv4Addr, sync::atomic::Ordering::Relaxed};

use common::{
    id::PortId,
    verdict::{self, Class, Declaration, Verdict},
    wire::ipv4::{IPIP, LENGTH},
};
use dataplane::{
    backend::Frame,
    batch::{Batch, Next},
    harness::{AGENT, DIRECTED, DISPATCHED, Harness, INTERFACES, agent_mac},
    stage::{
        Context,
        stages::{Stage, StageList, Stages},
    },
};
use etherparse::{IpNumber, Ipv4Header};

use crate::{
    frames::{from_agent, see},
    mobile_ip::rrq,
};

const DECAPSULATE: Stage = Stage::joined(0);
const REPLICATE: Stage = Stage::joined(1);
const FORGET: Stage = Stage::joined(2);
const REPLICATED: Verdict = Verdict::joined(0);
const VERDICTS: &[Declaration] =
    &[Declaration { name: "replicated", class: Class::Forwarded, owner: "tests", counter: None }];

/// The end of the tunnels, an address of the host.
const TUNNEL_END: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 1);
/// What goes there is copied.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// Protocol number (for experiments, RFC 3692) of packets that a stage takes and forgets.
pub const FORGOTTEN: u8 = 253;
/// The TTL says how many copies; these are more than fit in a vector.
const MANY: u8 = 200;

/// The product's list with the stages of this file.
#[derive(Debug)]
pub struct Tunnelled;

impl StageList for Tunnelled {
    fn run<F: Frame>(stage: Stage, cx: &mut Context<'_>, batch: &mut Batch<F>) {
        match stage {
            Stage::CLASSIFY => {
                for index in batch.take(Stage::CLASSIFY) {
                    let (_, packet) = batch.at(index);
                    let next = match (packet.protocol, packet.destination) {
                        (IPIP, TUNNEL_END) => DECAPSULATE,
                        (_, GROUP) => REPLICATE,
                        (FORGOTTEN, _) => FORGET,
                        (254, _) => Stage::joined(9),
                        _ => Stage::CLASSIFY,
                    };
                    batch.send(index, Next::To(next));
                }
                Stages::run(stage, cx, batch);
            }
            DECAPSULATE => {
                for index in batch.take(DECAPSULATE) {
                    let (_, packet) = batch.at(index);
                    let outer = usize::from(packet.header);
                    batch.reenter(index, outer);
                }
            }
            REPLICATE => replicate(batch),
            FORGET => drop(batch.take(FORGET)),
            _ => Stages::run(stage, cx, batch),
        }
    }
}

/// As many copies as the TTL says out of port 0, and the packet itself out of port 1.
fn replicate<F: Frame>(batch: &mut Batch<F>) {
    for index in batch.take(REPLICATE) {
        let (_, packet) = batch.at(index);
        packet.egress = PortId(1);
        let left = usize::from(packet.ttl);
        let now = left.min(batch.replica_room());
        for _ in 0..now {
            batch.replicate(index, PortId(0));
        }
        batch.at(index).1.ttl = (left - now) as u8;
        let next = if now == left { Next::Transmit(REPLICATED) } else { Next::To(REPLICATE) };
        batch.send(index, next);
    }
}

pub fn harness() -> Harness<Tunnelled> {
    verdict::join(VERDICTS);
    Harness::with_stages(1)
}

/// The IPv4 packet of a frame in `layers` tunnels.
pub fn nested(frame: &[u8], layers: usize) -> Vec<u8> {
    let mut packet = frame[14..].to_vec();
    for _ in 0..layers {
        let length = packet.len() as u16;
        let mut outer =
            Ipv4Header::new(length, 64, IpNumber(IPIP), AGENT.octets(), TUNNEL_END.octets()).unwrap();
        outer.header_checksum = outer.calc_header_checksum();
        packet.splice(0..0, outer.to_bytes());
    }
    [&frame[..14], &packet].concat()
}

fn send(harness: &mut Harness<Tunnelled>, frame: &[u8]) -> [Vec<Vec<u8>>; 2] {
    assert!(harness.wire.feed(PortId(1), 0, frame), "the frame fits the queue");
    harness.run()
}

fn count(harness: &Harness<Tunnelled>, verdict: Verdict) -> u64 {
    harness.control.stats[0].verdict(verdict)
}

#[test]
fn a_decapsulated_packet_is_classified_again() {
    let mut harness = harness();
    let routed = from_agent([10, 1, 1, 52].into()).udp(7, 9, b"inner payload");
    let plain = send(&mut harness, &routed);
    for layers in 1..=4 {
        assert_eq!(send(&mut harness, &nested(&routed, layers)), plain, "{layers} layers");
    }
    assert_eq!(count(&harness, Verdict::ROUTED), 5);
    let request = from_agent(DISPATCHED).udp(434, 434, &rrq("tunnelled@example.com"));
    let [inside, _] = send(&mut harness, &nested(&request, 2));
    assert_eq!(see(&inside[0]).destination, agent_mac(51), "a first request, by way of the balancer");
    let [again, _] = send(&mut harness, &request);
    assert_eq!(again, inside, "and its node is known to the fast path");
    let mut tagged = nested(&from_agent(DIRECTED).udp(434, 434, &rrq("tagged@example.com")), 3);
    tagged.splice(12..12, [0x81, 0, 0, 15]);
    let [_, outside] = send(&mut harness, &tagged);
    assert_eq!((see(&outside[0]).vlan, see(&outside[0]).to()), (Some(15), [10, 15, 0, 9].into()));
    let echo = from_agent([15, 1, 1, 1].into()).udp(5, 6, b"for the host");
    send(&mut harness, &nested(&echo, 1));
    let mut punted = Vec::new();
    harness.control.punts[0].receive(&mut punted);
    assert_eq!(punted, echo, "the host sees the inner packet");
    assert_eq!(harness.received(), 9);
}

#[test]
fn requests_in_and_out_of_tunnels_share_a_burst() {
    let mut harness = harness();
    let request =
        |user: usize| from_agent(DISPATCHED).udp(434, 434, &rrq(&format!("user{user}@example.com")));
    for user in 0..60 {
        assert!(harness.wire.feed(PortId(1), 0, &nested(&request(user), user % 5)));
    }
    let [inside, _] = harness.run();
    assert_eq!(inside.len(), 60);
    assert_eq!(count(&harness, Verdict::SLB_DISPATCHED), 60);
    assert_eq!(harness.control.tables.slb.occupancy(), 60, "each began once");
    assert_eq!(harness.received(), 60);
}

#[test]
fn five_tunnels_are_one_too_many() {
    let mut harness = harness();
    let inner = from_agent([10, 1, 1, 52].into()).udp(7, 9, b"deep");
    assert_eq!(send(&mut harness, &nested(&inner, 5)), [Vec::<Vec<u8>>::new(), Vec::new()]);
    assert_eq!(count(&harness, Verdict::NESTED_TOO_DEEP), 1);
    assert_eq!(send(&mut harness, &nested(&inner, 4))[0].len(), 1, "the next packet starts anew");
    assert_eq!(harness.received(), 2);
}

#[test]
fn an_inner_packet_must_be_one_and_lie_within_the_outer() {
    let mut harness = harness();
    let inner = from_agent([10, 1, 1, 52].into()).udp(7, 9, &[7; 40]);
    let sound = nested(&inner, 1);
    let mut wrong = sound.clone();
    wrong[14 + LENGTH + 10] ^= 1;
    send(&mut harness, &wrong);
    assert_eq!(count(&harness, Verdict::BAD_IP_HEADER), 1, "its checksum is checked in any case");
    let mut longer = sound.clone();
    let total = (sound.len() - 14 - 4) as u16;
    longer[16..18].copy_from_slice(&total.to_be_bytes());
    longer[24..26].fill(0);
    let sum = Ipv4Header::from_slice(&longer[14..]).unwrap().0.calc_header_checksum();
    longer[24..26].copy_from_slice(&sum.to_be_bytes());
    send(&mut harness, &longer);
    assert_eq!(count(&harness, Verdict::TRUNCATED), 1, "the frame is long enough, the outer packet is not");
    for payload in [0, 1, 19] {
        let mut outer = from_agent(TUNNEL_END).ip(IpNumber(IPIP), &vec![0x45; payload]);
        outer.extend([0xee; 30]);
        send(&mut harness, &outer);
    }
    assert_eq!(count(&harness, Verdict::TRUNCATED), 4);
    for first in [0, 20, 34, 40, 54] {
        harness.wire.feed_segmented(PortId(1), 0, &sound, first, true);
    }
    assert_eq!(harness.run()[0].len(), 5, "in segments");
    harness.wire.feed_segmented(PortId(1), 0, &sound, 40, false);
    harness.run();
    assert_eq!(count(&harness, Verdict::NOT_LINEAR), 1);
    assert_eq!(harness.received(), 11);
}

#[test]
fn copies_are_counted_beside_the_packet_that_they_are_of() {
    let mut harness = harness();
    let buffers = harness.wire.free_buffers();
    let group = from_agent(GROUP).ttl(3).udp(7, 9, b"to many");
    let [copies, itself] = send(&mut harness, &nested(&group, 1));
    assert_eq!((copies, itself), (vec![group.clone(); 3], vec![group]));
    let stats = &harness.control.stats[0];
    assert_eq!((stats.replicas.load(Relaxed), stats.replicas_dropped.load(Relaxed)), (3, 0));
    assert_eq!((stats.verdict(REPLICATED), stats.sent()), (1, 4));
    assert_eq!(REPLICATED.name(), "replicated");
    assert_eq!(harness.received(), 1);
    assert_eq!(harness.wire.free_buffers(), buffers, "every buffer came back");
}

#[test]
fn a_stage_that_copies_often_runs_until_it_is_done() {
    let mut harness = harness();
    let group = from_agent(GROUP).ttl(MANY).udp(7, 9, b"to many");
    for _ in 0..3 {
        assert!(harness.wire.feed(PortId(1), 0, &group));
    }
    assert!(harness.control.injects[0].send(INTERFACES[0], &group));
    let [copies, itself] = harness.run();
    assert_eq!((copies.len(), itself.len()), (3 * usize::from(MANY) + 1, 3), "and one of the host's");
    let stats = &harness.control.stats[0];
    assert_eq!(stats.replicas.load(Relaxed), 3 * u64::from(MANY));
    assert_eq!((stats.sent(), stats.accounted_sent()), (604, 604));
    assert_eq!(harness.received(), 3);
}

#[test]
fn copies_that_no_device_takes_are_counted() {
    let mut harness = harness();
    let group = from_agent(GROUP).ttl(MANY).udp(7, 9, b"to many");
    for _ in 0..10 {
        assert!(harness.wire.feed(PortId(1), 0, &group));
    }
    // One round, so that nobody empties the transmit ring of 1024.
    harness.workers[0].step(1);
    let stats = &harness.control.stats[0];
    let (sent, dropped) = (stats.replicas.load(Relaxed), stats.replicas_dropped.load(Relaxed));
    assert_eq!(sent + dropped, 10 * u64::from(MANY));
    assert!(sent > 0 && dropped > 0, "{sent} {dropped}");
    assert_eq!(stats.ports[0].tx_full.load(Relaxed), dropped);
    assert_eq!(harness.received(), 10);
}

#[test]
fn a_frame_that_nobody_ended_is_counted_and_nobody_panics() {
    let mut harness = harness();
    let forgotten = from_agent([10, 1, 1, 52].into()).ip(IpNumber(FORGOTTEN), b"taken and forgotten");
    let lost =
        from_agent([10, 1, 1, 52].into()).ip(IpNumber(254), b"sent to a stage that is not in the list");
    let routed = from_agent([10, 1, 1, 52].into()).udp(7, 9, b"goes on");
    for _ in 0..2 {
        for frame in [&forgotten, &routed, &lost] {
            assert!(harness.wire.feed(PortId(1), 0, frame));
        }
        assert_eq!(harness.run()[0].len(), 1);
    }
    assert_eq!((count(&harness, Verdict::UNENDED), count(&harness, Verdict::ROUTED)), (4, 2));
    assert_eq!(harness.received(), 6);
}

/// Its stages send a frame to each other for ever.
#[derive(Debug)]
struct Circle;

impl StageList for Circle {
    fn run<F: Frame>(stage: Stage, cx: &mut Context<'_>, batch: &mut Batch<F>) {
        match stage {
            Stage::FORWARD => {
                for index in batch.take(Stage::FORWARD) {
                    batch.send(index, Next::To(Stage::CLASSIFY));
                }
            }
            _ => Stages::run(stage, cx, batch),
        }
    }
}

#[test]
fn stages_in_a_circle_do_not_hold_the_worker() {
    let mut harness = Harness::<Circle>::with_stages(1);
    let routed = from_agent([10, 1, 1, 52].into()).udp(7, 9, b"round and round");
    let punted = from_agent(TUNNEL_END).udp(7, 9, b"for the host");
    for frame in [&routed, &punted, &routed] {
        assert!(harness.wire.feed(PortId(1), 0, frame));
    }
    harness.run();
    let stats = &harness.control.stats[0];
    assert_eq!(stats.verdict(Verdict::UNENDED), 3, "whatever still waits somewhere");
    assert!(harness.wire.feed(PortId(1), 0, &punted));
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::PUNTED), 1, "nothing of the circle is left");
    assert_eq!(harness.received(), 4);
}
