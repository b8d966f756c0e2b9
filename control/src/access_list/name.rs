//! What a list is called, and which kind of rules it has.

use std::fmt;

/// Which kind of rules a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Source addresses.
    Standard,
    /// Protocol, both addresses, both ports.
    Extended,
}

impl Kind {
    /// The keyword of the line.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Extended => "extended",
        }
    }

    /// The kind of the lists of that number.
    pub fn of_number(number: u32) -> Option<Self> {
        match number {
            1..=99 | 1300..=1999 => Some(Self::Standard),
            100..=199 | 2000..=2699 => Some(Self::Extended),
            _ => None,
        }
    }
}

/// A number of the kind's ranges, or a name that does not begin with a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Why a text is not the name of a list of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// A number that belongs to no list of that kind.
    #[error("expected {}, or a name", match .0 {
        Kind::Standard => "1 to 99 or 1300 to 1999",
        Kind::Extended => "100 to 199 or 2000 to 2699",
    })]
    Number(Kind),
    /// Begins with a digit and is no number, or is too long.
    #[error("a name begins with a letter and has up to 64 characters")]
    Text,
}

impl Name {
    /// Most characters of a name.
    const MOST: usize = 64;

    /// The name of a list of that kind.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, ParseNameError> {
        match text.parse::<u32>() {
            Ok(number) if Kind::of_number(number) == Some(kind) => Ok(Self(number.to_string())),
            Ok(_) => Err(ParseNameError::Number(kind)),
            Err(_) if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= Self::MOST => {
                Ok(Self(text.to_owned()))
            }
            Err(_) => Err(ParseNameError::Text),
        }
    }

    /// As it was entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Numbers stand before names.
    pub fn place(&self) -> (u32, &str) {
        (self.0.parse().unwrap_or(u32::MAX), &self.0)
    }

    /// A number.
    pub fn is_number(&self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_digit())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_kind_and_names_begin_with_a_letter() {
        let kinds = [Kind::Standard, Kind::Extended];
        let kinds_of = |text| kinds.map(|kind| Name::parse(text, kind).is_ok());
        for text in ["1", "99", "1300", "1999"] {
            assert_eq!(kinds_of(text), [true, false], "{text}");
        }
        for text in ["100", "199", "2000", "2699"] {
            assert_eq!(kinds_of(text), [false, true], "{text}");
        }
        for text in ["0", "200", "1299", "2700", "4294967296", "1a", "-", ""] {
            assert_eq!(kinds_of(text), [false; 2], "{text}");
        }
        assert_eq!(kinds_of("ROAMERS"), [true; 2]);
        assert_eq!(Name::parse("007", Kind::Standard).unwrap().as_str(), "7");
        assert!(Name::parse("7", Kind::Standard).unwrap().is_number());
        assert_eq!(
            Name::parse("150", Kind::Standard).unwrap_err().to_string(),
            "expected 1 to 99 or 1300 to 1999, or a name"
        );
    }
}
