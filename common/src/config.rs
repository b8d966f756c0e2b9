//! What the machine part of the configuration says, typed: control parses it, the dataplane is built from it.

use serde::Serialize;

use crate::{id::PortId, mac::MacAddr};

/// The `dataplane` block and every port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataplaneConfig {
    /// Poll-mode workers, 1 to 64.
    pub workers: u8,
    /// CPUs for the workers, one each; empty: the last CPUs of the machine's affinity mask.
    pub cores: Vec<u16>,
    /// Session capacity, 1024 to 64 000 000.
    pub sessions: u32,
    /// Huge pages for DPDK and the tables.
    pub hugepages: Hugepages,
    /// Memory for packets in MB; `None`: by need.
    pub memory_mb: Option<u32>,
    /// What an idle worker does.
    pub poll: Poll,
    /// Passed to EAL unchanged, split at blanks.
    pub eal: Option<String>,
    /// The ports, in the order of the configuration; `PortId` is the position.
    pub ports: Vec<PortConfig>,
}

/// Whether huge pages are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hugepages {
    /// Use them when reserved, else say so once and run without.
    #[default]
    Auto,
    /// Refuse to start without.
    Required,
    /// Ordinary pages only.
    Off,
}

/// What a worker does when its queues are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Poll {
    /// Spin: the core is always at 100 %.
    Always,
    /// Sleep up to 1 ms after 1000 empty polls.
    #[default]
    Adaptive,
}

/// Which header fields receive-side scaling hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RssFields {
    /// Addresses only.
    Ip,
    /// Addresses and UDP ports.
    #[default]
    Udp,
    /// Addresses and ports with a key that hashes both directions alike.
    Symmetric,
}

/// One port: `interface NAME` with a `device`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortConfig {
    /// Position in [`DataplaneConfig::ports`].
    pub id: PortId,
    /// The interface's full name, such as `Ethernet0`.
    pub name: String,
    /// PCI address or DPDK device string.
    pub device: String,
    /// Replaces the device's address.
    pub mac: Option<MacAddr>,
    /// Layer-3 MTU in bytes, 576 to 9600.
    pub mtu: u16,
    /// Receive queues; `None`: one a worker, or what the device has.
    pub rx_queues: Option<u16>,
    /// Transmit queues; likewise.
    pub tx_queues: Option<u16>,
    /// Descriptors of a receive queue, 64 to 8192.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue, 64 to 8192.
    pub tx_descriptors: u16,
    /// RSS key of 40 or 52 bytes; `None`: the device's own.
    pub rss_key: Option<Vec<u8>>,
    /// RSS fields.
    pub rss: RssFields,
    /// Receive everything on the wire.
    pub promiscuous: bool,
}

impl PortConfig {
    /// A port of which nothing else is said.
    pub fn new(id: PortId, name: impl Into<String>, device: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            device: device.into(),
            mac: None,
            mtu: 1500,
            rx_queues: None,
            tx_queues: None,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            rss_key: None,
            rss: RssFields::default(),
            promiscuous: false,
        }
    }

    /// The kernel device under the port (`iface=` of net_af_packet, net_af_xdp), if the device string names one. That of
    /// net_tap is made by the driver and is the kernel's end of the wire.
    pub fn kernel_device(&self) -> Option<&str> {
        let (name, arguments) = self.device.split_once(',')?;
        let opens = ["net_af_packet", "net_af_xdp"].iter().any(|driver| name.starts_with(driver));
        arguments.split(',').find_map(|part| part.strip_prefix("iface=")).filter(|_| opens)
    }
}
