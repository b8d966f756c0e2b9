//! Who registers.

use std::{fmt, net::Ipv4Addr};

/// A mobile node: by its NAI, or by its home address if it sends none. The two are separate name spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity<'a> {
    /// 1 to 255 bytes as received, compared byte for byte (RFC 2794).
    Nai(&'a [u8]),
    /// The home address.
    Address(Ipv4Addr),
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nai(nai) => Printable(nai).fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Bytes of a stranger for one word of a line: what is no visible ASCII character, and the backslash, is `\xNN`. So they
/// end no line, part no columns and cannot be taken for other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for &byte in self.0 {
            match byte {
                b'!'..=b'~' if byte != b'\\' => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// The realm of a NAI from its last `@` on, and the user before it; `None` without an `@`.
pub(super) fn split_realm(nai: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = nai.iter().rposition(|byte| *byte == b'@')?;
    Some(nai.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_are_one_printable_word() {
        let shown = |nai| Identity::Nai(nai).to_string();
        assert_eq!(shown(b"user1@ispxyz.com"), "user1@ispxyz.com");
        assert_eq!(shown(b"a b\n%LINK\t\x00\x7f\xff\\"), "a\\x20b\\x0A%LINK\\x09\\x00\\x7F\\xFF\\x5C");
        assert_eq!(Identity::Address(Ipv4Addr::new(10, 9, 0, 7)).to_string(), "10.9.0.7");
    }

    #[test]
    fn the_realm_begins_at_the_last_at() {
        assert_eq!(split_realm(b"a@b@c"), Some((&b"a@b"[..], &b"@c"[..])));
        assert_eq!(split_realm(b"@c"), Some((&b""[..], &b"@c"[..])));
        assert_eq!(split_realm(b"abc"), None);
    }
}
