//! GRE (RFC 2784 with the key and sequence number of RFC 2890): 4 bytes of header, and up to three words behind it.

/// Bytes of the header without optional words, as we send it.
pub const LENGTH: usize = 4;

/// The header that we send in front of IPv4: no optional words, version 0, the payload's EtherType.
pub const IPV4_HEADER: [u8; LENGTH] = [0, 0, 0x08, 0x00];

const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const VERSION: u8 = 0x07;

/// Bytes of a header in front of IPv4, with its optional words, which are not looked at; `None` if it is another version, has source
/// routes (RFC 1701), carries something else, or is not whole.
#[inline]
pub fn header_length(bytes: &[u8]) -> Option<usize> {
    let [flags, version, ethertype @ ..] = *bytes.first_chunk::<LENGTH>()?;
    if flags & ROUTING != 0 || version & VERSION != 0 || ethertype != [0x08, 0x00] {
        return None;
    }
    let words = (flags & (CHECKSUM | KEY | SEQUENCE)).count_ones() as usize;
    Some(LENGTH + 4 * words).filter(|length| *length <= bytes.len())
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
        assert_eq!(length(0, 1), None, "PPTP");
        assert_eq!(header_length(&[0, 0, 0x86, 0xdd]), None, "IPv6");
        assert_eq!(header_length(&[0x20, 0, 0x08, 0x00, 0, 0, 0]), None, "a key that is not whole");
        assert_eq!(header_length(&[0, 0, 8]), None);
    }
}
