//! DFP messages as bytes and as types (draft-eck-dfp-01, sections 4 to 6).
//!
//! A message is an 8-byte header and TLVs; all integers are big-endian.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |  Version = 1  |  Reserved = 0 |         Message Type          |
//! +---------------+---------------+-------------------------------+
//! |              Message Length, header included                  |
//! +-------------------------------+-------------------------------+
//! |           TLV Type            |  TLV Length, these 4 included |
//! +-------------------------------+-------------------------------+
//! ```

mod decode;
mod encode;
mod error;
mod header;
mod load;
mod table;

pub use decode::{Decoded, Notes};
pub use error::{Class, DecodeError, EncodeError, SecurityError};
pub use header::{Header, HeaderError, MessageType, Role};
pub use load::{Host, Load, MAX_HOSTS, Protocol, Row, RowKey, reports};
pub use table::{BindEntry, BindId, BindTable};

/// A message and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Agent to manager: weights. Without Load TLVs it is the hello.
    PreferenceInfo(Vec<Load>),
    /// Manager to agent: servers it has taken out of service (weight 0) or put back.
    ServerState(Vec<Load>),
    /// Manager to agent: what it expects of the connection.
    Parameters {
        /// Seconds within which the manager wants some message; 0: it never times out. None: nothing changes.
        keep_alive: Option<u32>,
    },
    /// Manager to agent: asks for the BindID tables.
    BindIdRequest,
    /// Agent to manager: the table of one server, or [`BindTable::END`] after the last.
    BindIdReport(BindTable),
    /// Agent to manager: the tables have changed.
    BindIdChangeNotify,
}

impl Message {
    /// The message type it goes under.
    pub fn message_type(&self) -> MessageType {
        match self {
            Self::PreferenceInfo(_) => MessageType::PREFERENCE_INFO,
            Self::ServerState(_) => MessageType::SERVER_STATE,
            Self::Parameters { .. } => MessageType::PARAMETERS,
            Self::BindIdRequest => MessageType::BIND_ID_REQUEST,
            Self::BindIdReport(_) => MessageType::BIND_ID_REPORT,
            Self::BindIdChangeNotify => MessageType::BIND_ID_CHANGE_NOTIFY,
        }
    }
}

/// TLV types.
mod tlv {
    pub const SECURITY: u16 = 0x0001;
    pub const LOAD: u16 = 0x0002;
    pub const KEEP_ALIVE: u16 = 0x0101;
    pub const BIND_TABLE: u16 = 0x0301;
    /// Bytes of a TLV header.
    pub const HEADER: usize = 4;
}

/// The two bytes at an offset that the caller has checked.
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The four bytes at an offset that the caller has checked.
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
pub(super) mod tests;
