//! What the configuration says of registrations, as `registration` reads it.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;

use super::{
    config::{AddressConfig, HostConfig, MobileConfig, SecureConfig, Who},
    hosts::HostBook,
    registration::{
        AccessList, AddressSource, Associations, Host, Hosts, NatTraversal, Network, PeerName, Policy, Pool,
        ReverseTunnel, SecurityAssociation, StaticAddresses,
    },
};
use crate::access_list::{AccessLists, Name};

/// Of a configuration that has passed its checks, on a machine with these addresses.
pub(super) fn policy(
    config: &MobileConfig,
    own: &BTreeSet<Ipv4Addr>,
    lists: &AccessLists,
    book: &HostBook,
) -> Policy {
    let Some(agent) = config.agent.as_ref().filter(|_| config.router) else {
        return Policy { service: false, ..Policy::default() };
    };
    let networks: HashMap<Ipv4Net, Arc<Network>> =
        config.prefixes().map(|prefix| (prefix, Arc::new(Network::Virtual(prefix)))).collect();
    Policy {
        service: true,
        address: agent.address,
        own: own.clone(),
        virtual_addresses: agent.virtual_addresses.clone(),
        dynamic_address: agent.dynamic_address,
        care_of_access: agent.care_of_access.as_ref().map(|name| access(name, lists)),
        roam_access: agent.roam_access.as_ref().map(|name| access(name, lists)),
        lifetime: agent.lifetime,
        replay: agent.replay,
        reverse_tunnel: match (agent.reverse_tunnel_off, agent.reverse_tunnel_mandatory) {
            (true, _) => ReverseTunnel::Off,
            (_, true) => ReverseTunnel::Mandatory,
            _ => ReverseTunnel::On,
        },
        unknown_home_agent: agent.unknown_ha_accept,
        strip_realm: agent.strip_realm,
        reject_static_address: agent.reject_static_addr,
        max_binding: agent.max_binding,
        nat_traversal: agent.nat_traversal.map(|(keepalive, forced)| NatTraversal { keepalive, forced }),
        pools: config
            .pools
            .iter()
            .map(|pool| (Arc::from(&*pool.name), Pool { low: pool.low, high: pool.high }))
            .collect(),
        hosts: hosts(config, &networks, lists, book),
        associations: associations(&config.associations),
        virtual_networks: networks.into_values().collect(),
        ..Policy::default()
    }
}

/// What a list permits; nothing before it is told.
fn access(name: &Name, lists: &AccessLists) -> AccessList {
    let list = lists.iter().find(|list| list.name == *name).cloned();
    AccessList::new(move |address| list.as_ref().is_some_and(|list| list.permits_source(address)))
}

fn hosts(
    config: &MobileConfig,
    networks: &HashMap<Ipv4Net, Arc<Network>>,
    lists: &AccessLists,
    book: &HostBook,
) -> Hosts {
    let mut hosts = Hosts::default();
    for host in &config.hosts {
        let Some(network) = networks.get(&host.network) else { continue };
        let made = Arc::new(Host { counters: book.of(&host.who), ..made(host, network, lists) });
        match &host.who {
            Who::Nai(nai) => hosts.insert_nai(nai.as_bytes(), made),
            // Checked: ranges do not overlap.
            Who::Range(low, high) => drop(hosts.insert_range(*low, *high, made)),
            Who::ForeignAgent(_) => {}
        }
    }
    hosts
}

fn made(host: &HostConfig, network: &Arc<Network>, lists: &AccessLists) -> Host {
    let static_addresses = match (&host.static_pool, &*host.static_addresses) {
        (Some(pool), _) => StaticAddresses::Pool(Arc::from(&**pool)),
        (None, []) => StaticAddresses::None,
        (None, these) => StaticAddresses::These(these.into()),
    };
    Host {
        address: match &host.address {
            None => AddressSource::None,
            Some(AddressConfig::Fixed(address)) => AddressSource::Fixed(*address),
            Some(AddressConfig::Pool(name)) => AddressSource::Pool(Arc::from(&**name)),
        },
        static_addresses,
        lifetime: host.lifetime,
        care_of_access: host.care_of_access.as_ref().map(|name| access(name, lists)),
        ..Host::new(Arc::clone(network))
    }
}

fn associations(configured: &[SecureConfig]) -> Associations {
    let mut associations = Associations::default();
    for secure in configured {
        // Checked when the line was entered.
        let Some(key) = secure.key() else { continue };
        let association = SecurityAssociation::new(
            secure.inbound_spi,
            secure.outbound_spi,
            secure.algorithm,
            key,
            secure.replay,
        );
        let name = match &secure.who {
            Who::Nai(nai) => PeerName::Nai(nai.as_bytes()),
            Who::Range(low, high) => PeerName::Hosts(*low, *high),
            Who::ForeignAgent(address) => PeerName::ForeignAgent(*address),
        };
        // Checked: ranges do not overlap.
        let _ = associations.insert(name, association);
    }
    associations
}
