//! Names of interfaces: IOS type and number, abbreviations accepted.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// The type part of an interface's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterfaceKind {
    /// `Ethernet`
    Ethernet,
    /// `FastEthernet`
    FastEthernet,
    /// `GigabitEthernet`
    GigabitEthernet,
    /// `TenGigabitEthernet`
    TenGigabitEthernet,
    /// `HundredGigE`
    HundredGigE,
    /// `Loopback`
    Loopback,
    /// `Vlan`
    Vlan,
}

impl InterfaceKind {
    const ALL: [Self; 7] = [
        Self::Ethernet,
        Self::FastEthernet,
        Self::GigabitEthernet,
        Self::TenGigabitEthernet,
        Self::HundredGigE,
        Self::Loopback,
        Self::Vlan,
    ];

    /// The full word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ethernet => "Ethernet",
            Self::FastEthernet => "FastEthernet",
            Self::GigabitEthernet => "GigabitEthernet",
            Self::TenGigabitEthernet => "TenGigabitEthernet",
            Self::HundredGigE => "HundredGigE",
            Self::Loopback => "Loopback",
            Self::Vlan => "Vlan",
        }
    }

    /// The kind that `word` abbreviates; no two begin with the same letter.
    pub fn from_abbreviation(word: &str) -> Option<Self> {
        if word.is_empty() {
            return None;
        }
        Self::ALL
            .into_iter()
            .find(|kind| kind.word().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
    }
}

/// Highest number of an interface or subinterface.
const HIGHEST: u32 = 65535;

/// `GigabitEthernet6/1`, `Ethernet0.15`, `Loopback1`. Displays in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    kind: InterfaceKind,
    numbers: Vec<u32>,
    sub: Option<u32>,
}

impl InterfaceName {
    /// `GigabitEthernet` of `GigabitEthernet0/1`.
    pub fn kind(&self) -> InterfaceKind {
        self.kind
    }

    /// The number after the dot of a subinterface.
    pub fn sub(&self) -> Option<u32> {
        self.sub
    }

    /// The interface that a subinterface belongs to.
    pub fn parent(&self) -> Option<Self> {
        self.sub.map(|_| Self { kind: self.kind, numbers: self.numbers.clone(), sub: None })
    }

    /// Puts a type and a number text such as `6/1` or `0.15` together.
    pub fn from_parts(kind: InterfaceKind, number: &str) -> Result<Self, ParseInterfaceError> {
        let (path, sub) = match number.split_once('.') {
            Some((path, sub)) => (path, Some(decimal(sub).ok_or(ParseInterfaceError)?)),
            None => (number, None),
        };
        let numbers = path.split('/').map(decimal).collect::<Option<Vec<_>>>().ok_or(ParseInterfaceError)?;
        let logical = matches!(kind, InterfaceKind::Loopback | InterfaceKind::Vlan);
        let depth = if logical { 1 } else { 3 };
        if numbers.len() > depth
            || (logical && sub.is_some())
            || sub == Some(0)
            || (kind == InterfaceKind::Vlan && !(1..=4094).contains(&numbers[0]))
        {
            return Err(ParseInterfaceError);
        }
        Ok(Self { kind, numbers, sub })
    }
}

fn decimal(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok().filter(|n| *n <= HIGHEST) } else { None }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        for (at, number) in self.numbers.iter().enumerate() {
            write!(f, "{}{number}", if at == 0 { "" } else { "/" })?;
        }
        match self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl Serialize for InterfaceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not an interface's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an interface such as Ethernet0, GigabitEthernet6/1 or Ethernet0.15")]
pub struct ParseInterfaceError;

impl FromStr for InterfaceName {
    type Err = ParseInterfaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.find(|c: char| c.is_ascii_digit()).ok_or(ParseInterfaceError)?;
        let (word, number) = text.split_at(at);
        Self::from_parts(InterfaceKind::from_abbreviation(word).ok_or(ParseInterfaceError)?, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_mean_the_full_name() {
        for (text, full) in [
            ("gi6/1", "GigabitEthernet6/1"),
            ("Et0", "Ethernet0"),
            ("e0", "Ethernet0"),
            ("Ethernet0.15", "Ethernet0.15"),
            ("t1/2/3", "TenGigabitEthernet1/2/3"),
            ("hundredgige0/0", "HundredGigE0/0"),
            ("lo1", "Loopback1"),
            ("VLAN15", "Vlan15"),
            ("FastEthernet3/15", "FastEthernet3/15"),
        ] {
            let name: InterfaceName = text.parse().unwrap();
            assert_eq!(name.to_string(), full);
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for text in [
            "",
            "0",
            "Et",
            "Etx0",
            "Serial0",
            "Et0/",
            "Et/0",
            "Et0.",
            "Et0.0",
            "Et0.1.2",
            "Et1/2/3/4",
            "Lo1/2",
            "Lo1.1",
            "Vlan0",
            "Vlan4095",
            "Et65536",
            "Et+1",
            "Et99999999999",
            "É0",
            "Et0 ",
        ] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text}");
        }
    }
}
