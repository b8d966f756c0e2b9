//! What workers and the home agent share beside the snapshot.

use super::Bindings;
use crate::stream::Streams;

/// Made once at start, if there is a home agent.
#[derive(Debug)]
pub struct MobileTables {
    /// Tunnels to mobile nodes.
    pub bindings: Bindings,
    /// Registration requests to control, and its replies.
    pub registrations: Streams,
}

impl MobileTables {
    /// With these tunnels and no stream yet.
    pub fn new(bindings: Bindings) -> Self {
        Self { bindings, registrations: Streams::default() }
    }
}
