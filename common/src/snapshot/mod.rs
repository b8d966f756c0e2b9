//! What a worker knows of the configuration and of the network: immutable, replaced whole by one pointer swap.
//!
//! Control builds the next snapshot, validates it and publishes it. A worker takes its reference once a burst.
//! Live state (a real's state and connections, a farm's turn) is shared between snapshots by `Arc`.

mod targets;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

pub use targets::{Target, Targets};

use crate::{
    id::{FarmId, InterfaceId, PortId, RealId, VserverId},
    mac::MacAddr,
    slb::{FarmLive, RealLive, VserverLive},
};

/// Everything a worker reads.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rises by one at each publication.
    pub generation: u64,
    /// Layer-3 interfaces; [`InterfaceId`] is the position.
    pub interfaces: Vec<Interface>,
    /// By port: the untagged interface, and those by VLAN.
    pub ports: Vec<PortView>,
    /// Virtual addresses.
    pub vips: AddressMap<Vip>,
    /// By [`VserverId`]; empty slots are `None`.
    pub vservers: Vec<Option<VirtualServer>>,
    /// By [`FarmId`].
    pub farms: Vec<Option<Farm>>,
    /// By [`RealId::index`].
    pub reals: Vec<Option<Real>>,
    /// Addresses of the host itself: handed to the kernel.
    pub local: AddressMap<InterfaceId>,
    /// Routing table, longest prefix first.
    pub fib: PrefixMap<Ipv4Net, Route>,
    /// MAC addresses of neighbours.
    pub neighbours: HashMap<(InterfaceId, Ipv4Addr), MacAddr, AddressHash>,
    /// What is being debugged; workers send session events only for what is wanted.
    pub debug_sessions: bool,
    /// What follows from the rest.
    pub targets: Targets,
}

impl Snapshot {
    /// The real that `id` names, unless its slot was given to another.
    pub fn real(&self, id: RealId) -> Option<&Real> {
        self.reals.get(usize::from(id.index))?.as_ref().filter(|real| real.id.generation == id.generation)
    }

    /// The farm in a slot.
    pub fn farm(&self, id: FarmId) -> Option<&Farm> {
        self.farms.get(id.index())?.as_ref()
    }

    /// The virtual server in a slot.
    pub fn vserver(&self, id: VserverId) -> Option<&VirtualServer> {
        self.vservers.get(id.index())?.as_ref()
    }
}

/// One layer-3 interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Position in [`Snapshot::interfaces`].
    pub id: InterfaceId,
    /// `Ethernet0`, `GigabitEthernet6/1.15`.
    pub name: String,
    /// The port that carries it.
    pub port: PortId,
    /// 802.1Q VLAN; `None` for the port's untagged interface.
    pub vlan: Option<u16>,
    /// Source address of everything sent.
    pub mac: MacAddr,
    /// Layer-3 MTU in bytes.
    pub mtu: u16,
    /// Not shut down.
    pub up: bool,
    /// Addresses with their subnets.
    pub addresses: Vec<Ipv4Net>,
}

impl Interface {
    /// True for the broadcast address of one of its subnets (a /31 or /32 has none, RFC 3021).
    pub fn broadcasts(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == address)
    }
}

/// Which interface a frame of a port belongs to.
#[derive(Clone, Debug, Default)]
pub struct PortView {
    /// Frames without a tag.
    pub untagged: Option<InterfaceId>,
    /// Frames by VLAN.
    pub vlans: Vec<(u16, InterfaceId)>,
    /// Link is up and the port started.
    pub link_up: bool,
}

/// A virtual address with at least one virtual server in service.
#[derive(Clone, Debug)]
pub struct Vip {
    /// The interface whose subnet holds the address: ARP is answered there.
    pub interface: Option<InterfaceId>,
    /// The MAC that answers (the interface's, or an HSRP group's).
    pub mac: MacAddr,
    /// Virtual servers at this address, in the order of the configuration.
    pub vservers: Vec<VserverId>,
}

/// A virtual server in service.
#[derive(Clone, Debug)]
pub struct VirtualServer {
    /// Slot.
    pub id: VserverId,
    /// Name as shown.
    pub name: String,
    /// The number in parentheses of the debug lines and `v_index` of the detail.
    pub v_index: u32,
    /// Virtual address.
    pub address: Ipv4Addr,
    /// UDP port; 0: any.
    pub port: u16,
    /// Primary farm.
    pub farm: FarmId,
    /// Used only while no real of the primary can take a session.
    pub backup: Option<FarmId>,
    /// Who may use it: longest match wins; empty: everybody.
    pub clients: Vec<ClientRule>,
    /// Life of a session after its last RRQ.
    pub idle: std::time::Duration,
    /// Drop RRQs whose Home Agent field names neither the wildcard, the VIP nor a real.
    pub strict_home_agent: bool,
    /// Shared counters.
    pub live: Arc<VserverLive>,
}

/// `client IP MASK [exclude]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRule {
    /// Which sources.
    pub network: Ipv4Net,
    /// Denied instead of allowed.
    pub exclude: bool,
}

impl VirtualServer {
    /// True if a request from `source` is this virtual server's (longest matching rule decides).
    pub fn admits(&self, source: Ipv4Addr) -> bool {
        self.clients
            .iter()
            .filter(|rule| rule.network.contains(&source))
            .max_by_key(|rule| rule.network.prefix_len())
            .map_or(self.clients.iter().all(|rule| rule.exclude), |rule| !rule.exclude)
    }
}

/// How a farm chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Predictor {
    /// Weighted round robin in runs.
    #[default]
    RoundRobin,
}

/// A server farm that a virtual server in service uses.
#[derive(Clone, Debug)]
pub struct Farm {
    /// Slot.
    pub id: FarmId,
    /// Name as shown.
    pub name: String,
    /// Directed mode (`nat server`); else dispatched.
    pub nat_server: bool,
    /// How it chooses.
    pub predictor: Predictor,
    /// Members in the order of the configuration.
    pub reals: Vec<RealId>,
    /// Rises (and wraps) whenever `reals` changes; compared with the generation in the farm word.
    pub generation: u16,
    /// Members that left with the last change, each with the position in `reals` that its turn passes to.
    pub departed: Vec<(RealId, u16)>,
    /// The turn, shared by all workers and all snapshots.
    pub live: Arc<FarmLive>,
}

/// A real server of a farm that is in use.
#[derive(Clone, Debug)]
pub struct Real {
    /// Slot and generation.
    pub id: RealId,
    /// Address.
    pub address: Ipv4Addr,
    /// Destination port in directed mode; `None` keeps the packet's.
    pub port: Option<u16>,
    /// The farm that it belongs to.
    pub farm: FarmId,
    /// A session moves when its retries exceed this; `None`: `no reassign`, never.
    pub reassign: Option<u8>,
    /// `failaction purge` of the farm.
    pub purge: bool,
    /// Where its packets go: the real itself (dispatched) or the next hop towards it (directed).
    /// `None`: not resolved, not eligible.
    pub adjacency: Option<Adjacency>,
    /// State, weight, connections and failure counters.
    pub live: Arc<RealLive>,
}

/// A resolved next hop: all that the rewrite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// Egress interface.
    pub interface: InterfaceId,
    /// Egress port.
    pub port: PortId,
    /// Tag to push.
    pub vlan: Option<u16>,
    /// Ethernet source.
    pub source: MacAddr,
    /// Ethernet destination.
    pub destination: MacAddr,
    /// Egress MTU in bytes.
    pub mtu: u16,
}

/// Where a prefix leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The subnet of an interface: the next hop is the destination itself.
    Connected(InterfaceId),
    /// Through a gateway.
    Via(InterfaceId, Ipv4Addr),
    /// Discarded (`Null0`).
    Null,
    /// The kernel's own matter (an interface that is not ours).
    Punt,
}

/// A map keyed by addresses that the operator chose, so a fast unkeyed hash is safe.
pub type AddressMap<V> = HashMap<Ipv4Addr, V, AddressHash>;

/// Hash of configured addresses.
pub type AddressHash = BuildHasherDefault<AddressHasher>;

/// Multiplies the words with an odd constant; only for keys that the operator chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u32(u32::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u32(value as u32);
    }
}
