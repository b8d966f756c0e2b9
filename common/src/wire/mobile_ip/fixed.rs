//! The fixed parts of requests and replies, and the extensions that a home agent copies, without allocation.

use std::net::Ipv4Addr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U64},
};

use super::{
    code::{Code, Flags},
    extension::{CHALLENGE, short},
    message::{DecodeError, EncodeError, RRP, RRP_FIXED},
    shape::NAI,
    walk::{RRQ, RRQ_FIXED},
};

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RequestHead {
    kind: u8,
    flags: u8,
    lifetime: U16,
    home_address: [u8; 4],
    home_agent: [u8; 4],
    care_of: [u8; 4],
    identification: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ReplyHead {
    kind: u8,
    code: u8,
    lifetime: U16,
    home_address: [u8; 4],
    home_agent: [u8; 4],
    identification: U64,
}

const _: () = assert!(size_of::<RequestHead>() == RRQ_FIXED && size_of::<ReplyHead>() == RRP_FIXED);

fn read<H: FromBytes + KnownLayout + Immutable + Unaligned>(
    kind: u8,
    message: &[u8],
) -> Result<&H, DecodeError> {
    match message.first() {
        Some(&got) if got != kind => return Err(DecodeError::Kind { kind: got }),
        _ => {}
    }
    let short = DecodeError::Short { need: size_of::<H>(), got: message.len() };
    let (head, _) = H::ref_from_prefix(message).map_err(|_| short)?;
    Ok(head)
}

/// The first 24 bytes of a registration request (RFC 5944, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFixed {
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
}

impl RequestFixed {
    /// Reads it from the front of a UDP payload.
    ///
    /// # Errors
    /// [`DecodeError::Kind`] and [`DecodeError::Short`].
    pub fn read(message: &[u8]) -> Result<Self, DecodeError> {
        let head = read::<RequestHead>(RRQ, message)?;
        Ok(Self {
            flags: Flags(head.flags),
            lifetime: head.lifetime.get(),
            home_address: head.home_address.into(),
            home_agent: head.home_agent.into(),
            care_of: head.care_of.into(),
            identification: head.identification.get(),
        })
    }

    /// Appends it.
    pub fn append(&self, out: &mut Vec<u8>) {
        let head = RequestHead {
            kind: RRQ,
            flags: self.flags.0,
            lifetime: self.lifetime.into(),
            home_address: self.home_address.octets(),
            home_agent: self.home_agent.octets(),
            care_of: self.care_of.octets(),
            identification: self.identification.into(),
        };
        out.extend_from_slice(head.as_bytes());
    }
}

/// The first 20 bytes of a registration reply (RFC 5944, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyFixed {
    /// Accepted, or why not.
    pub code: Code,
    /// Seconds granted; without meaning when denied.
    pub lifetime: u16,
    /// The node's.
    pub home_address: Ipv4Addr,
    /// Who answers.
    pub home_agent: Ipv4Addr,
    /// That of the request, or with the home agent's clock in its upper half.
    pub identification: u64,
}

impl ReplyFixed {
    /// Reads it from the front of a UDP payload.
    ///
    /// # Errors
    /// [`DecodeError::Kind`] and [`DecodeError::Short`].
    pub fn read(message: &[u8]) -> Result<Self, DecodeError> {
        let head = read::<ReplyHead>(RRP, message)?;
        Ok(Self {
            code: Code(head.code),
            lifetime: head.lifetime.get(),
            home_address: head.home_address.into(),
            home_agent: head.home_agent.into(),
            identification: head.identification.get(),
        })
    }

    /// Appends it.
    pub fn append(&self, out: &mut Vec<u8>) {
        let head = ReplyHead {
            kind: RRP,
            code: self.code.0,
            lifetime: self.lifetime.into(),
            home_address: self.home_address.octets(),
            home_agent: self.home_agent.octets(),
            identification: self.identification.into(),
        };
        out.extend_from_slice(head.as_bytes());
    }
}

/// Appends a NAI extension (131).
///
/// # Errors
/// [`EncodeError::TooLong`] over 255 bytes.
pub fn append_nai(out: &mut Vec<u8>, nai: &[u8]) -> Result<(), EncodeError> {
    append(out, NAI, nai)
}

/// Appends a challenge (132).
///
/// # Errors
/// [`EncodeError::TooLong`] over 255 bytes.
pub fn append_challenge(out: &mut Vec<u8>, challenge: &[u8]) -> Result<(), EncodeError> {
    append(out, CHALLENGE, challenge)
}

fn append(out: &mut Vec<u8>, kind: u8, data: &[u8]) -> Result<(), EncodeError> {
    let start = out.len();
    let done = short(out, kind, &[data]);
    if done.is_err() {
        out.truncate(start);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mobile_ip::{Extension, Reply, Request};

    #[test]
    fn a_request_reads_as_the_codec_reads_it() {
        let bytes: Vec<u8> = [1, 0x82].into_iter().chain(3..=24).collect();
        let (ours, codec) = (RequestFixed::read(&bytes).unwrap(), Request::decode(&bytes).unwrap());
        assert_eq!(
            (
                ours.flags,
                ours.lifetime,
                ours.home_address,
                ours.home_agent,
                ours.care_of,
                ours.identification
            ),
            (
                codec.flags,
                codec.lifetime,
                codec.home_address,
                codec.home_agent,
                codec.care_of,
                codec.identification
            )
        );
        assert_eq!(RequestFixed::read(&bytes[..23]), Err(DecodeError::Short { need: 24, got: 23 }));
        assert_eq!(RequestFixed::read(&[]), Err(DecodeError::Short { need: 24, got: 0 }));
        assert_eq!(RequestFixed::read(&[3; 30]), Err(DecodeError::Kind { kind: 3 }));
    }

    #[test]
    fn a_reply_is_written_as_the_codec_writes_it() {
        let reply = Reply {
            code: Code::NO_RESOURCES,
            lifetime: 1800,
            home_address: Ipv4Addr::new(10, 9, 0, 1),
            home_agent: Ipv4Addr::new(10, 1, 1, 51),
            identification: 0x0102_0304_0506_0708,
            extensions: vec![Extension::Nai(b"a@b".to_vec()), Extension::Challenge(vec![7; 9])],
        };
        let mut bytes = Vec::new();
        let Reply { code, lifetime, home_address, home_agent, identification, .. } = reply;
        ReplyFixed { code, lifetime, home_address, home_agent, identification }.append(&mut bytes);
        append_nai(&mut bytes, b"a@b").unwrap();
        append_challenge(&mut bytes, &[7; 9]).unwrap();
        assert_eq!(bytes, reply.encode().unwrap());
        let length = bytes.len();
        assert_eq!(append_nai(&mut bytes, &[1; 256]), Err(EncodeError::TooLong { kind: 131, length: 256 }));
        assert_eq!(bytes.len(), length);
    }
}
