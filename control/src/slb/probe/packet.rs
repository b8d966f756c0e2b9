//! The bytes of tries and their answers. What is received is from outside: every reader here is total.

use std::{net::Ipv4Addr, time::SystemTime};

use common::wire::{
    icmp::{self, Icmp},
    ipv4,
    mobile_ip::{EncodeError, Extension, Flags, RRP, RRP_FIXED, Request, timestamp},
};
use zerocopy::IntoBytes;

use crate::slb::config::Bytes;

/// Payload of an echo request, in bytes: the nonce, then zeros, as many as `ping` sends.
const ECHO_PAYLOAD: usize = 56;

/// An echo request with our identifier.
pub(super) fn echo(identifier: u16, nonce: u32) -> Vec<u8> {
    let mut payload = [0; ECHO_PAYLOAD];
    payload[..4].copy_from_slice(&nonce.to_be_bytes());
    let [high, low] = identifier.to_be_bytes();
    let header = Icmp::new(icmp::ECHO_REQUEST, 0, [high, low, 0, 0], &payload);
    [header.as_bytes(), &payload].concat()
}

/// The nonce of an echo reply to us, as a raw socket receives it, IPv4 header first.
pub(super) fn echo_reply(packet: &[u8], identifier: u16) -> Option<u32> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    let message = icmp::parse(packet.get(length.max(ipv4::LENGTH)..)?).ok()?;
    let ours = message.header.rest[..2] == identifier.to_be_bytes();
    let nonce = message.payload.first_chunk()?;
    (ours && message.header.kind == icmp::ECHO_REPLY).then(|| u32::from_be_bytes(*nonce))
}

/// A registration request: of the node `nai`, without a home address, by us as the foreign agent. Its lifetime is the
/// shortest that is one: should it be accepted, it binds nothing for longer.
pub(super) fn registration(
    nonce: u32,
    nai: &[u8],
    home_agent: Ipv4Addr,
    care_of: Ipv4Addr,
    wall: SystemTime,
) -> Result<Vec<u8>, EncodeError> {
    Request {
        flags: Flags::default(),
        lifetime: 1,
        home_address: Ipv4Addr::UNSPECIFIED,
        home_agent,
        care_of,
        identification: timestamp(wall) & !u64::from(u32::MAX) | u64::from(nonce),
        extensions: vec![Extension::Nai(nai.to_vec())],
    }
    .encode()
}

/// The nonce of a registration reply, whatever its code says: the lower half of its identification, which a home agent
/// takes from the request (RFC 5944, section 3.4).
pub(super) fn registration_reply(payload: &[u8]) -> Option<u32> {
    let fixed: &[u8; RRP_FIXED] = payload.first_chunk()?;
    let nonce = fixed.last_chunk()?;
    (fixed[0] == RRP).then(|| u32::from_be_bytes(*nonce))
}

/// True if all of `responses` are in `payload`.
pub(super) fn meets(payload: &[u8], responses: &[Bytes]) -> bool {
    responses.iter().all(|Bytes { offset, bytes }| {
        payload.get(usize::from(*offset)..).is_some_and(|rest| rest.starts_with(bytes))
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use common::wire::mobile_ip::{Code, Reply, walk};

    use super::*;

    #[test]
    fn an_echo_reply_is_known_by_identifier_and_nonce() {
        let mut message = echo(0x1234, 0xdead_beef);
        // By hand: 8, 0, checksum, identifier, sequence number, nonce.
        assert_eq!(
            (&message[..2], &message[4..12]),
            (&[8, 0][..], &[0x12, 0x34, 0, 0, 0xde, 0xad, 0xbe, 0xef][..])
        );
        assert_eq!(message.len(), 64);
        assert!(common::wire::checksum::verify(&message));
        let mut packet = [vec![0x46, 0, 0, 0], vec![0; 20], message.clone()].concat();
        assert_eq!(echo_reply(&packet, 0x1234), None, "a request is no reply");
        packet[24] = 0;
        assert_eq!(echo_reply(&packet, 0x1234), Some(0xdead_beef));
        assert_eq!(echo_reply(&packet, 0x1235), None);
        message.truncate(11);
        let short = [vec![0x45; 20], message].concat();
        for cut in 0..short.len() {
            assert_eq!(echo_reply(&short[..cut], 0x1234), None);
        }
    }

    #[test]
    fn a_registration_request_is_one_and_any_reply_with_its_nonce_answers() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let (agent, care_of) = (Ipv4Addr::new(10, 1, 1, 51), Ipv4Addr::new(10, 1, 1, 1));
        let message = registration(0x0102_0304, b"probe@homeward", agent, care_of, wall).unwrap();
        // RFC 5944, section 3.3 and RFC 2794, by hand; 1 000 000 000 s after 1970 are 0xBF454880 of NTP.
        let head =
            [1, 0, 0, 1, 0, 0, 0, 0, 10, 1, 1, 51, 10, 1, 1, 1, 0xbf, 0x45, 0x48, 0x80, 1, 2, 3, 4, 131, 14];
        assert_eq!(message, [&head[..], b"probe@homeward"].concat());
        assert!(walk(&message).is_ok());
        let reply = Reply {
            code: Code(131),
            lifetime: 0,
            home_address: Ipv4Addr::UNSPECIFIED,
            home_agent: agent,
            identification: 0x7777_7777_0102_0304,
            extensions: Vec::new(),
        };
        let reply = reply.encode().unwrap();
        assert_eq!(registration_reply(&reply), Some(0x0102_0304));
        assert_eq!(registration_reply(&reply[..19]), None);
        assert_eq!(registration_reply(&message), None, "a request is no reply");
    }

    #[test]
    fn every_clause_must_be_met() {
        let clause = |offset, bytes: &[u8]| Bytes { offset, bytes: bytes.to_vec() };
        assert!(meets(b"", &[]));
        assert!(meets(b"abcdef", &[clause(0, b"ab"), clause(4, b"ef")]));
        assert!(!meets(b"abcdef", &[clause(0, b"ab"), clause(5, b"ef")]));
        assert!(!meets(b"ab", &[clause(9, b"x")]));
    }
}
