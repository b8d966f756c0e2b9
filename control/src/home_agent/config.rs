//! What is configured of Mobile IP: plain data in the order in which it was made, its checks and its text.

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
};

use common::wire::mobile_ip::auth::{Algorithm, Key};
use ipnet::Ipv4Net;

use crate::{
    access_list::{Kind, Name},
    command::{ConfigError, ConfigWriter, Secret, rank},
    protocol::{Checked, Claims},
};

/// The part of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MobileConfig {
    /// `router mobile`
    pub router: bool,
    /// `ip mobile home-agent`
    pub agent: Option<AgentConfig>,
    /// `ip mobile virtual-network`
    pub virtual_networks: Vec<VirtualNetwork>,
    /// `ip local pool`
    pub pools: Vec<PoolConfig>,
    /// `ip mobile host`
    pub hosts: Vec<HostConfig>,
    /// `ip mobile secure`
    pub associations: Vec<SecureConfig>,
}

/// `ip mobile home-agent ...`
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct AgentConfig {
    /// For requests to an address that is not ours alone.
    pub address: Option<Ipv4Addr>,
    /// Told to all nodes, and end of all tunnels.
    pub dynamic_address: Option<Ipv4Addr>,
    /// Addresses of load balancers before us.
    pub virtual_addresses: Vec<Ipv4Addr>,
    /// Care-of addresses that are permitted.
    pub care_of_access: Option<Name>,
    /// Home addresses that may be away.
    pub roam_access: Option<Name>,
    /// Most seconds of a binding; 65535 is infinite.
    pub lifetime: u16,
    /// Seconds that a time stamp may be off.
    pub replay: u8,
    /// No reverse tunnels.
    pub reverse_tunnel_off: bool,
    /// Reverse tunnels are asked of everybody.
    pub reverse_tunnel_mandatory: bool,
    /// `user@realm` is also found as `user`.
    pub strip_realm: bool,
    /// Who sends to a home address without a binding is not told so.
    pub suppress_unreachable: bool,
    /// Any home agent field is accepted.
    pub unknown_ha_accept: bool,
    /// Nodes with a NAI may not name an address that they do not hold.
    pub reject_static_addr: bool,
    /// Most bindings.
    pub max_binding: u32,
    /// The weight of an idle home agent.
    pub dfp_max_weight: u16,
    /// `max-cps`: registrations a second that it is made for, for its weight.
    pub max_cps: Option<u32>,
    /// Tunnels over UDP: seconds between keepalives, and whether they are granted without a NAT to those that force them.
    pub nat_traversal: Option<(u16, bool)>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            address: None,
            dynamic_address: None,
            virtual_addresses: Vec::new(),
            care_of_access: None,
            roam_access: None,
            lifetime: Self::LIFETIME,
            replay: Self::REPLAY,
            reverse_tunnel_off: false,
            reverse_tunnel_mandatory: false,
            strip_realm: false,
            suppress_unreachable: false,
            unknown_ha_accept: false,
            reject_static_addr: false,
            max_binding: Self::MAX_BINDING,
            dfp_max_weight: Self::DFP_MAX_WEIGHT,
            max_cps: None,
            nat_traversal: None,
        }
    }
}

impl AgentConfig {
    /// Default of `lifetime`, in seconds.
    pub const LIFETIME: u16 = 36_000;
    /// Default of `replay`, in seconds.
    pub const REPLAY: u8 = 7;
    /// Default of `max-binding` (CISCO-MOBILE-IP-MIB).
    pub const MAX_BINDING: u32 = 235_000;
    /// Default of `dfp-max-weight`.
    pub const DFP_MAX_WEIGHT: u16 = 25;
    /// Default of `nat traversal keepalive`, in seconds (RFC 3519, section 4.9).
    pub const KEEPALIVE: u16 = 110;
}

/// `ip mobile virtual-network NET MASK`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// Home addresses in it.
    pub prefix: Ipv4Net,
}

/// `ip local pool NAME LOW HIGH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Its name.
    pub name: String,
    /// First address.
    pub low: Ipv4Addr,
    /// Last address.
    pub high: Ipv4Addr,
}

/// Who a host or an association is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Home addresses, first and last.
    Range(Ipv4Addr, Ipv4Addr),
    /// `user@realm` or `@realm`.
    Nai(String),
    /// A foreign agent.
    ForeignAgent(Ipv4Addr),
}

/// Where the address of a node comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressConfig {
    /// It is this one.
    Fixed(Ipv4Addr),
    /// One of a pool.
    Pool(String),
}

/// `ip mobile host ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Which nodes.
    pub who: Who,
    /// Addresses that they may name themselves, at most five.
    pub static_addresses: Vec<Ipv4Addr>,
    /// The same, from a pool.
    pub static_pool: Option<String>,
    /// What they get that name none.
    pub address: Option<AddressConfig>,
    /// Where they are at home.
    pub network: Ipv4Net,
    /// Care-of addresses that they may have, beside those that the home agent permits.
    pub care_of_access: Option<Name>,
    /// Most seconds of a binding.
    pub lifetime: Option<u16>,
}

/// `ip mobile secure ...`
#[derive(Clone, Debug, PartialEq)]
pub struct SecureConfig {
    /// With whom.
    pub who: Who,
    /// Of what they sign.
    pub inbound_spi: u32,
    /// Of what we sign.
    pub outbound_spi: u32,
    /// Shared with them.
    pub key: Secret,
    /// The key is written in hexadecimal.
    pub hex: bool,
    /// Seconds that a time stamp may be off.
    pub replay: Option<u8>,
    /// How authenticators are made.
    pub algorithm: Algorithm,
}

impl SecureConfig {
    /// The key as it is used.
    pub fn key(&self) -> Option<Key> {
        let text = self.key.expose();
        if self.hex { Key::from_hex(text) } else { Key::from_ascii(text) }.ok()
    }
}

impl MobileConfig {
    /// There is a home agent.
    pub fn is_active(&self) -> bool {
        self.router && self.agent.is_some()
    }

    /// The virtual networks.
    pub fn prefixes(&self) -> impl Iterator<Item = Ipv4Net> {
        self.virtual_networks.iter().map(|network| network.prefix)
    }

    /// Tunnels for which there must be room, so that `router mobile` can come and go; none: no home agent.
    pub fn capacity(&self) -> Option<u32> {
        self.agent.as_ref().map(|agent| agent.max_binding.max(1024))
    }

    /// The access lists that are named.
    pub fn claim(&self, claims: &mut Claims) {
        let agent = self.agent.iter().flat_map(|agent| [&agent.care_of_access, &agent.roam_access]);
        for list in agent.chain(self.hosts.iter().map(|host| &host.care_of_access)).flatten() {
            claims.needs_access_list("IP Mobile", list.clone(), Kind::Standard);
        }
    }

    /// What no single line can see.
    pub fn check(&self, claims: &Claims) -> Checked {
        let mut errors = Vec::new();
        let mut refuse = |text: String| errors.push(ConfigError::new(format!("IP Mobile: {text}")));
        if let Some(agent) = &self.agent {
            for address in agent.dynamic_address.iter().chain(&agent.address) {
                if self.router && !claims.is_interface_address(*address) {
                    refuse(format!("{address} is not the address of an interface"));
                }
            }
        }
        for host in &self.hosts {
            let known = |name: &String| self.pools.iter().any(|pool| pool.name == *name);
            let pool = match &host.address {
                Some(AddressConfig::Pool(name)) => Some(name),
                _ => None,
            };
            for name in pool.into_iter().chain(&host.static_pool).filter(|name| !known(name)) {
                refuse(format!("local pool {name} does not exist"));
            }
            if !self.virtual_networks.iter().any(|network| network.prefix == host.network) {
                refuse(format!(
                    "virtual network {} {} does not exist",
                    host.network.addr(),
                    host.network.netmask()
                ));
            }
        }
        let mut secured: Vec<_> = self.associations.iter().map(|secure| &secure.who).collect();
        secured.dedup();
        for (what, all) in
            [("hosts", self.hosts.iter().map(|host| &host.who).collect()), ("secured hosts", secured)]
        {
            for (one, other) in overlaps(&all) {
                refuse(format!("{what} {one} and {other} overlap"));
            }
        }
        if errors.is_empty() { Ok(self.warnings()) } else { Err(errors) }
    }

    /// What is likely not meant.
    fn warnings(&self) -> Vec<String> {
        let unnamed = |agent: &&AgentConfig| self.router && agent.dynamic_address.is_none();
        let balancers = self.agent.iter().filter(unnamed).flat_map(|agent| &agent.virtual_addresses);
        let warning = |address| {
            format!(
                "IP Mobile: without `dynamic-address`, nodes that ask for {address} have their tunnels there, where none ends"
            )
        };
        balancers.map(warning).collect()
    }

    /// Writes what differs from the defaults.
    pub fn print(&self, out: &mut ConfigWriter) {
        // Writing to a string cannot fail.
        let _ = self.write(out);
    }

    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        if self.router {
            out.block(rank::MOBILE);
            writeln!(out, "router mobile")?;
        }
        out.lines(rank::LOCAL_POOLS);
        for PoolConfig { name, low, high } in &self.pools {
            writeln!(out, "ip local pool {name} {low} {high}")?;
        }
        out.lines(rank::HOME_AGENT);
        if let Some(agent) = &self.agent {
            agent.write(out)?;
        }
        for VirtualNetwork { prefix } in &self.virtual_networks {
            writeln!(out, "ip mobile virtual-network {} {}", prefix.addr(), prefix.netmask())?;
        }
        self.hosts.iter().try_for_each(|host| host.write(out))?;
        self.associations.iter().try_for_each(|association| association.write(out))
    }
}

/// Ranges that overlap and are not the same.
fn overlaps<'a>(all: &[&'a Who]) -> Vec<(&'a Who, &'a Who)> {
    let mut ranges: Vec<_> = all
        .iter()
        .filter_map(|who| match who {
            Who::Range(low, high) => Some((low, high, *who)),
            Who::Nai(_) | Who::ForeignAgent(_) => None,
        })
        .collect();
    ranges.sort_unstable_by_key(|(low, high, _)| (*low, *high));
    let neighbours = ranges.windows(2);
    let both = neighbours.filter(|pair| pair[1].0 <= pair[0].1 && pair[0].2 != pair[1].2);
    both.map(|pair| (pair[0].2, pair[1].2)).collect()
}

impl AgentConfig {
    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        write!(out, "ip mobile home-agent")?;
        if let Some(address) = self.address {
            write!(out, " address {address}")?;
        }
        if let Some(list) = &self.care_of_access {
            write!(out, " care-of-access {list}")?;
        }
        if self.lifetime != Self::LIFETIME {
            write!(out, " lifetime {}", self.lifetime)?;
        }
        if self.replay != Self::REPLAY {
            write!(out, " replay {}", self.replay)?;
        }
        if self.reverse_tunnel_off {
            write!(out, " reverse-tunnel-off")?;
        }
        if self.reverse_tunnel_mandatory {
            write!(out, " reverse-tunnel mandatory")?;
        }
        if let Some(list) = &self.roam_access {
            write!(out, " roam-access {list}")?;
        }
        if self.strip_realm {
            write!(out, " strip-realm")?;
        }
        if self.suppress_unreachable {
            write!(out, " suppress-unreachable")?;
        }
        if self.unknown_ha_accept {
            write!(out, " unknown-ha accept")?;
        }
        writeln!(out)?;
        if let Some(address) = self.dynamic_address {
            writeln!(out, "ip mobile home-agent dynamic-address {address}")?;
        }
        for address in &self.virtual_addresses {
            writeln!(out, "ip mobile home-agent virtual-address {address}")?;
        }
        if self.max_binding != Self::MAX_BINDING {
            writeln!(out, "ip mobile home-agent max-binding {}", self.max_binding)?;
        }
        if let Some(most) = self.max_cps {
            writeln!(out, "ip mobile home-agent max-cps {most}")?;
        }
        if self.dfp_max_weight != Self::DFP_MAX_WEIGHT {
            writeln!(out, "ip mobile home-agent dfp-max-weight {}", self.dfp_max_weight)?;
        }
        if self.reject_static_addr {
            writeln!(out, "ip mobile home-agent reject-static-addr")?;
        }
        if let Some((keepalive, forced)) = self.nat_traversal {
            write!(out, "ip mobile home-agent nat traversal")?;
            if keepalive != Self::KEEPALIVE {
                write!(out, " keepalive {keepalive}")?;
            }
            writeln!(out, "{}", if forced { " forced accept" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(low, high) if low == high => write!(f, "{low}"),
            Self::Range(low, high) => write!(f, "{low} {high}"),
            Self::Nai(nai) => write!(f, "nai {nai}"),
            Self::ForeignAgent(address) => write!(f, "foreign-agent {address}"),
        }
    }
}

impl HostConfig {
    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        write!(out, "ip mobile host {}", self.who)?;
        if !self.static_addresses.is_empty() || self.static_pool.is_some() {
            write!(out, " static-address")?;
        }
        self.static_addresses.iter().try_for_each(|address| write!(out, " {address}"))?;
        if let Some(name) = &self.static_pool {
            write!(out, " local-pool {name}")?;
        }
        match &self.address {
            Some(AddressConfig::Fixed(address)) => write!(out, " address {address}")?,
            Some(AddressConfig::Pool(name)) => write!(out, " address pool local {name}")?,
            None => {}
        }
        write!(out, " virtual-network {} {}", self.network.addr(), self.network.netmask())?;
        if let Some(list) = &self.care_of_access {
            write!(out, " care-of-access {list}")?;
        }
        if let Some(lifetime) = self.lifetime {
            write!(out, " lifetime {lifetime}")?;
        }
        writeln!(out)
    }
}

impl SecureConfig {
    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        let host = if matches!(self.who, Who::ForeignAgent(_)) { "" } else { "host " };
        write!(out, "ip mobile secure {host}{}", self.who)?;
        if self.inbound_spi == self.outbound_spi {
            write!(out, " spi {:X}", self.inbound_spi)?;
        } else {
            write!(out, " inbound-spi {:X} outbound-spi {:X}", self.inbound_spi, self.outbound_spi)?;
        }
        write!(out, " key {} ", if self.hex { "hex" } else { "ascii" })?;
        out.secret(&self.key)?;
        if let Some(seconds) = self.replay {
            write!(out, " replay timestamp {seconds}")?;
        }
        if self.algorithm == Algorithm::Md5PrefixSuffix {
            write!(out, " algorithm md5 mode prefix-suffix")?;
        }
        writeln!(out)
    }
}
