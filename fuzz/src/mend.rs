//! Makes lengths and checksums of a frame right again, so that a change is seen by more than the check that it breaks.

use common::wire::{
    checksum,
    ethernet::{self, DOT1AD, DOT1Q, IPV4, TAG},
    icmp,
    ipv4::{self, FRAGMENT_OFFSET, ICMP, LENGTH, MORE_FRAGMENTS, TCP, UDP},
    tcp, udp,
};

/// Mends an IPv4 frame from the inside out; leaves every other one as it is. A UDP checksum of 0 stays, as none.
pub fn mend(frame: &mut [u8]) {
    let Some(l3) = network_layer(frame) else { return };
    let Some(header) = header_length(&mut frame[l3..]) else { return };
    let packet = &mut frame[l3..];
    let length = match half(packet, ipv4::offset::TOTAL_LENGTH).into() {
        // What is behind the packet is padding.
        length if (header..packet.len()).contains(&length) => length,
        _ => packet.len(),
    };
    set(packet, ipv4::offset::TOTAL_LENGTH, length as u16);
    let packet = &mut packet[..length];
    if half(packet, ipv4::offset::FRAGMENT) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) == 0 {
        transport(packet, header);
    }
    fill(&mut packet[..header], ipv4::offset::CHECKSUM);
}

/// Where the IPv4 header begins.
fn network_layer(frame: &[u8]) -> Option<usize> {
    let mut at = ethernet::offset::ETHERTYPE;
    for _ in 0..3 {
        let kind = u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]);
        match kind {
            DOT1Q | DOT1AD => at += TAG,
            IPV4 => return (frame.len() >= at + 2 + LENGTH).then_some(at + 2),
            _ => return None,
        }
    }
    None
}

/// Bytes of the header, which is made one of IPv4 without options if it is none.
fn header_length(packet: &mut [u8]) -> Option<usize> {
    let header = usize::from(packet[0] & 15) * 4;
    if packet[0] >> 4 == 4 && (LENGTH..=packet.len()).contains(&header) {
        return Some(header);
    }
    *packet.first_mut()? = ipv4::VERSION_AND_WORDS;
    Some(LENGTH)
}

fn transport(packet: &mut [u8], header: usize) {
    let address = |at: usize| <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap_or_default();
    let (source, destination) = (address(ipv4::offset::SOURCE), address(ipv4::offset::DESTINATION));
    let protocol = packet[ipv4::offset::PROTOCOL];
    let payload = &mut packet[header..];
    match protocol {
        UDP if payload.len() >= udp::LENGTH => {
            let length = half(payload, udp::offset::LENGTH).into();
            let length = if (udp::LENGTH..payload.len()).contains(&length) { length } else { payload.len() };
            set(payload, udp::offset::LENGTH, length as u16);
            if half(payload, udp::offset::CHECKSUM) != 0 {
                udp::fill_checksum(&mut payload[..length], source.into(), destination.into());
            }
        }
        TCP if payload.len() >= tcp::LENGTH => {
            set(payload, tcp::offset::CHECKSUM, 0);
            let length = (payload.len() as u16).to_be_bytes();
            let sum = checksum::of(&[&source, &destination, &[0, TCP], &length, payload]);
            set(payload, tcp::offset::CHECKSUM, sum);
        }
        ICMP if payload.len() >= icmp::LENGTH => fill(payload, icmp::offset::CHECKSUM),
        _ => {}
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn set(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn fill(bytes: &mut [u8], at: usize) {
    set(bytes, at, 0);
    let sum = checksum::of(&[bytes]);
    set(bytes, at, sum);
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::*;
    use crate::frames::{Frame, Traffic};

    /// Reads a frame with another library; true if its checksums are right.
    fn is_right(frame: &[u8]) -> bool {
        let Ok(headers) = etherparse::PacketHeaders::from_ethernet_slice(frame) else { return false };
        let Some(etherparse::NetHeaders::Ipv4(ip, _)) = headers.net else { return true };
        let payload = headers.payload.slice();
        let transport = match &headers.transport {
            Some(etherparse::TransportHeader::Udp(udp)) => {
                udp.checksum == 0 || udp.checksum == udp.calc_checksum_ipv4(&ip, payload).unwrap()
            }
            Some(etherparse::TransportHeader::Tcp(tcp)) => {
                tcp.checksum == tcp.calc_checksum_ipv4(&ip, payload).unwrap()
            }
            Some(etherparse::TransportHeader::Icmpv4(icmp)) => {
                icmp.checksum == icmp.icmp_type.calc_checksum(payload)
            }
            _ => true,
        };
        transport && ip.header_checksum == ip.calc_header_checksum()
    }

    #[test]
    fn what_was_changed_is_right_again() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut broken, mut mended, mut noise) = (0, 0, vec![0; 512]);
        for _ in 0..4000 {
            random.fill(&mut noise);
            let made = Frame::of(Traffic::Any, &mut Unstructured::new(&noise)).unwrap();
            let mut frame = made.0;
            if !is_right(&frame) || frame.len() < 40 {
                continue;
            }
            // Addresses and payload, which say nothing of the structure.
            let at = if random.bool() { random.usize(30..34) } else { frame.len() - 1 };
            frame[at] ^= 1 << random.u8(0..8);
            broken += usize::from(!is_right(&frame));
            mend(&mut frame);
            mended += usize::from(is_right(&frame));
        }
        assert!(broken > 1000, "{broken}");
        assert!(mended > 2000, "{mended}");
    }

    #[test]
    fn any_bytes_can_be_mended() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let mut frame: Vec<u8> = (0..random.usize(0..90)).map(|_| random.u8(..)).collect();
            if frame.len() > 14 && random.bool() {
                frame[12..14].copy_from_slice(&IPV4.to_be_bytes());
                frame[14] = if random.bool() { 0x45 } else { 0x40 | random.u8(0..16) };
            }
            mend(&mut frame);
        }
    }
}
