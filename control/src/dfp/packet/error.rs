//! Why a message is not taken, and what follows from that.

use super::MessageType;
use crate::dfp::counter::Counter;

/// What to do about a message that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The next boundary cannot be trusted: close the connection.
    Framing,
    /// The message is bad, its boundary sound: discard it. The tenth within a minute closes the connection.
    Message,
    /// Discard it and think no worse of the peer.
    Ignore,
    /// Discard it. The fifth in a row closes the connection.
    Security,
}

/// The message does not prove that it comes from who knows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// No Security TLV, or not as the first TLV.
    #[error("missing")]
    Missing,
    /// Not MD5, or not of its length.
    #[error("bad algorithm")]
    Algorithm,
    /// No acceptable password makes this digest.
    #[error("mismatch")]
    Mismatch,
}

/// Why a message is discarded; none of it has had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The slice is no frame: not what [`Header::read`](super::Header::read) takes, or not of its length.
    #[error("no frame")]
    Frame,
    /// Not from who knows the password.
    #[error("{0} security information")]
    Security(#[from] SecurityError),
    /// A message type that is not defined.
    #[error("unknown message type {0}")]
    UnknownType(MessageType),
    /// A message that this end sends and never takes.
    #[error("wrong direction: {0}")]
    WrongDirection(MessageType),
    /// Bytes left at the end that are too few for a TLV.
    #[error("{left} bytes after the last TLV")]
    TlvHeader {
        /// Bytes left, 1 to 3.
        left: usize,
    },
    /// A TLV Length below 4, or beyond the end of the message.
    #[error("TLV length {length}")]
    TlvLength {
        /// Type of the TLV.
        tlv: u16,
        /// The Length field.
        length: u16,
    },
    /// A Load TLV of another size than its number of hosts makes.
    #[error("Load TLV length {length}")]
    LoadLength {
        /// Bytes of the TLV.
        length: usize,
    },
    /// A Keep-Alive TLV of another size than 8 bytes.
    #[error("Keep-Alive TLV length {length}")]
    KeepAliveLength {
        /// Bytes of the TLV.
        length: usize,
    },
    /// A BindID Table TLV of another size than its number of entries makes.
    #[error("BindID Table TLV length {length}")]
    BindTableLength {
        /// Bytes of the TLV.
        length: usize,
    },
    /// More than 128 hosts in one message.
    #[error("more than 128 hosts")]
    TooManyHosts,
    /// A second Security TLV in a message that the first one secures.
    #[error("second Security TLV")]
    SecondSecurity,
}

impl DecodeError {
    /// What to do about it.
    pub fn class(self) -> Class {
        match self {
            Self::Frame => Class::Framing,
            Self::Security(_) => Class::Security,
            Self::UnknownType(_) | Self::WrongDirection(_) => Class::Ignore,
            _ => Class::Message,
        }
    }

    /// Where it is counted.
    pub fn counter(self) -> Counter {
        match self {
            Self::Frame => Counter::BadLength,
            Self::Security(SecurityError::Missing) => Counter::SecurityMissing,
            Self::Security(SecurityError::Algorithm) => Counter::SecurityAlgorithm,
            Self::Security(SecurityError::Mismatch) => Counter::SecurityMismatch,
            Self::UnknownType(_) => Counter::UnknownType,
            Self::WrongDirection(_) => Counter::WrongDirection,
            _ => Counter::Malformed,
        }
    }
}

/// The message cannot be sent as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More than 128 hosts: see [`reports`](super::reports).
    #[error("{hosts} hosts in one message, at most 128 fit")]
    TooManyHosts {
        /// Hosts in the message, or in the TLV that is too long.
        hosts: usize,
    },
    /// More BindID entries than a TLV has room for: see [`BindTable::answer`](super::BindTable::answer).
    #[error("{entries} BindID entries in one message, at most 5459 fit")]
    TooManyEntries {
        /// Entries of the table.
        entries: usize,
    },
    /// Longer than any peer must read.
    #[error("a message of {length} bytes")]
    TooLong {
        /// Bytes it would have.
        length: usize,
    },
}
