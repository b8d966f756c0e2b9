//! Both endpoints on simulated ports: frames go through queues and buffers.

use std::time::Duration;

use common::id::PortId;
use dataplane::backend::sim::{Sizes, open};
use pktgen::{
    command::{self, Command},
    generate::Generator,
    port_loop::{Activity, PortLoop},
    respond::Responder,
    scenario::Port,
};

use crate::network::{CLOCK, Network, PORT, SMALL, STEP, load};

#[test]
fn registrations_cross_two_ports_though_rings_and_pools_are_small() {
    let scenario =
        load(&SMALL.replace("count = 20", "count = 2000").replace("[nodes]", "[traffic]\nrate = 0\n[nodes]"));
    let config = scenario.dataplane(&Port::new("sim0".into()), None);
    let sizes = Sizes { pool: 48, receive: 16, transmit: 16, ..Sizes::default() };
    let (mut left, left_wire) = open(&config, sizes).unwrap();
    let (mut right, right_wire) = open(&config, sizes).unwrap();
    let generator = Generator::new(&scenario, PORT, CLOCK).unwrap();
    let responder = Responder::new(&scenario).unwrap();
    let (_here, no_commands) = command::channel();
    let (there, commands) = command::channel();
    let mut agents = PortLoop::new(left.queues[0].remove(0), generator, no_commands);
    let mut homes = PortLoop::new(right.queues[0].remove(0), responder, commands);
    let mut now = Duration::ZERO;
    let mut steps = 0;
    while agents.step(now) != Activity::Done {
        for frame in left_wire.sent(PortId(0)) {
            assert!(right_wire.feed(PortId(0), 0, &frame));
        }
        homes.step(now);
        for frame in right_wire.sent(PortId(0)) {
            assert!(left_wire.feed(PortId(0), 0, &frame));
        }
        now += STEP;
        steps += 1;
        assert!(steps < 10_000);
    }
    let count = agents.counters();
    assert!(count.ring_full + count.no_buffer > 0, "there was always room");
    let requests = agents.endpoint.registrations().requests;
    assert_eq!((requests.sent, requests.answered, requests.duplicates), (2000, 2000, 0));
    there.tell(Command::Stop);
    assert_eq!(homes.step(now), Activity::Done);
    assert_eq!(homes.endpoint.status(now)[0].bindings, 2000);
    drop((agents, homes));
    assert_eq!((left_wire.free_buffers(), right_wire.free_buffers()), (48, 48));
}

#[test]
fn no_answer_is_lost_while_the_ring_is_full() {
    let scenario = load(SMALL);
    let config = scenario.dataplane(&Port::new("sim0".into()), None);
    let (mut ports, wire) = open(&config, Sizes { transmit: 4, ..Sizes::default() }).unwrap();
    let mut network = Network::new(&SMALL.replace("[nodes]", "[traffic]\nrate = 0\n[nodes]"));
    network.deliver = |nth| usize::from(nth == 0);
    network.run();
    let (_sender, commands) = command::channel();
    let mut homes = PortLoop::new(ports.queues[0].remove(0), Responder::new(&scenario).unwrap(), commands);
    let mut answered = 0;
    for frame in network.sent.iter().cycle().take(400) {
        assert!(wire.feed(PortId(0), 0, frame));
    }
    for _ in 0..400 {
        homes.step(STEP);
        answered += wire.sent(PortId(0)).len();
    }
    assert_eq!((answered, homes.counters().ring_full), (400, 0));
}
