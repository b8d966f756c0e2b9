//! Ethernet II and the tags of IEEE 802.1Q and 802.1ad.
//!
//! ```text
//! | destination (6) | source (6) | [0x8100 or 0x88a8, TCI (2)] ... | EtherType (2) | payload |
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::HeaderError;
use crate::mac::MacAddr;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of an 802.1Q tag.
pub const DOT1Q: u16 = 0x8100;
/// EtherType of an 802.1ad service tag.
pub const DOT1AD: u16 = 0x88a8;
/// Bytes of the header without tags.
pub const LENGTH: usize = 14;
/// Bytes of a tag.
pub const TAG: usize = 4;
/// Smallest frame, without FCS.
pub const MINIMUM: usize = 60;

/// EtherType fields below this are lengths (IEEE 802.3).
pub const FIRST_TYPE: u16 = 0x0600;
/// Bits of a tag's control information that are the VLAN (IEEE 802.1Q).
pub const VLAN: u16 = 0x0fff;

/// Where fields begin, in bytes from the frame's first.
pub mod offset {
    /// Destination address, 6 bytes.
    pub const DESTINATION: usize = 0;
    /// Source address, 6 bytes.
    pub const SOURCE: usize = 6;
    /// EtherType, or that of the outer tag, 2 bytes.
    pub const ETHERTYPE: usize = 12;
    /// Control information of the outer tag, 2 bytes.
    pub const TAG_CONTROL: usize = 14;
    /// EtherType behind one tag, 2 bytes.
    pub const TAGGED_ETHERTYPE: usize = 16;
}

/// The header in front of any tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ethernet {
    destination: [u8; 6],
    source: [u8; 6],
    ethertype: U16,
}

const _: () = assert!(size_of::<Ethernet>() == LENGTH);

/// A frame taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// To whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// Tag control information of the outer tag, if any: priority (3), drop eligible (1), VLAN (12).
    pub outer: Option<u16>,
    /// Tag control information of the inner tag behind it, if any.
    pub inner: Option<u16>,
    /// What the payload is; below 0x0600 a length (IEEE 802.3).
    pub ethertype: u16,
    /// The rest of the frame, padding included.
    pub payload: &'a [u8],
}

impl Ethernet {
    /// To whom.
    pub fn destination(&self) -> MacAddr {
        MacAddr(self.destination)
    }

    /// From whom.
    pub fn source(&self) -> MacAddr {
        MacAddr(self.source)
    }

    /// What follows: a payload, or a tag.
    pub fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }

    /// A header without tags.
    pub fn new(destination: MacAddr, source: MacAddr, ethertype: u16) -> Self {
        Self { destination: destination.0, source: source.0, ethertype: U16::new(ethertype) }
    }
}

/// Takes a frame apart, with at most two tags.
pub fn parse(frame: &[u8]) -> Result<Parsed<'_>, HeaderError> {
    let short = |need| HeaderError::Short { header: "ethernet", need, got: frame.len() };
    let (header, payload) = Ethernet::ref_from_prefix(frame).map_err(|_| short(LENGTH))?;
    let mut parsed = Parsed {
        destination: header.destination(),
        source: header.source(),
        outer: None,
        inner: None,
        ethertype: header.ethertype(),
        payload,
    };
    while matches!(parsed.ethertype, DOT1Q | DOT1AD) && parsed.inner.is_none() {
        let Some((tag, rest)) = parsed.payload.split_first_chunk::<TAG>() else {
            return Err(short(frame.len() - parsed.payload.len() + TAG));
        };
        let tci = u16::from_be_bytes([tag[0], tag[1]]);
        if parsed.outer.is_none() {
            parsed.outer = Some(tci);
        } else {
            parsed.inner = Some(tci);
        }
        parsed.ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        parsed.payload = rest;
    }
    Ok(parsed)
}
