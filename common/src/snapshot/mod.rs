//! What a worker knows of the configuration and of the network: immutable parts, replaced by one pointer swap.
//!
//! Control builds the next snapshot of the parts that changed and the parts that stay, and publishes it. A worker takes its
//! reference once a burst. Live state (a real's state and connections, a farm's turn) is shared between snapshots by `Arc`.

use std::sync::Arc;

use crate::{
    id::{FarmId, RealId, VserverId},
    mobile::MobilePart,
    net::Network,
    slb::{Farm, Real, SlbPart, Target, VirtualServer},
};

/// Everything that a worker reads. A clone shares all parts.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rises by one at each publication.
    pub generation: u64,
    /// What every subsystem forwards by.
    pub net: Arc<Network>,
    /// The balancer's part.
    pub slb: Arc<SlbPart>,
    /// The home agent's part.
    pub mobile: Arc<MobilePart>,
    /// What follows from both: the targets of the fast path by [`RealId::index`]; none before [`Snapshot::prepare`].
    pub targets: Arc<[Option<Target>]>,
}

impl Snapshot {
    /// The real that `id` names, unless its slot was given to another.
    #[inline]
    pub fn real(&self, id: RealId) -> Option<&Real> {
        self.slb.real(id)
    }

    /// The farm in a slot.
    #[inline]
    pub fn farm(&self, id: FarmId) -> Option<&Farm> {
        self.slb.farm(id)
    }

    /// The virtual server in a slot.
    #[inline]
    pub fn vserver(&self, id: VserverId) -> Option<&VirtualServer> {
        self.slb.vserver(id)
    }

    /// The network, to be changed; other snapshots keep theirs. There are no targets until [`Snapshot::prepare`].
    pub fn net_mut(&mut self) -> &mut Network {
        self.targets = Arc::default();
        Arc::make_mut(&mut self.net)
    }

    /// The balancer's part, to be changed; other snapshots keep theirs. There are no targets until [`Snapshot::prepare`].
    pub fn slb_mut(&mut self) -> &mut SlbPart {
        self.targets = Arc::default();
        Arc::make_mut(&mut self.slb)
    }

    /// The home agent's part, to be changed; other snapshots keep theirs.
    pub fn mobile_mut(&mut self) -> &mut MobilePart {
        Arc::make_mut(&mut self.mobile)
    }

    /// True if both are made of the same parts; compares no contents.
    pub fn shares_all(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.net, &other.net)
            && Arc::ptr_eq(&self.slb, &other.slb)
            && Arc::ptr_eq(&self.mobile, &other.mobile)
            && Arc::ptr_eq(&self.targets, &other.targets)
    }

    /// Works out the targets of the fast path; called last.
    pub fn prepare(&mut self) {
        self.targets = self.slb.targets(&self.net);
    }
}
