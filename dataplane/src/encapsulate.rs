//! Outer headers in front of a packet, and the pieces of one that is too large for what it is put into.

use common::{
    mobile::{Carrier, Tunnel},
    verdict::Verdict,
    wire::{
        checksum, gre,
        ipv4::{self, FRAGMENT_OFFSET, IPIP, Ipv4, MORE_FRAGMENTS, UDP, option},
        mobile_ip::tunnel_data,
        udp::{self, Udp},
    },
};
use zerocopy::IntoBytes;

use crate::{backend::Frame, batch::Packet};

/// Puts a tunnel's headers in front of the IPv4 packet; `packet` is the outer one from here on. What lies behind the inner
/// packet is cut off.
///
/// ```text
/// IPv4 [UDP, 04 nh 00 00] [GRE 00 00 08 00] inner packet       TOS and Don't Fragment as inside, TTL 255
/// ```
///
/// # Errors
/// [`Verdict::NO_BUFFER`] if there is no headroom; [`Verdict::TOO_BIG`] if no length field can say how long it is.
pub fn encapsulate<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    tunnel: &Tunnel,
    identification: u16,
) -> Result<(), Verdict> {
    let (l3, extra) = (usize::from(packet.l3), tunnel.overhead());
    let length = u16::try_from(usize::from(packet.length) + extra).map_err(|_| Verdict::TOO_BIG)?;
    let payload = length - ipv4::LENGTH as u16;
    frame.truncate(packet.end());
    let tos = frame.data()[l3 + 1];
    frame.prepend(extra).ok_or(Verdict::NO_BUFFER)?;
    let bytes = frame.data_mut();
    bytes.copy_within(extra..extra + l3, 0);
    let mut headers = &mut bytes[l3..l3 + extra];
    let mut write = |header: &[u8]| {
        let (place, rest) = std::mem::take(&mut headers).split_at_mut(header.len());
        place.copy_from_slice(header);
        headers = rest;
    };
    let inner = if tunnel.gre { ipv4::GRE } else { IPIP };
    let protocol = if tunnel.carrier == Carrier::Ip { inner } else { UDP };
    let outer = Ipv4::new(tunnel.local, tunnel.remote, protocol, payload, identification);
    write(outer.around(tos, packet.dont_fragment).as_bytes());
    if let Carrier::Udp { local, remote } = tunnel.carrier {
        // Without checksum: a NAT need not sum the packet, and the inner one has its own.
        write(Udp::new(local, remote, payload - udp::LENGTH as u16).as_bytes());
        write(&tunnel_data::header(inner));
    }
    if tunnel.gre {
        write(&gre::IPV4_HEADER);
    }
    *packet = Packet {
        header: ipv4::LENGTH as u16,
        length,
        fragment: false,
        later_fragment: false,
        ttl: ipv4::TUNNEL_TTL,
        protocol,
        source: tunnel.local,
        destination: tunnel.remote,
        ..*packet
    };
    Ok(())
}

/// A part of a packet that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of payload in front of it.
    start: u16,
    /// Bytes of payload in it.
    length: u16,
    /// It has the packet's last byte.
    last: bool,
}

/// The pieces of a packet, none longer than an MTU, from the front (RFC 791, 3.2).
#[derive(Clone, Debug)]
pub struct Pieces {
    next: u16,
    end: u16,
    payload: u16,
    /// Bytes of payload in each but the last.
    step: u16,
}

impl Pieces {
    /// One, the whole packet, if it fits, or if not even eight bytes do.
    pub fn of(packet: &Packet, mtu: u16) -> Self {
        let payload = packet.length - packet.header;
        let room = mtu.saturating_sub(packet.header) & !7;
        let step = if packet.length <= mtu || room == 0 { payload.max(1) } else { room };
        Self { next: 0, end: payload.div_ceil(step).max(1), payload, step }
    }

    fn piece(&self, number: u16) -> Piece {
        let start = number * self.step;
        let length = self.step.min(self.payload - start);
        Piece { start, length, last: start + length == self.payload }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        Some(self.piece(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.end - self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pieces {}

impl DoubleEndedIterator for Pieces {
    fn next_back(&mut self) -> Option<Piece> {
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        Some(self.piece(self.end))
    }
}

impl Piece {
    /// Leaves nothing of the packet but this piece, as a fragment of it.
    ///
    /// # Errors
    /// [`Verdict::NOT_LINEAR`] if the packet cannot be made one segment.
    pub fn cut<F: Frame>(self, frame: &mut F, packet: &mut Packet) -> Result<(), Verdict> {
        if self.start == 0 && self.last {
            return Ok(());
        }
        if !frame.linearize() {
            return Err(Verdict::NOT_LINEAR);
        }
        let (l3, l4, header) = (usize::from(packet.l3), packet.l4(), usize::from(packet.header));
        let (start, length) = (usize::from(self.start), usize::from(self.length));
        let bytes = frame.data_mut();
        bytes.copy_within(l4 + start..l4 + start + length, l4);
        let ip = &mut bytes[l3..l4];
        let word = u16::from_be_bytes([ip[ipv4::offset::FRAGMENT], ip[ipv4::offset::FRAGMENT + 1]]);
        // It may be a fragment already.
        let offset = (word & FRAGMENT_OFFSET) + self.start / 8;
        let more = if self.last { word & MORE_FRAGMENTS } else { MORE_FRAGMENTS };
        let total = (header + length) as u16;
        ip[ipv4::offset::FRAGMENT..][..2].copy_from_slice(&(offset | more).to_be_bytes());
        ip[ipv4::offset::TOTAL_LENGTH..][..2].copy_from_slice(&total.to_be_bytes());
        if start > 0 {
            keep_copied_options(&mut ip[ipv4::LENGTH..]);
        }
        ip[ipv4::offset::CHECKSUM..][..2].fill(0);
        let sum = checksum::of(&[ip]);
        ip[ipv4::offset::CHECKSUM..][..2].copy_from_slice(&sum.to_be_bytes());
        frame.truncate(l4 + length);
        packet.length = total;
        packet.fragment = true;
        packet.later_fragment = offset > 0;
        Ok(())
    }
}

/// Makes no-operations of the options that only the first fragment has (RFC 791, 3.1). They have been walked.
fn keep_copied_options(mut options: &mut [u8]) {
    while let [kind, rest @ ..] = options {
        let length = match *kind {
            option::END => return,
            option::NOP => 1,
            _ => rest.first().map_or(1, |length| usize::from(*length).max(1)),
        };
        let (one, rest) = options.split_at_mut(length.min(options.len()));
        if one[0] & option::COPIED == 0 {
            one.fill(option::NOP);
        }
        options = rest;
    }
}
