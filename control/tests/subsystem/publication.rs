//! The snapshot: one swap for all parts that changed, and none where nothing did.

use common::net::Owner;
use control::protocol::Effect;

use crate::{
    harness::{BALANCER, Harness},
    kernel::INTERFACE,
};

#[test]
fn a_file_that_changes_several_parts_is_one_swap() {
    let mut harness = Harness::empty();
    let before = harness.snapshot().generation;
    harness.load(&format!("{INTERFACE}{BALANCER}counter A\n address 10.1.1.20\n"));
    let after = harness.snapshot();
    assert_eq!(after.generation, before + 1);
    assert!(matches!(harness.owner(20), Some(Owner::Host(_))));
    assert!(matches!(harness.owner(10), Some(Owner::Virtual(_))));
    assert_eq!(after.slb.vservers.len(), 1);
}

#[test]
fn nothing_is_published_that_nobody_marked() {
    let mut harness = Harness::new("counter A\n interval 10\n address 10.1.1.20\n");
    let generation = harness.snapshot().generation;
    harness.configure("counter A\nlimit 7\nkey Cookies\ncounter B\nno counter B");
    harness.run("counter A add 3");
    harness.pass(std::time::Duration::from_millis(500));
    assert_eq!(harness.snapshot().generation, generation);
    harness.configure("counter A\naddress 10.1.1.21");
    assert_eq!(harness.snapshot().generation, generation + 1);
    assert_eq!((harness.owner(20), harness.owner(21).is_some()), (None, true));
    // Not on any interface: marked, and it comes to the same as without.
    harness.configure("counter B\naddress 10.9.9.9");
    assert_eq!(harness.snapshot().generation, generation + 1);
}

#[test]
fn a_network_made_anew_keeps_its_address() {
    let mut harness = Harness::new(&format!("{BALANCER}counter A\n address 10.1.1.20\n"));
    harness.configure("interface Ethernet0\nshutdown\nno shutdown");
    assert!(harness.owner(20).is_some() && harness.owner(10).is_some());
}

#[test]
fn it_knows_when_workers_have_its_part() {
    let mut harness = Harness::new("counter A\n address 10.1.1.20\n");
    assert_eq!(harness.json("show counters")["counters"][0]["settled"], false);
    let generation = harness.snapshot().generation;
    harness.worker.stats.generation.store(generation, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(harness.json("show counters")["counters"][0]["settled"], true);
}

#[test]
fn the_end_gives_up_what_attracts_traffic_in_one_swap() {
    let mut harness = Harness::new(&format!("{BALANCER}counter A\n address 10.1.1.20\n"));
    let generation = harness.snapshot().generation;
    harness.core.take_effects();
    harness.core.stop();
    assert_eq!((harness.owner(10), harness.owner(20)), (None, None));
    assert!(harness.owner(1).is_some(), "the host's own address stays");
    assert_eq!(harness.snapshot().generation, generation + 1);
    let frames = harness.core.take_effects();
    assert!(!frames.iter().any(|effect| matches!(effect, Effect::Send(..))));
}
