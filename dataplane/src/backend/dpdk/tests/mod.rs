//! Each test runs in a process of its own, because EAL starts once.

mod dataplane;
mod devices;
mod files;
mod frames;
mod hosting;
mod macs;
mod ports;
mod veth;

use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig},
    id::PortId,
};

/// A port with the configuration's defaults.
pub(super) fn port(id: u16, device: &str) -> PortConfig {
    PortConfig::new(PortId(id), format!("Ethernet{id}"), device)
}

/// One worker, no huge pages, a port a device.
pub(super) fn config(devices: &[&str]) -> DataplaneConfig {
    DataplaneConfig {
        workers: 1,
        cores: Vec::new(),
        sessions: 1024,
        hugepages: Hugepages::Off,
        memory_mb: None,
        poll: Poll::Always,
        eal: None,
        ports: (0..).zip(devices).map(|(id, device)| port(id, device)).collect(),
    }
}

/// Runs `command`, which must succeed; returns what it printed.
fn run(command: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(command).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
