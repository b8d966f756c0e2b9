//! `show interfaces`.

use std::fmt::Write as _;

use common::{
    mac::MacAddr,
    net::{SourceCheck, VerifySource},
    port::{Link, PortCounters, PortInfo},
};
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::system::config::reachable_via;

/// One interface.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceView {
    /// Full name.
    pub name: String,
    /// Not shut down.
    pub admin_up: bool,
    /// Not shut down, and the port has link.
    pub line_up: bool,
    /// What is wrong with the device under it.
    pub down_because: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// Address of everything sent.
    pub mac: Option<MacAddr>,
    /// Addresses with their subnets, the primary first.
    pub addresses: Vec<Ipv4Net>,
    /// Layer-3 MTU in bytes.
    pub mtu: u16,
    /// 802.1Q VLAN of a subinterface.
    pub vlan: Option<u16>,
    /// `ip verify unicast source`
    pub source_check: Option<SourceCheckView>,
    /// Kernel name of the shadow.
    pub shadow: Option<String>,
    /// The port, if the interface is one.
    pub port: Option<DeviceView>,
}

/// The check of the sources of what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SourceCheckView {
    /// `rx` or `any`: through which interface a source must be reached.
    pub reachable_via: &'static str,
    /// The default route counts too.
    pub allow_default: bool,
    /// Packets dropped.
    pub drops: u64,
}

impl From<&SourceCheck> for SourceCheckView {
    fn from(check: &SourceCheck) -> Self {
        let VerifySource { via, allow_default } = check.verify;
        Self { reachable_via: reachable_via(via), allow_default, drops: check.drops.total(0) }
    }
}

/// A port's device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceView {
    /// Device string.
    pub device: String,
    /// What it turned out to be.
    #[serde(flatten)]
    pub info: PortInfo,
    /// Carrier, speed and duplex.
    pub link: Link,
    /// Totals since the device was opened or cleared.
    pub counters: PortCounters,
    /// Over the last 5 seconds.
    pub rates: Rates,
}

/// Rates of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Packets received a second.
    pub rx_packets: u64,
    /// Bits received a second.
    pub rx_bits: u64,
    /// Packets sent a second.
    pub tx_packets: u64,
    /// Bits sent a second.
    pub tx_bits: u64,
}

/// The text of `show interfaces`.
pub fn text(interfaces: &[InterfaceView]) -> String {
    let mut out = String::new();
    for interface in interfaces {
        // Writing to a string cannot fail.
        let _ = one(&mut out, interface);
    }
    out
}

fn one(out: &mut String, interface: &InterfaceView) -> std::fmt::Result {
    let admin = if interface.admin_up { "up" } else { "administratively down" };
    let line = if interface.line_up { "up" } else { "down" };
    let why = interface.down_because.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    writeln!(out, "{} is {admin}, line protocol is {line}{why}", interface.name)?;
    match (&interface.port, interface.mac) {
        (Some(port), _) => {
            writeln!(out, "  Hardware is {}, address is {}", port.info.driver, port.info.mac)?;
            writeln!(out, "  Device {}", port.device)?;
        }
        (None, Some(mac)) => writeln!(out, "  Hardware address is {mac}")?,
        (None, None) => writeln!(out, "  Hardware is Loopback")?,
    }
    if let Some(description) = &interface.description {
        writeln!(out, "  Description: {description}")?;
    }
    for (at, address) in interface.addresses.iter().enumerate() {
        let kind = if at == 0 { "Internet" } else { "Secondary" };
        writeln!(out, "  {kind} address is {address}")?;
    }
    write!(out, "  MTU {} bytes", interface.mtu)?;
    if let Some(vlan) = interface.vlan {
        write!(out, ", Encapsulation 802.1Q VLAN ID {vlan}")?;
    }
    if let Some(port) = &interface.port {
        let duplex = if port.link.full_duplex { "full" } else { "half" };
        write!(out, ", BW {} Kbit/sec, {duplex}-duplex", u64::from(port.link.speed_mbps) * 1000)?;
    }
    writeln!(out)?;
    if let Some(check) = &interface.source_check {
        let default = if check.allow_default { ", allow default" } else { "" };
        writeln!(out, "  IP verify source reachable-via {}{default}", check.reachable_via.to_uppercase())?;
        writeln!(out, "   {} verification drops", check.drops)?;
    }
    if let Some(shadow) = &interface.shadow {
        writeln!(out, "  Kernel interface {shadow}")?;
    }
    interface.port.as_ref().map_or(Ok(()), |port| counters(out, port))
}

fn counters(out: &mut String, port: &DeviceView) -> std::fmt::Result {
    let DeviceView { info, counters, rates, .. } = port;
    writeln!(
        out,
        "  Queues: {} receive of {} descriptors, {} transmit of {} descriptors, RSS {}",
        info.rx_queues,
        info.rx_descriptors,
        info.tx_queues,
        info.tx_descriptors,
        if info.rss == 0 { "off".to_owned() } else { format!("{:#x}", info.rss) }
    )?;
    let by = if info.checksum_offload { "hardware" } else { "software" };
    writeln!(out, "  Checksums by {by}")?;
    writeln!(out, "  5 second input rate {} bits/sec, {} packets/sec", rates.rx_bits, rates.rx_packets)?;
    writeln!(out, "  5 second output rate {} bits/sec, {} packets/sec", rates.tx_bits, rates.tx_packets)?;
    writeln!(out, "     {} packets input, {} bytes", counters.rx_packets, counters.rx_bytes)?;
    writeln!(
        out,
        "     {} input errors, {} missed, {} no buffer",
        counters.rx_errors, counters.rx_missed, counters.rx_no_mbuf
    )?;
    writeln!(out, "     {} packets output, {} bytes", counters.tx_packets, counters.tx_bytes)?;
    writeln!(out, "     {} output errors", counters.tx_errors)
}
