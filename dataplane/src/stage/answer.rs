//! The one generator of answers: ICMP errors, TCP resets and echo replies.
//!
//! An answer is made in the buffer of the packet that caused it, so nothing is allocated and each packet still
//! has one verdict. It goes back the way the packet came: out of the same interface to the MAC address that sent
//! it, which can always reach the source, whatever the routing table knows.

use std::net::Ipv4Addr;

use common::{mac::MacAddr, snapshot::Interface, verdict::Verdict, wire::checksum};

use super::{
    Context,
    classify::{ICMP, TCP, martian},
    parse::{IPV4, contiguous},
};
use crate::{
    backend::Frame,
    batch::{Next, Packet},
    rewrite::{Change, DOT1Q, ETHERNET, Link, TAG, Ttl, replace_word, rewrite},
};

/// Largest ICMP error with its IPv4 header (RFC 1812, 4.3.2.3).
const LARGEST_ERROR: usize = 576;
const IP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;
/// Initial time to live of what we send (RFC 1700).
const TTL: u8 = 64;
/// Precedence of ICMP errors: internetwork control (RFC 1812, 4.3.2.5).
const ERROR_TOS: u8 = 0xc0;

/// ICMP errors that the dataplane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Type 3, code 0.
    NetUnreachable,
    /// Type 3, code 2.
    ProtocolUnreachable,
    /// Type 3, code 3.
    PortUnreachable,
    /// Type 3, code 4 with the next hop's MTU (RFC 1191).
    FragmentationNeeded {
        /// In bytes.
        mtu: u16,
    },
    /// Type 11, code 0.
    TimeExceeded,
}

impl Error {
    /// Type, code and the second word's lower half.
    fn fields(self) -> (u8, u8, u16) {
        match self {
            Self::NetUnreachable => (3, 0, 0),
            Self::ProtocolUnreachable => (3, 2, 0),
            Self::PortUnreachable => (3, 3, 0),
            Self::FragmentationNeeded { mtu } => (3, 4, mtu),
            Self::TimeExceeded => (11, 0, 0),
        }
    }

    /// True if the destination host sends it, false if a router on the way does.
    fn of_host(self) -> bool {
        matches!(self, Self::ProtocolUnreachable | Self::PortUnreachable)
    }
}

/// Answers with an ICMP error; `otherwise` is the verdict where the rules or the rate allow none.
pub fn error<F: Frame>(
    cx: &mut Context<'_>,
    frame: &mut F,
    packet: &mut Packet,
    error: Error,
    otherwise: Verdict,
) -> Next {
    let Some(interface) = cx.snapshot.interfaces.get(packet.interface.index()) else {
        return Next::Drop(otherwise);
    };
    let source = if error.of_host() { Some(packet.destination) } else { nearest(interface, packet.source) };
    let Some(source) = source.filter(|_| deserves_error(interface, frame, packet)) else {
        return Next::Drop(otherwise);
    };
    let Some(back) = back(interface, frame) else { return Next::Drop(Verdict::MARTIAN) };
    if !cx.replies.errors.take(cx.now) {
        return Next::Drop(otherwise);
    }
    packet.egress = interface.port;
    match write_error(frame, packet, &back, source, error) {
        Ok(()) => Next::Transmit(Verdict::ICMP_ERROR),
        Err(reason) => Next::Drop(reason),
    }
}

/// The address of the interface in the subnet of `towards`, else its first.
fn nearest(interface: &Interface, towards: Ipv4Addr) -> Option<Ipv4Addr> {
    let near = interface.addresses.iter().find(|net| net.contains(&towards));
    near.or_else(|| interface.addresses.first()).map(ipnet::Ipv4Net::addr)
}

/// RFC 1122, 3.2.2: never about an ICMP error, a later fragment, or what was sent to or came from a group.
fn deserves_error<F: Frame>(interface: &Interface, frame: &F, packet: &Packet) -> bool {
    const QUERIES: [u8; 10] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18];
    let broadcast = interface.broadcasts(packet.source) || interface.broadcasts(packet.destination);
    if packet.group || packet.later_fragment || martian(packet.source) || broadcast {
        return false;
    }
    packet.protocol != ICMP
        || (packet.payload() > 0 && frame.data().get(packet.l4()).is_some_and(|kind| QUERIES.contains(kind)))
}

/// The way back; `None` if the frame names a group as its sender.
fn back<F: Frame>(interface: &Interface, frame: &F) -> Option<Link> {
    let sender = MacAddr(*frame.data().get(6..12)?.first_chunk()?);
    (!sender.is_multicast()).then_some(Link {
        source: interface.mac,
        destination: sender,
        vlan: interface.vlan,
    })
}

fn write_error<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    back: &Link,
    source: Ipv4Addr,
    error: Error,
) -> Result<(), Verdict> {
    let l3 = usize::from(packet.l3);
    let quote = usize::from(packet.length).min(LARGEST_ERROR - IP_HEADER - ICMP_HEADER);
    contiguous(frame, l3 + quote)?;
    if !frame.linearize() {
        return Err(Verdict::NOT_LINEAR);
    }
    frame.truncate(l3 + quote);
    let link = if back.vlan.is_some() { ETHERNET + TAG } else { ETHERNET };
    frame.prepend(link + IP_HEADER + ICMP_HEADER - l3).ok_or(Verdict::NO_BUFFER)?;
    let bytes = frame.data_mut();
    write_link(bytes, back);
    let (head, quoted) = bytes[link..].split_at_mut(IP_HEADER + ICMP_HEADER);
    let (ip, icmp) = head.split_at_mut(IP_HEADER);
    let length = IP_HEADER + ICMP_HEADER + quote;
    write_ip(ip, ERROR_TOS, length, ICMP, source, packet.source);
    let (kind, code, low) = error.fields();
    let [high, low] = low.to_be_bytes();
    icmp.copy_from_slice(&[kind, code, 0, 0, 0, 0, high, low]);
    let sum = checksum::of(&[icmp, quoted]);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

fn write_link(bytes: &mut [u8], link: &Link) {
    bytes[..6].copy_from_slice(&link.destination.0);
    bytes[6..12].copy_from_slice(&link.source.0);
    let mut at = 12;
    if let Some(vlan) = link.vlan {
        bytes[12..14].copy_from_slice(&DOT1Q.to_be_bytes());
        bytes[14..16].copy_from_slice(&vlan.to_be_bytes());
        at = 16;
    }
    bytes[at..at + 2].copy_from_slice(&IPV4.to_be_bytes());
}

/// An IPv4 header without options. Don't Fragment is set, so the identification may be 0 (RFC 6864).
fn write_ip(ip: &mut [u8], tos: u8, length: usize, protocol: u8, source: Ipv4Addr, destination: Ipv4Addr) {
    let [high, low] = (length as u16).to_be_bytes();
    ip[..12].copy_from_slice(&[0x45, tos, high, low, 0, 0, 0x40, 0, TTL, protocol, 0, 0]);
    ip[12..16].copy_from_slice(&source.octets());
    ip[16..20].copy_from_slice(&destination.octets());
    let sum = checksum::of(&[ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Answers an echo request to a virtual address; the checksum is updated, so a wrong one stays wrong.
pub fn echo<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let Some(interface) = cx.snapshot.interfaces.get(packet.interface.index()) else {
        return Next::Drop(Verdict::NO_SERVICE);
    };
    let Some(link) = back(interface, frame) else { return Next::Drop(Verdict::MARTIAN) };
    let l4 = packet.l4();
    if packet.payload() < ICMP_HEADER {
        return Next::Drop(Verdict::TRUNCATED);
    }
    if let Err(reason) = contiguous(frame, l4 + ICMP_HEADER) {
        return Next::Drop(reason);
    }
    if !cx.replies.echoes.take(cx.now) {
        return Next::Drop(Verdict::NO_SERVICE);
    }
    let bytes = &mut frame.data_mut()[l4..];
    let code = bytes[1];
    replace_word(bytes, 0, [0, code], 2);
    packet.egress = interface.port;
    let change = Change {
        source: Some(packet.destination),
        destination: Some(packet.source),
        destination_port: None,
        ttl: Ttl::Set(TTL),
        link,
    };
    match rewrite(frame, packet, &change) {
        Ok(()) => Next::Transmit(Verdict::ECHO_REPLY),
        Err(reason) => Next::Drop(reason),
    }
}

/// Answers a TCP segment to a virtual address with a reset (RFC 793, page 36, state CLOSED).
pub fn reset<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let Some(interface) = cx.snapshot.interfaces.get(packet.interface.index()) else {
        return Next::Drop(Verdict::NO_SERVICE);
    };
    let Some(link) = back(interface, frame) else { return Next::Drop(Verdict::MARTIAN) };
    if packet.payload() < TCP_HEADER {
        return Next::Drop(Verdict::TRUNCATED);
    }
    if let Err(reason) = contiguous(frame, packet.l4() + TCP_HEADER) {
        return Next::Drop(reason);
    }
    let segment = Segment::read(&frame.data()[packet.l4()..], packet.payload());
    if segment.flags & Segment::RST != 0 || !cx.replies.errors.take(cx.now) {
        return Next::Drop(Verdict::NO_SERVICE);
    }
    packet.egress = interface.port;
    match write_reset(frame, packet, &link, &segment) {
        Ok(()) => Next::Transmit(Verdict::TCP_RESET),
        Err(reason) => Next::Drop(reason),
    }
}

/// What a reset needs of the segment that it answers.
struct Segment {
    source: [u8; 2],
    destination: [u8; 2],
    sequence: [u8; 4],
    acknowledgement: [u8; 4],
    flags: u8,
    /// Bytes of data, SYN and FIN counted.
    length: u32,
}

impl Segment {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    /// `tcp` holds at least the fixed header; `payload` is the IPv4 payload's length.
    fn read(tcp: &[u8], payload: usize) -> Self {
        let flags = tcp[13];
        let offset = usize::from(tcp[12] >> 4) * 4;
        let length = payload.saturating_sub(offset) as u32
            + u32::from(flags & Self::SYN != 0)
            + u32::from(flags & Self::FIN != 0);
        Self {
            source: [tcp[0], tcp[1]],
            destination: [tcp[2], tcp[3]],
            sequence: [tcp[4], tcp[5], tcp[6], tcp[7]],
            acknowledgement: [tcp[8], tcp[9], tcp[10], tcp[11]],
            flags,
            length,
        }
    }
}

fn write_reset<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    back: &Link,
    segment: &Segment,
) -> Result<(), Verdict> {
    let (sequence, acknowledgement, flags) = if segment.flags & Segment::ACK == 0 {
        let next = u32::from_be_bytes(segment.sequence).wrapping_add(segment.length);
        ([0; 4], next.to_be_bytes(), Segment::RST | Segment::ACK)
    } else {
        (segment.acknowledgement, [0; 4], Segment::RST)
    };
    let length = IP_HEADER + TCP_HEADER;
    frame.truncate(usize::from(packet.l3) + length);
    if !frame.linearize() {
        return Err(Verdict::NOT_LINEAR);
    }
    crate::rewrite::rewrite_l2(frame, packet, back)?;
    let l3 = usize::from(packet.l3);
    let (ip, tcp) = frame.data_mut()[l3..].split_at_mut(IP_HEADER);
    write_ip(ip, 0, length, TCP, packet.destination, packet.source);
    tcp.fill(0);
    tcp[..2].copy_from_slice(&segment.destination);
    tcp[2..4].copy_from_slice(&segment.source);
    tcp[4..8].copy_from_slice(&sequence);
    tcp[8..12].copy_from_slice(&acknowledgement);
    tcp[12] = (TCP_HEADER as u8 / 4) << 4;
    tcp[13] = flags;
    let pseudo = [0, TCP, 0, TCP_HEADER as u8];
    let sum = checksum::of(&[&ip[12..20], &pseudo, tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}
