//! The balancer's reading of a registration request: far enough to know who asks, and no further.
//!
//! It authenticates nothing and judges nothing that the home agent can judge; it drops only what it cannot walk.

use std::net::Ipv4Addr;

use super::shape::{DYNAMIC_HA, NAI, PAD, Shape, is_long_dynamic_ha, shape};
use crate::verdict::Verdict;

/// Bytes of an RRQ before its extensions (RFC 5944, section 3.3).
pub const RRQ_FIXED: usize = 24;

/// Message type of a registration request.
pub const RRQ: u8 = 1;

/// What the balancer reads of an RRQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rrq<'a> {
    /// S B D M G r T x, bit 7 first.
    pub flags: u8,
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
    /// Mobile node NAI, 1 to 255 bytes as received (RFC 2794).
    pub nai: Option<&'a [u8]>,
    /// Extensions below type 128 that this walk does not know; the home agent discards such a request.
    pub unknown_nonskippable: u16,
}

/// By what a session is known (`mobile-ip` section 7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKey<'a> {
    /// The NAI, byte for byte.
    Nai(&'a [u8]),
    /// The home address of a node that sent no NAI.
    HomeAddress([u8; 4]),
}

impl<'a> Rrq<'a> {
    /// The session key; `None`: nothing tells this node from another.
    pub fn key(&self) -> Option<NodeKey<'a>> {
        match self.nai {
            Some(nai) => Some(NodeKey::Nai(nai)),
            None if self.home_address.is_unspecified() => None,
            None => Some(NodeKey::HomeAddress(self.home_address.octets())),
        }
    }
}

/// Why a payload cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Empty, or an RRQ of under [`RRQ_FIXED`] bytes.
    #[error("too short")]
    TooShort,
    /// Another Mobile IP message.
    #[error("not a registration request")]
    NotRrq,
    /// An extension's header is incomplete.
    #[error("extension header truncated")]
    ExtTruncated,
    /// An extension's data runs past the payload.
    #[error("extension overruns the payload")]
    ExtOverrun,
    /// A NAI of length 0.
    #[error("empty NAI")]
    NaiEmpty,
    /// Two NAIs that differ.
    #[error("two different NAIs")]
    NaiDuplicate,
}

impl From<WalkError> for Verdict {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::TooShort => Self::TOO_SHORT,
            WalkError::NotRrq => Self::NOT_RRQ,
            WalkError::ExtTruncated => Self::EXT_TRUNCATED,
            WalkError::ExtOverrun => Self::EXT_OVERRUN,
            WalkError::NaiEmpty => Self::NAI_EMPTY,
            WalkError::NaiDuplicate => Self::NAI_DUPLICATE,
        }
    }
}

/// Reads a UDP payload sent to a virtual server's port 434: at most `payload.len() - 24` steps, no allocation.
#[inline]
pub fn walk(payload: &[u8]) -> Result<Rrq<'_>, WalkError> {
    match payload.first() {
        None => return Err(WalkError::TooShort),
        Some(&kind) if kind != RRQ => return Err(WalkError::NotRrq),
        Some(_) => {}
    }
    let Some((fixed, mut rest)) = payload.split_first_chunk::<RRQ_FIXED>() else {
        return Err(WalkError::TooShort);
    };
    let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let mut rrq = Rrq {
        flags: fixed[1],
        lifetime: u16::from_be_bytes([fixed[2], fixed[3]]),
        home_address: Ipv4Addr::from_bits(word(4)),
        home_agent: Ipv4Addr::from_bits(word(8)),
        care_of: Ipv4Addr::from_bits(word(12)),
        identification: u64::from(word(16)) << 32 | u64::from(word(20)),
        nai: None,
        unknown_nonskippable: 0,
    };
    // Behind an unknown type below 128, which may have had the long shape, an overrun only ends the walk.
    let mut opaque = false;
    while let Some((&kind, after)) = rest.split_first() {
        if kind == PAD {
            rest = after;
            continue;
        }
        let Some((header, length)) = measure(rest, kind, &mut rrq, &mut opaque) else {
            return if opaque { Ok(rrq) } else { Err(WalkError::ExtTruncated) };
        };
        let Some(data) = rest.get(header..header + length) else {
            return if opaque { Ok(rrq) } else { Err(WalkError::ExtOverrun) };
        };
        if kind == NAI {
            match rrq.nai {
                _ if data.is_empty() => return Err(WalkError::NaiEmpty),
                Some(first) if first != data => return Err(WalkError::NaiDuplicate),
                _ => rrq.nai = Some(data),
            }
        }
        rest = &rest[header + length..];
    }
    Ok(rrq)
}

/// Bytes of an extension's header and of its data; `None` if the header is incomplete.
#[inline]
fn measure(rest: &[u8], kind: u8, rrq: &mut Rrq<'_>, opaque: &mut bool) -> Option<(usize, usize)> {
    // RFC 4433 gave the skippable type 139 the long shape; the common short reading derails on it.
    if kind == DYNAMIC_HA && is_long_dynamic_ha(rest) {
        return Some((4, 4));
    }
    let short = |rest: &[u8]| Some((2, usize::from(*rest.get(1)?)));
    match shape(kind) {
        Shape::Short => short(rest),
        Shape::Long => Some((4, usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?])))),
        Shape::Unknown => {
            rrq.unknown_nonskippable = rrq.unknown_nonskippable.saturating_add(1);
            *opaque = true;
            short(rest)
        }
    }
}
