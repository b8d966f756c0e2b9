//! Requests as a home agent that answers them sees them.

use std::collections::BTreeMap;

use serde::Serialize;

/// Requests by what the home agent did with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HomeAgentCounters {
    /// Came to a virtual address.
    pub dispatched: u64,
    /// Came to its own address.
    pub directed: u64,
    /// Not heard, because it is deaf.
    pub unheard: u64,
    pub accepted: u64,
    pub deregistered: u64,
    pub denied: u64,
    /// Requests not answered, by reason.
    pub discarded: BTreeMap<&'static str, u64>,
    /// Replies that could not be sent.
    pub unsent: u64,
}
