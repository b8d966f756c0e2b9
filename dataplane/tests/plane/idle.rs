//! What a worker does without traffic.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use common::config::Poll;
use common::id::PortId;
use dataplane::{
    backend::sim::Sizes,
    harness::{self, Harness},
};

use crate::frames::from_agent;

fn idle(poll: Poll) -> Harness {
    Harness::with(1, poll, Sizes::default(), harness::snapshot())
}

#[test]
fn an_adaptive_worker_sleeps_longer_and_longer_and_wakes_at_once() {
    let mut harness = idle(Poll::Adaptive);
    harness.workers[0].step(1000);
    assert_eq!(harness.clock.slept(), Duration::ZERO);
    let mut backoffs = Vec::new();
    for _ in 0..20 {
        let before = harness.clock.slept();
        harness.workers[0].step(1000);
        backoffs.push(harness.clock.slept().checked_sub(before).unwrap());
    }
    assert!(backoffs.is_sorted() && backoffs[0] < Duration::from_micros(50), "{backoffs:?}");
    assert_eq!(backoffs[19], Duration::from_millis(1));
    assert!(harness.wire.feed(PortId(1), 0, &from_agent([10, 1, 1, 51].into()).udp(1, 2, &[])));
    let slept = harness.clock.slept();
    assert_eq!(harness.workers[0].step(1), 1);
    harness.workers[0].step(1000);
    assert_eq!(harness.clock.slept(), slept, "patient again after traffic");
    assert!(harness.control.injects[0].send(harness::INTERFACES[0], &[0; 60]));
    harness.workers[0].step(1000);
    assert_eq!(harness.clock.slept(), slept, "frames from control are work, too");
}

#[test]
fn a_worker_that_polls_always_never_sleeps() {
    let mut harness = idle(Poll::Always);
    harness.workers[0].step(10_000);
    assert_eq!(harness.clock.slept(), Duration::ZERO);
}

#[test]
fn the_heart_beats_without_traffic_and_the_generation_follows() {
    let mut harness = idle(Poll::Always);
    let beats = |harness: &Harness| harness.control.stats[0].heartbeat.load(Relaxed);
    harness.workers[0].step(1);
    let first = beats(&harness);
    harness.change(|snapshot| snapshot.slb_mut().debug_sessions = true);
    for _ in 0..10 {
        harness.clock.advance(Duration::from_millis(100));
        harness.workers[0].step(3);
    }
    let stats = &harness.control.stats[0];
    assert_eq!(beats(&harness), first + 10);
    assert_eq!(stats.generation.load(Relaxed), 2);
    assert_eq!(stats.total_cycles.load(Relaxed), 1_000_000_000);
    assert_eq!(
        stats.empty_polls.load(Relaxed),
        2 * (1 + 30) - 4,
        "two ports; the last two rounds are not out yet"
    );
    harness.workers[0].pinned(3);
    assert_eq!(stats.cpu.load(Relaxed), 4);
}
