//! A configured secret, and IOS's type 7 notation of it (reversible: it only hides from a passing glance).

use std::fmt;

use crate::command::{Args, ConfigError, need};

/// The published table that type 7 XORs with.
const TABLE: &[u8; 53] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

/// A secret of 1 to 64 printable characters without blank and `?` (which asks the shell for help); never shown by
/// `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

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

    /// What a command of the pattern `[0|7] <secret:word>` was given. The type is a type only if another word follows:
    /// `password 7` sets the secret `7`.
    ///
    /// # Errors
    /// The operator's line, which begins with `whose` (`DFP password`) and does not repeat the secret.
    pub fn from_args(args: &Args, whose: &str) -> Result<Self, ConfigError> {
        let text = need(args.text("secret"))?;
        let secret = if args.has("7") { Self::type7(text) } else { Self::clear(text) };
        secret.map_err(|error| match error {
            ParseSecretError::Text => ConfigError::machine(format!("{whose} {error}")),
            ParseSecretError::Type7 => ConfigError::machine(error.to_string()),
        })
    }

    /// The clear text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As a command writes it: `7 ...` if `hide`, else the clear text, behind its
    /// type only where it could be taken for one. The start follows from the length, so that the same secret always
    /// prints alike.
    pub fn notation(&self, hide: bool) -> String {
        use fmt::Write as _;
        if !hide {
            let mistakable = matches!(self.0.as_str(), "0" | "7");
            return if mistakable { format!("0 {}", self.0) } else { self.0.clone() };
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

/// A line as it may be repeated to a screen or a log: what follows the word `password`, or an abbreviation of it or
/// a word that begins like it, is starred. Every byte keeps its place, so that offsets still point.
pub fn without_secrets(line: &str) -> String {
    const WORD: &str = "password";
    let is_key = |word: &str| {
        let same = word.bytes().zip(WORD.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
        same == word.len() || same >= "pass".len()
    };
    let mut starred = false;
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(word) = rest.split_whitespace().next() {
        let at = rest.find(word).unwrap_or(0);
        let (blanks, from) = rest.split_at(at);
        out.push_str(blanks);
        if starred {
            out.extend(word.bytes().map(|_| '*'));
        } else {
            out.push_str(word);
            starred = is_key(word);
        }
        rest = &from[word.len()..];
    }
    out.push_str(rest);
    out
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
        let printed = secret.notation(true);
        assert_eq!(Secret::type7(printed.strip_prefix("7 ").unwrap()).unwrap(), secret);
        assert_eq!(secret.notation(false), "Sw1tch!");
        assert_eq!(Secret::clear("7").unwrap().notation(false), "0 7");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn every_length_prints_and_reads_in_type_7() {
        for length in 1..=64 {
            let secret = Secret::clear(&"aZ9~!"[..].repeat(13)[..length]).unwrap();
            let printed = secret.notation(true);
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

    #[test]
    fn a_repeated_line_keeps_its_places_and_loses_its_secret() {
        for (line, shown) in [
            (" password 7 0822455D0A16 ", " password * ************ "),
            ("no ip slb dfp pass  Cookies\t180", "no ip slb dfp pass  *******\t***"),
            ("ip slb dfp p Cookies", "ip slb dfp p *******"),
            ("passwort Köder", "passwort ******"),
            ("port 500 passable x", "port 500 passable *"),
            ("ip slb dfp", "ip slb dfp"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(line), shown);
            assert_eq!(line.len(), shown.len());
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
