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

pub(crate) use self::{
    decode::Decoded,
    error::{Class, DecodeError, EncodeError, FramingError, SecurityError},
    header::MessageType,
    load::{Load, MAX_HOSTS, Row, reports},
    table::{BindEntry, BindTable},
};
#[cfg(test)]
pub(crate) use self::{decode::Notes, load::Host};
pub use self::{
    header::{Header, Role},
    load::{Protocol, RowKey},
    table::BindId,
};

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
    /// Agent to manager: the table of one server, or `BindTable::END` after the last.
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

/// TLV types, and what TLVs have in common.
mod tlv {
    use super::be16;

    pub const SECURITY: u16 = 0x0001;
    pub const LOAD: u16 = 0x0002;
    pub const KEEP_ALIVE: u16 = 0x0101;
    pub const BIND_TABLE: u16 = 0x0301;
    /// Bytes of a TLV header.
    pub const HEADER: usize = 4;

    /// The entries behind the first `fixed` bytes of a whole TLV, the last four of which are their number and Reserved.
    /// None: it is not as long as that number makes it.
    pub fn entries<const SIZE: usize>(whole: &[u8], fixed: usize) -> Option<&[[u8; SIZE]]> {
        let (head, rest) = whole.split_at_checked(fixed)?;
        let (entries, left) = rest.as_chunks();
        let count = usize::from(be16(head, fixed - 4));
        (left.is_empty() && entries.len() == count).then_some(entries)
    }

    /// Length and number of entries as their fields have them; none: there is no room for as many.
    pub fn fields(size: usize, count: usize) -> Option<([u8; 2], [u8; 2])> {
        let field = |value| u16::try_from(value).ok().map(u16::to_be_bytes);
        field(size).zip(field(count))
    }
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
