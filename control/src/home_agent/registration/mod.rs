//! Registrations (RFC 5944, section 3.8): who asks, who may, and what comes of it.
//!
//! A pure machine: a datagram, the time and a [`Policy`] go in, a reply and [`Effect`]s come out. Nothing here has a socket, a clock
//! or a route. [`Agent::process`] follows the order of processing: every denial that is sent is signed with an association
//! that the mobile node shares, and nothing unauthenticated gets an answer but that its authenticator is wrong, which is
//! limited for each source.
//!
//! When a configuration no longer has a host or an association, its bindings stay until they end, as IOS has it; the next request
//! is judged by what is configured then.

mod address_map;
mod address_set;
mod binding;
mod counters;
mod discard;
mod effects;
mod home_address;
mod home_agent_field;
mod host;
mod host_counters;
mod identity;
mod judge;
mod last_owners;
mod networks;
mod now;
mod policy;
mod process;
mod replay;
mod reply;
mod request;
mod sa;
mod show;
mod slab;
mod table;
mod tunnels;
mod udp_tunnel;
mod violation;
mod wheel;

use std::net::Ipv4Addr;

use common::slb::ClientRate;

pub use address_map::{AddressMap, Overlap};
pub use counters::{Counter, Counters, Fate, Kind};
pub use discard::Discard;
pub use effects::{Cause, Effect, Effects, Tunnel};
pub use host::{AddressSource, Host, Hosts, Network, Pool, StaticAddresses};
pub use host_counters::{Counted, HostCounters};
pub use identity::{Identity, Printable};
pub use now::Now;
pub use policy::{AccessList, NatTraversal, Policy, ReverseTunnel};
pub use process::Outcome;
pub use request::Received;
pub use sa::{Associations, Peer, PeerName, SecurityAssociation};
pub use show::BindingView;
pub use tunnels::TunnelEnds;
pub use udp_tunnel::{Encapsulation, NextHeader};
pub use violation::{Peer as Violator, Reason, Violation, Violations};

use table::Table;

/// Answers a second to one source that need no fresh proof of who asks: wrong authenticators, replays, repeats.
const UNPROVEN: u16 = 100;

/// Which bindings are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear<'a> {
    /// All.
    All,
    /// Those of a home address.
    Address(Ipv4Addr),
    /// Those of a NAI.
    Nai(&'a [u8]),
}

/// All bindings, and what was seen of those that have none.
#[derive(Debug)]
pub struct Agent {
    table: Table,
    counters: Counters,
    violations: Violations,
    unproven: ClientRate,
}

impl Agent {
    /// Without bindings; with room for those of `nodes` mobile nodes before indices must grow.
    pub fn new(nodes: usize) -> Self {
        Self {
            table: Table::new(nodes),
            counters: Counters::default(),
            violations: Violations::default(),
            unproven: ClientRate::new(UNPROVEN),
        }
    }

    /// Makes room for `nodes` mobile nodes before indices must grow.
    pub fn reserve(&mut self, nodes: usize) {
        self.table.reserve(nodes);
    }

    /// Ends what is due, of at most `most` mobile nodes; nobody is told (RFC 5944, section 3.8.1). False: there is more.
    pub fn expire(&mut self, now: Now, most: usize, effects: &mut impl Effects) -> bool {
        self.table.expire(now, most, effects)
    }

    /// Ends bindings at an operator's wish, of at most `most` mobile nodes. Returns of how many.
    pub fn clear(&mut self, which: Clear<'_>, most: usize, now: Now, effects: &mut impl Effects) -> usize {
        let holders: Vec<u32> = match which {
            Clear::All => {
                let homes = self.table.homes_from(Ipv4Addr::UNSPECIFIED).take(most);
                homes.filter_map(|home| self.table.holder(home)).collect()
            }
            Clear::Address(home) => self.table.holder(home).into_iter().collect(),
            Clear::Nai(nai) => {
                let found = self.table.find(Identity::Nai(nai));
                found.filter(|at| !self.table.node(*at).bindings.is_empty()).into_iter().collect()
            }
        };
        for at in &holders {
            self.table.end(*at, |_| true, Cause::Cleared, now, effects);
        }
        holders.len()
    }

    /// How many tunnels there are.
    pub fn tunnel_count(&self) -> usize {
        self.table.tunnels().len()
    }

    /// Tunnels, with how many bindings go through each, in no order.
    pub fn tunnels(&self) -> impl Iterator<Item = (&TunnelEnds, u32)> {
        self.table.tunnels().iter()
    }

    /// What became of requests.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts anew.
    pub fn clear_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Who was not who he said.
    pub fn violations(&self) -> &Violations {
        &self.violations
    }
}
