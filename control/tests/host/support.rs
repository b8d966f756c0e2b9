//! A namespace, a host with one worker's rings, and hand-made frames.

use std::{
    future::Future,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

use common::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
    net::NextHop,
    ring::{FrameReceiver, FrameSender, frame_ring},
};
use control::host::{DesiredHost, DesiredInterface, Host, HostState};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// No event of these tests takes this long.
pub const DEADLINE: Duration = Duration::from_secs(10);
pub const PORT_MAC: MacAddr = MacAddr([2, 0, 0x5e, 0, 0, 1]);
pub const PEER_MAC: MacAddr = MacAddr([2, 0, 0x5e, 0, 0, 2]);
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);
pub const ETHERNET0: InterfaceId = InterfaceId(0);

/// A neighbour on `Ethernet0`.
pub fn next_hop(address: Ipv4Addr) -> NextHop {
    NextHop { interface: ETHERNET0, address }
}

/// Runs `test` in a fresh network namespace, which ends with the thread.
pub fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (these tests need root)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test());
}

/// A host and the workers' ends of its rings.
pub struct Harness {
    pub host: Host,
    pub punt: FrameSender,
    pub inject: FrameReceiver,
}

impl Harness {
    pub async fn start() -> Self {
        let (punt, punts) = frame_ring(1 << 20);
        let (injects, inject) = frame_ring(1 << 20);
        Self { host: Host::start(vec![punts], vec![injects]).await.unwrap(), punt, inject }
    }

    /// With `Ethernet0`, 10.1.1.1/24.
    pub async fn with_ethernet0() -> Self {
        let harness = Self::start().await;
        let pending = harness.host.apply(one_interface()).await.unwrap();
        assert_eq!(pending, []);
        harness
    }

    /// The next frame from the kernel that `wanted` accepts; others pass by.
    pub async fn frame(&mut self, wanted: impl Fn(InterfaceId, &[u8]) -> bool) -> Vec<u8> {
        let end = Instant::now() + DEADLINE;
        let mut frame = Vec::new();
        loop {
            while let Some(interface) = self.inject.receive(&mut frame) {
                if wanted(interface, &frame) {
                    return frame;
                }
            }
            assert!(Instant::now() < end, "the frame does not come");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for a state of the kernel.
    pub async fn state(&self, what: &str, wanted: impl Fn(&HostState) -> bool) -> HostState {
        let mut states = self.host.state();
        let wait = states.wait_for(|state| wanted(state));
        let found = tokio::time::timeout(DEADLINE, wait).await;
        let found = found.map(|found| found.unwrap().clone());
        found.unwrap_or_else(|_| panic!("{what} does not come; last: {:#?}", self.host.state().borrow()))
    }
}

/// Waits until `fact` holds.
pub async fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !fact() {
        assert!(Instant::now() < end, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn ethernet0() -> DesiredInterface {
    DesiredInterface {
        id: ETHERNET0,
        name: "Ethernet0".to_owned(),
        port: PortId(0),
        vlan: None,
        mac: PORT_MAC,
        mtu: 1500,
        up: true,
        arp: true,
        carrier: true,
        addresses: vec!["10.1.1.1/24".parse().unwrap()],
        arp_timeout: Duration::from_secs(30),
    }
}

pub fn one_interface() -> DesiredHost {
    DesiredHost { interfaces: vec![ethernet0()], ..DesiredHost::default() }
}

/// `ip -j ARGUMENTS`.
pub fn ip_json(arguments: &str) -> Value {
    let output = Command::new("ip").arg("-j").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.is_empty() {
        Value::Array(Vec::new())
    } else {
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// `ip ARGUMENTS`; returns what it prints.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A setting under `/proc/sys/net`.
pub fn setting(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

/// An ARP message (RFC 826) in an Ethernet frame.
pub fn arp(
    destination: MacAddr,
    operation: u8,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&destination.0);
    frame.extend_from_slice(&sender.0.0);
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation]);
    for (mac, address) in [sender, target] {
        frame.extend_from_slice(&mac.0);
        frame.extend_from_slice(&address.octets());
    }
    frame.resize(60, 0);
    frame
}

/// The peer asks for `target`.
pub fn arp_request(target: Ipv4Addr) -> Vec<u8> {
    arp(MacAddr::BROADCAST, 1, (PEER_MAC, PEER), (MacAddr::default(), target))
}

/// An ICMP echo request (RFC 792).
pub fn echo_request(identifier: u16, sequence: u16) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0];
    icmp.extend_from_slice(&identifier.to_be_bytes());
    icmp.extend_from_slice(&sequence.to_be_bytes());
    icmp.extend_from_slice(&[0xa5; 32]);
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    icmp
}

/// A frame with an echo request of the peer to the host.
pub fn ping(identifier: u16) -> Vec<u8> {
    let icmp = echo_request(identifier, 1);
    let mut packet = vec![0x45, 0, 0, 20 + icmp.len() as u8, 0, 1, 0, 0, 64, 1, 0, 0];
    packet.extend_from_slice(&PEER.octets());
    packet.extend_from_slice(&HOST.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    [&PORT_MAC.0[..], &PEER_MAC.0, &[0x08, 0x00], &packet, &icmp].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// True for an ARP message of `operation` about `target`.
pub fn is_arp(frame: &[u8], operation: u8, target: Ipv4Addr) -> bool {
    frame.len() >= 42 && frame[12..14] == [8, 6] && frame[21] == operation && frame[38..42] == target.octets()
}
