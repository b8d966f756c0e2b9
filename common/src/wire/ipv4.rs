//! The IPv4 header (RFC 791), options kept as bytes.

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{HeaderError, checksum};

/// Protocol number of ICMP.
pub const ICMP: u8 = 1;
/// Protocol number of IPv4 in IPv4 (RFC 2003).
pub const IPIP: u8 = 4;
/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;
/// Bytes of the header without options.
pub const LENGTH: usize = 20;
/// Protocol number of GRE (RFC 2784).
pub const GRE: u8 = 47;
/// Initial time to live of what we send (RFC 1700).
pub const TTL: u8 = 64;
/// That of outer headers: a tunnel may be long.
pub const TUNNEL_TTL: u8 = 255;

/// First byte of a header without options: version 4, five words.
pub const VERSION_AND_WORDS: u8 = 0x45;
/// Flag in the word at [`offset::FRAGMENT`]: the packet must not be cut on its way.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// Flag in the word at [`offset::FRAGMENT`]: further parts follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Bits in the word at [`offset::FRAGMENT`] that count where a part belongs, in units of 8 bytes.
pub const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Where fields begin, in bytes from the header's first.
pub mod offset {
    /// Bytes of header and payload, 2 bytes.
    pub const TOTAL_LENGTH: usize = 2;
    /// Flags and fragment offset, 2 bytes.
    pub const FRAGMENT: usize = 6;
    /// Time to live.
    pub const TTL: usize = 8;
    /// Protocol number.
    pub const PROTOCOL: usize = 9;
    /// Header checksum, 2 bytes.
    pub const CHECKSUM: usize = 10;
    /// Source address, 4 bytes.
    pub const SOURCE: usize = 12;
    /// Destination address, 4 bytes.
    pub const DESTINATION: usize = 16;
}

/// Option types (RFC 791, 3.1).
pub mod option {
    /// End of the list, one byte.
    pub const END: u8 = 0;
    /// Bit of a type: the option belongs into every fragment.
    pub const COPIED: u8 = 0x80;
    /// No operation, one byte.
    pub const NOP: u8 = 1;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
}

/// The fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv4 {
    version_and_words: u8,
    /// Type of service.
    pub tos: u8,
    length: U16,
    identification: U16,
    fragment: U16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

const _: () = assert!(size_of::<Ipv4>() == LENGTH);

/// A packet taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// The fixed part.
    pub header: &'a Ipv4,
    /// Options, a multiple of 4 bytes.
    pub options: &'a [u8],
    /// As the total length says; what follows it is padding.
    pub payload: &'a [u8],
    /// The header's checksum is right.
    pub checksum_ok: bool,
}

impl Ipv4 {
    /// A header without options, checksum filled in, for `payload` bytes. Don't Fragment is set, so the
    /// identification may have any value (RFC 6864).
    pub fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: u8,
        payload: u16,
        identification: u16,
    ) -> Self {
        let mut header = Self {
            version_and_words: VERSION_AND_WORDS,
            tos: 0,
            length: U16::new(LENGTH as u16 + payload),
            identification: U16::new(identification),
            fragment: U16::new(DONT_FRAGMENT),
            ttl: TTL,
            protocol,
            checksum: U16::ZERO,
            source: source.octets(),
            destination: destination.octets(),
        };
        header.checksum = U16::new(checksum::of(&[header.as_bytes()]));
        header
    }

    /// The same with another type of service.
    #[must_use]
    pub fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self.checksum = U16::ZERO;
        self.checksum = U16::new(checksum::of(&[self.as_bytes()]));
        self
    }

    /// The same as the outer header of a tunnel: it may be cut on its way where the inner packet may.
    #[must_use]
    #[inline]
    pub fn around(mut self, tos: u8, dont_fragment: bool) -> Self {
        self.tos = tos;
        self.ttl = TUNNEL_TTL;
        self.fragment = U16::new(if dont_fragment { DONT_FRAGMENT } else { 0 });
        self.checksum = U16::ZERO;
        self.checksum = U16::new(checksum::of(&[self.as_bytes()]));
        self
    }

    /// 4, or it is no such header.
    #[inline]
    pub fn version(&self) -> u8 {
        self.version_and_words >> 4
    }

    /// Bytes of the header with its options, as it says itself.
    #[inline]
    pub fn header_length(&self) -> u16 {
        u16::from(self.version_and_words & 0x0f) * 4
    }

    /// From whom.
    pub fn source(&self) -> Ipv4Addr {
        self.source.into()
    }

    /// To whom.
    pub fn destination(&self) -> Ipv4Addr {
        self.destination.into()
    }

    /// Bytes of header and payload.
    pub fn total_length(&self) -> u16 {
        self.length.get()
    }

    /// Tells fragments of different packets apart.
    pub fn identification(&self) -> u16 {
        self.identification.get()
    }

    /// True for every part of a packet that was cut.
    pub fn is_fragment(&self) -> bool {
        self.fragment.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// True for every part of a packet that was cut but the first.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.get() & FRAGMENT_OFFSET != 0
    }

    /// Parts of the packet follow behind this one.
    pub fn more_fragments(&self) -> bool {
        self.fragment.get() & MORE_FRAGMENTS != 0
    }

    /// Bytes of the packet's payload that lie before this part.
    pub fn fragment_offset(&self) -> u32 {
        u32::from(self.fragment.get() & FRAGMENT_OFFSET) * 8
    }

    /// It must not be cut on its way.
    pub fn dont_fragment(&self) -> bool {
        self.fragment.get() & DONT_FRAGMENT != 0
    }
}

/// Takes a packet apart. The checksum is looked at and left to the caller to judge.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, HeaderError> {
    let short = |need| HeaderError::Short { header: "ipv4", need, got: bytes.len() };
    let field = |field, value: u32| HeaderError::Field { header: "ipv4", field, value };
    let (header, _) = Ipv4::ref_from_prefix(bytes).map_err(|_| short(LENGTH))?;
    let head = usize::from(header.header_length());
    if header.version() != 4 {
        return Err(field("version", header.version().into()));
    }
    if head < LENGTH {
        return Err(field("header length", head as u32));
    }
    let total = usize::from(header.length.get());
    if total < head {
        return Err(field("total length", total as u32));
    }
    let packet = bytes.get(..total).ok_or_else(|| short(total))?;
    let (head, payload) = packet.split_at(head);
    Ok(Parsed { header, options: &head[LENGTH..], payload, checksum_ok: checksum::verify(head) })
}
