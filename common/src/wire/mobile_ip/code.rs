//! Reply codes and request flags.

use std::fmt;

/// The code of a registration reply (RFC 5944, section 3.4). Any value may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Code {
            $(#[doc = $text] pub const $name: Self = Self($value);)*

            /// What the code means, for people.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self(2..=63) => "unassigned",
                    Self(64..=127) => "denied by the foreign agent",
                    Self(_) => "denied by the home agent",
                }
            }
        }
    };
}

codes! {
    ACCEPTED = 0, "accepted";
    ACCEPTED_NO_SIMULTANEOUS = 1, "accepted, simultaneous bindings unsupported";
    UNSPECIFIED = 128, "reason unspecified";
    PROHIBITED = 129, "administratively prohibited";
    NO_RESOURCES = 130, "insufficient resources";
    MN_AUTHENTICATION = 131, "mobile node failed authentication";
    FA_AUTHENTICATION = 132, "foreign agent failed authentication";
    IDENTIFICATION = 133, "identification mismatch";
    POORLY_FORMED = 134, "poorly formed request";
    TOO_MANY_BINDINGS = 135, "too many simultaneous bindings";
    UNKNOWN_HOME_AGENT = 136, "unknown home agent address";
    REVERSE_TUNNEL_UNAVAILABLE = 137, "reverse tunnel unavailable";
    REVERSE_TUNNEL_MANDATORY = 138, "reverse tunnel mandatory";
    ENCAPSULATION_UNAVAILABLE = 139, "encapsulation unavailable";
    VENDOR_FROM_MN = 140, "unknown critical vendor extension from the mobile node";
    VENDOR_FROM_FA = 141, "unknown critical vendor extension from the foreign agent";
    UDP_ENCAPSULATION_UNAVAILABLE = 142, "UDP encapsulation unavailable";
    REDIRECTED = 143, "register with the redirected home agent";
    AAA_AUTHENTICATION = 144, "mobile node failed AAA authentication";
}

impl Code {
    /// The mobile node is registered.
    pub fn is_accepted(self) -> bool {
        self <= Self::ACCEPTED_NO_SIMULTANEOUS
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.text())
    }
}

/// The flags of a registration request, S in bit 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// S: keep earlier bindings.
    pub const SIMULTANEOUS: Self = Self(0x80);
    /// B: forward broadcasts.
    pub const BROADCAST: Self = Self(0x40);
    /// D: the mobile node decapsulates, its care-of address is co-located.
    pub const CO_LOCATED: Self = Self(0x20);
    /// M: minimal encapsulation.
    pub const MINIMAL: Self = Self(0x10);
    /// G: GRE.
    pub const GRE: Self = Self(0x08);
    /// T: reverse tunnel (RFC 3024).
    pub const REVERSE_TUNNEL: Self = Self(0x02);

    const LETTERS: [char; 8] = ['S', 'B', 'D', 'M', 'G', 'R', 'T', 'X'];

    /// All of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// From letters such as `DGT`, in any case and order; `None` if one is no flag.
    pub fn from_letters(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self(0), |flags, letter| {
            let bit = Self::LETTERS.iter().position(|known| known.eq_ignore_ascii_case(&letter))?;
            Some(Self(flags.0 | 0x80 >> bit))
        })
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// Upper case is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in Self::LETTERS.into_iter().enumerate() {
            let set = self.0 & 0x80 >> bit != 0;
            write!(f, "{}", if set { letter } else { letter.to_ascii_lowercase() })?;
        }
        Ok(())
    }
}
