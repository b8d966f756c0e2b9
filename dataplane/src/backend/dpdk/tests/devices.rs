//! The virtual devices that a configuration may name: each starts, and those that another process can
//! serve carry a frame.

use std::{
    process::{Child, Command, Stdio},
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
fn vhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vhost.sock");
    assert_eq!(started(&format!("net_vhost0,iface={}", path.display())), ("net_vhost".to_owned(), 2, 2));
}

/// A process of testpmd that ends with the test.
struct TestPmd(Child);

impl TestPmd {
    /// Serves the socket `path` with the device `vdev` and sends every frame back with its addresses exchanged.
    fn new(vdev: &str, path: &str) -> Self {
        let prefix = format!("homeward-test-{}", std::process::id());
        let eal = ["--no-pci", "--no-huge", "--no-telemetry", "--no-shconf", "-m", "256", "-l", "0,1"];
        let child = Command::new("dpdk-testpmd")
            .args(eal)
            .args([
                "--file-prefix",
                &prefix,
                "--vdev",
                vdev,
                "--",
                "-i",
                "--auto-start",
                "--forward-mode=macswap",
            ])
            .args(["--total-num-mbufs=4096"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dpdk-testpmd is installed");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !std::fs::exists(path).unwrap() {
            assert!(Instant::now() < deadline, "testpmd serves {path}");
            thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for TestPmd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // Killed, it leaves its runtime directory.
        let _ = std::fs::remove_dir(format!("/var/run/dpdk/homeward-test-{}", std::process::id()));
    }
}

/// Sends on `device` until testpmd, which serves `path` with `vdev`, has sent back.
fn carries(device: &str, vdev: &str, path: &str) {
    let _peer = TestPmd::new(vdev, path);
    let mut started = start(&config(&[device])).unwrap_or_else(|error| panic!("{error}"));
    let mut queue = started.queues().remove(0).remove(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut received: Burst<DpdkFrame> = Burst::new();
    while received.is_empty() {
        assert!(Instant::now() < deadline, "testpmd sends back");
        let mut frame = queue.allocate().unwrap();
        frame.append(64).unwrap().copy_from_slice(&[&[2; 6][..], &[4; 6], &[0x88, 0xb5], &[9; 50]].concat());
        let mut out: Burst<_> = std::iter::once(frame).collect();
        queue.transmit(&mut out);
        queue.receive(&mut received);
        thread::yield_now();
    }
    assert_eq!(received[0].data()[..14], [4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 0x88, 0xb5]);
    assert_eq!(received[0].total_len(), 64);
}

#[test]
fn virtio_user_to_the_vhost_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vhost.sock").display().to_string();
    carries(&format!("net_virtio_user0,path={path}"), &format!("net_vhost0,iface={path}"), &path);
}

#[test]
fn memif() {
    let name = format!("socket=homeward-test-{}", std::process::id());
    assert_eq!(started(&format!("net_memif0,role=server,{name}")), ("net_memif".to_owned(), 2, 2));
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
