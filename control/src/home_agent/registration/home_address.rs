//! Which home address a mobile node gets.

use std::{net::Ipv4Addr, sync::Arc};

use common::wire::mobile_ip::Code;

use super::{
    binding::Node,
    host::{AddressSource, Host, Network, StaticAddresses},
    identity::Identity,
    policy::Policy,
    table::Table,
};

/// An address that a host can have.
pub(super) fn is_unicast(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    (1..224).contains(&first) && first != 127
}

/// Whose request it is, and for what address.
pub(super) struct Asked<'a> {
    pub identity: Identity<'a>,
    /// 0.0.0.0: none was named.
    pub home: Ipv4Addr,
    pub host: Option<&'a Arc<Host>>,
    pub node: Option<&'a Node>,
}

/// Step 14 of the processing order: the address, and where it is at home.
pub(super) fn choose(
    policy: &Policy,
    table: &Table,
    asked: &Asked<'_>,
) -> Result<(Ipv4Addr, Arc<Network>), Code> {
    let held = asked.node.filter(|node| !node.bindings.is_empty()).map(|node| node.home);
    let Some(host) = asked.host else {
        let network =
            policy.virtual_network(asked.home).filter(|_| matches!(asked.identity, Identity::Address(_)));
        let network = network.ok_or(Code::PROHIBITED)?;
        return Ok((free(table, policy, asked.home, held)?, Arc::clone(network)));
    };
    let home = match asked.identity {
        Identity::Address(home) => free(table, policy, home, held)?,
        Identity::Nai(_) if asked.home.is_unspecified() => match held {
            Some(held) => held,
            None => assign(policy, table, asked.identity, host).ok_or(Code::NO_RESOURCES)?,
        },
        Identity::Nai(_) => {
            let refused = held.is_none() && policy.reject_static_address;
            if held != Some(asked.home) && (refused || !may_name(policy, host, asked.home)) {
                return Err(Code::PROHIBITED);
            }
            free(table, policy, asked.home, held)?
        }
    };
    Ok((home, Arc::clone(&host.network)))
}

/// A named address must be nobody else's.
fn free(table: &Table, policy: &Policy, home: Ipv4Addr, held: Option<Ipv4Addr>) -> Result<Ipv4Addr, Code> {
    if held == Some(home) || table.is_free(home) && !policy.is_ours(home) {
        Ok(home)
    } else {
        Err(Code::PROHIBITED)
    }
}

/// The address is one of those that a host may name.
fn may_name(policy: &Policy, host: &Host, home: Ipv4Addr) -> bool {
    let in_pool = |name| policy.pools.get(name).is_some_and(|pool| pool.contains(home));
    let fixed = match &host.address {
        AddressSource::None => false,
        AddressSource::Fixed(address) => *address == home,
        AddressSource::Pool(name) => in_pool(name),
    };
    fixed
        || match &host.static_addresses {
            StaticAddresses::None => false,
            StaticAddresses::These(addresses) => addresses.contains(&home),
            StaticAddresses::Pool(name) => in_pool(name),
        }
}

/// The fixed address, or the last one it had, or the lowest one that is free.
fn assign(policy: &Policy, table: &Table, identity: Identity<'_>, host: &Host) -> Option<Ipv4Addr> {
    let usable = |home: &Ipv4Addr| table.is_free(*home) && !policy.is_ours(*home);
    let pool = match &host.address {
        AddressSource::None => return None,
        AddressSource::Fixed(address) => return Some(*address).filter(usable),
        AddressSource::Pool(name) => policy.pools.get(name)?,
    };
    let last = table.last_address(identity).filter(|last| pool.contains(*last));
    if let Some(last) = last.filter(usable) {
        return Some(last);
    }
    let mut low = pool.low;
    loop {
        let found = table.lowest_free(low, pool.high)?;
        // Our own addresses, which may lie in the pool, are few.
        if usable(&found) {
            return Some(found);
        }
        low = Ipv4Addr::from_bits(found.to_bits().checked_add(1)?);
    }
}
