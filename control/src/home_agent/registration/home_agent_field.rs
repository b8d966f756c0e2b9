//! The Home Agent field and the addresses of replies (RFC 5944, section 3.8.3; RFC 4433, section 5.3).

use std::net::Ipv4Addr;

use super::{
    policy::Policy,
    request::{Received, Request},
};

/// Our address in the reply: in its Home Agent field if the mobile node named none, or another's.
pub(super) fn own_address(policy: &Policy, received: &Received<'_>) -> Ipv4Addr {
    let destination = *received.destination.ip();
    let reached = (!received.destination_is_broadcast && policy.is_ours(destination)).then_some(destination);
    let configured = policy.dynamic_address.or(reached).or(policy.address);
    configured.or_else(|| policy.own.first().copied()).unwrap_or(destination)
}

/// The source of the reply.
pub(super) fn reply_source(policy: &Policy, received: &Received<'_>) -> Ipv4Addr {
    own_address(policy, received)
}

/// The Home Agent field of the reply; `None`: the request names another home agent.
pub(super) fn reply_field(
    policy: &Policy,
    received: &Received<'_>,
    request: &Request<'_>,
) -> Option<Ipv4Addr> {
    let field = request.fixed.home_agent;
    let destination = *received.destination.ip();
    if received.destination_is_broadcast {
        return None;
    }
    let requested =
        request.dynamic_ha.is_none_or(|wanted| wanted == destination || policy.is_virtual(wanted));
    if !requested {
        return None;
    }
    let own = own_address(policy, received);
    if field.is_unspecified() || field.is_broadcast() {
        Some(own)
    } else if policy.is_ours(field) {
        // The guide says without exception that the dynamic address is what mobile nodes are told.
        Some(policy.dynamic_address.unwrap_or(field))
    } else {
        policy.unknown_home_agent.then_some(own)
    }
}
