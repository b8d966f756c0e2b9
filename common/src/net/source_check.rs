//! The check of sources (`ip verify unicast source`): a packet whose source does not route back is forged, or came a way that it
//! should not (RFC 3704, sections 2.2 and 2.4).

use std::{net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;

use super::{Network, Owner, Route};
use crate::{counters::Counters, id::InterfaceId};

const DEFAULT: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);

/// Through which interface a source must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachableVia {
    /// The one that the packet came by (strict).
    Rx,
    /// Any (loose).
    Any,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifySource {
    /// Strict or loose.
    pub via: ReachableVia,
    /// The default route counts too.
    pub allow_default: bool,
}

/// The check of an interface, and what it found. Equal if both say and count the same.
#[derive(Clone, Debug)]
pub struct SourceCheck {
    /// What is checked.
    pub verify: VerifySource,
    /// Packets that were dropped.
    pub drops: Arc<Counters<1>>,
}

impl PartialEq for SourceCheck {
    fn eq(&self, other: &Self) -> bool {
        self.verify == other.verify && Arc::ptr_eq(&self.drops, &other.drops)
    }
}

impl Eq for SourceCheck {}

impl Network {
    /// Whether a packet that came by `interface` passes the check: its source is nobody's of this host, and the longest matching
    /// route to it, one of several next hops if there are more, leads out of the right interface.
    ///
    /// A client that has no address yet and asks for one (source 0.0.0.0, destination 255.255.255.255) passes, as in IOS.
    pub fn admits_source(
        &self,
        verify: VerifySource,
        interface: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
    ) -> bool {
        if source.is_unspecified() && destination.is_broadcast() {
            return true;
        }
        if matches!(self.owners.get(&source), Some(Owner::Host(_) | Owner::TunnelEnd(_))) {
            return false;
        }
        let Some(route) = self.routes.longest_match(source) else { return false };
        if !verify.allow_default
            && self.routes.get(DEFAULT).is_some_and(|default| std::ptr::eq(default, route))
        {
            return false;
        }
        match (verify.via, route) {
            (_, Route::Null | Route::Unusable) | (ReachableVia::Rx, Route::Punt) => false,
            (ReachableVia::Any, _) => true,
            (ReachableVia::Rx, Route::Connected(out)) => *out == interface,
            (ReachableVia::Rx, Route::Via(next_hop)) => next_hop.interface == interface,
            (ReachableVia::Rx, Route::Group(group)) => {
                group.hops().iter().any(|hop| hop.interface == interface)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{NextHop, NextHopGroup, Owners, Routes, VirtualAddress, WeightedHop},
        *,
    };
    use crate::mac::MacAddr;

    const INSIDE: InterfaceId = InterfaceId(0);
    const OUTSIDE: InterfaceId = InterfaceId(1);
    const OTHER: InterfaceId = InterfaceId(2);
    const STRICT: VerifySource = VerifySource { via: ReachableVia::Rx, allow_default: false };
    const LOOSE: VerifySource = VerifySource { via: ReachableVia::Any, allow_default: false };

    fn network() -> Network {
        let hop =
            |interface, last| WeightedHop { interface, gateway: Some([15, 1, 1, last].into()), weight: 1 };
        let via = |interface, last| Route::Via(NextHop { interface, address: [15, 1, 1, last].into() });
        let routes: Routes = [
            ("10.1.1.0/24", Route::Connected(INSIDE)),
            ("15.1.1.0/24", Route::Connected(OUTSIDE)),
            ("20.0.0.0/8", via(OUTSIDE, 2)),
            ("20.1.0.0/16", via(INSIDE, 3)),
            ("30.0.0.0/8", Route::Group(NextHopGroup::new(vec![hop(OUTSIDE, 2), hop(OTHER, 3)]).into())),
            ("40.0.0.0/8", Route::Null),
            ("41.0.0.0/8", Route::Unusable),
            ("42.0.0.0/8", Route::Punt),
        ]
        .into_iter()
        .map(|(net, route)| (net.parse().unwrap(), route))
        .collect();
        let mut owners = Owners::default();
        owners.insert([15, 1, 1, 1].into(), Owner::Host(OUTSIDE));
        let virtual_address =
            VirtualAddress { interface: Some(INSIDE), mac: MacAddr::default(), vservers: Vec::new() };
        owners.insert([10, 1, 1, 10].into(), Owner::Virtual(virtual_address));
        Network { routes, owners: Arc::new(owners), ..Network::default() }
    }

    /// Which of the checks strict inside, outside and elsewhere, and loose, a source passes.
    fn passes(network: &Network, source: [u8; 4], allow_default: bool) -> [bool; 4] {
        let to = Ipv4Addr::new(10, 1, 1, 10);
        [(STRICT, INSIDE), (STRICT, OUTSIDE), (STRICT, OTHER), (LOOSE, OTHER)].map(|(verify, interface)| {
            let verify = VerifySource { allow_default, ..verify };
            network.admits_source(verify, interface, source.into(), to)
        })
    }

    #[test]
    fn a_source_must_route_back() {
        let network = network();
        for (source, wanted) in [
            ([10, 1, 1, 51], [true, false, false, true]),
            ([15, 1, 1, 51], [false, true, false, true]),
            ([20, 9, 9, 9], [false, true, false, true]),
            ([20, 1, 9, 9], [true, false, false, true]),
            ([30, 1, 1, 1], [false, true, true, true]),
            ([40, 1, 1, 1], [false; 4]),
            ([41, 1, 1, 1], [false; 4]),
            ([42, 1, 1, 1], [false, false, false, true]),
            ([50, 1, 1, 1], [false; 4]),
            ([0, 0, 0, 0], [false; 4]),
            ([255, 255, 255, 255], [false; 4]),
            // Ours comes from nobody else; a home agent answers from the virtual address.
            ([15, 1, 1, 1], [false; 4]),
            ([10, 1, 1, 10], [true, false, false, true]),
        ] {
            assert_eq!(passes(&network, source, false), wanted, "{source:?}");
        }
    }

    #[test]
    fn the_default_route_counts_only_where_it_is_said_and_only_its_own_way() {
        let mut network = network();
        network
            .routes
            .insert(DEFAULT, Route::Via(NextHop { interface: OUTSIDE, address: [15, 1, 1, 9].into() }));
        assert_eq!(passes(&network, [50, 1, 1, 1], false), [false; 4]);
        assert_eq!(passes(&network, [50, 1, 1, 1], true), [false, true, false, true]);
        assert_eq!(
            passes(&network, [10, 1, 1, 51], true),
            [true, false, false, true],
            "a longer route decides"
        );
        assert_eq!(passes(&network, [40, 1, 1, 1], true), [false; 4]);
    }

    #[test]
    fn who_asks_for_an_address_has_none_to_check() {
        let network = network();
        let ask = |source, destination| network.admits_source(STRICT, OUTSIDE, source, destination);
        assert!(ask(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        assert!(!ask(Ipv4Addr::UNSPECIFIED, [15, 1, 1, 255].into()));
        assert!(!ask([50, 1, 1, 1].into(), Ipv4Addr::BROADCAST));
    }
}
