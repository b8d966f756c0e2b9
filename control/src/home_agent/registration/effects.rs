//! What a registration changes around the home agent.

use std::{fmt, net::Ipv4Addr, sync::Arc};

use super::{host::Network, udp_tunnel::Encapsulation, violation::Violation};

/// A binding as the dataplane has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Whose packets are tunnelled.
    pub home: Ipv4Addr,
    /// The care-of address that was registered; with the home address it names the binding.
    pub care_of: Ipv4Addr,
    /// Our end.
    pub local: Ipv4Addr,
    /// The other end: the care-of address, or what a NAT makes of it.
    pub remote: Ipv4Addr,
    /// What is put around packets.
    pub encapsulation: Encapsulation,
    /// Packets of the mobile node may come back through it.
    pub reverse: bool,
    /// Broadcasts of the home network are forwarded.
    pub broadcast: bool,
    /// The mobile node itself decapsulates.
    pub co_located: bool,
}

/// Why a binding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The mobile node took it back: it is at home, or elsewhere without us.
    Deregistered,
    /// Another took its place, or the mobile node took another home address.
    Replaced,
    /// Its lifetime ended.
    Expired,
    /// An operator cleared it.
    Cleared,
}

/// One change.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// The first binding of a home address: whoever is away is answered for (RFC 5944, section 4.6).
    AddressOn {
        /// The home address.
        home: Ipv4Addr,
        /// Where it is at home.
        network: &'a Arc<Network>,
    },
    /// A binding is new.
    Installed(Tunnel),
    /// A binding is renewed with something else in it.
    Changed {
        /// As it was.
        before: Tunnel,
        /// As it is; home and care-of address are the same.
        after: Tunnel,
    },
    /// A binding ended.
    Removed(Tunnel, Cause),
    /// The last binding of a home address ended.
    AddressOff {
        /// The home address.
        home: Ipv4Addr,
        /// Where it is at home.
        network: &'a Arc<Network>,
        /// Why.
        cause: Cause,
    },
    /// Somebody is not who he says.
    Violation(&'a Violation<'a>),
    /// What was decided, only if it is asked for: printable, without an end of line.
    Debug(fmt::Arguments<'a>),
}

/// Takes the changes, in order.
pub trait Effects {
    /// One change.
    fn apply(&mut self, effect: Effect<'_>);

    /// Whether somebody wants to know what was decided.
    fn debugging(&self) -> bool {
        false
    }
}
