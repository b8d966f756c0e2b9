//! UDP (RFC 768), 8 bytes of header.

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{HeaderError, checksum};

/// Bytes of the header.
pub const LENGTH: usize = 8;
/// Port of Mobile IP registration (RFC 5944, section 3.3).
pub const MOBILE_IP: u16 = 434;

/// Where fields begin, in bytes from the header's first; each has 2 bytes.
pub mod offset {
    /// Source port.
    pub const SOURCE: usize = 0;
    /// Destination port.
    pub const DESTINATION: usize = 2;
    /// Bytes of header and payload.
    pub const LENGTH: usize = 4;
    /// Checksum; 0 is none.
    pub const CHECKSUM: usize = 6;
}

/// The 8 bytes of the header (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Udp {
    source: U16,
    destination: U16,
    length: U16,
    checksum: U16,
}

const _: () = assert!(size_of::<Udp>() == LENGTH);

/// A datagram taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// Its ports, length and checksum.
    pub header: &'a Udp,
    /// As the UDP length says.
    pub payload: &'a [u8],
    datagram: &'a [u8],
}

impl Udp {
    /// A header for `payload` bytes, without checksum (0).
    pub fn new(source: u16, destination: u16, payload: u16) -> Self {
        Self {
            source: U16::new(source),
            destination: U16::new(destination),
            length: U16::new(LENGTH as u16 + payload),
            checksum: U16::ZERO,
        }
    }

    /// From which port.
    pub fn source(&self) -> u16 {
        self.source.get()
    }

    /// To which port.
    pub fn destination(&self) -> u16 {
        self.destination.get()
    }

    /// Bytes of header and payload.
    pub fn length(&self) -> u16 {
        self.length.get()
    }

    /// 0: none was computed.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
}

impl Parsed<'_> {
    /// The checksum is right, or there is none.
    pub fn checksum_ok(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        checksum::verify_udp(source, destination, self.datagram)
    }
}

/// Takes the payload of an IPv4 packet apart; 8 <= UDP length <= payload.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, HeaderError> {
    let short = |need| HeaderError::Short { header: "udp", need, got: bytes.len() };
    let (header, _) = Udp::ref_from_prefix(bytes).map_err(|_| short(LENGTH))?;
    let length = header.length.get();
    if usize::from(length) < LENGTH {
        return Err(HeaderError::Field { header: "udp", field: "length", value: length.into() });
    }
    let datagram = bytes.get(..length.into()).ok_or_else(|| short(length.into()))?;
    Ok(Parsed { header, payload: &datagram[LENGTH..], datagram })
}

/// Fills in the checksum of the datagram in `bytes` (header and payload, nothing else).
///
/// # Panics
/// If there are under 8 bytes.
pub fn fill_checksum(bytes: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr) {
    let field = offset::CHECKSUM..offset::CHECKSUM + 2;
    bytes[field.clone()].fill(0);
    let sum = checksum::of_udp(source, destination, bytes);
    bytes[field].copy_from_slice(&sum.to_be_bytes());
}
