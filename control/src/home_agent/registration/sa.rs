//! Mobility security associations (RFC 5944, section 1.6): what authenticates mobile nodes and foreign agents.

use std::{net::Ipv4Addr, sync::Arc};

use common::wire::mobile_ip::auth::{Algorithm, Association, Key};
use rpds::HashTrieMapSync;

use super::{
    address_map::{AddressMap, Overlap},
    identity::{Identity, split_realm},
};

/// One association with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityAssociation {
    inbound: Association,
    outbound: Association,
    replay: Option<u8>,
}

impl SecurityAssociation {
    /// `replay`: seconds that an identification may be off the clock, in place of the home agent's.
    pub fn new(
        inbound_spi: u32,
        outbound_spi: u32,
        algorithm: Algorithm,
        key: Key,
        replay: Option<u8>,
    ) -> Self {
        let outbound = Association { spi: outbound_spi, algorithm, key: key.clone() };
        Self { inbound: Association { spi: inbound_spi, algorithm, key }, outbound, replay }
    }

    /// What the peer signs with.
    pub fn inbound(&self) -> &Association {
        &self.inbound
    }

    /// What we sign with.
    pub fn outbound(&self) -> &Association {
        &self.outbound
    }

    /// Seconds that an identification may be off the clock, if not those of the home agent.
    pub fn replay(&self) -> Option<u8> {
        self.replay
    }
}

/// Those of one peer, each with its own inbound SPI; cheap to copy.
pub type Peer = Arc<[SecurityAssociation]>;

/// The one that a peer's SPI names.
pub(super) fn by_spi(peer: &[SecurityAssociation], spi: u32) -> Option<&SecurityAssociation> {
    peer.iter().find(|association| association.inbound.spi == spi)
}

/// With whom an association is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerName<'a> {
    /// A mobile node by `user@realm`, or all of an `@realm`.
    Nai(&'a [u8]),
    /// Mobile nodes without NAI by home address, first and last.
    Hosts(Ipv4Addr, Ipv4Addr),
    /// A foreign agent by the source address of its requests.
    ForeignAgent(Ipv4Addr),
}

/// All associations. A copy is cheap: it shares everything that is not changed.
#[derive(Clone, Debug)]
pub struct Associations {
    by_nai: HashTrieMapSync<Box<[u8]>, Peer>,
    by_address: AddressMap<Peer>,
    foreign_agents: HashTrieMapSync<Ipv4Addr, Peer>,
}

impl Default for Associations {
    fn default() -> Self {
        Self {
            by_nai: HashTrieMapSync::new_sync(),
            by_address: AddressMap::default(),
            foreign_agents: HashTrieMapSync::new_sync(),
        }
    }
}

impl Associations {
    fn exact(&self, name: PeerName<'_>) -> Option<&Peer> {
        match name {
            PeerName::Nai(nai) => self.by_nai.get(nai),
            PeerName::Hosts(low, high) => self.by_address.exact(low, high),
            PeerName::ForeignAgent(address) => self.foreign_agents.get(&address),
        }
    }

    fn set(&mut self, name: PeerName<'_>, peer: Peer) -> Result<(), Overlap> {
        match name {
            PeerName::Nai(nai) => self.by_nai.insert_mut(nai.into(), peer),
            PeerName::Hosts(low, high) => return self.by_address.insert(low, high, peer),
            PeerName::ForeignAgent(address) => self.foreign_agents.insert_mut(address, peer),
        }
        Ok(())
    }

    /// Adds an association; one of the same peer with the same inbound SPI is replaced.
    ///
    /// # Errors
    /// [`Overlap`] of address ranges.
    pub fn insert(&mut self, name: PeerName<'_>, association: SecurityAssociation) -> Result<(), Overlap> {
        let spi = association.inbound.spi;
        let others = self.exact(name).into_iter().flat_map(|peer| peer.iter());
        let others = others.filter(|other| other.inbound.spi != spi).cloned();
        let peer = others.chain([association]).collect();
        self.set(name, peer)
    }

    /// Removes the association with this inbound SPI; false if there is none.
    pub fn remove(&mut self, name: PeerName<'_>, inbound_spi: u32) -> bool {
        let Some(peer) = self.exact(name) else { return false };
        let before = peer.len();
        let rest: Peer = peer.iter().filter(|other| other.inbound.spi != inbound_spi).cloned().collect();
        if rest.len() == before {
            return false;
        }
        if rest.is_empty() {
            return match name {
                PeerName::Nai(nai) => self.by_nai.remove_mut(nai),
                PeerName::Hosts(low, high) => self.by_address.remove(low, high),
                PeerName::ForeignAgent(address) => self.foreign_agents.remove_mut(&address),
            };
        }
        // The same range as before cannot overlap another one.
        self.set(name, rest).is_ok()
    }

    /// Those of a mobile node: of its whole NAI, of the user alone if realms are stripped, of its realm; or of its home address.
    pub fn mobile_node(&self, identity: Identity<'_>, strip_realm: bool) -> Option<&Peer> {
        match identity {
            Identity::Nai(nai) => by_nai(&self.by_nai, nai, strip_realm),
            Identity::Address(address) => self.by_address.get(address),
        }
    }

    /// Those of a foreign agent.
    pub fn foreign_agent(&self, address: Ipv4Addr) -> Option<&Peer> {
        self.foreign_agents.get(&address)
    }
}

/// The entry of a whole NAI, else of its user alone if realms are stripped, else of its realm.
pub(super) fn by_nai<'m, T>(
    map: &'m HashTrieMapSync<Box<[u8]>, T>,
    nai: &[u8],
    strip_realm: bool,
) -> Option<&'m T> {
    map.get(nai).or_else(|| {
        let (user, realm) = split_realm(nai)?;
        let stripped = if strip_realm { map.get(user) } else { None };
        stripped.or_else(|| map.get(realm))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn association(spi: u32, key: &str) -> SecurityAssociation {
        SecurityAssociation::new(spi, spi + 1, Algorithm::HmacMd5, Key::from_ascii(key).unwrap(), None)
    }

    #[test]
    fn the_nearest_name_is_found() {
        let mut all = Associations::default();
        for (name, spi) in [("a@b", 0x100), ("a", 0x200), ("@b", 0x300)] {
            all.insert(PeerName::Nai(name.as_bytes()), association(spi, "key")).unwrap();
        }
        let found = |nai: &str, strip| {
            let peer = all.mobile_node(Identity::Nai(nai.as_bytes()), strip);
            peer.map(|peer| peer[0].inbound().spi)
        };
        assert_eq!(
            ["a@b", "a@c", "c@b", "c@c", "a"].map(|nai| found(nai, false)),
            [Some(0x100), None, Some(0x300), None, Some(0x200)]
        );
        assert_eq!(
            ["a@b", "a@c", "c@b"].map(|nai| found(nai, true)),
            [Some(0x100), Some(0x200), Some(0x300)]
        );
        assert!(all.mobile_node(Identity::Address(Ipv4Addr::LOCALHOST), false).is_none());
    }

    #[test]
    fn an_spi_is_replaced_added_and_removed() {
        let mut all = Associations::default();
        let [low, high] = [1, 9].map(|last| Ipv4Addr::new(10, 9, 0, last));
        for name in [PeerName::Nai(b"a@b"), PeerName::Hosts(low, high), PeerName::ForeignAgent(low)] {
            all.insert(name, association(0x100, "one")).unwrap();
            all.insert(name, association(0x200, "two")).unwrap();
            all.insert(name, association(0x100, "three")).unwrap();
            let peer = all.exact(name).unwrap();
            assert_eq!(by_spi(peer, 0x100), Some(&association(0x100, "three")));
            assert_eq!((peer.len(), by_spi(peer, 0x201)), (2, None));
            let before = all.clone();
            assert!(all.remove(name, 0x100) && !all.remove(name, 0x100));
            assert_eq!(all.exact(name).unwrap().len(), 1);
            assert!(all.remove(name, 0x200) && !all.remove(name, 0x200));
            assert!(all.exact(name).is_none() && before.exact(name).is_some());
        }
    }
}
