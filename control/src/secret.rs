//! A configured secret, and IOS's type 7 notation of it (reversible: it only hides from a passing glance).

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

/// The published table that type 7 XORs with.
const TABLE: &[u8; 53] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

/// A secret of 1 to 64 printable characters without blank and `?` (which asks the shell for help); never shown by
/// `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// How secrets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// In clear text.
    Clear,
    /// In type 7 notation.
    Type7,
    /// Not at all: each is the same eight stars.
    Hidden,
    /// Not at all: a name stands in place of each, which reads back as a secret, the same for the same secret as long as this
    /// process runs.
    Pseudonym,
}

/// The text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSecretError {
    /// Not 1 to 64 printable characters.
    #[error("must be 1 to 64 printable characters")]
    Text,
    /// Not type 7.
    #[error("Invalid encrypted password")]
    Type7,
}

impl Secret {
    /// A secret from clear text (type 0).
    ///
    /// # Errors
    /// [`ParseSecretError::Text`].
    pub fn clear(text: &str) -> Result<Self, ParseSecretError> {
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'?') {
            return Err(ParseSecretError::Text);
        }
        Ok(Self(text.to_owned()))
    }

    /// A secret from type 7: two decimal digits (the start in the table, 0 to 52), then two hexadecimal digits a
    /// character, in either case.
    ///
    /// # Errors
    /// [`ParseSecretError::Type7`].
    pub fn type7(text: &str) -> Result<Self, ParseSecretError> {
        let bytes = text.as_bytes();
        if bytes.len() < 4 || !bytes.len().is_multiple_of(2) || !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseSecretError::Type7);
        }
        let start: usize = text[..2].parse().map_err(|_| ParseSecretError::Type7)?;
        if start >= TABLE.len() {
            return Err(ParseSecretError::Type7);
        }
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

    /// As a command writes it, behind its type where it needs one: clear text that could be taken for a type is. The
    /// start of type 7 follows from the length, so that the same secret always prints alike.
    pub fn notation(&self, secrets: Secrets) -> String {
        use fmt::Write as _;
        match secrets {
            Secrets::Clear if matches!(self.0.as_str(), "0" | "7") => return format!("0 {}", self.0),
            Secrets::Clear => return self.0.clone(),
            Secrets::Hidden => return "********".to_owned(),
            Secrets::Pseudonym => return self.pseudonym(),
            Secrets::Type7 => {}
        }
        let start = self.0.len() % 16;
        let mut text = format!("7 {start:02}");
        for (i, byte) in self.0.bytes().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:02X}", byte ^ TABLE[(start + i) % TABLE.len()]);
        }
        text
    }

    /// A hash under a key that this process made up and keeps to itself says which secrets are the same, and nothing else of
    /// them.
    fn pseudonym(&self) -> String {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        format!("secret-{:016x}", KEY.hash_one(&self.0))
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
        for (text, clear) in [
            ("0822455D0A16", "cisco"),
            ("0822455d0a16", "cisco"),
            ("00271C090F520E15", "Cookies"),
            ("0802434102100004", "Cookies"),
            ("153104030F232E37", "Cookies"),
            // 64 characters: the table wraps.
            (
                "1543595F507F7D73706A65231104120607575B5B575108524A450D0D01040A0C045A0955530D01534B5F545A09050B244A4F0B1A\
                 0112145A5E577E7E727F6B6C72",
                "1234567890abcdefabcdef12345678901234567890abcdefabcdef1234567890",
            ),
        ] {
            assert_eq!(Secret::type7(text).unwrap().expose(), clear, "{text}");
        }
        // The last start is 52; one further would only repeat the first.
        assert_eq!(Secret::type7("5206").unwrap().expose(), "1");
        let secret = Secret::clear("Sw1tch!").unwrap();
        let printed = secret.notation(Secrets::Type7);
        assert_eq!(Secret::type7(printed.strip_prefix("7 ").unwrap()).unwrap(), secret);
        assert_eq!(secret.notation(Secrets::Clear), "Sw1tch!");
        assert_eq!(Secret::clear("7").unwrap().notation(Secrets::Clear), "0 7");
        assert_eq!(secret.notation(Secrets::Hidden), "********");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn a_pseudonym_tells_secrets_apart_reads_back_and_does_not_give_them_away() {
        let [one, other] = ["Sw1tch!", "Sw1tch?!"].map(|text| Secret(text.to_owned()));
        let name = one.notation(Secrets::Pseudonym);
        assert_eq!(name, one.clone().notation(Secrets::Pseudonym));
        assert_ne!(name, other.notation(Secrets::Pseudonym));
        assert_eq!(Secret::clear(&name).unwrap().expose(), name);
        assert!(!name.contains("Sw1tch") && !name.contains(&one.notation(Secrets::Type7)[2..]));
    }

    #[test]
    fn every_length_prints_and_reads_in_type_7() {
        for length in 1..=64 {
            let secret = Secret::clear(&"aZ9~!"[..].repeat(13)[..length]).unwrap();
            let printed = secret.notation(Secrets::Type7);
            assert_eq!(Secret::type7(&printed[2..]).unwrap(), secret, "{printed}");
        }
        assert!(Secret::type7(&format!("00{}", "00".repeat(65))).is_err());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", "a b", "é", "why?", &"x".repeat(65)] {
            assert_eq!(Secret::clear(bad), Err(ParseSecretError::Text));
        }
        for bad in ["", "09", "094", "0x4F", "ZZ4F", "09ZZ", "é94F", "092C", "5306", "9906", "+306"] {
            assert_eq!(Secret::type7(bad), Err(ParseSecretError::Type7), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_type_7_secret_or_refused(text in "[0-5][0-9]([0-9a-fA-F]{2}){0,70}|.*") {
            if let Ok(secret) = Secret::type7(&text) {
                proptest::prop_assert_eq!(Secret::clear(secret.expose()), Ok(secret.clone()));
                proptest::prop_assert_eq!(2 * secret.expose().len() + 2, text.len());
            }
        }
    }
}
