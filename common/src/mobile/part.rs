//! The home agent's part of a snapshot.

use crate::net::PrefixMap;

/// What workers read of the home agent's configuration.
#[derive(Clone, Debug, Default)]
pub struct MobilePart {
    /// Where home addresses lie: home networks, virtual ones too.
    pub networks: PrefixMap<()>,
}
