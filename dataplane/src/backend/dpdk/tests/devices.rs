//! The virtual devices that a configuration may name: each starts with two workers, and those that can be joined in
//! one process carry a frame.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};

use super::{config, run};
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkFrame, start},
};

/// Starts `device` for two workers and returns its driver and queues.
fn started(device: &str) -> (String, u16, u16) {
    let mut config = config(&[device]);
    config.workers = 2;
    let started = start(&config).unwrap_or_else(|error| panic!("{error}"));
    let info = started.control().ports().remove(0);
    (info.driver, info.rx_queues, info.tx_queues)
}

/// Starts both devices and sends on each until the other has received; peers find each other in their own time.
fn joined(devices: &[&str; 2]) {
    let mut started = start(&config(devices)).unwrap_or_else(|error| panic!("{error}"));
    let mut queues = started.queues().remove(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    for (from, to) in [(0, 1), (1, 0)] {
        let mut received: Burst<DpdkFrame> = Burst::new();
        while received.is_empty() {
            assert!(Instant::now() < deadline, "nothing came from {} to {}", devices[from], devices[to]);
            let mut frame = queues[from].allocate().unwrap();
            frame.append(300).unwrap().fill(from as u8 + 1);
            let mut out: Burst<_> = std::iter::once(frame).collect();
            queues[from].transmit(&mut out);
            queues[to].receive(&mut received);
            // What a device on the way still does is not ours.
            received.retain(|frame| frame.data() == [from as u8 + 1; 300]);
            thread::yield_now();
        }
    }
}

#[test]
fn tap() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    assert_eq!(started("net_tap0,iface=hwtap0"), ("net_tap".to_owned(), 2, 2));
}

#[test]
fn express_data_path() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    run("ip", &["link", "add", "hwxdp", "type", "veth", "peer", "name", "hwxdpp"]);
    run("ip", &["link", "set", "hwxdp", "up"]);
    assert_eq!(started("net_af_xdp0,iface=hwxdp"), ("net_af_xdp".to_owned(), 1, 1));
}

#[test]
fn memif() {
    let name = format!("socket=homeward-test-{}", std::process::id());
    joined(&[&format!("net_memif0,role=server,{name}"), &format!("net_memif1,role=client,{name}")]);
}

#[test]
fn vhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vhost.sock");
    assert_eq!(started(&format!("net_vhost0,iface={}", path.display())), ("net_vhost".to_owned(), 2, 2));
}

/// The other side of `virtio_user` must be there first; DPDK's words about it are shown.
#[test]
fn virtio_user_without_its_other_side() {
    let text = start(&config(&["net_virtio_user0,path=/nowhere/vhost.sock"])).unwrap_err().to_string();
    assert!(
        text.starts_with("Ethernet0: device net_virtio_user0,path=/nowhere/vhost.sock is not there: "),
        "{text}"
    );
    assert!(text.contains("No such file or directory"), "{text}");
}
