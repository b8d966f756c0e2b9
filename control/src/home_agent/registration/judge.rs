//! Steps 8 to 15 of the processing order: what an authentic, fresh request gets. Nothing changes here.

use std::{net::Ipv4Addr, sync::Arc};

use common::wire::mobile_ip::{Code, Flags};

use super::{
    binding::{Grant, Node},
    home_address::{Asked, choose, is_unicast},
    home_agent_field::reply_field,
    host::{Host, Network},
    identity::Identity,
    policy::Policy,
    request::{From, Received, Request},
    table::Table,
    udp_tunnel::agree,
};

/// A request that is authentic and fresh.
pub(super) struct Authentic<'a> {
    pub request: &'a Request<'a>,
    pub received: &'a Received<'a>,
    pub identity: Identity<'a>,
    pub host: Option<&'a Arc<Host>>,
    pub spi: u32,
    pub node: Option<&'a Node>,
}

/// What is done for it.
pub(super) enum Decision {
    /// Bindings end: that of one care-of address, or all.
    Deregister { home: Ipv4Addr, home_agent: Ipv4Addr, care_of: Option<Ipv4Addr> },
    /// A binding is installed; others of the node stay if `keep`.
    Register { home: Ipv4Addr, network: Arc<Network>, grant: Grant, keep: bool, code: Code },
}

pub(super) fn judge(policy: &Policy, table: &Table, asked: &Authentic<'_>) -> Result<Decision, Code> {
    let (request, fixed) = (asked.request, &asked.request.fixed);
    form(policy, request)?;
    match request.critical_vendor {
        Some(From::Mobile) => return Err(Code::VENDOR_FROM_MN),
        Some(From::Foreign) => return Err(Code::VENDOR_FROM_FA),
        None => {}
    }
    let home_agent = reply_field(policy, asked.received, request).ok_or(Code::UNKNOWN_HOME_AGENT)?;
    let held = asked.node.filter(|node| !node.bindings.is_empty()).map(|node| node.home);
    if fixed.lifetime == 0 {
        let named = !fixed.home_address.is_unspecified();
        let home = if named { fixed.home_address } else { held.unwrap_or(fixed.home_address) };
        let care_of = (fixed.care_of != home).then_some(fixed.care_of);
        return Ok(Decision::Deregister { home, home_agent, care_of });
    }
    let host = asked.host;
    let permitted = |list: Option<&super::policy::AccessList>, address| {
        if list.is_none_or(|list| list.permits(address)) { Ok(()) } else { Err(Code::PROHIBITED) }
    };
    permitted(policy.care_of_access.as_ref(), fixed.care_of)?;
    permitted(host.and_then(|host| host.care_of_access.as_ref()), fixed.care_of)?;
    // Two nodes with each other's home address as their care-of address would have a packet go round for ever.
    if table.holder(fixed.care_of).is_some() {
        return Err(Code::PROHIBITED);
    }
    let named = if fixed.home_address.is_unspecified() { held } else { Some(fixed.home_address) };
    if let Some(home) = named {
        permitted(policy.roam_access.as_ref(), home)?;
    }
    let agreed = agree(policy, asked.received, request)?;
    let wanted = Asked { identity: asked.identity, home: fixed.home_address, host, node: asked.node };
    let (home, network) = choose(policy, table, &wanted)?;
    permitted(policy.roam_access.as_ref(), home)?;
    if home == fixed.care_of {
        return Err(Code::POORLY_FORMED);
    }
    let (keep, code) = capacity(policy, table, asked, home)?;
    let cap = host.and_then(|host| host.lifetime).unwrap_or(policy.lifetime);
    let mut flags = fixed.flags;
    if !policy.broadcast {
        flags = Flags(flags.0 & !Flags::BROADCAST.0);
    }
    let grant = Grant {
        care_of: fixed.care_of,
        remote: agreed.remote,
        home_agent,
        source: (*asked.received.source.ip(), asked.received.source.port()),
        encapsulation: agreed.encapsulation,
        granted: fixed.lifetime.min(cap).min(policy.lifetime),
        flags,
        answer: agreed.answer,
        identification: fixed.identification,
        spi: asked.spi,
    };
    Ok(Decision::Register { home, network, grant, keep, code })
}

/// Step 8.
fn form(policy: &Policy, request: &Request<'_>) -> Result<(), Code> {
    let fixed = &request.fixed;
    let home_ok = fixed.home_address.is_unspecified() || is_unicast(fixed.home_address);
    let care_of_ok = is_unicast(fixed.care_of) && !policy.is_ours(fixed.care_of);
    let at_home = fixed.home_address == fixed.care_of && fixed.lifetime != 0;
    if request.disordered || !home_ok || !care_of_ok || at_home { Err(Code::POORLY_FORMED) } else { Ok(()) }
}

/// Step 15: whether others stay, and the code of the reply.
fn capacity(
    policy: &Policy,
    table: &Table,
    asked: &Authentic<'_>,
    home: Ipv4Addr,
) -> Result<(bool, Code), Code> {
    let simultaneous = asked.request.fixed.flags.contains(Flags::SIMULTANEOUS);
    let limit = usize::from(policy.simultaneous.clamp(1, 3));
    let keep = simultaneous && limit > 1;
    let bindings = asked.node.map(|node| (&node.bindings, node.home == home));
    let (held, known) = bindings.map_or((0, false), |(bindings, same_home)| {
        let known = same_home && bindings.get(asked.request.fixed.care_of).is_some();
        (bindings.len(), known)
    });
    let stays = keep && bindings.is_some_and(|(_, same_home)| same_home);
    let others = if stays { held - usize::from(known) } else { 0 };
    if table.bindings() - held + others >= policy.max_binding as usize {
        return Err(Code::NO_RESOURCES);
    }
    if keep && others >= limit {
        return Err(Code::TOO_MANY_BINDINGS);
    }
    let alone = simultaneous && limit == 1;
    Ok((keep, if alone { Code::ACCEPTED_NO_SIMULTANEOUS } else { Code::ACCEPTED }))
}
