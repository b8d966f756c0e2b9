//! NAIs of a population: a pattern with the node's number in it.

use std::{io::Write, str::FromStr};

/// `mwts-mip-np-user{n}@ispxyz.com`, or `{n:08}` for a number of eight digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NaiPattern {
    before: String,
    after: String,
    digits: usize,
}

/// The text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NaiPatternError {
    /// No place for the number.
    #[error("expected one {{n}} or {{n:0WIDTH}} in the NAI")]
    Placeholder,
    /// Longer than an extension can hold.
    #[error("a NAI has at most 255 bytes")]
    Length,
}

const MOST_DIGITS: usize = 10;
const LONGEST: usize = 255;

impl FromStr for NaiPattern {
    type Err = NaiPatternError;

    fn from_str(text: &str) -> Result<Self, NaiPatternError> {
        let (before, rest) = text.split_once("{n").ok_or(NaiPatternError::Placeholder)?;
        let (width, after) = rest.split_once('}').ok_or(NaiPatternError::Placeholder)?;
        let digits = match width.strip_prefix(":0") {
            None if width.is_empty() => 1,
            None => return Err(NaiPatternError::Placeholder),
            Some(width) => width.parse().map_err(|_| NaiPatternError::Placeholder)?,
        };
        if !(1..=MOST_DIGITS).contains(&digits) || after.contains(['{', '}']) || before.contains('}') {
            return Err(NaiPatternError::Placeholder);
        }
        if before.len() + after.len() + MOST_DIGITS > LONGEST {
            return Err(NaiPatternError::Length);
        }
        Ok(Self { before: before.into(), after: after.into(), digits })
    }
}

impl NaiPattern {
    /// Appends the NAI of node `number`.
    pub fn write(&self, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        write!(out, "{number:0digits$}", digits = self.digits).expect("a Vec takes everything");
        out.extend_from_slice(self.after.as_bytes());
    }

    /// The NAI of node `number`.
    pub fn nai(&self, number: u32) -> String {
        format!("{}{number:0digits$}{}", self.before, self.after, digits = self.digits)
    }

    /// Bytes of the NAI of node `number`.
    pub fn length(&self, number: u32) -> usize {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        self.before.len() + self.after.len() + digits.max(self.digits)
    }

    /// Whose NAI it is.
    pub fn number(&self, nai: &[u8]) -> Option<u32> {
        let digits = nai.strip_prefix(self.before.as_bytes())?.strip_suffix(self.after.as_bytes())?;
        let number: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (digits[0] != b'+' && self.length(number) == nai.len()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_a_nai_and_back() {
        let plain: NaiPattern = "mwts-mip-np-user{n}@ispxyz.com".parse().unwrap();
        let wide: NaiPattern = "user{n:08}@r".parse().unwrap();
        assert_eq!(plain.nai(1), "mwts-mip-np-user1@ispxyz.com");
        assert_eq!(wide.nai(42), "user00000042@r");
        for pattern in [plain, wide] {
            for number in [0, 1, 9, 10, 99_999_999, 100_000_000, u32::MAX] {
                let nai = pattern.nai(number);
                let mut bytes = Vec::new();
                pattern.write(number, &mut bytes);
                assert_eq!((bytes.as_slice(), bytes.len()), (nai.as_bytes(), pattern.length(number)));
                assert_eq!(pattern.number(&bytes), Some(number));
            }
            for other in
                ["", "mwts-mip-np-user@ispxyz.com", "mwts-mip-np-user+1@ispxyz.com", "user1@r", "userx@r"]
            {
                assert_eq!(pattern.number(other.as_bytes()), None, "{other}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "user", "user{n", "user{n:8}", "user{n:0}", "user{n:011}", "user{n}{n}", "u{x}{n}"] {
            assert_eq!(bad.parse::<NaiPattern>(), Err(NaiPatternError::Placeholder), "{bad}");
        }
        assert_eq!(format!("{}{{n}}", "u".repeat(250)).parse::<NaiPattern>(), Err(NaiPatternError::Length));
    }
}
