//! ARP for IPv4 over Ethernet (RFC 826), 28 bytes.

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{
    HeaderError,
    ethernet::{self, Ethernet, IPV4},
};
use crate::mac::MacAddr;

/// Operation: who has the target address?
pub const REQUEST: u16 = 1;
/// Operation: the sender has.
pub const REPLY: u16 = 2;
/// Bytes of a message for Ethernet and IPv4.
pub const LENGTH: usize = 28;

/// A message for Ethernet and IPv4 (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Arp {
    hardware: U16,
    protocol: U16,
    hardware_length: u8,
    protocol_length: u8,
    operation: U16,
    sender_mac: [u8; 6],
    sender: [u8; 4],
    target_mac: [u8; 6],
    target: [u8; 4],
}

const _: () = assert!(size_of::<Arp>() == LENGTH);

impl Arp {
    fn new(operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Self {
        Self {
            hardware: U16::new(1),
            protocol: U16::new(IPV4),
            hardware_length: 6,
            protocol_length: 4,
            operation: U16::new(operation),
            sender_mac: sender.0.0,
            sender: sender.1.octets(),
            target_mac: target.0.0,
            target: target.1.octets(),
        }
    }

    /// Who has `target`?
    pub fn request(sender: (MacAddr, Ipv4Addr), target: Ipv4Addr) -> Self {
        Self::new(REQUEST, sender, (MacAddr::default(), target))
    }

    /// `sender` answers `target`.
    pub fn reply(sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Self {
        Self::new(REPLY, sender, target)
    }

    /// Reads a message; what follows is padding.
    pub fn parse(bytes: &[u8]) -> Result<&Self, HeaderError> {
        let short = HeaderError::Short { header: "arp", need: LENGTH, got: bytes.len() };
        let (arp, _) = Self::ref_from_prefix(bytes).map_err(|_| short)?;
        let field = |field, value: u16| Err(HeaderError::Field { header: "arp", field, value: value.into() });
        match (arp.hardware.get(), arp.protocol.get(), arp.hardware_length, arp.protocol_length) {
            (1, IPV4, 6, 4) => Ok(arp),
            (1, IPV4, 6, length) => field("protocol address length", length.into()),
            (1, IPV4, length, _) => field("hardware address length", length.into()),
            (1, protocol, _, _) => field("protocol", protocol),
            (hardware, ..) => field("hardware", hardware),
        }
    }

    /// [`REQUEST`], [`REPLY`] or another.
    pub fn operation(&self) -> u16 {
        self.operation.get()
    }

    /// Who sends.
    pub fn sender(&self) -> (MacAddr, Ipv4Addr) {
        (MacAddr(self.sender_mac), self.sender.into())
    }

    /// Who is asked for, or answered.
    pub fn target(&self) -> (MacAddr, Ipv4Addr) {
        (MacAddr(self.target_mac), self.target.into())
    }
}

/// The frame of a gratuitous request: neighbours learn that `mac` answers for `address` (RFC 5944, section 4.6). Padded to
/// the smallest frame.
pub fn gratuitous(mac: MacAddr, address: Ipv4Addr) -> [u8; ethernet::MINIMUM] {
    let mut frame = [0; ethernet::MINIMUM];
    let (head, rest) = frame.split_at_mut(ethernet::LENGTH);
    head.copy_from_slice(Ethernet::new(MacAddr::BROADCAST, mac, ethernet::ARP).as_bytes());
    rest[..LENGTH].copy_from_slice(Arp::request((mac, address), address).as_bytes());
    frame
}
