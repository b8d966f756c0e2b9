//! The signal header (draft-eck-dfp-01, 4.1).

use std::fmt;

use super::{FramingError, be16, be32};

/// Which end of a connection this is: an agent listens and reports, a manager connects and balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes Server State, DFP Parameters and BindID Request.
    Agent,
    /// Takes Preference Information, BindID Report and BindID Change Notify.
    Manager,
}

/// A message type; the wire may carry any.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageType(pub u16);

impl MessageType {
    pub const PREFERENCE_INFO: Self = Self(0x0101);
    pub const SERVER_STATE: Self = Self(0x0201);
    pub const PARAMETERS: Self = Self(0x0301);
    pub const BIND_ID_REQUEST: Self = Self(0x0401);
    pub const BIND_ID_REPORT: Self = Self(0x0402);
    /// The drafts print 0x0402; Cisco's reference implementation and dissector use 0x0403.
    pub const BIND_ID_CHANGE_NOTIFY: Self = Self(0x0403);

    /// Every type that is defined: the end that takes it, and its name.
    const DEFINED: [(Self, Role, &str); 6] = [
        (Self::PREFERENCE_INFO, Role::Manager, "PREFERENCE_INFO"),
        (Self::SERVER_STATE, Role::Agent, "SERVER_STATE"),
        (Self::PARAMETERS, Role::Agent, "DFP_PARAMETERS"),
        (Self::BIND_ID_REQUEST, Role::Agent, "BIND_ID_REQUEST"),
        (Self::BIND_ID_REPORT, Role::Manager, "BIND_ID_REPORT"),
        (Self::BIND_ID_CHANGE_NOTIFY, Role::Manager, "BIND_ID_CHANGE_NOTIFY"),
    ];

    fn defined(self) -> Option<(Self, Role, &'static str)> {
        Self::DEFINED.into_iter().find(|(known, ..)| *known == self)
    }

    /// The end that takes this type; none if the type is not defined (the private range among these).
    pub fn receiver(self) -> Option<Role> {
        self.defined().map(|(_, role, _)| role)
    }

    /// The greatest Message Length of this type that `role` reads, bytes. Only a manager gets long BindID tables.
    pub fn limit(self, role: Role) -> usize {
        match (self, role) {
            (Self::BIND_ID_REPORT, Role::Manager) => Header::LONGEST,
            _ => Header::LONG,
        }
    }
}

impl fmt::Display for MessageType {
    /// `DFP_PARAMETERS`, or `0x0601`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.defined() {
            Some((.., name)) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A header that framing can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Message Type.
    pub message_type: MessageType,
    /// Message Length, bytes, from 8 to the limit of the type.
    pub length: usize,
    /// The Reserved byte: 0 from most peers.
    pub reserved: u8,
}

impl Header {
    /// Bytes of the header.
    pub const SIZE: usize = 8;
    /// Version of the protocol.
    pub const VERSION: u8 = 1;
    /// The longest message but for BindID Reports, bytes.
    pub const LONG: usize = 4096;
    /// The longest BindID Report, bytes: a full TLV, security and header, rounded up.
    pub const LONGEST: usize = 65_600;

    /// Reads and checks the first 8 bytes of a message to `role`.
    pub fn read(bytes: &[u8; Self::SIZE], role: Role) -> Result<Self, FramingError> {
        if bytes[0] != Self::VERSION {
            return Err(FramingError::Version(bytes[0]));
        }
        let message_type = MessageType(be16(bytes, 2));
        let length = be32(bytes, 4);
        let limit = message_type.limit(role);
        match usize::try_from(length) {
            Ok(length) if (Self::SIZE..=limit).contains(&length) => {
                Ok(Self { message_type, length, reserved: bytes[1] })
            }
            _ => Err(FramingError::Length(length)),
        }
    }
}
