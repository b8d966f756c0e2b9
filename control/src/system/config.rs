//! Settings of the machine, and what the dataplane is built from.

use std::net::Ipv4Addr;

use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig, RssFields},
    id::PortId,
    mac::MacAddr,
    net::{ReachableVia, VerifySource},
};
use ipnet::Ipv4Net;

use crate::{
    access_list::{Entry, Kind, Name},
    command::{InterfaceKind, InterfaceName},
    health::HealthSettings,
    protocol::{LoggingLevel, Management, Settings},
};

/// Every setting of the machine part.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemConfig {
    /// `hostname`
    pub hostname: String,
    /// `service password-encryption`
    pub password_encryption: bool,
    /// `service timestamps debug datetime msec`: debug lines carry milliseconds.
    pub debug_milliseconds: bool,
    /// `logging`
    pub logging: Logging,
    /// `dataplane`
    pub dataplane: DataplaneSettings,
    /// `interface`, in the order of their creation.
    pub interfaces: Vec<InterfaceConfig>,
    /// `ip route`, in the order of their creation.
    pub routes: Vec<StaticRoute>,
    /// `arp`, in the order of their creation.
    pub neighbours: Vec<StaticNeighbour>,
    /// `access-list` and `ip access-list`, in the order of [`Name::place`].
    pub access_lists: Vec<AccessListConfig>,
    /// `management`
    pub management: Management,
    /// `health` under `management`
    pub health: HealthSettings,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            hostname: Settings::DEFAULT_HOSTNAME.to_owned(),
            password_encryption: false,
            debug_milliseconds: false,
            logging: Logging::default(),
            dataplane: DataplaneSettings::default(),
            interfaces: Vec::new(),
            routes: Vec::new(),
            neighbours: Vec::new(),
            access_lists: Vec::new(),
            management: Management::default(),
            health: HealthSettings::default(),
        }
    }
}

/// `logging`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// What is logged.
    pub level: LoggingLevel,
    /// Lines that `show logging` keeps.
    pub buffered: u32,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: LoggingLevel::default(), buffered: Settings::DEFAULT_LINES }
    }
}

/// `workers` or `cores`, which exclude each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workers {
    /// That many, on the last CPUs of the affinity mask; 1 to 64.
    Count(u8),
    /// One on each of these CPUs, ascending; 1 to 64.
    Cores(Vec<u16>),
}

/// `access-list` or `ip access-list`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListConfig {
    /// No two lists share one.
    pub name: Name,
    /// Of its rules.
    pub kind: Kind,
    /// Ascending by sequence number.
    pub entries: Vec<Entry>,
}

impl AccessListConfig {
    /// Between the numbers of entries that are given none.
    const STEP: u32 = 10;

    /// An empty one.
    pub fn new(name: Name, kind: Kind) -> Self {
        Self { name, kind, entries: Vec::new() }
    }

    /// The number of an entry that is given none; none is left if the last entry has one of the greatest.
    pub fn next_sequence(&self) -> Option<u32> {
        let last = self.entries.last().map_or(0, |entry| entry.sequence);
        last.checked_add(Self::STEP).filter(|next| *next <= Entry::LAST)
    }

    /// The entries have the numbers that they get if none is given.
    pub fn has_default_sequence(&self) -> bool {
        let numbers = (1..).map(|place| place * Self::STEP);
        self.entries.iter().zip(numbers).all(|(entry, number)| entry.sequence == number)
    }
}

/// `dataplane`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataplaneSettings {
    /// `workers`, `cores`
    pub workers: Workers,
    /// Capacity of the session table.
    pub sessions: u32,
    /// `hugepages`
    pub hugepages: Hugepages,
    /// `memory`, MB.
    pub memory_mb: Option<u32>,
    /// `poll`
    pub poll: Poll,
    /// `eal`
    pub eal: Option<String>,
}

impl Default for DataplaneSettings {
    fn default() -> Self {
        Self {
            workers: Workers::Count(1),
            sessions: 1_000_000,
            hugepages: Hugepages::default(),
            memory_mb: None,
            poll: Poll::default(),
            eal: None,
        }
    }
}

/// `interface NAME`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Full name.
    pub name: InterfaceName,
    /// `device`: PCI address or DPDK device string.
    pub device: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `ip address`
    pub address: Option<Ipv4Net>,
    /// `ip address ... secondary`, in the order of their creation.
    pub secondary: Vec<Ipv4Net>,
    /// `mac-address`
    pub mac: Option<MacAddr>,
    /// `mtu`, layer 3; `None`: that of the port, which has 1500.
    pub mtu: Option<u16>,
    /// `encapsulation dot1q` of a subinterface.
    pub vlan: Option<u16>,
    /// `rx-queues`; `None`: one a worker.
    pub rx_queues: Option<u16>,
    /// `tx-queues`; `None`: one a worker.
    pub tx_queues: Option<u16>,
    /// `rx-descriptors`
    pub rx_descriptors: u16,
    /// `tx-descriptors`
    pub tx_descriptors: u16,
    /// `rss key`, 40 or 52 bytes.
    pub rss_key: Option<Vec<u8>>,
    /// `rss`
    pub rss: RssFields,
    /// `shutdown`
    pub shutdown: bool,
    /// `arp timeout`, seconds.
    pub arp_timeout: u32,
    /// `ip verify unicast source`
    pub verify_source: Option<VerifySource>,
}

/// Layer-3 MTU of an interface that was given none.
pub const DEFAULT_MTU: u16 = 1500;
/// Seconds within which a neighbour that has silently changed its link address is followed, if nothing else is said.
pub const DEFAULT_ARP_TIMEOUT: u32 = 30;
/// Descriptors of a queue that was given none.
pub const DEFAULT_DESCRIPTORS: u16 = 1024;

/// The keyword of the line and of shows.
pub fn reachable_via(via: ReachableVia) -> &'static str {
    match via {
        ReachableVia::Rx => "rx",
        ReachableVia::Any => "any",
    }
}

impl InterfaceConfig {
    /// An interface with default settings: shut down, unless it is a loopback.
    pub fn new(name: InterfaceName) -> Self {
        Self {
            shutdown: Self::shut_by_default(name.kind()),
            name,
            device: None,
            description: None,
            address: None,
            secondary: Vec::new(),
            mac: None,
            mtu: None,
            vlan: None,
            rx_queues: None,
            tx_queues: None,
            rx_descriptors: DEFAULT_DESCRIPTORS,
            tx_descriptors: DEFAULT_DESCRIPTORS,
            rss_key: None,
            rss: RssFields::default(),
            arp_timeout: DEFAULT_ARP_TIMEOUT,
            verify_source: None,
        }
    }

    /// Whether an interface of this kind is made shut down.
    pub fn shut_by_default(kind: InterfaceKind) -> bool {
        kind != InterfaceKind::Loopback
    }

    /// `mtu`; a port that is given the default was given none, a subinterface then differs from its port.
    pub fn set_mtu(&mut self, size: Option<u16>) {
        self.mtu = size.filter(|size| *size != DEFAULT_MTU || self.name.sub().is_some());
    }

    /// True for `Loopback`.
    pub fn is_loopback(&self) -> bool {
        self.name.kind() == InterfaceKind::Loopback
    }

    /// All addresses, the primary first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Net> {
        self.address.iter().chain(&self.secondary).copied()
    }
}

/// Where a static route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticNextHop {
    /// To a router.
    Address(Ipv4Addr),
    /// To the link of an interface.
    Interface(InterfaceName),
    /// Nowhere: `Null0`.
    Null,
}

/// `ip route`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// Destination; no host bits.
    pub prefix: Ipv4Net,
    /// Where to.
    pub next_hop: StaticNextHop,
    /// Administrative distance, 1 to 255.
    pub distance: u8,
}

/// `arp`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticNeighbour {
    /// IPv4 address of the neighbour.
    pub address: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

impl SystemConfig {
    /// The interface of that name.
    pub fn interface(&self, name: &InterfaceName) -> Option<&InterfaceConfig> {
        self.interfaces.iter().find(|interface| interface.name == *name)
    }

    /// Addresses with their subnets of all interfaces, shut down or not.
    pub fn subnets(&self) -> Vec<Ipv4Net> {
        self.interfaces.iter().flat_map(InterfaceConfig::addresses).collect()
    }

    /// Interfaces with a device; the position is the [`PortId`].
    pub fn ports(&self) -> impl Iterator<Item = (PortId, &InterfaceConfig, &str)> {
        self.interfaces
            .iter()
            .filter_map(|interface| Some((interface, interface.device.as_deref()?)))
            .enumerate()
            .map(|(at, (interface, device))| (PortId(at as u16), interface, device))
    }

    /// Layer-3 MTU of an interface: its own, else that of the port under it.
    pub fn mtu(&self, interface: &InterfaceConfig) -> u16 {
        let parent = || self.interface(&interface.name.parent()?)?.mtu;
        interface.mtu.or_else(parent).unwrap_or(DEFAULT_MTU)
    }

    /// The port that carries an interface: its own, or its parent's.
    pub fn port_of(&self, interface: &InterfaceConfig) -> Option<PortId> {
        let parent = interface.name.parent();
        let carrier = parent.as_ref().unwrap_or(&interface.name);
        self.ports().find(|(_, port, _)| port.name == *carrier).map(|(id, _, _)| id)
    }

    /// What the dataplane is built from.
    pub fn dataplane_config(&self) -> DataplaneConfig {
        let settings = &self.dataplane;
        let (workers, cores) = match &settings.workers {
            Workers::Count(count) => (*count, Vec::new()),
            Workers::Cores(cores) => (cores.len() as u8, cores.clone()),
        };
        DataplaneConfig {
            workers,
            cores,
            sessions: settings.sessions,
            hugepages: settings.hugepages,
            memory_mb: settings.memory_mb,
            poll: settings.poll,
            eal: settings.eal.clone(),
            ports: self.ports().map(|(id, interface, device)| port(id, interface, device)).collect(),
        }
    }
}

fn port(id: PortId, interface: &InterfaceConfig, device: &str) -> PortConfig {
    PortConfig {
        id,
        name: interface.name.to_string(),
        device: device.to_owned(),
        mac: interface.mac,
        mtu: interface.mtu.unwrap_or(DEFAULT_MTU),
        rx_queues: interface.rx_queues,
        tx_queues: interface.tx_queues,
        rx_descriptors: interface.rx_descriptors,
        tx_descriptors: interface.tx_descriptors,
        rss_key: interface.rss_key.clone(),
        rss: interface.rss,
        promiscuous: false,
    }
}
