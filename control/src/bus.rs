//! What one subsystem tells and others hear. A subsystem imports this file and no other subsystem.
//!
//! Facts are state, not messages: the bus keeps the last one of each [`Subject`], for who comes to need them late
//! ([`Bus::standing`]). Facts that one step tells are handed to the others when it has ended, first in, first out.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
};

use common::id::RealId;
use ipnet::Ipv4Net;

use crate::access_list::AccessLists;

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The real servers, all of them, in the order of the configuration; told when one comes, goes, or becomes usable or
    /// unusable.
    Servers(Arc<[Server]>),
    /// The weight of a real server by feedback.
    Weight(Weight),
    /// The virtual servers with what they can take, in the order of the configuration.
    VirtualServers(Arc<[VirtualServer]>),
    /// The load of the home agent in this process; none: there is no home agent.
    HomeAgent(Option<HomeAgent>),
    /// The access lists, all of them; told when one is another.
    AccessLists(AccessLists),
}

/// What a fact is about: the next one about the same takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// [`Fact::Servers`]
    Servers,
    /// [`Fact::Weight`]
    Weight(RealId),
    /// [`Fact::VirtualServers`]
    VirtualServers,
    /// [`Fact::HomeAgent`]
    HomeAgent,
    /// [`Fact::AccessLists`]
    AccessLists,
}

/// Something that listens: an IP protocol and a port; port 0: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// IP protocol number.
    pub protocol: u8,
    /// Port of that protocol; 0: any.
    pub port: u16,
}

/// A real server of one farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its slot and generation.
    pub id: RealId,
    /// IPv4 address of the server; two farms may have the same.
    pub address: Ipv4Addr,
    /// Its own port, in place of the services'.
    pub port: Option<u16>,
    /// `bindid` of the farm.
    pub bind_id: u16,
    /// Of the virtual servers that use the farm.
    pub services: Arc<[Service]>,
    /// Neither failure detection nor the configuration keeps new sessions away.
    pub usable: bool,
    /// Its weight when it became usable or unusable.
    pub weight: u32,
}

/// A real server's weight by feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The server that it is the weight of.
    pub server: RealId,
    /// The weight; none: the configured one.
    pub weight: Option<u16>,
    /// Where it comes from.
    pub source: WeightSource,
}

/// Where a weight comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// The server, or somebody who speaks for it, has reported.
    Report {
        /// It reported more than 0.
        alive: bool,
    },
    /// Nothing was heard of it: a report was withdrawn, or the server is new.
    Table,
}

/// A virtual server with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// Virtual address, or that of a range of them.
    pub address: Ipv4Addr,
    /// Protocol and port.
    pub service: Service,
    /// Networks that may use it; none: everybody.
    pub clients: Vec<Ipv4Net>,
    /// Usable share of its servers' capacity: 65535 is all, 0 none.
    pub capacity: u16,
}

/// What a home agent has on its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeAgent {
    /// Bindings that it holds.
    pub bindings: u64,
    /// Bindings that it can hold, at least 1.
    pub max_bindings: u64,
    /// Calls taken, and those that it could have taken in the same time; none: they do not count.
    pub calls: Option<(u64, u64)>,
    /// Thousandths of its time in which it is busy, where the host cannot see that: threads that poll always run.
    pub busy: Option<u16>,
    /// The weight of an idle home agent (`dfp_max_weight`).
    pub max_weight: u16,
}

impl Fact {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Servers(_) => Subject::Servers,
            Self::Weight(weight) => Subject::Weight(weight.server),
            Self::VirtualServers(_) => Subject::VirtualServers,
            Self::HomeAgent(_) => Subject::HomeAgent,
            Self::AccessLists(_) => Subject::AccessLists,
        }
    }
}

/// The facts that stand, and those on their way.
#[derive(Debug, Default)]
pub struct Bus {
    standing: BTreeMap<Subject, Fact>,
    queue: VecDeque<Fact>,
}

impl Bus {
    /// Takes facts to be handed on.
    pub fn tell(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.queue.extend(facts);
    }

    /// The next fact to be handed to everybody. It stands from now on.
    pub fn pop(&mut self) -> Option<Fact> {
        let fact = self.queue.pop_front()?;
        self.standing.insert(fact.subject(), fact.clone());
        Some(fact)
    }

    /// Every fact that stands.
    pub fn standing(&self) -> impl Iterator<Item = &Fact> {
        self.standing.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_in_their_order_and_the_last_of_each_subject_stands() {
        let weight = |index, weight| {
            let server = RealId { index, generation: 1 };
            Fact::Weight(Weight { server, weight: Some(weight), source: WeightSource::Table })
        };
        let mut bus = Bus::default();
        bus.tell([weight(1, 10), weight(2, 20)]);
        bus.tell([weight(1, 11), Fact::HomeAgent(None)]);
        let heard: Vec<_> = std::iter::from_fn(|| bus.pop()).collect();
        assert_eq!(heard, [weight(1, 10), weight(2, 20), weight(1, 11), Fact::HomeAgent(None)]);
        let standing: Vec<_> = bus.standing().cloned().collect();
        assert_eq!(standing, [weight(1, 11), weight(2, 20), Fact::HomeAgent(None)]);
    }
}
