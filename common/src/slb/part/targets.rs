//! Where the sessions of each real go, worked out once a publication instead of once a packet.

use std::{net::Ipv4Addr, sync::Arc};

use super::{Real, SlbPart};
use crate::{
    id::{PortId, RealId},
    net::{Adjacency, Network},
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
    pub dnat: Option<(Ipv4Addr, Option<u16>)>,
    /// The real's.
    pub live: Arc<RealLive>,
}

impl SlbPart {
    /// The targets that this part has in a network, by [`RealId::index`].
    pub fn targets(&self, network: &Network) -> Arc<[Option<Target>]> {
        self.reals.iter().map(|real| self.target(network, real.as_ref()?)).collect()
    }

    fn target(&self, network: &Network, real: &Real) -> Option<Target> {
        let adjacency = real.adjacency.filter(|adjacency| network.can_send(adjacency))?;
        let Adjacency { port, vlan: None, source, destination, mtu, .. } = adjacency else { return None };
        let directed = self.farm(real.farm).is_some_and(|farm| farm.nat_server);
        let mut link = [0; 12];
        link[..6].copy_from_slice(&destination.0);
        link[6..].copy_from_slice(&source.0);
        Some(Target {
            id: real.id,
            port,
            mtu,
            reassign: real.reassign.map_or(u16::MAX, u16::from),
            link,
            verdict: if directed { Verdict::SLB_DIRECTED } else { Verdict::SLB_DISPATCHED },
            dnat: directed.then_some((real.address, real.port)),
            live: Arc::clone(&real.live),
        })
    }
}
