//! One line of a list, and what it matches.

use std::{fmt, net::Ipv4Addr};

use common::wire::ipv4;

use super::Kind;

/// A line with its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lines are asked in the order of their numbers.
    pub sequence: u32,
    /// What it says.
    pub rule: Rule,
}

impl Entry {
    /// The greatest number of one.
    pub const LAST: u32 = i32::MAX as u32;
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `remark`: for people.
    Remark(String),
    /// `permit` or `deny`.
    Match(Action, Match),
}

/// What becomes of what a line matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Permitted.
    Permit,
    /// Not permitted.
    Deny,
}

impl Action {
    /// The keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// What a line matches; that of a standard list is of any protocol to anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// IP protocol number; none: any.
    pub protocol: Option<u8>,
    /// From where.
    pub source: Addresses,
    /// From which ports, of UDP and TCP.
    pub source_ports: Ports,
    /// Where to.
    pub destination: Addresses,
    /// To which ports, of UDP and TCP.
    pub destination_ports: Ports,
}

/// Addresses that are the same where the wildcard has zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    address: Ipv4Addr,
    wildcard: Ipv4Addr,
}

impl Addresses {
    /// All of them.
    pub const ANY: Self = Self { address: Ipv4Addr::UNSPECIFIED, wildcard: Ipv4Addr::BROADCAST };

    /// Those that differ from `address` only where `wildcard` has ones.
    pub fn new(address: Ipv4Addr, wildcard: Ipv4Addr) -> Self {
        Self { address: address & !wildcard, wildcard }
    }

    /// One of them.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { address, wildcard: Ipv4Addr::UNSPECIFIED }
    }

    /// The address is one of them.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address & !self.wildcard == self.address
    }

    fn is_host(self) -> bool {
        self.wildcard.is_unspecified()
    }
}

/// Ports from the first to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// All of them.
    #[default]
    Any,
    /// `eq`
    Equal(u16),
    /// `neq`
    NotEqual(u16),
    /// `gt`
    Greater(u16),
    /// `lt`
    Less(u16),
    /// `range`, both ends included.
    Range(u16, u16),
}

impl Ports {
    /// The port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        match *self {
            Self::Any => true,
            Self::Equal(only) => port == only,
            Self::NotEqual(but) => port != but,
            Self::Greater(than) => port > than,
            Self::Less(than) => port < than,
            Self::Range(first, last) => (first..=last).contains(&port),
        }
    }
}

/// Keywords of protocols.
pub const PROTOCOLS: [(&str, Option<u8>); 8] = [
    ("ip", None),
    ("tcp", Some(ipv4::TCP)),
    ("udp", Some(ipv4::UDP)),
    ("icmp", Some(ipv4::ICMP)),
    ("gre", Some(ipv4::GRE)),
    ("ipinip", Some(ipv4::IPIP)),
    ("esp", Some(50)),
    ("ahp", Some(51)),
];

impl Match {
    /// Of a standard list.
    pub fn source(source: Addresses) -> Self {
        Self {
            protocol: None,
            source,
            source_ports: Ports::Any,
            destination: Addresses::ANY,
            destination_ports: Ports::Any,
        }
    }

    /// Packets of its protocol have ports.
    pub fn has_ports(&self) -> bool {
        matches!(self.protocol, Some(ipv4::TCP | ipv4::UDP))
    }

    /// As lines of such lists say it.
    pub fn text(&self, kind: Kind) -> String {
        match kind {
            Kind::Standard if self.source.is_host() => self.source.address.to_string(),
            Kind::Standard => self.source.to_string(),
            Kind::Extended => {
                let named = PROTOCOLS.iter().find(|(_, number)| *number == self.protocol);
                let protocol = match (named, self.protocol) {
                    (None, Some(number)) => number.to_string(),
                    (named, _) => named.map_or("ip", |(name, _)| name).to_owned(),
                };
                let (from, to) = (self.source, self.destination);
                format!("{protocol} {from}{} {to}{}", self.source_ports, self.destination_ports)
            }
        }
    }
}

impl Rule {
    /// As lines of such lists say it.
    pub fn text(&self, kind: Kind) -> String {
        match self {
            Self::Remark(text) => format!("remark {text}"),
            Self::Match(action, what) => format!("{} {}", action.keyword(), what.text(kind)),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            any if *any == Self::ANY => f.write_str("any"),
            host if host.is_host() => write!(f, "host {}", host.address),
            Self { address, wildcard } => write!(f, "{address} {wildcard}"),
        }
    }
}

impl fmt::Display for Ports {
    /// With a blank in front, if there is anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Equal(port) => write!(f, " eq {port}"),
            Self::NotEqual(port) => write!(f, " neq {port}"),
            Self::Greater(port) => write!(f, " gt {port}"),
            Self::Less(port) => write!(f, " lt {port}"),
            Self::Range(first, last) => write!(f, " range {first} {last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_wildcard_has_ones_where_addresses_may_differ() {
        let net = Addresses::new(ip("10.1.7.9"), ip("0.0.0.255"));
        assert_eq!(net.to_string(), "10.1.7.0 0.0.0.255");
        assert_eq!(["10.1.7.0", "10.1.7.255", "10.1.8.0"].map(|a| net.contains(ip(a))), [true, true, false]);
        let odd = Addresses::new(ip("10.0.0.1"), ip("0.255.255.254"));
        assert_eq!(["10.200.3.7", "10.200.3.8"].map(|a| odd.contains(ip(a))), [true, false]);
        assert!(Addresses::ANY.contains(ip("255.1.2.3")));
        assert_eq!(Addresses::host(ip("10.1.1.1")).to_string(), "host 10.1.1.1");
    }

    #[test]
    fn ports_as_their_words_say() {
        for (ports, inside, text) in [
            (Ports::Any, [true; 3], ""),
            (Ports::Equal(434), [false, true, false], " eq 434"),
            (Ports::NotEqual(434), [true, false, true], " neq 434"),
            (Ports::Greater(434), [false, false, true], " gt 434"),
            (Ports::Less(434), [true, false, false], " lt 434"),
            (Ports::Range(433, 434), [true, true, false], " range 433 434"),
        ] {
            assert_eq!([433, 434, 435].map(|port| ports.contains(port)), inside, "{ports:?}");
            assert_eq!(ports.to_string(), text);
        }
    }

    #[test]
    fn a_line_is_written_as_lists_of_its_kind_have_it() {
        let one = Match::source(Addresses::host(ip("10.1.1.1")));
        assert_eq!(Rule::Match(Action::Permit, one).text(Kind::Standard), "permit 10.1.1.1");
        assert_eq!(one.text(Kind::Extended), "ip host 10.1.1.1 any");
        let ports = Match { protocol: Some(17), destination_ports: Ports::Equal(434), ..one };
        assert_eq!(ports.text(Kind::Extended), "udp host 10.1.1.1 any eq 434");
        assert_eq!(Match { protocol: Some(89), ..one }.text(Kind::Extended), "89 host 10.1.1.1 any");
        assert_eq!(Rule::Remark("as told".into()).text(Kind::Standard), "remark as told");
    }
}
