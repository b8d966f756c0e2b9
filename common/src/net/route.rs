//! Where packets are routed to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NextHop, NextHopGroup, PrefixMap, WeightedHop};
use crate::id::InterfaceId;

/// The routing table, longest prefix first.
pub type Routes = PrefixMap<Route>;

/// Where a prefix leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The subnet of an interface: the next hop is the destination itself.
    Connected(InterfaceId),
    /// Through a gateway.
    Via(NextHop),
    /// Through one of several, by flow. Routes with the same next hops may share them.
    Group(Arc<NextHopGroup>),
    /// Discarded (`Null0`).
    Null,
    /// The kernel's own matter (an interface that is not ours).
    Punt,
    /// Through a next hop that we cannot send to (an IPv6 address): discarded, under a name of its own.
    Unusable,
}

impl Route {
    /// The route through these; `None` if there is none.
    pub fn through(hops: Vec<WeightedHop>) -> Option<Self> {
        let group = NextHopGroup::new(hops);
        match *group.hops() {
            [] => None,
            [WeightedHop { interface, gateway: None, .. }] => Some(Self::Connected(interface)),
            [WeightedHop { interface, gateway: Some(address), .. }] => {
                Some(Self::Via(NextHop { interface, address }))
            }
            _ => Some(Self::Group(Arc::new(group))),
        }
    }
}
