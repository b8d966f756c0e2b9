//! Registration requests and replies with their extensions (RFC 5944, sections 3.3 and 3.4).
//!
//! ```text
//! request: 1 | SBDMGrTx | lifetime (2) | home address (4) | home agent (4) | care-of (4) | identification (8) | ...
//! reply:   3 | code     | lifetime (2) | home address (4) | home agent (4) | identification (8) | ...
//! ```
//!
//! Decoding judges form only: what a message means, and whether it is authentic, is for its reader to say.

use std::net::Ipv4Addr;

use super::{
    code::{Code, Flags},
    extension::Extension,
    fixed::{ReplyFixed, RequestFixed},
    shape::Extensions,
    walk::{RRQ, RRQ_FIXED},
};

/// Message type of a registration reply.
pub const RRP: u8 = 3;
/// Bytes of a reply before its extensions.
pub const RRP_FIXED: usize = 20;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the fixed part.
    #[error("{got} bytes, {need} needed")]
    Short {
        /// Bytes of the fixed part.
        need: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// Neither a request nor a reply.
    #[error("message type {kind}")]
    Kind {
        /// First byte of the message.
        kind: u8,
    },
    /// An extension's header is incomplete.
    #[error("extension {kind}: header truncated")]
    ExtTruncated {
        /// Extension type.
        kind: u8,
    },
    /// An extension's data runs past the message.
    #[error("extension {kind}: data runs past the message")]
    ExtOverrun {
        /// Extension type.
        kind: u8,
    },
    /// An unknown type below 128: the whole message is to be discarded in silence (RFC 5944, section 1.8).
    #[error("extension {kind} is unknown and may not be skipped")]
    UnknownNonSkippable {
        /// Extension type.
        kind: u8,
    },
    /// An authenticator without room for its SPI.
    #[error("extension {kind}: too short for an SPI")]
    AuthTooShort {
        /// Extension type.
        kind: u8,
    },
}

/// Why a message has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More data than the length field can say.
    #[error("extension {kind}: {length} bytes are too many")]
    TooLong {
        /// Extension type.
        kind: u8,
        /// Bytes of its data.
        length: usize,
    },
    /// The type has another shape, or a layout of its own.
    #[error("extension {kind} is not written this way")]
    Shape {
        /// Extension type.
        kind: u8,
    },
}

/// A registration request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// S B D M G r T x.
    pub flags: Flags,
    /// Seconds; 0 deregisters, 0xFFFF is infinite.
    pub lifetime: u16,
    /// 0.0.0.0: please assign.
    pub home_address: Ipv4Addr,
    /// 0.0.0.0 or 255.255.255.255: any.
    pub home_agent: Ipv4Addr,
    /// Where the tunnel ends.
    pub care_of: Ipv4Addr,
    /// Timestamp or nonce.
    pub identification: u64,
    /// In the order of the message.
    pub extensions: Vec<Extension>,
}

/// A registration reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Accepted, or why not.
    pub code: Code,
    /// Seconds granted; without meaning when denied.
    pub lifetime: u16,
    /// The node's.
    pub home_address: Ipv4Addr,
    /// Who answers.
    pub home_agent: Ipv4Addr,
    /// That of the request; the upper half is the home agent's clock if that was the reason for a denial.
    pub identification: u64,
    /// In the order of the message.
    pub extensions: Vec<Extension>,
}

/// A registration request or reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Type 1.
    Request(Request),
    /// Type 3.
    Reply(Reply),
}

fn extensions(message: &[u8], from: usize) -> Result<Vec<Extension>, DecodeError> {
    Extensions::new(message, from).map(|located| Extension::decode(&located?)).collect()
}

fn encode(fixed: impl FnOnce(&mut Vec<u8>), extensions: &[Extension]) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    fixed(&mut out);
    for extension in extensions {
        extension.encode(&mut out)?;
    }
    Ok(out)
}

fn nai(extensions: &[Extension]) -> Option<&[u8]> {
    extensions.iter().find_map(|extension| match extension {
        Extension::Nai(nai) if !nai.is_empty() => Some(nai.as_slice()),
        _ => None,
    })
}

impl Request {
    /// Reads a UDP payload.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let RequestFixed { flags, lifetime, home_address, home_agent, care_of, identification } =
            RequestFixed::read(message)?;
        let extensions = extensions(message, RRQ_FIXED)?;
        Ok(Self { flags, lifetime, home_address, home_agent, care_of, identification, extensions })
    }

    /// Writes a UDP payload, authenticators as they are; [`super::auth::Association::sign`] appends one.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let Self { flags, lifetime, home_address, home_agent, care_of, identification, .. } = *self;
        let fixed = RequestFixed { flags, lifetime, home_address, home_agent, care_of, identification };
        encode(|out| fixed.append(out), &self.extensions)
    }

    /// The first NAI that is not empty.
    pub fn nai(&self) -> Option<&[u8]> {
        nai(&self.extensions)
    }
}

impl Reply {
    /// Reads a UDP payload.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let ReplyFixed { code, lifetime, home_address, home_agent, identification } =
            ReplyFixed::read(message)?;
        let extensions = extensions(message, RRP_FIXED)?;
        Ok(Self { code, lifetime, home_address, home_agent, identification, extensions })
    }

    /// Writes a UDP payload, authenticators as they are.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let Self { code, lifetime, home_address, home_agent, identification, .. } = *self;
        let fixed = ReplyFixed { code, lifetime, home_address, home_agent, identification };
        encode(|out| fixed.append(out), &self.extensions)
    }

    /// The first NAI that is not empty.
    pub fn nai(&self) -> Option<&[u8]> {
        nai(&self.extensions)
    }
}

impl Message {
    /// Reads a UDP payload.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        match message.first() {
            None => Err(DecodeError::Short { need: RRP_FIXED, got: 0 }),
            Some(&RRQ) => Request::decode(message).map(Self::Request),
            Some(&RRP) => Reply::decode(message).map(Self::Reply),
            Some(&kind) => Err(DecodeError::Kind { kind }),
        }
    }

    /// Writes a UDP payload.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Request(request) => request.encode(),
            Self::Reply(reply) => reply.encode(),
        }
    }
}
