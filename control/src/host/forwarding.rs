//! What routes of the kernel mean for packets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use common::{
    id::InterfaceId,
    net::{NextHopGroup, Route, WeightedHop},
};
use rtnetlink::packet_route::route::RouteType;

use super::{
    decode::{Gateway, KernelRoute, RouteNextHop},
    view::Unusable,
};

/// One group for all routes with the same next hops.
pub(super) fn share(groups: &mut BTreeSet<Arc<NextHopGroup>>, route: Route) -> Route {
    let Route::Group(group) = route else { return route };
    if let Some(known) = groups.get(&group) {
        return Route::Group(Arc::clone(known));
    }
    groups.insert(Arc::clone(&group));
    Route::Group(group)
}

pub(super) fn is_null(kind: RouteType) -> bool {
    matches!(kind, RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit)
}

/// Where routes that share the flows of a prefix lead a packet, mostly a single one; `None` if they do not apply (the link is
/// down, or the route says "look further"). Next hops through a shadow are taken before the others.
pub(super) fn decide(routes: &[&KernelRoute], shadows: &BTreeMap<u32, InterfaceId>) -> Option<Route> {
    match routes.first()?.kind {
        kind if is_null(kind) => return Some(Route::Null),
        RouteType::Unicast => {}
        RouteType::Throw => return None,
        _ => return Some(Route::Punt),
    }
    let hops = || routes.iter().flat_map(|route| &route.hops);
    let ours = hops().filter_map(|hop| weighted(hop, shadows)).collect();
    let of_kernel =
        || hops().any(|hop| hop.usable && !shadows.contains_key(&hop.index)).then_some(Route::Punt);
    // What an object leads to the kernel says unless it was told not to (`nexthop_compat_mode`).
    let unknown = || routes.iter().any(|route| route.object.is_some() && route.hops.is_empty());
    let unusable = || (unknown() || hops().any(|hop| hop.usable)).then_some(Route::Unusable);
    Route::through(ours).or_else(of_kernel).or_else(unusable)
}

/// A next hop that packets can be sent to through a shadow.
pub(super) fn weighted(hop: &RouteNextHop, shadows: &BTreeMap<u32, InterfaceId>) -> Option<WeightedHop> {
    let gateway = match hop.gateway {
        _ if !hop.usable => return None,
        Gateway::None => None,
        Gateway::V4(address) => Some(address),
        Gateway::V6(_) | Gateway::Other => return None,
    };
    Some(WeightedHop { interface: *shadows.get(&hop.index)?, gateway, weight: hop.weight.into() })
}

/// Why a next hop is not used; `has_own`: the route has one that is, through a shadow.
pub(super) fn unusable(
    hop: &RouteNextHop,
    shadows: &BTreeMap<u32, InterfaceId>,
    has_own: bool,
) -> Option<Unusable> {
    let own = shadows.contains_key(&hop.index);
    match hop.gateway {
        _ if !hop.usable => Some(Unusable::LinkDown),
        Gateway::V6(_) if own => Some(Unusable::Ipv6NextHop),
        Gateway::Other if own => Some(Unusable::OtherFamily),
        _ => (has_own && !own).then_some(Unusable::OtherDevice),
    }
}
