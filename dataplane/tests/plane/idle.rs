//! What a worker does without traffic.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use common::config::Poll;
use common::id::PortId;
use dataplane::{
    backend::sim::Sizes,
    rig::{self, Rig},
};

use crate::frames::from_agent;

fn idle(poll: Poll) -> Rig {
    Rig::with(1, poll, Sizes::default(), rig::snapshot())
}

#[test]
fn an_adaptive_worker_sleeps_longer_and_longer_and_wakes_at_once() {
    let mut rig = idle(Poll::Adaptive);
    rig.workers[0].step(1000);
    assert_eq!(rig.clock.slept(), Duration::ZERO);
    let mut naps = Vec::new();
    for _ in 0..20 {
        let before = rig.clock.slept();
        rig.workers[0].step(1000);
        naps.push(rig.clock.slept().checked_sub(before).unwrap());
    }
    assert!(naps.is_sorted() && naps[0] < Duration::from_micros(50), "{naps:?}");
    assert_eq!(naps[19], Duration::from_millis(1));
    assert!(rig.wire.feed(PortId(1), 0, &from_agent([10, 1, 1, 51].into()).udp(1, 2, &[])));
    let slept = rig.clock.slept();
    assert_eq!(rig.workers[0].step(1), 1);
    rig.workers[0].step(1000);
    assert_eq!(rig.clock.slept(), slept, "patient again after traffic");
    assert!(rig.control.injects[0].send(rig::INTERFACES[0], &[0; 60]));
    rig.workers[0].step(1000);
    assert_eq!(rig.clock.slept(), slept, "frames from control are work, too");
}

#[test]
fn a_worker_that_polls_always_never_sleeps() {
    let mut rig = idle(Poll::Always);
    rig.workers[0].step(10_000);
    assert_eq!(rig.clock.slept(), Duration::ZERO);
}

#[test]
fn the_heart_beats_without_traffic_and_the_generation_follows() {
    let mut rig = idle(Poll::Always);
    let beats = |rig: &Rig| rig.control.stats[0].heartbeat.load(Relaxed);
    rig.workers[0].step(1);
    let first = beats(&rig);
    rig.change(|snapshot| snapshot.debug_sessions = true);
    for _ in 0..10 {
        rig.clock.advance(Duration::from_millis(100));
        rig.workers[0].step(3);
    }
    let stats = &rig.control.stats[0];
    assert_eq!(beats(&rig), first + 10);
    assert_eq!(stats.generation.load(Relaxed), 2);
    assert_eq!(stats.total_cycles.load(Relaxed), 1_000_000_000);
    assert_eq!(
        stats.empty_polls.load(Relaxed),
        2 * (1 + 30) - 4,
        "two ports; the last two rounds are not out yet"
    );
    rig.workers[0].pinned(3);
    assert_eq!(stats.cpu.load(Relaxed), 4);
}
