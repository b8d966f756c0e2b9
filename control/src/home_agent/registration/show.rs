//! What there is, a page at a time, so that nobody waits for somebody who looks.

use std::net::Ipv4Addr;

use common::wire::mobile_ip::Flags;

use super::{
    Agent, binding::Second, effects::Tunnel, host::Network, identity::Identity, now::Now, table::Table,
};

/// A binding.
#[derive(Clone, Copy, Debug)]
pub struct BindingView<'a> {
    /// The home address.
    pub home: Ipv4Addr,
    /// Who it is.
    pub identity: Identity<'a>,
    /// Where it is at home.
    pub network: &'a Network,
    /// Addresses and encapsulation.
    pub tunnel: Tunnel,
    /// Source address of the request.
    pub source: Ipv4Addr,
    /// Its source port.
    pub source_port: u16,
    /// Flags of the request; B only if broadcasts are forwarded.
    pub flags: Flags,
    /// Seconds granted; 65535 is without end.
    pub granted: u16,
    /// Seconds left; 65535 is without end.
    pub remaining: u16,
    /// Seconds since the first registration at this care-of address.
    pub age: u32,
    /// The last accepted request's.
    pub identification: u64,
    /// Of the association that authenticated it.
    pub spi: u32,
}

fn views(table: &Table, at: u32, now: Now) -> impl Iterator<Item = BindingView<'_>> {
    let (node, second) = (table.node(at), Second::from(now.monotonic));
    node.bindings.iter().map(move |binding| BindingView {
        home: node.home,
        identity: node.identity(),
        network: table.network(at),
        tunnel: binding.tunnel(node.home),
        source: binding.source,
        source_port: binding.source_port,
        flags: binding.flags,
        granted: binding.granted,
        remaining: binding.expires.remaining(second, binding.granted),
        age: second.0.saturating_sub(binding.created.0),
        identification: binding.identification(),
        spi: binding.spi,
    })
}

impl Agent {
    /// Bindings.
    pub fn bindings(&self) -> usize {
        self.table.bindings()
    }

    /// Mobile nodes with bindings.
    pub fn registered(&self) -> usize {
        self.table.registered()
    }

    /// Mobile nodes that are known: those with bindings, and those whose requests could still be replayed.
    pub fn known(&self) -> usize {
        self.table.nodes()
    }

    /// Bindings by home address from `home` on, in order. Who takes some goes on later behind the last home address he took.
    pub fn bindings_from(&self, home: Ipv4Addr, now: Now) -> impl Iterator<Item = BindingView<'_>> {
        let holders = self.table.homes_from(home).filter_map(|home| self.table.holder(home));
        holders.flat_map(move |at| views(&self.table, at, now))
    }

    /// Bindings of a mobile node, by NAI or by home address, whichever it registered with.
    pub fn bindings_of(&self, identity: Identity<'_>, now: Now) -> impl Iterator<Item = BindingView<'_>> {
        let at = match identity {
            Identity::Nai(_) => self.table.find(identity),
            Identity::Address(home) => self.table.holder(home),
        };
        at.into_iter().flat_map(move |at| views(&self.table, at, now))
    }
}
