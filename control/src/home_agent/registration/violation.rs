//! Security violations: who was not who he said, how often, and the last time (RFC 5944, section 5.6; CISCO-MOBILE-IP-MIB).

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use super::identity::Identity;

/// Peers that are remembered; then the one with the oldest violation is forgotten.
const MOST: usize = 1024;

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no security association with this peer.
    NoAssociation,
    /// The authenticator is wrong.
    BadAuthenticator,
    /// The identification is not near our clock, or not greater than before.
    BadIdentifier,
    /// There is no association with this SPI.
    BadSpi,
    /// There is no authentication extension.
    MissingExtension,
    /// Anything else.
    Other,
}

impl Reason {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoAssociation => "no security association",
            Self::BadAuthenticator => "bad authenticator",
            Self::BadIdentifier => "bad identifier",
            Self::BadSpi => "bad SPI",
            Self::MissingExtension => "missing security extension",
            Self::Other => "other",
        }
    }
}

/// Whose association it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer<'a> {
    /// A mobile node.
    Mobile(Identity<'a>),
    /// A foreign agent.
    Foreign(Ipv4Addr),
}

/// One violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation<'a> {
    /// By whom, as he says.
    pub peer: Peer<'a>,
    /// Where the request came from.
    pub source: Ipv4Addr,
    /// The SPI, 0 if there was none.
    pub spi: u32,
    /// The request's identification.
    pub identification: u64,
    /// When, as NTP says it.
    pub at: u64,
    /// What was wrong.
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owned {
    Nai(Box<[u8]>),
    Address(Ipv4Addr),
    Foreign(Ipv4Addr),
}

impl Owned {
    fn new(peer: Peer<'_>) -> Self {
        match peer {
            Peer::Mobile(Identity::Nai(nai)) => Self::Nai(nai.into()),
            Peer::Mobile(Identity::Address(address)) => Self::Address(address),
            Peer::Foreign(address) => Self::Foreign(address),
        }
    }

    fn peer(&self) -> Peer<'_> {
        match self {
            Self::Nai(nai) => Peer::Mobile(Identity::Nai(nai)),
            Self::Address(address) => Peer::Mobile(Identity::Address(*address)),
            Self::Foreign(address) => Peer::Foreign(*address),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Place in the order of the last violations.
    turn: u64,
    total: u64,
    last: Violation<'static>,
}

/// Violations by peer.
#[derive(Debug)]
pub struct Violations {
    by_peer: HashMap<Owned, Record>,
    order: BTreeMap<u64, Owned>,
    turn: u64,
    total: u64,
    most: usize,
}

impl Default for Violations {
    fn default() -> Self {
        Self { by_peer: HashMap::new(), order: BTreeMap::new(), turn: 0, total: 0, most: MOST }
    }
}

/// A stored violation names its peer by its key alone.
const NOBODY: Peer<'static> = Peer::Foreign(Ipv4Addr::UNSPECIFIED);

impl Violations {
    pub(super) fn note(&mut self, violation: &Violation<'_>) {
        self.turn += 1;
        self.total += 1;
        let peer = Owned::new(violation.peer);
        let Violation { source, spi, identification, at, reason, .. } = *violation;
        let last = Violation { peer: NOBODY, source, spi, identification, at, reason };
        let before = self.by_peer.get(&peer);
        if let Some(before) = before {
            self.order.remove(&before.turn);
        }
        let total = before.map_or(0, |before| before.total) + 1;
        self.order.insert(self.turn, peer.clone());
        self.by_peer.insert(peer, Record { turn: self.turn, total, last });
        if self.by_peer.len() > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.by_peer.remove(&oldest);
        }
    }

    /// Of all peers, also of those that are forgotten.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Peers, the one with the latest violation first: how many they were, and the last one.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Violation<'_>)> {
        self.order.values().rev().filter_map(|peer| {
            let record = self.by_peer.get(peer)?;
            let Violation { source, spi, identification, at, reason, .. } = record.last;
            Some((record.total, Violation { peer: peer.peer(), source, spi, identification, at, reason }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_come_first_and_the_oldest_is_forgotten() {
        let mut violations = Violations { most: 2, ..Violations::default() };
        let mut note = |peer, spi| {
            let reason = Reason::BadSpi;
            let source = Ipv4Addr::LOCALHOST;
            violations.note(&Violation { peer, source, spi, identification: 7, at: 9, reason });
        };
        let [a, b] = [b"a", b"b"].map(|nai| Peer::Mobile(Identity::Nai(nai)));
        note(a, 1);
        note(b, 2);
        note(a, 3);
        note(Peer::Foreign(Ipv4Addr::LOCALHOST), 4);
        let seen: Vec<_> = violations.iter().map(|(total, last)| (total, last.peer, last.spi)).collect();
        assert_eq!(seen, [(1, Peer::Foreign(Ipv4Addr::LOCALHOST), 4), (2, a, 3)]);
        assert_eq!((violations.total(), violations.order.len()), (4, 2));
    }
}
