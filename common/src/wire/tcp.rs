//! The TCP header (RFC 793), 20 bytes without options.

use std::net::Ipv4Addr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

use super::{HeaderError, checksum, ipv4};

/// Bytes of the header without options.
pub const LENGTH: usize = 20;
/// Flag: the sender has no more data.
pub const FIN: u8 = 1;
/// Flag: sequence numbers begin here.
pub const SYN: u8 = 2;
/// Flag: there is no such connection.
pub const RST: u8 = 4;
/// Flag: the acknowledgement number counts.
pub const ACK: u8 = 16;

/// Where fields begin, in bytes from the header's first; each has 2 bytes.
pub mod offset {
    /// Source port.
    pub const SOURCE: usize = 0;
    /// Destination port.
    pub const DESTINATION: usize = 2;
    /// Checksum over pseudo header and segment.
    pub const CHECKSUM: usize = 16;
}

/// The header without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Tcp {
    source: U16,
    destination: U16,
    sequence: U32,
    acknowledgement: U32,
    words: u8,
    /// [`FIN`], [`SYN`], [`RST`], [`ACK`] and others.
    pub flags: u8,
    window: U16,
    checksum: U16,
    urgent: U16,
}

const _: () = assert!(size_of::<Tcp>() == LENGTH);

impl Tcp {
    /// A header without options, data, window or checksum.
    pub fn new(source: u16, destination: u16, (sequence, acknowledgement): (u32, u32), flags: u8) -> Self {
        Self {
            source: U16::new(source),
            destination: U16::new(destination),
            sequence: U32::new(sequence),
            acknowledgement: U32::new(acknowledgement),
            words: (LENGTH as u8 / 4) << 4,
            flags,
            window: U16::ZERO,
            checksum: U16::ZERO,
            urgent: U16::ZERO,
        }
    }

    /// The same with the checksum of a segment without data between two addresses.
    #[must_use]
    pub fn with_checksum(mut self, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        self.checksum = U16::ZERO;
        let length = [0, ipv4::TCP, 0, LENGTH as u8];
        let pieces = [&source.octets()[..], &destination.octets(), &length, self.as_bytes()];
        self.checksum = U16::new(checksum::of(&pieces));
        self
    }

    /// Reads the fixed part of a segment's header.
    pub fn parse(bytes: &[u8]) -> Result<&Self, HeaderError> {
        let short = HeaderError::Short { header: "tcp", need: LENGTH, got: bytes.len() };
        Self::ref_from_prefix(bytes).map(|(tcp, _)| tcp).map_err(|_| short)
    }

    /// From which port.
    pub fn source(&self) -> u16 {
        self.source.get()
    }

    /// To which port.
    pub fn destination(&self) -> u16 {
        self.destination.get()
    }

    /// Number of the first byte of data.
    pub fn sequence(&self) -> u32 {
        self.sequence.get()
    }

    /// The next byte that the sender waits for, if [`ACK`] is set.
    pub fn acknowledgement(&self) -> u32 {
        self.acknowledgement.get()
    }

    /// Bytes of the header with its options, as it says itself.
    pub fn header_length(&self) -> usize {
        usize::from(self.words >> 4) * 4
    }
}
