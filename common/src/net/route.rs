//! Where packets are routed to.

use serde::{Deserialize, Serialize};

use super::{NextHop, PrefixMap};
use crate::id::InterfaceId;

/// The routing table, longest prefix first.
pub type Routes = PrefixMap<Route>;

/// Where a prefix leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The subnet of an interface: the next hop is the destination itself.
    Connected(InterfaceId),
    /// Through a gateway.
    Via(NextHop),
    /// Discarded (`Null0`).
    Null,
    /// The kernel's own matter (an interface that is not ours).
    Punt,
}
