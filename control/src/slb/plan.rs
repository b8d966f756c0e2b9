//! From settings, slots and the network to what workers read.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    id::VserverId,
    mac::MacAddr,
    net::{Adjacency, Network, NextHop, Owner, Owners, VirtualAddress},
    slb::{Farm, Predictor, Real, SlbPart, VirtualServer},
};

use super::{
    config::{FarmConfig, Reassign, SlbConfig, VserverConfig},
    state::{RealKey, SlbState},
};

/// Where each real's packets go, by `RealId::index`. As long as it stays the same, a changed network changes nothing for
/// the balancer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    reals: Vec<Resolved>,
    /// Where reals' packets could go as well.
    others: BTreeSet<NextHop>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Resolved {
    next_hop: Option<NextHop>,
    adjacency: Option<Adjacency>,
    can_send: bool,
}

impl Resolved {
    fn new(network: &Network, next_hop: NextHop) -> Self {
        let adjacency = network.adjacency(next_hop);
        let can_send = adjacency.is_some_and(|adjacency| network.can_send(&adjacency));
        Self { next_hop: Some(next_hop), adjacency, can_send }
    }

    /// The better of two, `self` if they are alike.
    fn or(self, other: Self) -> Self {
        let rank = |one: &Self| (one.can_send, one.adjacency.is_some());
        if rank(&other) > rank(&self) { other } else { self }
    }
}

impl Resolution {
    /// Finds the next hop of every real that has a slot: in dispatched mode the real itself, which must be on a connected
    /// subnet; in directed mode that of the longest matching route. Of several next hops a real's address has its own, and
    /// another only while nothing can be sent to that one.
    pub fn new(config: &SlbConfig, state: &SlbState, network: &Network) -> Self {
        let mut found = Self { reals: vec![Resolved::default(); state.reals.len()], others: BTreeSet::new() };
        for farm in &config.farms {
            if !config.is_farm_in_service(&farm.name) {
                continue;
            }
            for real in &farm.reals {
                let resolved = if farm.nat_server {
                    found.route(network, real.address)
                } else {
                    let next_hop = network.connected_next_hop(real.address);
                    next_hop.map_or_else(Resolved::default, |next_hop| Resolved::new(network, next_hop))
                };
                if let Some((index, _)) = state.reals.get(&RealKey::new(farm, real)) {
                    found.reals[index] = resolved;
                }
            }
        }
        found
    }

    fn route(&mut self, network: &Network, address: Ipv4Addr) -> Resolved {
        let mut ways = network.routed_next_hops(address).map(|next_hop| Resolved::new(network, next_hop));
        let first = ways.next().unwrap_or_default();
        ways.fold(first, |best, way| {
            self.others.extend([first, way].iter().filter_map(|one| one.next_hop));
            best.or(way)
        })
    }

    /// Neighbours to be kept resolved: every one that a real's packets may go to.
    pub fn next_hops(&self) -> BTreeSet<NextHop> {
        self.reals
            .iter()
            .filter_map(|resolved| resolved.next_hop)
            .chain(self.others.iter().copied())
            .collect()
    }

    /// The adjacency of the real in a slot, once it is resolved.
    pub fn adjacency(&self, index: usize) -> Option<Adjacency> {
        self.reals.get(index)?.adjacency
    }
}

/// The balancer's part of a snapshot: everything that has a slot in `state`.
///
/// What is out of service is in it too, without a virtual address that leads to it: its sessions must find their counters
/// until they have ended.
pub fn part(config: &SlbConfig, state: &SlbState, resolution: &Resolution) -> SlbPart {
    let mut part = SlbPart::default();
    part.vservers.resize_with(state.vservers.len(), || None);
    part.farms.resize_with(state.farms.len(), || None);
    part.reals.resize_with(state.reals.len(), || None);
    for farm in &config.farms {
        add_farm(&mut part, farm, state, resolution);
    }
    for vserver in &config.vservers {
        add_vserver(&mut part, vserver, state);
    }
    part
}

fn add_farm(part: &mut SlbPart, farm: &FarmConfig, state: &SlbState, resolution: &Resolution) {
    let Some((index, entry)) = state.farms.get(&farm.name) else { return };
    part.farms[index] = Some(Farm {
        id: entry.id,
        name: farm.name.to_string(),
        nat_server: farm.nat_server,
        predictor: Predictor::RoundRobin,
        reals: entry.members.clone(),
        generation: entry.generation,
        departed: entry.departed.clone(),
        live: Arc::clone(&entry.live),
    });
    for real in &farm.reals {
        let Some((index, real_entry)) = state.reals.get(&RealKey::new(farm, real)) else { continue };
        part.reals[index] = Some(Real {
            id: real_entry.id,
            address: real.address,
            port: real.port,
            farm: entry.id,
            reassign: match real.reassign {
                Reassign::After(retries) => Some(retries),
                Reassign::Never => None,
            },
            purge: farm.purge,
            adjacency: resolution.adjacency(index),
            live: Arc::clone(&real_entry.live),
        });
    }
}

fn add_vserver(part: &mut SlbPart, vserver: &VserverConfig, state: &SlbState) {
    let farm_id = |name| state.farms.get(name).map(|(_, farm)| farm.id);
    let (Some((index, entry)), Some(address), Some(choice)) =
        (state.vservers.get(&vserver.name), &vserver.address, &vserver.farm)
    else {
        return;
    };
    let Some(farm) = farm_id(&choice.primary) else { return };
    part.vservers[index] = Some(VirtualServer {
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
        client_rate: entry.client_rate.clone(),
        live: Arc::clone(&entry.live),
    });
}

/// Claims the virtual addresses of what is in service; they are nobody else's any more.
pub fn claim(config: &SlbConfig, state: &SlbState, network: &Network, owners: &mut Owners) {
    for vserver in config.vservers.iter().filter(|vserver| vserver.inservice) {
        let (Some((_, entry)), Some(address), Some(choice)) =
            (state.vservers.get(&vserver.name), &vserver.address, &vserver.farm)
        else {
            continue;
        };
        if state.farms.get(&choice.primary).is_none() {
            continue;
        }
        // `hosts` leaves out network and broadcast addresses of larger ranges, which nobody sends to.
        for address in address.network.hosts() {
            claim_address(address, entry.id, network, owners);
        }
    }
}

fn claim_address(address: Ipv4Addr, vserver: VserverId, network: &Network, owners: &mut Owners) {
    if let Some(Owner::Virtual(known)) = owners.get_mut(&address) {
        return known.vservers.push(vserver);
    }
    let interface = network.connected(address);
    let claimed = VirtualAddress {
        interface: interface.map(|interface| interface.id),
        mac: interface.map_or_else(MacAddr::default, |interface| interface.mac),
        vservers: vec![vserver],
    };
    owners.insert(address, Owner::Virtual(claimed));
}

/// A gratuitous ARP to send: an address came to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// The address, and where.
    pub hop: NextHop,
    /// The MAC that answers.
    pub mac: MacAddr,
}

/// Virtual addresses that `new` answers for and `old` did not, or elsewhere, in order.
pub fn announcements(old: &Owners, new: &Owners) -> Vec<Announcement> {
    let place = |address: Ipv4Addr, owner: &Owner| {
        let claimed = owner.as_virtual()?;
        Some(Announcement { hop: NextHop { interface: claimed.interface?, address }, mac: claimed.mac })
    };
    let mut list: Vec<_> = new
        .iter()
        .filter_map(|(address, owner)| place(*address, owner))
        .filter(|now| old.get(&now.hop.address).and_then(|owner| place(now.hop.address, owner)) != Some(*now))
        .collect();
    list.sort();
    list
}
