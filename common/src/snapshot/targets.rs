//! Where the sessions of each real go, worked out once a publication instead of once a packet.

use std::{net::Ipv4Addr, sync::Arc};

use super::{Adjacency, Real, Snapshot};
use crate::{
    id::{PortId, RealId},
    slb::RealLive,
    verdict::Verdict,
};

/// A real whose sessions leave untagged by a port that is up.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of the real.
    pub id: RealId,
    /// Port of the device that transmits.
    pub port: PortId,
    /// Longest IPv4 packet in bytes.
    pub mtu: u16,
    /// A session moves when its retries exceed this; `u16::MAX` for never.
    pub reassign: u16,
    /// Ethernet destination and source as they lie in a frame.
    pub link: [u8; 12],
    /// How a packet ends that was sent there.
    pub verdict: Verdict,
    /// Directed mode: the real's address, and its port if that is not the packet's.
    pub readdress: Option<(Ipv4Addr, Option<u16>)>,
    /// The real's.
    pub live: Arc<RealLive>,
}

/// Targets by [`RealId::index`]; [`Snapshot::prepare`] makes them.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Of the snapshot that they were made for.
    generation: Option<u64>,
    list: Vec<Option<Target>>,
}

impl Snapshot {
    /// Works out what follows from the rest; called last, with the generation set. A snapshot that was changed since
    /// is told by its generation, and does without.
    pub fn prepare(&mut self) {
        let list = self.reals.iter().map(|real| self.target(real.as_ref()?)).collect();
        self.targets = Targets { generation: Some(self.generation), list };
    }

    /// The targets; none before [`Snapshot::prepare`].
    #[inline]
    pub fn targets(&self) -> &[Option<Target>] {
        if self.targets.generation == Some(self.generation) { &self.targets.list } else { &[] }
    }

    fn target(&self, real: &Real) -> Option<Target> {
        let Adjacency { interface, port, vlan: None, source, destination, mtu } = real.adjacency? else {
            return None;
        };
        let up = self.interfaces.get(interface.index())?.up && self.ports.get(port.index())?.link_up;
        let directed = self.farm(real.farm).is_some_and(|farm| farm.nat_server);
        let mut link = [0; 12];
        link[..6].copy_from_slice(&destination.0);
        link[6..].copy_from_slice(&source.0);
        up.then(|| Target {
            id: real.id,
            port,
            mtu,
            reassign: real.reassign.map_or(u16::MAX, u16::from),
            link,
            verdict: if directed { Verdict::SLB_DIRECTED } else { Verdict::SLB_DISPATCHED },
            readdress: directed.then_some((real.address, real.port)),
            live: Arc::clone(&real.live),
        })
    }
}
