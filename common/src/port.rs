//! Ports as control sees them: what they are, what they counted, and the few things that can be set at run time.

use serde::Serialize;

use crate::{id::PortId, mac::MacAddr};

/// What a port turned out to be once it was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortInfo {
    /// Position in the configuration.
    pub id: PortId,
    /// Address in use.
    pub mac: MacAddr,
    /// Driver name, such as `net_af_packet`.
    pub driver: String,
    /// Receive queues in use.
    pub rx_queues: u16,
    /// Transmit queues in use.
    pub tx_queues: u16,
    /// Descriptors of a receive queue, as the device took them.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue, as the device took them.
    pub tx_descriptors: u16,
    /// Layer-3 MTU in force.
    pub mtu: u16,
    /// IPv4 and UDP checksums are filled in by the device.
    pub checksum_offload: bool,
    /// NUMA node, if the device says.
    pub socket: Option<u8>,
    /// RSS is on with these hash bits (0: one queue, or none).
    pub rss: u64,
}

/// Totals that the device counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Dropped by the device because the receive ring was full.
    pub rx_missed: u64,
    /// Receive errors.
    pub rx_errors: u64,
    /// Dropped because the pool was dry.
    pub rx_no_mbuf: u64,
    /// Transmit errors.
    pub tx_errors: u64,
    /// The device's extended statistics, by name.
    pub extended: Vec<(String, u64)>,
}

/// Link of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The device has carrier.
    pub up: bool,
    /// Mbit/s; 0: unknown.
    pub speed_mbps: u32,
    /// Full duplex.
    pub full_duplex: bool,
}

/// Why a port carries nothing though nobody shut it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What is wrong with its device, as the log and shows say it.
    pub reason: String,
    /// A device is there that may be opened in its place.
    pub present: bool,
}

/// A pool of packet buffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolInfo {
    /// As DPDK lists it.
    pub name: String,
    /// Buffers in all.
    pub size: u32,
    /// Buffers not in use (in the pool or in a worker's cache).
    pub free: u32,
    /// Data room in bytes, headroom included.
    pub room: u16,
}

/// What control asks of ports while workers run.
pub trait PortControl: Send + Sync {
    /// Ports in the order of the configuration.
    fn ports(&self) -> Vec<PortInfo>;
    /// Totals since the port was opened.
    fn counters(&self, port: PortId) -> PortCounters;
    /// What the device lost for want of room: receive ring full, pool dry. Cheaper than [`PortControl::counters`].
    fn lost(&self, port: PortId) -> u64 {
        let counters = self.counters(port);
        counters.rx_missed + counters.rx_no_mbuf
    }
    /// Carrier, speed and duplex at this moment; down while the port is stopped.
    fn link(&self, port: PortId) -> Link;
    /// What is wrong with the device of a port whose link is down for it.
    fn trouble(&self, _port: PortId) -> Option<Trouble> {
        None
    }
    /// Opens the device of a port that is in [`PortControl::trouble`] once more, under the workers that poll it. Takes as long as
    /// the driver takes to start.
    fn reopen(&self, _port: PortId) -> Result<(), PortError> {
        Ok(())
    }
    /// From here on `f` is called, from a thread of the driver, whenever a driver says that a link has changed or a device is
    /// gone. Not all drivers do.
    fn on_event(&self, _f: Box<dyn Fn() + Send + Sync>) {}
    /// Pools of packet buffers, all ports' together.
    fn pools(&self) -> Vec<PoolInfo>;
    /// Sets promiscuous reception.
    fn set_promiscuous(&self, port: PortId, on: bool) -> Result<(), PortError>;
    /// Accepts all multicast.
    fn set_allmulticast(&self, port: PortId, on: bool) -> Result<(), PortError>;
    /// Changes the layer-3 MTU.
    fn set_mtu(&self, port: PortId, mtu: u16) -> Result<(), PortError>;
    /// Changes the address.
    fn set_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError>;
    /// Receives unicast frames to `mac` too. A device without a filter for it becomes promiscuous, which the log says
    /// once. Adding what is there already changes nothing.
    fn add_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError>;
    /// Undoes [`PortControl::add_mac`]; what was not added is left alone.
    fn remove_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError>;
    /// Starts or stops the port (`shutdown`).
    fn set_up(&self, port: PortId, up: bool) -> Result<(), PortError>;
}

/// Why a port cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// EAL did not start.
    #[error("DPDK does not start: {reason} (arguments: {arguments})")]
    Eal {
        /// What EAL was given.
        arguments: String,
        /// What it said.
        reason: String,
    },
    /// No such device.
    #[error("{interface}: device {device} is not there: {reason}")]
    NoDevice {
        /// Interface in the configuration.
        interface: String,
        /// Device string.
        device: String,
        /// What DPDK said.
        reason: String,
    },
    /// A call into the driver failed.
    #[error("{interface}: {call}: {reason}")]
    Driver {
        /// Interface in the configuration.
        interface: String,
        /// The DPDK function.
        call: &'static str,
        /// Text of the error number.
        reason: String,
    },
    /// The workers cannot be placed on CPUs.
    #[error("workers and CPUs: {reason}")]
    Cores {
        /// What does not fit.
        reason: String,
    },
    /// A worker could not be started, or panicked.
    #[error("worker: {reason}")]
    Worker {
        /// What it said.
        reason: String,
    },
    /// Memory for packets does not suffice.
    #[error("packet memory: {needed_mb} MB needed, {reason}")]
    Memory {
        /// What the pools take.
        needed_mb: u64,
        /// What DPDK said.
        reason: String,
    },
}
