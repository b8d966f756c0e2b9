//! The header of a packet in a UDP tunnel, behind the UDP header (RFC 3519, section 3.3).

/// Bytes of the header: type, next header, two reserved.
pub const LENGTH: usize = 4;
/// The message type.
pub const TYPE: u8 = 4;

/// The header in front of a packet of protocol `next`.
pub const fn header(next: u8) -> [u8; LENGTH] {
    [TYPE, next, 0, 0]
}

/// Protocol number of what follows; `None` if it is another message, or not whole. Reserved bytes are not looked at.
#[inline]
pub fn next_header(bytes: &[u8]) -> Option<u8> {
    match *bytes.first_chunk::<LENGTH>()? {
        [TYPE, next, _, _] => Some(next),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_messages_are_none() {
        assert_eq!(header(47), [4, 47, 0, 0]);
        assert_eq!(next_header(&header(4)), Some(4));
        assert_eq!(next_header(&[4, 47, 1, 2, 0x45]), Some(47));
        assert_eq!(next_header(&[1, 4, 0, 0]), None);
        assert_eq!(next_header(&[4, 4, 0]), None);
    }
}
