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
/// Code of [`TIME_EXCEEDED`]: on its way, not while fragments were waited for.
pub const TTL_EXCEEDED: u8 = 0;
/// Code of [`UNREACHABLE`]: there is no route.
pub const NET_UNREACHABLE: u8 = 0;
/// Code of [`UNREACHABLE`]: the host cannot be reached.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`UNREACHABLE`]: the host does not have the protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`UNREACHABLE`]: nobody listens on the port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: the packet must be cut and must not be; [`Icmp::rest`] ends in the MTU (RFC 1191).
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Types that ask or answer and report no error, so that an error may be sent about them (RFC 1122, 3.2.2): echo, router
/// discovery (RFC 1256), time stamp, information and address mask (RFC 950).
pub const QUERIES: [u8; 10] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18];
/// Largest error with its IPv4 header, in bytes (RFC 1812, 4.3.2.3).
pub const LARGEST_ERROR: usize = 576;
/// Type of service of an error: internetwork control (RFC 1812, 4.3.2.5).
pub const ERROR_TOS: u8 = 0xc0;

/// Where fields begin, in bytes from the message's first.
pub mod offset {
    /// Type, 1 byte.
    pub const TYPE: usize = 0;
    /// Code, 1 byte.
    pub const CODE: usize = 1;
    /// Checksum, 2 bytes.
    pub const CHECKSUM: usize = 2;
}

/// Bytes of the head.
pub const LENGTH: usize = 8;

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Icmp {
    /// Type (RFC 792): 0 echo reply, 3 destination unreachable, 8 echo, 11 time exceeded.
    pub kind: u8,
    /// What exactly, by type.
    pub code: u8,
    checksum: U16,
    /// Identifier and sequence number of an echo; unused and MTU of an error.
    pub rest: [u8; 4],
}

const _: () = assert!(size_of::<Icmp>() == LENGTH);

/// A message taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// Its first 8 bytes.
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
