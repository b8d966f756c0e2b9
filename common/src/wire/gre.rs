//! GRE (RFC 2784 with the key and sequence number of RFC 2890): 4 bytes of header, and up to three words behind it.

use super::checksum;

/// Bytes of the header without optional words, as we send it.
pub const LENGTH: usize = 4;

/// The header that we send in front of IPv4: no optional words, version 0, the payload's EtherType.
pub const IPV4_HEADER: [u8; LENGTH] = [0, 0, 0x08, 0x00];

const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
/// Strict source route and the first bit of the recursion control of RFC 1701; they must be 0 (RFC 2784, 2.2).
const MUST_BE_ZERO: u8 = 0x0c;
const VERSION: u8 = 0x07;

/// Bytes of a header in front of IPv4, with its optional words, which are not looked at; `None` if it is another version, has what
/// only RFC 1701 knows, carries something else, or is not whole.
#[inline]
pub fn header_length(bytes: &[u8]) -> Option<usize> {
    let [flags, version, ethertype @ ..] = *bytes.first_chunk::<LENGTH>()?;
    if flags & (ROUTING | MUST_BE_ZERO) != 0 || version & VERSION != 0 || ethertype != [0x08, 0x00] {
        return None;
    }
    let words = (flags & (CHECKSUM | KEY | SEQUENCE)).count_ones() as usize;
    Some(LENGTH + 4 * words).filter(|length| *length <= bytes.len())
}

/// The header has a checksum.
#[inline]
pub fn has_checksum(header: &[u8]) -> bool {
    header.first().is_some_and(|flags| flags & CHECKSUM != 0)
}

/// The packet, header and payload, has no checksum or the right one (RFC 2784, 2.1).
pub fn checksum_ok(packet: &[u8]) -> bool {
    !has_checksum(packet) || checksum::verify(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optional_word_is_stepped_over_and_other_headers_are_none() {
        let length =
            |first: u8, second: u8| header_length(&[&[first, second, 0x08, 0x00][..], &[0; 12]].concat());
        assert_eq!(header_length(&IPV4_HEADER), Some(4));
        for (first, words) in [(0x80, 1), (0x20, 1), (0x10, 1), (0xa0, 2), (0xb0, 3)] {
            assert_eq!(length(first, 0), Some(4 + 4 * words), "{first:02x}");
        }
        assert_eq!(length(0x40, 0), None, "source routes");
        assert_eq!([length(0x08, 0), length(0x04, 0)], [None; 2], "strict source route, recursion");
        assert_eq!(length(0x03, 0xf8), Some(4), "bits that a receiver ignores");
        assert_eq!(length(0, 1), None, "PPTP");
        assert_eq!(header_length(&[0, 0, 0x86, 0xdd]), None, "IPv6");
        assert_eq!(header_length(&[0x20, 0, 0x08, 0x00, 0, 0, 0]), None, "a key that is not whole");
        assert_eq!(header_length(&[0, 0, 8]), None);
    }

    #[test]
    fn a_checksum_counts_if_there_is_one() {
        let packet = |sum: [u8; 2]| [&[0x80, 0, 0x08, 0, sum[0], sum[1], 0, 0, 0x45, 0, 0][..]].concat();
        // 0x8000 + 0x0800 + 0x4500 + 0x0000
        assert!(checksum_ok(&packet((!0xcd00_u16).to_be_bytes())));
        assert!(!checksum_ok(&packet([0x12, 0x34])));
        assert!(checksum_ok(&[0, 0, 0x08, 0, 0x12, 0x34, 0, 0]));
        assert!(checksum_ok(&[]));
    }
}
