//! Frames from control, capture files, counters of ports.

use std::sync::atomic::Ordering::Relaxed;

use common::{
    config::{DataplaneConfig, Poll},
    id::{InterfaceId, PortId},
    verdict::Verdict,
};
use dataplane::{
    backend::sim::{self, SimQueue, Sizes, pcap},
    batch::Next,
    counts::Counts,
    harness::{self, DISPATCHED, Harness, INTERFACES},
    stage::{stages::Stage, transmit},
};

use crate::{
    frames::{burst_of_one, from_agent, one, pad},
    mobile_ip::rrq,
};

#[test]
fn frames_from_control_leave_as_they_are_on_their_interfaces_port() {
    let mut harness = Harness::new(2);
    let tagged = pad(from_agent([1; 4].into()).vlan(15).link(0x86dd));
    let plain = pad(from_agent([1; 4].into()).link(0x0806));
    let jumbo = vec![1; 4000];
    for worker in 0..2 {
        let inject = &mut harness.control.injects[worker];
        assert!(inject.send(INTERFACES[2], &tagged) && inject.send(INTERFACES[0], &plain));
        assert!(inject.send(InterfaceId(77), &plain) && inject.send(INTERFACES[0], &jumbo));
    }
    let sent = harness.run();
    assert_eq!(sent, [vec![plain.clone(), plain], vec![tagged.clone(), tagged]]);
    for stats in &harness.control.stats {
        assert_eq!(stats.injected.load(Relaxed), 2, "neither the unknown interface's nor the one too large");
        assert_eq!(stats.inject_refused.load(Relaxed), 2, "these two");
    }
    assert_eq!(harness.received(), 0);
}

#[test]
fn with_a_dry_pool_frames_from_control_are_counted_and_nothing_leaks() {
    let mut harness = Harness::new(1);
    let all = harness.wire.free_buffers();
    let taken = harness.wire.exhaust_pool(0);
    assert!(harness.control.injects[0].send(INTERFACES[0], &[0; 60]));
    assert_eq!(harness.run(), [Vec::<Vec<u8>>::new(), Vec::new()]);
    let stats = &harness.control.stats[0];
    let counted =
        || [&stats.inject_no_buffer, &stats.injected, &stats.inject_refused].map(|cell| cell.load(Relaxed));
    assert_eq!(counted(), [1, 0, 0]);
    drop(taken);
    assert!(harness.control.injects[0].send(INTERFACES[0], &[0; 60]));
    assert_eq!(harness.run()[0].len(), 1, "the pool has buffers again");
    let stats = &harness.control.stats[0];
    assert_eq!((stats.inject_no_buffer.load(Relaxed), stats.injected.load(Relaxed)), (1, 1));
    for _ in 0..100 {
        one(&mut harness, 1, &from_agent([10, 1, 1, 51].into()).udp(1, 2, &[]));
        one(&mut harness, 1, &from_agent([10, 1, 1, 99].into()).udp(1, 2, &[]));
        one(&mut harness, 1, &from_agent([15, 1, 1, 1].into()).udp(1, 2, &[]));
        one(&mut harness, 1, &[0; 10]);
    }
    assert_eq!(harness.wire.free_buffers(), all);
}

#[test]
fn frames_from_control_that_a_full_ring_does_not_take_are_counted() {
    let sizes = Sizes { transmit: 8, ..Sizes::default() };
    let mut harness = Harness::with(1, Poll::Always, sizes, harness::snapshot());
    for _ in 0..20 {
        assert!(harness.control.injects[0].send(INTERFACES[0], &[0; 60]));
    }
    while harness.workers[0].step(1) > 0 {}
    let stats = &harness.control.stats[0];
    assert_eq!((stats.injected.load(Relaxed), stats.inject_tx_full.load(Relaxed)), (8, 12));
    assert_eq!(stats.ports[0].tx_full.load(Relaxed), 12);
    assert_eq!(harness.wire.sent(PortId(0)).len(), 8);
}

#[test]
fn of_a_burst_that_leaves_alike_only_what_the_device_took_is_counted_as_sent() {
    let sizes = Sizes { transmit: 8, ..Sizes::default() };
    let mut harness = Harness::with(1, Poll::Always, sizes, harness::snapshot());
    let frame =
        |user| from_agent(DISPATCHED).udp(434, 434, &rrq(&format!("mwts-mip-np-user{user}@ispxyz.com")));
    for user in 10..30 {
        assert_eq!(one(&mut harness, 1, &frame(user)).1.len(), 1, "now it is known");
    }
    for user in 10..30 {
        assert!(harness.wire.feed(PortId(1), 0, &frame(user)));
    }
    while harness.workers[0].step(1) > 0 {}
    let cell = &harness.control.stats[0].ports[0];
    let counted = [&cell.tx_packets, &cell.tx_bytes, &cell.tx_full].map(|cell| cell.load(Relaxed));
    assert_eq!(counted, [28, 28 * frame(10).len() as u64, 12]);
    assert_eq!(harness.received(), 40);
}

/// It cannot be made by a configuration, but a frame without account would be lost without a trace.
#[test]
fn a_frame_for_a_port_that_does_not_exist_is_counted_by_whose_it_is() {
    let harness = Harness::new(1);
    let snapshot = harness.control.snapshot.load_full();
    let frame = from_agent([10, 1, 1, 51].into()).udp(1, 2, &[]);
    let batch = |next| {
        burst_of_one(&harness, &snapshot, &frame, |_, batch| {
            batch.enter(Stage::PARSE);
            let _ = batch.take(Stage::PARSE);
            batch.replicate(0, PortId(9));
            batch.at(0).1.egress = PortId(9);
            batch.send(0, next);
        })
    };
    let (mut queues, mut counts) = (Vec::<SimQueue>::new(), Counts::new(2));
    let mut routed = batch(Next::Transmit(Verdict::ROUTED));
    transmit::replicas(&mut routed, &mut queues, &mut [], &mut counts);
    transmit::run(&mut routed, &mut queues, &mut [], &mut counts);
    transmit::host(&mut batch(Next::Host), &mut queues, &mut [], &mut counts);
    let stats = &harness.control.stats[0];
    counts.publish(stats);
    assert_eq!((stats.verdict(Verdict::TX_DOWN), stats.verdict(Verdict::ROUTED)), (1, 0));
    assert_eq!((counts.replicas, counts.replicas_dropped), (0, 1));
    assert_eq!((counts.injected, counts.inject_refused), (0, 1));
}

#[test]
fn full_bursts_are_counted_by_port_and_polls_with_them() {
    let mut harness = Harness::new(1);
    let frame = from_agent([10, 1, 1, 51].into()).udp(1, 2, &[]);
    for (port, frames) in [(0, 1), (1, 64 + 60 + 59)] {
        for _ in 0..frames {
            assert!(harness.wire.feed(PortId(port), 0, &frame));
        }
    }
    while harness.workers[0].step(1) > 0 {}
    // 1, 64; 0, 64; 0, 55; and the round in which nothing came is out with the last counts.
    harness.workers[0].drain();
    let stats = &harness.control.stats[0];
    let full = [0, 1].map(|port| stats.ports[port].full_bursts.load(Relaxed));
    assert_eq!(full, [0, 2]);
    assert_eq!(stats.bursts.load(Relaxed) + stats.empty_polls.load(Relaxed), 2 * 4);
}

#[test]
fn a_worker_drains_what_control_still_has_to_send() {
    let mut harness = Harness::new(1);
    for _ in 0..500 {
        assert!(harness.control.injects[0].send(INTERFACES[0], &[3; 60]));
    }
    harness.workers[0].drain();
    assert_eq!(harness.wire.sent(PortId(0)).len(), 500);
}

#[test]
fn port_counters_agree_on_both_sides() {
    let mut harness = Harness::new(1);
    let frame = from_agent([10, 1, 1, 51].into()).udp(1, 2, &[0; 100]);
    for _ in 0..5 {
        one(&mut harness, 1, &frame);
    }
    let cells = &harness.control.stats[0].ports;
    let bytes = 5 * frame.len() as u64;
    assert_eq!((cells[1].rx_packets.load(Relaxed), cells[1].rx_bytes.load(Relaxed)), (5, bytes));
    assert_eq!((cells[0].tx_packets.load(Relaxed), cells[0].tx_bytes.load(Relaxed)), (5, bytes));
}

fn config_with(device: &str) -> DataplaneConfig {
    let mut config = harness::config(1);
    config.ports[1].device = device.into();
    config
}

#[test]
fn a_port_reads_a_capture_and_writes_one() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let frames: Vec<_> = (0..70_u8).map(|i| from_agent([10, 1, 1, 51].into()).udp(1, 2, &[i; 40])).collect();
    std::fs::write(&input, pcap::write(frames.iter().map(|frame| (5, frame.as_slice())))).unwrap();
    let (ports, wire) =
        sim::open(&config_with(&format!("sim1,rx_pcap={}", input.display())), Sizes::default()).unwrap();
    let mut harness = Harness::on(ports, wire, 1, Poll::Always, harness::snapshot());
    while harness.workers[0].step(1) > 0 {}
    assert_eq!(harness.wire.save(PortId(0), &output).unwrap(), 70);
    let written = pcap::read(&std::fs::read(&output).unwrap()).unwrap();
    assert_eq!(written.len(), 70);
    assert_eq!(written[69].bytes[42..], [69; 40]);
    assert_eq!(harness.received(), 70);
    let missing = sim::open(&config_with("sim1,rx_pcap=/nowhere.pcap"), Sizes::default());
    assert!(missing.err().unwrap().to_string().contains("/nowhere.pcap"));
}

#[test]
fn control_sees_and_sets_simulated_ports() {
    let (ports, wire) = sim::open(&harness::config(3), Sizes::default()).unwrap();
    let control = ports.control;
    let info = &control.ports()[1];
    assert_eq!((info.mac, info.rx_queues, info.tx_queues, info.mtu), (harness::MAC1, 3, 3, 1500));
    control.set_mtu(PortId(1), 9000).unwrap();
    control.set_mac(PortId(1), harness::VIRTUAL_MAC).unwrap();
    assert_eq!((control.ports()[1].mtu, control.ports()[1].mac), (9000, harness::VIRTUAL_MAC));
    assert!(wire.feed(PortId(1), 2, &[0; 60]));
    control.set_up(PortId(1), false).unwrap();
    assert!(!control.link(PortId(1)).up && !wire.feed(PortId(1), 2, &[0; 60]));
    control.set_up(PortId(1), true).unwrap();
    let taken = wire.exhaust_pool(0);
    assert!(!wire.feed(PortId(1), 2, &[0; 60]));
    drop(taken);
    let counters = control.counters(PortId(1));
    assert_eq!((counters.rx_packets, counters.rx_bytes, counters.rx_no_mbuf), (1, 60, 1));
    assert_eq!(control.pools()[0].free + 1, control.pools()[0].size);
}
