//! The balancer's part of a snapshot: virtual servers, farms, reals, and what follows from them.

mod targets;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ipnet::Ipv4Net;

pub use self::targets::Target;
use super::{ClientRate, FarmLive, RealLive, VserverLive};
use crate::{
    id::{FarmId, RealId, VserverId},
    net::Adjacency,
};

/// What workers read of the balancer's configuration. Live state is shared between parts by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct SlbPart {
    /// By [`VserverId`]; empty slots are `None`.
    pub vservers: Vec<Option<VirtualServer>>,
    /// By [`FarmId`].
    pub farms: Vec<Option<Farm>>,
    /// By [`RealId::index`].
    pub reals: Vec<Option<Real>>,
    /// Sessions are being debugged: workers send their events.
    pub debug_sessions: bool,
}

impl SlbPart {
    /// The real that `id` names, unless its slot was given to another.
    #[inline]
    pub fn real(&self, id: RealId) -> Option<&Real> {
        self.reals.get(usize::from(id.index))?.as_ref().filter(|real| real.id.generation == id.generation)
    }

    /// The farm in a slot.
    #[inline]
    pub fn farm(&self, id: FarmId) -> Option<&Farm> {
        self.farms.get(id.index())?.as_ref()
    }

    /// The virtual server in a slot.
    #[inline]
    pub fn vserver(&self, id: VserverId) -> Option<&VirtualServer> {
        self.vservers.get(id.index())?.as_ref()
    }
}

/// A virtual server in service.
#[derive(Clone, Debug)]
pub struct VirtualServer {
    /// Position in [`SlbPart::vservers`].
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
    pub idle: Duration,
    /// Drop RRQs whose Home Agent field names neither the wildcard, the VIP nor a real.
    pub strict_home_agent: bool,
    /// New sessions a second of each source, bounded.
    pub client_rate: Option<Arc<ClientRate>>,
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
    /// Position in [`SlbPart::farms`].
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
    /// Members that left with the last change, each with the position in `reals` that the cursor passes to.
    pub departed: Vec<(RealId, u16)>,
    /// The cursor, shared by all workers and all snapshots.
    pub live: Arc<FarmLive>,
}

/// A real server of a farm that is in use.
#[derive(Clone, Debug)]
pub struct Real {
    /// Slot and generation.
    pub id: RealId,
    /// Destination in directed mode; in dispatched mode the address whose neighbour gets the packets.
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
