//! More addresses of a port: by filter where the device has them, else by promiscuous reception.

use std::sync::Arc;

use common::{id::PortId, mac::MacAddr, port::PortControl};
use nix::sched::{CloneFlags, unshare};

use super::{config, run};
use crate::backend::dpdk::start;

const PORT: PortId = PortId(0);
const ONE: MacAddr = MacAddr([0, 0, 0x0c, 7, 0xac, 1]);
const OTHER: MacAddr = MacAddr([0, 0, 0x0c, 7, 0xac, 2]);

/// Adds two addresses, one of them twice, and removes both, looking at `state` between.
fn come_and_go<T>(control: &Arc<dyn PortControl>, state: impl Fn() -> T) -> [T; 4] {
    let none = state();
    for mac in [ONE, OTHER, ONE] {
        control.add_mac(PORT, mac).unwrap();
    }
    let both = state();
    control.remove_mac(PORT, ONE).unwrap();
    control.remove_mac(PORT, ONE).unwrap();
    let one = state();
    control.remove_mac(PORT, OTHER).unwrap();
    [none, both, one, state()]
}

/// What the kernel says of a device's promiscuous reception.
fn promiscuity(device: &str) -> u32 {
    let text = run("ip", &["-d", "link", "show", "dev", device]);
    let mut words = text.split_whitespace().skip_while(|word| *word != "promiscuity");
    words.nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_packet_socket_has_no_filter_and_listens_to_all() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    run("ip", &["link", "add", "hwport", "type", "veth", "peer", "name", "hwpeer"]);
    run("ip", &["link", "set", "hwport", "up"]);
    let started = start(&config(&["net_af_packet0,iface=hwport"])).unwrap();
    let control = started.control();
    let [none, both, one, after] = come_and_go(&control, || promiscuity("hwport") > 0);
    assert_eq!([none, both, one, after], [false, true, true, false]);

    // The operator's own setting stays in force, whenever it comes.
    control.add_mac(PORT, ONE).unwrap();
    control.set_promiscuous(PORT, true).unwrap();
    control.remove_mac(PORT, ONE).unwrap();
    assert!(promiscuity("hwport") > 0);
    control.add_mac(PORT, ONE).unwrap();
    control.set_promiscuous(PORT, false).unwrap();
    assert!(promiscuity("hwport") > 0, "an address still needs it");
    control.remove_mac(PORT, ONE).unwrap();
    assert_eq!(promiscuity("hwport"), 0);
}

#[test]
fn a_tap_device_listens_to_all() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    let started = start(&config(&["net_tap0,iface=hwtap0"])).unwrap();
    let states = come_and_go(&started.control(), || promiscuity("hwtap0") > 0);
    assert_eq!(states, [false, true, true, false]);
}

#[test]
fn devices_that_give_all_they_have_take_addresses_too() {
    let started = start(&config(&["net_ring0", "net_null0"])).unwrap();
    let control = started.control();
    let own = || control.ports().into_iter().map(|port| port.mac).collect::<Vec<_>>();
    let before = own();
    for port in [PortId(0), PortId(1), PortId(0)] {
        control.add_mac(port, ONE).unwrap();
        assert_eq!(own(), before);
        control.remove_mac(port, ONE).unwrap();
        assert_eq!(own(), before);
    }
}
