//! `ip slb vserver NAME` and its commands (IOS `config-slb-vserver`).

use std::net::Ipv4Addr;

use common::slb::ClientRule;
use ipnet::Ipv4Net;

use super::ObjectName;

/// One virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VserverConfig {
    /// In upper case, as IOS keeps it.
    pub name: ObjectName,
    /// `virtual`.
    pub address: Option<VirtualConfig>,
    /// `serverfarm`.
    pub farm: Option<FarmChoice>,
    /// `client IP MASK [exclude]`, in the order of entry; empty: everybody.
    pub clients: Vec<ClientRule>,
    /// `idle ipmobile request`: life of a session after its last RRQ in seconds, 4 to 65535.
    pub idle_request: u16,
    /// `sticky`; refused at `inservice` with `service ipmobile`.
    pub sticky: Option<Sticky>,
    /// `synguard`; likewise.
    pub synguard: Option<SynGuard>,
    /// `replicate casa`; likewise.
    pub replicate: Option<Replicate>,
    /// `home-agent strict`: RRQs whose Home Agent field names somebody else are dropped.
    pub strict_home_agent: bool,
    /// `client-rate`: new sessions a second of each source; `None`: any.
    pub client_rate: Option<u16>,
    /// In service.
    pub inservice: bool,
}

/// `virtual IP [MASK] PROTOCOL PORT service SERVICE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualConfig {
    /// Address, or a subnet of addresses.
    pub network: Ipv4Net,
    /// `udp` or `tcp`.
    pub protocol: Transport,
    /// Port; 0: any.
    pub port: u16,
    /// What is balanced.
    pub service: ServiceKind,
}

/// Transport protocols that `virtual` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// What a virtual server balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Mobile IP registration requests.
    IpMobile,
}

/// `serverfarm PRIMARY [backup BACKUP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarmChoice {
    /// The farm in use.
    pub primary: ObjectName,
    /// Used only while no real of the primary can take a session.
    pub backup: Option<ObjectName>,
}

/// `sticky SECONDS [group N] [netmask M]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// Life in seconds, 1 to 65535.
    pub seconds: u16,
    /// Shared by the virtual servers of a group, 0 to 255.
    pub group: Option<u8>,
    /// Clients of one subnet are one client.
    pub netmask: Option<Ipv4Addr>,
}

/// `synguard COUNT [INTERVAL]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynGuard {
    /// Unanswered SYNs allowed in an interval.
    pub count: u32,
    /// Interval in ms, 50 to 5000.
    pub interval: u16,
}

impl SynGuard {
    /// `INTERVAL` without the argument.
    pub const DEFAULT_INTERVAL: u16 = 100;
}

/// `replicate casa LOCAL REMOTE PORT [INTERVAL]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicate {
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's.
    pub remote: Ipv4Addr,
    /// Port of both.
    pub port: u16,
    /// Seconds between messages, 1 to 300.
    pub interval: Option<u16>,
}

impl VserverConfig {
    /// `idle ipmobile request` without the command, in seconds.
    pub const DEFAULT_IDLE_REQUEST: u16 = 10;

    /// A virtual server with nothing but its name.
    pub fn new(name: ObjectName) -> Self {
        Self {
            name,
            address: None,
            farm: None,
            clients: Vec::new(),
            idle_request: Self::DEFAULT_IDLE_REQUEST,
            sticky: None,
            synguard: None,
            replicate: None,
            strict_home_agent: false,
            client_rate: None,
            inservice: false,
        }
    }

    /// Names of the farms in use: the primary, then the backup.
    pub fn farms(&self) -> impl Iterator<Item = &ObjectName> {
        self.farm.iter().flat_map(|choice| std::iter::once(&choice.primary).chain(&choice.backup))
    }
}
