//! Names of farms and virtual servers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Serialize;

/// The name of a farm or virtual server: 1 to 15 of `A-Z 0-9 _ . -`, folded to upper case
/// (CISCO-SLB-MIB, SlbServerString and SlbFarmName). A clone shares the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectName(Arc<str>);

/// The text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of 1 to 15 letters, digits, '_', '.' or '-'")]
pub struct ParseNameError;

impl ObjectName {
    /// Most characters.
    pub const MAX: usize = 15;

    /// The name in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(allowed) {
            return Err(ParseNameError);
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_to_upper_case_and_have_a_limit() {
        assert_eq!("mips_lb-1.a".parse::<ObjectName>().unwrap().as_str(), "MIPS_LB-1.A");
        assert!("A".repeat(15).parse::<ObjectName>().is_ok());
        for bad in ["", &"A".repeat(16), "MIPS LB", "é", "a/b"] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad}");
        }
    }
}
