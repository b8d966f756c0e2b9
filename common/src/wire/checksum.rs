//! The Internet checksum: over whole pieces (RFC 1071), and kept right under changes (RFC 1624, equation 3).
//!
//! A change is applied to the checksum that is there, so a wrong one stays wrong and the receiver still notices.

use std::net::Ipv4Addr;

/// The checksum of `pieces` in turn; every piece but the last must have an even length.
pub fn of(pieces: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for piece in pieces {
        let mut words = piece.chunks_exact(2);
        sum += words.by_ref().map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>();
        if let [last] = words.remainder() {
            sum += u64::from(*last) << 8;
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// True if the bytes, checksum included, sum up as they must.
pub fn verify(bytes: &[u8]) -> bool {
    of(&[bytes]) == 0
}

/// The UDP checksum (RFC 768) of a datagram whose checksum field is 0; a computed 0 is 0xffff.
pub fn of_udp(source: Ipv4Addr, destination: Ipv4Addr, datagram: &[u8]) -> u16 {
    match udp_sum(source, destination, datagram) {
        0 => 0xffff,
        sum => sum,
    }
}

/// True if the datagram's checksum is right, or 0 (none was computed).
pub fn verify_udp(source: Ipv4Addr, destination: Ipv4Addr, datagram: &[u8]) -> bool {
    datagram.get(super::udp::offset::CHECKSUM..super::udp::LENGTH) == Some(&[0, 0])
        || udp_sum(source, destination, datagram) == 0
}

fn udp_sum(source: Ipv4Addr, destination: Ipv4Addr, datagram: &[u8]) -> u16 {
    let length = (datagram.len() as u16).to_be_bytes();
    let protocol = [0, super::ipv4::UDP, length[0], length[1]];
    of(&[&source.octets(), &destination.octets(), &protocol, datagram])
}

/// A change of 16-bit words as RFC 1624 adds it to a checksum: the sum of `~old + new`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delta(u32);

impl Delta {
    /// Overwrites an even number of bytes at an even offset of the checksummed data, at most a few dozen in all.
    ///
    /// # Panics
    /// If `bytes` ends before.
    #[inline]
    pub fn replace(&mut self, bytes: &mut [u8], at: usize, new: &[u8]) {
        for (old, new) in bytes[at..at + new.len()].chunks_exact_mut(2).zip(new.chunks_exact(2)) {
            let was = u16::from_be_bytes([old[0], old[1]]);
            self.0 += u32::from(!was) + u32::from(u16::from_be_bytes([new[0], new[1]]));
            old.copy_from_slice(new);
        }
    }

    /// Adds the change to the checksum at `at`.
    ///
    /// # Panics
    /// If `bytes` ends before.
    #[inline]
    pub fn apply(self, bytes: &mut [u8], at: usize) {
        let was = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let sum = fold(self.0 + u32::from(!was));
        bytes[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
    }

    /// Adds the change to the UDP checksum at `at`: 0 (none) stays 0, a computed 0 becomes 0xffff (RFC 768).
    ///
    /// # Panics
    /// If `bytes` ends before.
    #[inline]
    pub fn apply_udp(self, bytes: &mut [u8], at: usize) {
        if bytes[at..at + 2] == [0, 0] {
            return;
        }
        self.apply(bytes, at);
        if bytes[at..at + 2] == [0, 0] {
            bytes[at..at + 2].fill(0xff);
        }
    }
}

#[inline]
fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
