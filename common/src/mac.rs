//! Ethernet addresses, printed as IOS does.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ffff.ffff.ffff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// True for group addresses, the broadcast address among them (IEEE 802.3, 3.2.3).
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As it is printed.
impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The text is not an Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an Ethernet address such as 0200.5e00.0001")]
pub struct ParseMacError;

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads `0200.5e00.0001` (IOS) and `02:00:5e:00:00:01`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (separator, group) = if text.contains('.') { ('.', 4) } else { (':', 2) };
        let mut bytes = [0; 6];
        let mut at = 0;
        for part in text.split(separator) {
            if part.len() != group || !part.bytes().all(|b| b.is_ascii_hexdigit()) || at == 6 {
                return Err(ParseMacError);
            }
            for pair in 0..group / 2 {
                bytes[at] =
                    u8::from_str_radix(&part[pair * 2..pair * 2 + 2], 16).map_err(|_| ParseMacError)?;
                at += 1;
            }
        }
        if at == 6 { Ok(Self(bytes)) } else { Err(ParseMacError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_notations_and_prints_the_ios_one() {
        for text in ["0200.5e00.00fe", "02:00:5e:00:00:fe"] {
            let address: MacAddr = text.parse().unwrap();
            assert_eq!(address.to_string(), "0200.5e00.00fe");
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(serde_json::from_str::<MacAddr>(&json).unwrap(), address);
        }
        for bad in
            ["", "0200.5e00", "0200.5e00.00fe.11", "02:00:5e:00:00", "02:00:5e:00:00:0g", "é0:00:00:00:00:00"]
        {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}
