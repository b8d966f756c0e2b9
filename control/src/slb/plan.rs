//! From settings, places and the network to what workers read.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    id::VserverId,
    mac::MacAddr,
    snapshot::{AddressMap, Adjacency, Farm, Predictor, Real, Snapshot, Vip, VirtualServer},
};

use super::{
    adjacency::{Network, NextHop},
    config::{FarmConfig, RealConfig, Reassign, SlbConfig, VserverConfig},
    state::{RealKey, SlbState},
};

/// The balancer's part of a snapshot, and what it asks of the host.
#[derive(Debug, Default)]
pub struct Plan {
    /// Virtual addresses of what is in service.
    pub vips: AddressMap<Vip>,
    /// By `VserverId`.
    pub vservers: Vec<Option<VirtualServer>>,
    /// By `FarmId`.
    pub farms: Vec<Option<Farm>>,
    /// By `RealId::index`.
    pub reals: Vec<Option<Real>>,
    /// Neighbours to be kept resolved.
    pub hops: BTreeSet<NextHop>,
}

impl Plan {
    /// Plans everything that has a place in `state`.
    ///
    /// What is out of service is planned too, without a virtual address that leads to it: its sessions must find their
    /// counters until they have ended.
    pub fn new(config: &SlbConfig, state: &SlbState, network: Network<'_>) -> Self {
        let mut plan = Self {
            vservers: none(state.vservers.len()),
            farms: none(state.farms.len()),
            reals: none(state.reals.len()),
            ..Self::default()
        };
        for farm in &config.farms {
            plan.add_farm(farm, config.is_farm_in_service(&farm.name), state, network);
        }
        for vserver in &config.vservers {
            plan.add_vserver(vserver, state, network);
        }
        plan
    }

    /// Moves the plan into a snapshot.
    pub fn fill(self, snapshot: &mut Snapshot) {
        snapshot.vips = self.vips;
        snapshot.vservers = self.vservers;
        snapshot.farms = self.farms;
        snapshot.reals = self.reals;
    }

    fn add_farm(&mut self, farm: &FarmConfig, in_service: bool, state: &SlbState, network: Network<'_>) {
        let Some((index, entry)) = state.farms.get(&farm.name) else { return };
        for real in &farm.reals {
            let hop = network.next_hop(real.address, farm.nat_server).filter(|_| in_service);
            self.hops.extend(hop);
            self.add_real(farm, real, state, hop.and_then(|hop| network.adjacency(hop)));
        }
        self.farms[index] = Some(Farm {
            id: entry.id,
            name: farm.name.to_string(),
            nat_server: farm.nat_server,
            predictor: Predictor::RoundRobin,
            reals: entry.members.clone(),
            generation: entry.generation,
            departed: entry.departed.clone(),
            live: Arc::clone(&entry.live),
        });
    }

    fn add_real(
        &mut self,
        farm: &FarmConfig,
        real: &RealConfig,
        state: &SlbState,
        adjacency: Option<Adjacency>,
    ) {
        let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
        let (Some((index, entry)), Some((_, farm_entry))) =
            (state.reals.get(&key), state.farms.get(&farm.name))
        else {
            return;
        };
        self.reals[index] = Some(Real {
            id: entry.id,
            address: real.address,
            port: real.port,
            farm: farm_entry.id,
            reassign: match real.reassign {
                Reassign::After(retries) => Some(retries),
                Reassign::Never => None,
            },
            purge: farm.purge,
            adjacency,
            live: Arc::clone(&entry.live),
        });
    }

    fn add_vserver(&mut self, vserver: &VserverConfig, state: &SlbState, network: Network<'_>) {
        let farm_id = |name| state.farms.get(name).map(|(_, farm)| farm.id);
        let (Some((index, entry)), Some(address), Some(choice)) =
            (state.vservers.get(&vserver.name), &vserver.address, &vserver.farm)
        else {
            return;
        };
        let Some(farm) = farm_id(&choice.primary) else { return };
        self.vservers[index] = Some(VirtualServer {
            id: entry.id,
            name: vserver.name.to_string(),
            v_index: entry.v_index,
            address: address.network.addr(),
            port: address.port,
            farm,
            backup: choice.backup.as_ref().and_then(farm_id),
            clients: vserver.clients.clone(),
            idle: Duration::from_secs(vserver.idle_request.into()),
            strict_home_agent: vserver.strict_home_agent,
            live: Arc::clone(&entry.live),
        });
        if !vserver.inservice {
            return;
        }
        // `hosts` leaves out network and broadcast addresses of larger ranges, which nobody sends to.
        for vip in address.network.hosts() {
            self.add_vip(vip, entry.id, network);
        }
    }

    fn add_vip(&mut self, address: Ipv4Addr, vserver: VserverId, network: Network<'_>) {
        let vip = self.vips.entry(address).or_insert_with(|| {
            let interface = network.connected(address);
            Vip {
                interface: interface.map(|interface| interface.id),
                mac: interface.map_or_else(MacAddr::default, |interface| interface.mac),
                vservers: Vec::new(),
            }
        });
        vip.vservers.push(vserver);
    }
}

fn none<T>(length: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(length).collect()
}

/// A gratuitous ARP to send: an address came to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// Where.
    pub hop: NextHop,
    /// The MAC that answers.
    pub mac: MacAddr,
}

/// Virtual addresses that `new` answers for and `old` did not, or elsewhere, in order.
pub fn announcements(old: &AddressMap<Vip>, new: &AddressMap<Vip>) -> Vec<Announcement> {
    let place = |address: &Ipv4Addr, vip: &Vip| {
        vip.interface.map(|interface| Announcement { hop: (interface, *address), mac: vip.mac })
    };
    let mut list: Vec<_> = new
        .iter()
        .filter_map(|(address, vip)| place(address, vip))
        .filter(|now| old.get(&now.hop.1).and_then(|vip| place(&now.hop.1, vip)) != Some(*now))
        .collect();
    list.sort();
    list
}
