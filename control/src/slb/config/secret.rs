//! A configured secret, and IOS's type 7 notation of it (reversible: it only hides from a passing glance).

use std::fmt;

/// The published table that type 7 XORs with.
const TABLE: &[u8; 53] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

/// A secret of 1 to 64 printable characters; never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSecretError {
    /// Not 1 to 64 printable characters without blanks.
    #[error("expected 1 to 64 printable characters")]
    Text,
    /// Not type 7.
    #[error("expected a password in type 7 notation")]
    Type7,
}

impl Secret {
    /// A secret from clear text (type 0).
    pub fn clear(text: &str) -> Result<Self, ParseSecretError> {
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ParseSecretError::Text);
        }
        Ok(Self(text.to_owned()))
    }

    /// A secret from type 7: two decimal digits (the start in the table), then two hexadecimal digits a character.
    pub fn type7(text: &str) -> Result<Self, ParseSecretError> {
        let bytes = text.as_bytes();
        if bytes.len() < 4 || !bytes.len().is_multiple_of(2) || !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseSecretError::Type7);
        }
        let start: usize = text[..2].parse().map_err(|_| ParseSecretError::Type7)?;
        let clear = (2..bytes.len()).step_by(2).enumerate().map(|(i, at)| {
            let byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| ParseSecretError::Type7)?;
            Ok(char::from(byte ^ TABLE[(start + i) % TABLE.len()]))
        });
        Self::clear(&clear.collect::<Result<String, _>>()?).map_err(|_| ParseSecretError::Type7)
    }

    /// The clear text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `0 SECRET`, or `7 ...` if `hide` (`service password-encryption`); the start follows from the length, so
    /// that the same secret always prints alike.
    pub fn notation(&self, hide: bool) -> String {
        use fmt::Write as _;
        if !hide {
            return format!("0 {}", self.0);
        }
        let start = self.0.len() % 16;
        let mut text = format!("7 {start:02}");
        for (i, byte) in self.0.bytes().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:02X}", byte ^ TABLE[(start + i) % TABLE.len()]);
        }
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_7_reads_what_ios_printed_and_what_we_print() {
        // Widely published pair.
        assert_eq!(Secret::type7("094F471A1A0A").unwrap().expose(), "cisco");
        let secret = Secret::clear("Sw1tch!").unwrap();
        let printed = secret.notation(true);
        assert_eq!(Secret::type7(printed.strip_prefix("7 ").unwrap()).unwrap(), secret);
        assert_eq!(secret.notation(false), "0 Sw1tch!");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", "a b", "é", &"x".repeat(65)] {
            assert_eq!(Secret::clear(bad), Err(ParseSecretError::Text));
        }
        for bad in ["", "09", "094", "0x4F", "ZZ4F", "09ZZ", "é94F", "092C"] {
            assert_eq!(Secret::type7(bad), Err(ParseSecretError::Type7), "{bad}");
        }
    }
}
