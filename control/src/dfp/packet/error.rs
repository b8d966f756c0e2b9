//! Why a message is not taken, and what follows from that.

use super::MessageType;
use crate::dfp::counter::Counter;

/// The stream cannot be followed any longer: after this no message boundary can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Not version 1; such as TLS, HTTP or SSH on the port.
    #[error("version {0}")]
    Version(u8),
    /// Message Length below 8 or above the limit of the type.
    #[error("message length {0}")]
    Length(u32),
    /// A message took longer than [`PATIENCE`](crate::dfp::stream::PATIENCE) to arrive.
    #[error("message incomplete after 10 seconds")]
    Slow,
    #[error("connection ended inside a message")]
    Truncated,
}

impl FramingError {
    /// Where it is counted.
    pub fn counter(self) -> Counter {
        match self {
            Self::Version(_) => Counter::BadVersion,
            Self::Length(_) | Self::Truncated => Counter::BadLength,
            Self::Slow => Counter::SlowClose,
        }
    }
}

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
    #[error("{0} security information")]
    Security(#[from] SecurityError),
    #[error("unknown message type {0}")]
    UnknownType(MessageType),
    /// A message that this end sends and never takes.
    #[error("wrong direction: {0}")]
    WrongDirection(MessageType),
    /// Nobody has asked for it.
    #[error("unsolicited BindID Report")]
    Unsolicited,
    /// Too few for a TLV: 1 to 3.
    #[error("{left} bytes after the last TLV")]
    TlvHeader { left: usize },
    /// A TLV Length below 4, or beyond the end of the message.
    #[error("TLV length {length}")]
    TlvLength { tlv: u16, length: u16 },
    /// A TLV of another size, bytes, than its contents make.
    #[error("{tlv} TLV length {length}")]
    TlvSize { tlv: &'static str, length: usize },
    /// In one message.
    #[error("more than 128 hosts")]
    TooManyHosts,
    /// In a message that the first one secures.
    #[error("second Security TLV")]
    SecondSecurity,
}

impl DecodeError {
    /// What to do about it.
    pub fn class(self) -> Class {
        match self {
            Self::Frame => Class::Framing,
            Self::Security(_) => Class::Security,
            Self::UnknownType(_) | Self::WrongDirection(_) | Self::Unsolicited => Class::Ignore,
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
            Self::Unsolicited => Counter::Unsolicited,
            _ => Counter::Malformed,
        }
    }
}

/// The message cannot be sent as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// In the message, or in the TLV that is too long: see [`reports`](super::reports).
    #[error("{0} hosts in one message, at most 128 fit")]
    Hosts(usize),
    /// More than a TLV has room for: see [`BindTable::answer`](super::BindTable::answer).
    #[error("{0} BindID entries in one message, at most 5459 fit")]
    Entries(usize),
    /// Longer than any peer must read.
    #[error("a message of {0} bytes")]
    Length(usize),
}
