//! The one routine that changes a packet: addresses, ports, TTL, MAC addresses, VLAN tag and the checksums over
//! them.
//!
//! Checksums are updated incrementally (RFC 1624, equation 3), so a wrong one stays wrong and the receiver still
//! notices. A UDP checksum of 0 (none) stays 0; a computed 0 is written as 0xffff (RFC 768).

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    verdict::Verdict,
    wire::{
        checksum::Delta,
        ethernet::{self, DOT1Q, TAG},
        ipv4::{self, TCP, UDP},
        tcp, udp,
    },
};

use crate::{backend::Frame, batch::Packet};

/// Bytes of the headers of a plain packet: untagged, IPv4 without options, UDP.
pub const HEADERS: usize = IP + ipv4::LENGTH + udp::LENGTH;
/// Where the IPv4 header of a plain packet begins.
const IP: usize = ethernet::LENGTH;

/// What becomes of the time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// One less. The caller has seen that it is at least 2.
    Decrement,
    /// This value: the packet is our own answer.
    Set(u8),
}

/// The Ethernet side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Rewrite {
    /// Ethernet source.
    pub source: MacAddr,
    /// Ethernet destination.
    pub destination: MacAddr,
    /// The tag that the frame leaves with.
    pub vlan: Option<u16>,
}

/// A change; `None` leaves a field as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// IPv4 source.
    pub source: Option<Ipv4Addr>,
    /// IPv4 destination.
    pub destination: Option<Ipv4Addr>,
    /// TCP or UDP destination port.
    pub destination_port: Option<u16>,
    /// Time to live.
    pub ttl: Ttl,
    /// Ethernet addresses and tag.
    pub link: L2Rewrite,
}

/// Applies `change` to the IPv4 packet in `frame`; `packet` follows.
///
/// The IPv4 header must be in the first segment. The checksum of a TCP or UDP header that is not there (a later
/// fragment, a short packet) is not touched.
///
/// # Errors
/// [`Verdict::NO_BUFFER`] if there is no headroom for a tag; the frame is then spoilt.
#[inline]
pub fn rewrite<F: Frame>(frame: &mut F, packet: &mut Packet, change: &Rewrite) -> Result<(), Verdict> {
    let l3 = usize::from(packet.l3);
    let bytes = &mut frame.data_mut()[l3..];
    let mut delta = Delta::default();
    for (at, address) in
        [(ipv4::offset::SOURCE, change.source), (ipv4::offset::DESTINATION, change.destination)]
    {
        if let Some(address) = address {
            delta.replace(bytes, at, &address.octets());
        }
    }
    let header = usize::from(packet.header);
    transport(bytes, packet, header, delta, change.destination_port);
    let ttl = match change.ttl {
        Ttl::Decrement => packet.ttl.saturating_sub(1),
        Ttl::Set(ttl) => ttl,
    };
    delta.replace(bytes, ipv4::offset::TTL, &[ttl, packet.protocol]);
    delta.apply(bytes, ipv4::offset::CHECKSUM);
    packet.ttl = ttl;
    packet.source = change.source.unwrap_or(packet.source);
    packet.destination = change.destination.unwrap_or(packet.destination);
    // Padding of the smallest frame stays.
    let keep = packet.end().max(ethernet::MINIMUM);
    if frame.total_len() > keep {
        frame.truncate(keep);
    }
    rewrite_l2(frame, packet, &change.link)
}

/// [`rewrite`] of a plain packet that only goes on: Ethernet addresses, and a time to live of at least 2.
#[inline(always)]
pub fn set_next_hop(head: &mut [u8; HEADERS], link: [u8; 12]) {
    head[..12].copy_from_slice(&link);
    let ttl = IP + ipv4::offset::TTL;
    head[ttl] = head[ttl].wrapping_sub(1);
    // The word of the time to live has become 0x0100 less, so the sum must become that much more.
    let at = IP + ipv4::offset::CHECKSUM;
    let sum = u32::from(u16::from_be_bytes([head[at], head[at + 1]])) + 0x0100;
    let sum = (sum + u32::from(sum >= 0xffff)) as u16;
    head[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// [`rewrite`] of a plain packet's destination.
#[inline]
pub fn destination_nat(head: &mut [u8; HEADERS], address: Ipv4Addr, port: Option<u16>) {
    let mut delta = Delta::default();
    delta.replace(head, IP + ipv4::offset::DESTINATION, &address.octets());
    delta.apply(head, IP + ipv4::offset::CHECKSUM);
    let udp = IP + ipv4::LENGTH;
    if let Some(port) = port {
        delta.replace(head, udp + udp::offset::DESTINATION, &port.to_be_bytes());
    }
    delta.apply_udp(head, udp + udp::offset::CHECKSUM);
}

#[inline]
fn transport(bytes: &mut [u8], packet: &Packet, header: usize, mut delta: Delta, port: Option<u16>) {
    if packet.later_fragment || !matches!(packet.protocol, TCP | UDP) {
        return;
    }
    let at = match packet.protocol {
        UDP => header + udp::offset::CHECKSUM,
        _ => header + tcp::offset::CHECKSUM,
    };
    if at + 2 > bytes.len().min(usize::from(packet.length)) {
        return;
    }
    if let Some(port) = port {
        // In the same place of both headers.
        delta.replace(bytes, header + udp::offset::DESTINATION, &port.to_be_bytes());
    }
    if packet.protocol == TCP {
        delta.apply(bytes, at);
    } else {
        delta.apply_udp(bytes, at);
    }
}

/// Gives the frame its Ethernet header and the tag with which it leaves.
///
/// # Errors
/// [`Verdict::NO_BUFFER`] if there is no headroom for a tag.
#[inline]
pub fn rewrite_l2<F: Frame>(frame: &mut F, packet: &mut Packet, link: &L2Rewrite) -> Result<(), Verdict> {
    let tagged = usize::from(packet.l3) > ethernet::LENGTH;
    match (tagged, link.vlan) {
        (true, None) => {
            frame.trim_front(TAG);
            packet.l3 -= TAG as u16;
        }
        (false, Some(_)) => {
            frame.prepend(TAG).ok_or(Verdict::NO_BUFFER)?;
            packet.l3 += TAG as u16;
        }
        _ => {}
    }
    let bytes = frame.data_mut();
    write_addresses(bytes, link);
    if let Some(vlan) = link.vlan {
        write_tag(bytes, vlan);
    }
    Ok(())
}

/// Writes the Ethernet addresses and, where there is one, the tag, for a payload of type `ethertype`.
pub fn write_l2(bytes: &mut [u8], link: &L2Rewrite, ethertype: u16) {
    write_addresses(bytes, link);
    let at = match link.vlan {
        Some(vlan) => {
            write_tag(bytes, vlan);
            ethernet::offset::TAGGED_ETHERTYPE
        }
        None => ethernet::offset::ETHERTYPE,
    };
    bytes[at..at + 2].copy_from_slice(&ethertype.to_be_bytes());
}

#[inline]
fn write_addresses(bytes: &mut [u8], link: &L2Rewrite) {
    bytes[..ethernet::offset::SOURCE].copy_from_slice(&link.destination.0);
    bytes[ethernet::offset::SOURCE..ethernet::offset::ETHERTYPE].copy_from_slice(&link.source.0);
}

#[inline]
fn write_tag(bytes: &mut [u8], vlan: u16) {
    bytes[ethernet::offset::ETHERTYPE..ethernet::offset::TAG_CONTROL].copy_from_slice(&DOT1Q.to_be_bytes());
    bytes[ethernet::offset::TAG_CONTROL..ethernet::offset::TAGGED_ETHERTYPE]
        .copy_from_slice(&(vlan & ethernet::VLAN).to_be_bytes());
}

/// Changes the 16-bit word at `at` and the checksum at `sum_at` with it (an ICMP type, say).
pub fn replace_word(bytes: &mut [u8], at: usize, new: [u8; 2], sum_at: usize) {
    let mut delta = Delta::default();
    delta.replace(bytes, at, &new);
    delta.apply(bytes, sum_at);
}
