//! What a configuration says of registrations.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::Ipv4Addr,
    sync::Arc,
};

use super::{
    host::{Host, Hosts, Network, Pool},
    identity::Identity,
    sa::Associations,
};

/// Which addresses are permitted.
#[derive(Clone)]
pub struct AccessList(Arc<dyn Fn(Ipv4Addr) -> bool + Send + Sync>);

impl AccessList {
    /// Permits what `permits` says.
    pub fn new(permits: impl Fn(Ipv4Addr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(permits))
    }

    /// Whether an address is permitted.
    pub fn permits(&self, address: Ipv4Addr) -> bool {
        (self.0)(address)
    }
}

impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessList")
    }
}

/// Whether packets of mobile nodes come back through the tunnel (RFC 3024).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReverseTunnel {
    /// Those that ask for it are denied.
    Off,
    /// If asked for.
    #[default]
    On,
    /// Those that do not ask for it are denied.
    Mandatory,
}

/// What is done where there is a NAT (RFC 3519).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatTraversal {
    /// Seconds from one keepalive of the mobile node to the next; 0: its default.
    pub keepalive: u16,
    /// Whether a tunnel over UDP is granted to those that force it without a NAT.
    pub forced: bool,
}

/// What a configuration says of registrations. It does not change; a new one shares with the old what is the same.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The home agent is in service.
    pub service: bool,
    /// Our address for those who reach us at one that is not ours alone: a broadcast address, a load balancer's.
    pub address: Option<Ipv4Addr>,
    /// Our addresses; the first is told where nothing else decides.
    pub own: BTreeSet<Ipv4Addr>,
    /// Addresses of load balancers before us.
    pub virtual_addresses: Vec<Ipv4Addr>,
    /// The address that mobile nodes are told, whichever they ask for; it is also the end of the tunnels.
    pub dynamic_address: Option<Ipv4Addr>,
    /// Most seconds of a binding; 65535 is infinite.
    pub lifetime: u16,
    /// Seconds that an identification may be off our clock.
    pub replay: u8,
    /// Whether reverse tunnels are granted.
    pub reverse_tunnel: ReverseTunnel,
    /// Broadcasts of the home network are forwarded to those that ask for them.
    pub broadcast: bool,
    /// Any home agent field is accepted.
    pub unknown_home_agent: bool,
    /// Hosts and associations are also found by the user alone.
    pub strip_realm: bool,
    /// Mobile nodes with a NAI may not name a home address that they do not hold.
    pub reject_static_address: bool,
    /// Most bindings.
    pub max_binding: u32,
    /// Most bindings of one mobile node, 1 to 3.
    pub simultaneous: u8,
    /// GRE is granted (RFC 2784).
    pub gre: bool,
    /// Tunnels over UDP are granted.
    pub nat_traversal: Option<NatTraversal>,
    /// Permitted care-of addresses.
    pub care_of_access: Option<AccessList>,
    /// Home addresses that may be away.
    pub roam_access: Option<AccessList>,
    /// Networks without a place: home addresses in them need no host of their own.
    pub virtual_networks: Vec<Arc<Network>>,
    /// Pools by name.
    pub pools: HashMap<Arc<str>, Pool>,
    /// Mobile nodes.
    pub hosts: Hosts,
    /// Security associations.
    pub associations: Associations,
}

impl Default for Policy {
    /// In service at no address, for nobody; switches as `ip mobile home-agent` has them.
    fn default() -> Self {
        Self {
            service: true,
            address: None,
            own: BTreeSet::new(),
            virtual_addresses: Vec::new(),
            dynamic_address: None,
            lifetime: 36_000,
            replay: 7,
            reverse_tunnel: ReverseTunnel::On,
            broadcast: false,
            unknown_home_agent: false,
            strip_realm: false,
            reject_static_address: false,
            max_binding: 235_000,
            simultaneous: 3,
            gre: true,
            nat_traversal: None,
            care_of_access: None,
            roam_access: None,
            virtual_networks: Vec::new(),
            pools: HashMap::new(),
            hosts: Hosts::default(),
            associations: Associations::default(),
        }
    }
}

impl Policy {
    /// The address is ours alone.
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        self.own.contains(&address) || self.address == Some(address)
    }

    /// The address is a load balancer's before us.
    pub fn is_virtual(&self, address: Ipv4Addr) -> bool {
        self.virtual_addresses.contains(&address)
    }

    /// The address reaches us.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.is_own(address) || self.is_virtual(address) || self.dynamic_address == Some(address)
    }

    /// What is said of a mobile node.
    pub fn host(&self, identity: Identity<'_>) -> Option<&Arc<Host>> {
        self.hosts.get(identity, self.strip_realm)
    }

    /// The virtual network of a home address.
    pub(super) fn virtual_network(&self, home: Ipv4Addr) -> Option<&Arc<Network>> {
        let holds =
            |network: &&Arc<Network>| matches!(&***network, Network::Virtual(net) if net.contains(&home));
        self.virtual_networks.iter().find(holds)
    }
}
