//! Which mobile nodes may register, and what is theirs.

use std::{net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;
use rpds::HashTrieMapSync;

use super::{
    address_map::{AddressMap, Overlap},
    host_counters::HostCounters,
    identity::Identity,
    policy::AccessList,
    sa::by_nai,
};

/// Where a mobile node is at home.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Behind an interface: the home agent answers ARP for the home address while there is a binding.
    Interface(Box<str>),
    /// Nowhere: the prefix is routed to the home agent.
    Virtual(Ipv4Net),
}

/// Addresses to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// First address.
    pub low: Ipv4Addr,
    /// Last address.
    pub high: Ipv4Addr,
}

impl Pool {
    /// The address is one of the pool's.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.low..=self.high).contains(&address)
    }
}

/// What a mobile node with a NAI gets if it names no home address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AddressSource {
    /// Nothing: it must name one.
    #[default]
    None,
    /// This one.
    Fixed(Ipv4Addr),
    /// One of the pool with this name.
    Pool(Arc<str>),
}

/// What a mobile node with a NAI may name itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StaticAddresses {
    /// None but its fixed one, and those of its pool.
    #[default]
    None,
    /// These, at most five.
    These(Box<[Ipv4Addr]>),
    /// Those of the pool with this name.
    Pool(Arc<str>),
}

/// What is said of a mobile node, a realm, or a range of home addresses.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it is at home.
    pub network: Arc<Network>,
    /// Where its address comes from.
    pub address: AddressSource,
    /// Which addresses it may name.
    pub static_addresses: StaticAddresses,
    /// Most seconds of a binding, if not those of the home agent; 65535 is infinite.
    pub lifetime: Option<u16>,
    /// Care-of addresses that it may have, beside those that the home agent permits.
    pub care_of_access: Option<AccessList>,
    /// What became of its requests.
    pub counters: Arc<HostCounters>,
}

impl Host {
    /// At home in `network`, nothing else said.
    pub fn new(network: Arc<Network>) -> Self {
        Self {
            network,
            address: AddressSource::None,
            static_addresses: StaticAddresses::None,
            lifetime: None,
            care_of_access: None,
            counters: Arc::default(),
        }
    }
}

/// All hosts. A copy is cheap: it shares everything that is not changed.
#[derive(Clone, Debug)]
pub struct Hosts {
    by_nai: HashTrieMapSync<Box<[u8]>, Arc<Host>>,
    by_address: AddressMap<Arc<Host>>,
}

impl Default for Hosts {
    fn default() -> Self {
        Self { by_nai: HashTrieMapSync::new_sync(), by_address: AddressMap::default() }
    }
}

impl Hosts {
    /// Sets what is said of a `user@realm` or an `@realm`.
    pub fn insert_nai(&mut self, nai: &[u8], host: Arc<Host>) {
        self.by_nai.insert_mut(nai.into(), host);
    }

    /// False if there was none.
    pub fn remove_nai(&mut self, nai: &[u8]) -> bool {
        self.by_nai.remove_mut(nai)
    }

    /// Sets what is said of home addresses from `low` to `high`.
    ///
    /// # Errors
    /// [`Overlap`] with another range.
    pub fn insert_range(&mut self, low: Ipv4Addr, high: Ipv4Addr, host: Arc<Host>) -> Result<(), Overlap> {
        self.by_address.insert(low, high, host)
    }

    /// False if there was none.
    pub fn remove_range(&mut self, low: Ipv4Addr, high: Ipv4Addr) -> bool {
        self.by_address.remove(low, high)
    }

    /// What is said of a mobile node: by its whole NAI, by the user alone if realms are stripped, by its realm; or by its home
    /// address.
    pub fn get(&self, identity: Identity<'_>, strip_realm: bool) -> Option<&Arc<Host>> {
        match identity {
            Identity::Nai(nai) => by_nai(&self.by_nai, nai, strip_realm),
            Identity::Address(address) => self.by_address.get(address),
        }
    }
}
