//! The example of `docs/adding-a-subsystem.md` as a whole: from a line of configuration to a packet, and back to a show.

#![allow(missing_docs, reason = "a list is public where it is used")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

#[path = "../../../tests/counter/mod.rs"]
mod counter;
#[path = "../../../tests/subsystem/kernel.rs"]
mod kernel;
mod stage;

use std::{sync::Arc, time::SystemTime};

use common::{id::PortId, verdict, wire::checksum};
use control::{
    command::{Shell, load},
    core::{Core, CoreLink},
    dfp::Dfp,
    manage::log::LogBook,
    slb::Slb,
    system::System,
};
use dataplane::harness::Harness;

use self::stage::{COUNTED, PROTOCOL, VERDICTS, WithCounter};

control::protocols! {
    /// The product's subsystems and one more.
    TestList, TestConfiguration:
    system: System,
    slb: Slb,
    dfp: Dfp,
    counter: counter::Counter,
}

/// An IPv4 packet without payload, to Ethernet0.
fn frame(source: [u8; 4], destination: [u8; 4], protocol: u8) -> Vec<u8> {
    let mut ip = [0; 20];
    (ip[0], ip[3], ip[8], ip[9]) = (0x45, 20, 64, protocol);
    ip[12..16].copy_from_slice(&source);
    ip[16..].copy_from_slice(&destination);
    let sum = checksum::of(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [&kernel::PORT.mac.0[..], &[2, 0, 0, 0, 9, 9], &[8, 0], &ip].concat()
}

#[test]
fn packets_to_a_counters_address_are_counted_and_shown() {
    verdict::join(VERDICTS);
    let Harness { wire, mut workers, control, clock, .. } = Harness::<WithCounter>::with_stages(1);
    let mut core = Core::<TestList>::new(CoreLink::split(control).0, None, LogBook::new(10), clock.now());
    core.ports_changed(&[kernel::PORT; 2]);
    core.host_changed(&kernel::state());
    let text = format!("{}counter A\n address 10.1.1.20\n", kernel::INTERFACE);
    core.apply_loaded(load::<TestConfiguration>("test.conf", &text).unwrap()).unwrap();
    let mut shell: Shell<Core<TestList>> = Core::shell(Arc::new(Core::commands()), true);
    let mut json = |core: &mut Core<TestList>| -> serde_json::Value {
        core.set_time(clock.now(), SystemTime::UNIX_EPOCH);
        serde_json::from_str(&core.execute(&mut shell, "show counters | json").finish().text).unwrap()
    };
    assert_eq!(json(&mut core)["counters"][0]["settled"], false);
    for source in [[15, 1, 1, 1], [15, 1, 1, 2], [15, 1, 1, 1]] {
        assert!(wire.feed(PortId(0), 0, &frame(source, [10, 1, 1, 20], PROTOCOL)));
    }
    assert!(wire.feed(PortId(0), 0, &frame([15, 1, 1, 3], [10, 1, 1, 21], PROTOCOL)), "nobody's address");
    while workers[0].step(1) > 0 {}
    let shown = json(&mut core);
    assert_eq!((&shown["packets"], &shown["sources"]), (&3.into(), &2.into()));
    assert_eq!(shown["counters"][0]["settled"], true, "the worker took the snapshot");
    let stats = &core.shared().stats[0];
    assert_eq!((stats.verdict(COUNTED), stats.verdict_sum()), (3, 4));
    assert_eq!((COUNTED.name(), COUNTED.owner()), ("counted", "counter"));
    // Without the line the packets are anybody's.
    core.apply_loaded(load::<TestConfiguration>("test.conf", kernel::INTERFACE).unwrap()).unwrap();
    assert!(wire.feed(PortId(0), 0, &frame([15, 1, 1, 1], [10, 1, 1, 20], PROTOCOL)));
    while workers[0].step(1) > 0 {}
    assert_eq!(core.shared().stats[0].verdict(COUNTED), 3);
    assert_eq!(core.shared().stats[0].verdict_sum(), 5);
}
