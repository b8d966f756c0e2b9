//! The one generator of answers: ICMP errors, TCP resets and echo replies.
//!
//! An answer is made in the buffer of the packet that caused it, so nothing is allocated and each packet still
//! has one verdict. It goes back the way the packet came: out of the same interface to the MAC address that sent
//! it, which can always reach the source, whatever the routing table knows.

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    net::Interface,
    verdict::Verdict,
    wire::{
        ethernet::{self, IPV4, TAG},
        icmp::{self, Icmp},
        ipv4::{self, ICMP, Ipv4},
        tcp::{self, Tcp},
    },
};
use zerocopy::IntoBytes;

use super::{Context, classify::martian, parse::contiguous};
use crate::{
    backend::Frame,
    batch::{Next, Packet},
    rewrite::{L2Rewrite, Rewrite, Ttl, replace_word, rewrite, rewrite_l2, write_l2},
};

/// Headers of an ICMP error in front of the packet that it quotes.
const ERROR_HEADERS: usize = ipv4::LENGTH + icmp::LENGTH;

/// ICMP errors that the dataplane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Type 3, code 0.
    NetUnreachable,
    /// Type 3, code 1.
    HostUnreachable,
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
    /// Type, code and the lower half of the word behind the checksum.
    fn fields(self) -> (u8, u8, u16) {
        match self {
            Self::NetUnreachable => (icmp::UNREACHABLE, icmp::NET_UNREACHABLE, 0),
            Self::HostUnreachable => (icmp::UNREACHABLE, icmp::HOST_UNREACHABLE, 0),
            Self::ProtocolUnreachable => (icmp::UNREACHABLE, icmp::PROTOCOL_UNREACHABLE, 0),
            Self::PortUnreachable => (icmp::UNREACHABLE, icmp::PORT_UNREACHABLE, 0),
            Self::FragmentationNeeded { mtu } => (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, mtu),
            Self::TimeExceeded => (icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED, 0),
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
    let Some(interface) = cx.snapshot.net.interfaces.get(packet.interface.index()) else {
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
    let broadcast = interface.broadcasts(packet.source) || interface.broadcasts(packet.destination);
    if packet.group || packet.later_fragment || martian(packet.source) || broadcast {
        return false;
    }
    packet.protocol != ICMP
        || (packet.payload() > 0
            && frame.data().get(packet.l4()).is_some_and(|kind| icmp::QUERIES.contains(kind)))
}

/// The way back; `None` if the frame names a group as its sender.
fn back<F: Frame>(interface: &Interface, frame: &F) -> Option<L2Rewrite> {
    let sender = MacAddr(*frame.data().get(ethernet::offset::SOURCE..)?.first_chunk()?);
    (!sender.is_multicast()).then_some(L2Rewrite {
        source: interface.mac,
        destination: sender,
        vlan: interface.vlan,
    })
}

fn write_error<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    back: &L2Rewrite,
    source: Ipv4Addr,
    error: Error,
) -> Result<(), Verdict> {
    let l3 = usize::from(packet.l3);
    let quote = usize::from(packet.length).min(icmp::LARGEST_ERROR - ERROR_HEADERS);
    contiguous(frame, l3 + quote)?;
    if !frame.linearize() {
        return Err(Verdict::NOT_LINEAR);
    }
    frame.truncate(l3 + quote);
    let link = if back.vlan.is_some() { ethernet::LENGTH + TAG } else { ethernet::LENGTH };
    frame.prepend(link + ERROR_HEADERS - l3).ok_or(Verdict::NO_BUFFER)?;
    let bytes = frame.data_mut();
    write_l2(bytes, back, IPV4);
    let (head, quoted) = bytes[link..].split_at_mut(ERROR_HEADERS);
    let (ip, message) = head.split_at_mut(ipv4::LENGTH);
    let length = (icmp::LENGTH + quote) as u16;
    let header = Ipv4::new(source, packet.source, ICMP, length, 0).with_tos(icmp::ERROR_TOS);
    ip.copy_from_slice(header.as_bytes());
    let (kind, code, low) = error.fields();
    let [high, low] = low.to_be_bytes();
    message.copy_from_slice(Icmp::new(kind, code, [0, 0, high, low], quoted).as_bytes());
    Ok(())
}

/// Answers an echo request to a virtual address; the checksum is updated, so a wrong one stays wrong.
pub fn echo<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let Some(interface) = cx.snapshot.net.interfaces.get(packet.interface.index()) else {
        return Next::Drop(Verdict::NO_SERVICE);
    };
    let Some(link) = back(interface, frame) else { return Next::Drop(Verdict::MARTIAN) };
    let l4 = packet.l4();
    if packet.payload() < icmp::LENGTH {
        return Next::Drop(Verdict::TRUNCATED);
    }
    if let Err(reason) = contiguous(frame, l4 + icmp::LENGTH) {
        return Next::Drop(reason);
    }
    if !cx.replies.echoes.take(cx.now) {
        return Next::Drop(Verdict::NO_SERVICE);
    }
    let bytes = &mut frame.data_mut()[l4..];
    let code = bytes[icmp::offset::CODE];
    replace_word(bytes, icmp::offset::TYPE, [icmp::ECHO_REPLY, code], icmp::offset::CHECKSUM);
    packet.egress = interface.port;
    let change = Rewrite {
        source: Some(packet.destination),
        destination: Some(packet.source),
        destination_port: None,
        ttl: Ttl::Set(ipv4::TTL),
        link,
    };
    match rewrite(frame, packet, &change) {
        Ok(()) => Next::Transmit(Verdict::ECHO_REPLY),
        Err(reason) => Next::Drop(reason),
    }
}

/// Answers a TCP segment to a virtual address with a reset (RFC 793, page 36, state CLOSED).
pub fn reset<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let Some(interface) = cx.snapshot.net.interfaces.get(packet.interface.index()) else {
        return Next::Drop(Verdict::NO_SERVICE);
    };
    let Some(link) = back(interface, frame) else { return Next::Drop(Verdict::MARTIAN) };
    if packet.payload() < tcp::LENGTH {
        return Next::Drop(Verdict::TRUNCATED);
    }
    if let Err(reason) = contiguous(frame, packet.l4() + tcp::LENGTH) {
        return Next::Drop(reason);
    }
    let Ok(segment) = Tcp::parse(&frame.data()[packet.l4()..]).copied() else {
        return Next::Drop(Verdict::TRUNCATED);
    };
    if segment.flags & tcp::RST != 0 || !cx.replies.errors.take(cx.now) {
        return Next::Drop(Verdict::NO_SERVICE);
    }
    packet.egress = interface.port;
    match write_reset(frame, packet, &link, &segment) {
        Ok(()) => Next::Transmit(Verdict::TCP_RESET),
        Err(reason) => Next::Drop(reason),
    }
}

/// Sequence numbers that a segment takes: its data, SYN and FIN. `payload` is the IPv4 payload's length.
fn segment_length(segment: &Tcp, payload: usize) -> u32 {
    payload.saturating_sub(segment.header_length()) as u32
        + u32::from(segment.flags & tcp::SYN != 0)
        + u32::from(segment.flags & tcp::FIN != 0)
}

fn write_reset<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    back: &L2Rewrite,
    segment: &Tcp,
) -> Result<(), Verdict> {
    let (numbers, flags) = if segment.flags & tcp::ACK == 0 {
        let next = segment.sequence().wrapping_add(segment_length(segment, packet.payload()));
        ((0, next), tcp::RST | tcp::ACK)
    } else {
        ((segment.acknowledgement(), 0), tcp::RST)
    };
    frame.truncate(usize::from(packet.l3) + ipv4::LENGTH + tcp::LENGTH);
    if !frame.linearize() {
        return Err(Verdict::NOT_LINEAR);
    }
    rewrite_l2(frame, packet, back)?;
    let (source, destination) = (packet.destination, packet.source);
    let (ip, tcp) = frame.data_mut()[usize::from(packet.l3)..].split_at_mut(ipv4::LENGTH);
    ip.copy_from_slice(Ipv4::new(source, destination, ipv4::TCP, tcp::LENGTH as u16, 0).as_bytes());
    let reset = Tcp::new(segment.destination(), segment.source(), numbers, flags);
    tcp.copy_from_slice(reset.with_checksum(source, destination).as_bytes());
    Ok(())
}
