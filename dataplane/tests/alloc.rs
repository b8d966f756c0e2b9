//! A worker allocates nothing once it is warm.

use std::time::Duration;

use common::id::PortId;
use dataplane::harness::{AGENT, AGENT_MAC, DIRECTED, DISPATCHED, Harness, INTERFACES, MAC1};
use etherparse::PacketBuilder;

fn udp(to: [u8; 4], ttl: u8, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(AGENT_MAC.0, MAC1.0).ipv4(AGENT.octets(), to, ttl).udp(434, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).expect("the payload fits");
    frame
}

fn request(to: [u8; 4], user: u8) -> Vec<u8> {
    let mut payload = vec![1, 2, 7, 8];
    payload.extend_from_slice(&[0; 20]);
    payload.extend_from_slice(&[131, 9]);
    payload.extend_from_slice(b"user@exam");
    payload[26] = user;
    udp(to, 64, 434, &payload)
}

#[test]
fn no_burst_of_any_kind_allocates() {
    let mut harness = Harness::new(1);
    let mut frames: Vec<_> = (0..20).map(|user| request(DISPATCHED.octets(), user)).collect();
    frames.extend((20..30).map(|user| request(DIRECTED.octets(), user)));
    frames.push(udp([10, 1, 1, 52], 64, 9, b"routed"));
    frames.push(udp([10, 1, 1, 99], 64, 9, b"not resolved"));
    frames.push(udp([10, 1, 1, 52], 1, 9, b"expired"));
    frames.push(udp(DISPATCHED.octets(), 64, 9, b"nobody serves it"));
    frames.push(udp([15, 1, 1, 1], 64, 9, b"punted"));
    frames.push(vec![0; 3]);
    let (worker, wire) = (&mut harness.workers[0], &harness.wire);
    let mut buffer = Vec::with_capacity(common::ring::MAX_FRAME);
    let mut round = |bytes: &mut usize| {
        for frame in &frames {
            assert!(wire.feed(PortId(1), 0, frame));
        }
        assert!(harness.control.injects[0].send(INTERFACES[0], &frames[0]));
        assert_eq!(worker.step(1), frames.len());
        for port in [0, 1] {
            wire.take(PortId(port), |frame| *bytes += frame.len());
        }
        while harness.control.punts[0].receive(&mut buffer).is_some() {}
        while harness.control.events[0].pop().is_ok() {}
        harness.clock.advance(Duration::from_millis(300));
    };
    let mut bytes = 0;
    for _ in 0..10 {
        round(&mut bytes);
    }
    let measured = allocation_counter::measure(|| {
        for _ in 0..200 {
            round(&mut bytes);
        }
    });
    assert_eq!((measured.count_total, measured.bytes_total), (0, 0));
    let boxed = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(bytes))));
    assert_eq!(boxed.count_total, 1, "the counter counts");
    assert!(bytes > 0);
    harness.received();
}
