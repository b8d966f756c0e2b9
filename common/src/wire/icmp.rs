//! ICMP (RFC 792): the eight bytes that all messages have.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{HeaderError, checksum};

/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type: the destination cannot be reached; the code says why.
pub const UNREACHABLE: u8 = 3;
/// Type: the time to live is used up.
pub const TIME_EXCEEDED: u8 = 11;
/// Code of [`UNREACHABLE`]: the packet must be cut and must not be; [`Icmp::rest`] ends in the MTU (RFC 1191).
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Bytes.
pub const LENGTH: usize = 8;

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    checksum: U16,
    /// Identifier and sequence number of an echo; unused and MTU of an error.
    pub rest: [u8; 4],
}

const _: () = assert!(size_of::<Icmp>() == LENGTH);

/// A message taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// The head.
    pub header: &'a Icmp,
    /// Data of an echo, the quoted packet of an error.
    pub payload: &'a [u8],
    /// The checksum is right.
    pub checksum_ok: bool,
}

impl Icmp {
    /// The head of a message about `payload`, checksum filled in.
    pub fn new(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Self {
        let mut header = Self { kind, code, checksum: U16::ZERO, rest };
        header.checksum = U16::new(checksum::of(&[header.as_bytes(), payload]));
        header
    }
}

/// Takes the payload of an IPv4 packet apart.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, HeaderError> {
    let short = HeaderError::Short { header: "icmp", need: LENGTH, got: bytes.len() };
    let (header, payload) = Icmp::ref_from_prefix(bytes).map_err(|_| short)?;
    Ok(Parsed { header, payload, checksum_ok: checksum::verify(bytes) })
}
