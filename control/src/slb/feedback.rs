//! The balancer on the bus: it tells which real servers it has and what its virtual servers can take, and hears weights.

use std::sync::Arc;

use common::{
    slb::{RealState, RealStatus},
    time::Nanos,
};

use super::{
    Slb, capacity,
    config::{FarmConfig, SlbConfig, Transport},
    state::{RealEntry, RealKey},
};
use crate::{
    bus::{Fact, Server, Service, Weight, WeightSource},
    protocol::Cx,
};

const TCP: u8 = common::wire::ipv4::TCP;
const UDP: u8 = common::wire::ipv4::UDP;

/// The number of a virtual server's IP protocol.
pub(super) fn protocol_number(protocol: Transport) -> u8 {
    match protocol {
        Transport::Udp => UDP,
        Transport::Tcp => TCP,
    }
}

/// True unless failure detection or the configuration keeps new sessions away: what feedback itself does is no news to
/// whom it comes from.
fn is_usable(state: RealState) -> bool {
    use RealState::{DfpThrottled, MaxClients, MaxConns, Operational};
    matches!(state, Operational | MaxConns | MaxClients | DfpThrottled)
}

/// What the virtual servers of a farm listen on.
fn services(slb: &SlbConfig, farm: &FarmConfig) -> Arc<[Service]> {
    let users = slb.vservers.iter().filter(|vserver| vserver.farms().any(|name| *name == farm.name));
    let addresses = users.filter_map(|vserver| vserver.address.as_ref());
    addresses
        .map(|address| Service { protocol: protocol_number(address.protocol), port: address.port })
        .collect()
}

impl RealEntry {
    /// What workers make of it, as far as others are told of it: its state, and its sessions if they are limited.
    fn observe(&self, cx: &Cx<'_, Slb>) -> (RealState, u32) {
        cx.observe(format_args!("real {}", self.id.index), || {
            let view = self.live.view();
            (view.state, if view.maxconns == u32::MAX { 0 } else { view.conns })
        })
    }

    /// A repeated report brings a failed real back, once in its retry time.
    fn revive(&mut self, weight: u32, now: Nanos) {
        let failed =
            matches!(self.live.state(), RealState::Failed | RealState::ReadyToTest | RealState::Testing);
        if failed && self.revived.is_none_or(|last| now.since(last) >= self.retry) {
            self.revived = Some(now);
            self.live.set_dfp(Some(weight));
        }
    }
}

impl Slb {
    /// Tells what others do not know yet.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_, Self>) {
        let servers = self.servers(cx);
        let same = |(old, new): (&Server, &Server)| *old == Server { weight: old.weight, ..new.clone() };
        if servers.len() != self.servers.len() || !self.servers.iter().zip(&servers).all(same) {
            self.servers = servers.into();
            cx.tell(Fact::Servers(Arc::clone(&self.servers)));
        }
        let live = |farm: &FarmConfig, real: &super::config::RealConfig| {
            let key = RealKey::new(farm, real);
            let (_, entry) = self.state.reals.get(&key)?;
            let (state, conns) = entry.observe(cx);
            Some(RealStatus { state, conns, ..entry.live.view() })
        };
        let capacity = capacity::virtual_servers(cx.config, self.stopping, live);
        if *self.capacity != *capacity {
            self.capacity = capacity.into();
            cx.tell(Fact::VirtualServers(Arc::clone(&self.capacity)));
        }
    }

    fn servers(&self, cx: &Cx<'_, Self>) -> Vec<Server> {
        let mut servers = Vec::new();
        for farm in &cx.config.farms {
            let services = services(cx.config, farm);
            for real in &farm.reals {
                let key = RealKey::new(farm, real);
                let Some((_, entry)) = self.state.reals.get(&key) else { continue };
                servers.push(Server {
                    id: entry.id,
                    address: real.address,
                    port: real.port,
                    bind_id: farm.bindid,
                    services: Arc::clone(&services),
                    usable: is_usable(entry.observe(cx).0),
                    weight: entry.live.weight(),
                });
            }
        }
        servers
    }

    /// Heeds a weight, from the next packet on. More than 0 brings a failed real back.
    pub(super) fn apply_weight(&mut self, heard: &Weight, now: Nanos) {
        let Some(entry) = self.state.real_mut(heard.server) else { return };
        let weight = heard.weight.map(u32::from);
        let changed = weight != entry.live.dfp_weight();
        match (heard.source, weight) {
            (WeightSource::Table, _) if changed => entry.live.override_weight(weight),
            (WeightSource::Report { .. }, _) if changed => entry.live.set_dfp(weight),
            (WeightSource::Report { alive: true }, Some(weight)) if weight > 0 => entry.revive(weight, now),
            (WeightSource::Table | WeightSource::Report { .. }, _) => {}
        }
    }
}
