//! How much of each virtual server's capacity is usable: what those above this director choose a site by.

use common::slb::{RealState, RealStatus};

use super::{
    config::{FarmConfig, ObjectName, RealConfig, SlbConfig, VserverConfig},
    feedback::protocol_number,
};
use crate::bus::{Service, VirtualServer};

/// All of a virtual server's capacity.
pub const FULL: u16 = u16::MAX;

/// The virtual servers that have an address, in the order of the configuration. `live` gives a real as it is now; while
/// `stopping` nothing is usable.
pub(super) fn virtual_servers(
    slb: &SlbConfig,
    stopping: bool,
    live: impl Fn(&FarmConfig, &RealConfig) -> Option<RealStatus>,
) -> Vec<VirtualServer> {
    let with_address = slb.vservers.iter().filter_map(|vserver| Some((vserver, vserver.address.as_ref()?)));
    with_address
        .map(|(vserver, address)| VirtualServer {
            address: address.network.addr(),
            service: Service { protocol: protocol_number(address.protocol), port: address.port },
            clients: vserver.clients.iter().filter(|rule| !rule.exclude).map(|rule| rule.network).collect(),
            capacity: if vserver.inservice && !stopping { capacity(slb, vserver, &live) } else { 0 },
        })
        .collect()
}

/// Of a virtual server in service: of its farm, or of the backup while no real of the farm is usable.
fn capacity(
    slb: &SlbConfig,
    vserver: &VserverConfig,
    live: &impl Fn(&FarmConfig, &RealConfig) -> Option<RealStatus>,
) -> u16 {
    let of = |name: &ObjectName| slb.farm(name).map_or(0, |farm| share(farm, |real| live(farm, real)));
    vserver.farms().map(of).find(|share| *share > 0).unwrap_or(0)
}

/// `floor(65535 * usable / all)` over the configured weights of a farm's reals, at least 1 if one is usable. A real with
/// `maxconns` counts for the part of them that is free.
fn share(farm: &FarmConfig, live: impl Fn(&RealConfig) -> Option<RealStatus>) -> u16 {
    let (mut usable, mut all, mut any) = (0_u128, 0_u128, false);
    for real in &farm.reals {
        let weight = u128::from(real.weight) * u128::from(u32::MAX);
        all += weight;
        let Some(view) = live(real).filter(|view| view.state == RealState::Operational) else { continue };
        any = true;
        usable += if view.maxconns == u32::MAX {
            weight
        } else {
            let free = view.maxconns.saturating_sub(view.conns);
            weight * u128::from(free) / u128::from(view.maxconns.max(1))
        };
    }
    let share = u128::from(FULL) * usable / all.max(1);
    u16::try_from(share).unwrap_or(FULL).max(u16::from(any))
}
