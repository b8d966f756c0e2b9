//! The home agent's part of a snapshot.

use crate::net::PrefixMap;

/// What workers read of the home agent's configuration.
#[derive(Clone, Debug, Default)]
pub struct MobilePart {
    /// Where home addresses lie.
    pub networks: PrefixMap<HomeNetwork>,
    /// Who sends to a home address that nobody is registered with is not told so.
    pub suppress_unreachable: bool,
}

/// A network of home addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeNetwork {
    /// It exists in the home agent alone: who is not registered is nowhere.
    Virtual,
    /// A subnet of an interface: who is not away is a neighbour there.
    Physical,
}
