//! What a state machine sees beside its input, and where it leaves what must be done outside.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    time::SystemTime,
};

use common::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
    net::NextHop,
    time::Nanos,
};
use ipnet::Ipv4Net;
use serde::{Serialize, de::DeserializeOwned};

use super::{Protocol, Shared, Switch, wanted::Wanted};
use crate::{bus::Fact, host::DesiredHost};

/// What a port is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSettings {
    /// Not `shutdown`.
    pub up: bool,
    /// Layer-3 MTU in bytes.
    pub mtu: u16,
    /// Another address than the device's own.
    pub mac: Option<MacAddr>,
}

/// Something to be done outside the core, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an untagged Ethernet frame out of an interface.
    Send(InterfaceId, Vec<u8>),
    /// A neighbour that a worker needs at once.
    Resolve(NextHop),
    /// Keep these neighbours resolved, and no others.
    NextHops(BTreeSet<NextHop>),
    /// Set ports.
    Ports(BTreeMap<PortId, PortSettings>),
    /// Make the kernel equal to this.
    Host(DesiredHost),
    /// Have the kernel route these networks, and no others, to the dataplane.
    Prefixes(BTreeSet<Ipv4Net>),
}

/// What a step did, as a recording keeps it.
#[derive(Clone, Debug)]
pub enum Action {
    /// A subsystem left something to be done outside.
    Effect(&'static str, Effect),
    /// It ordered something of its own tasks, in words.
    Order(&'static str, String),
    /// It told the others.
    Fact(&'static str, Fact),
    /// The parts of these subsystems went out with a snapshot.
    Published {
        /// Of the snapshot.
        generation: u64,
        /// Whose parts, in the order of the list.
        parts: Vec<&'static str>,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Effect(owner, effect) => write!(f, "{owner}: {effect:?}"),
            Self::Order(owner, order) => write!(f, "{owner} orders: {order}"),
            Self::Fact(owner, fact) => write!(f, "{owner} tells: {fact:?}"),
            Self::Published { generation, parts } => write!(f, "snapshot {generation}: {}", parts.join(", ")),
        }
    }
}

/// What inputs have left to be done.
#[derive(Debug, Default)]
pub struct Outbox {
    /// For the world.
    pub effects: Vec<Effect>,
    /// For the world, once every worker has the snapshot that is published next.
    pub(crate) announcements: Vec<Effect>,
    /// The same for snapshots that are published, by their generations.
    pub(crate) unsettled: VecDeque<(u64, Effect)>,
    /// For other subsystems.
    pub facts: Vec<Fact>,
    /// Who wants which neighbours resolved.
    pub next_hops: Wanted<NextHop>,
    /// Who serves which networks in the dataplane.
    pub prefixes: Wanted<Ipv4Net>,
    /// What the present step did so far, while that is recorded or replayed.
    pub actions: Option<Vec<Action>>,
}

/// The surroundings of one step of a subsystem.
#[derive(Debug)]
pub struct Cx<'a, P: Protocol> {
    /// Its configuration as it runs.
    pub config: &'a P::Config,
    /// What all may look at.
    pub shared: &'a Shared,
    pub(super) out: &'a mut Outbox,
    pub(super) orders: &'a mut Vec<P::Order>,
    pub(super) changed: &'a mut bool,
}

impl<P: Protocol> Cx<'_, P> {
    /// Time of the input.
    pub fn now(&self) -> Nanos {
        self.shared.now
    }

    /// The time of day at the input.
    pub fn wall(&self) -> SystemTime {
        self.shared.wall
    }

    /// Its part of the snapshot has changed: [`Protocol::publish`] is asked for.
    pub fn publish(&mut self) {
        *self.changed = true;
    }

    /// Tells the other subsystems. The fact stands until it is told again.
    pub fn tell(&mut self, fact: Fact) {
        if let Some(actions) = &mut self.out.actions {
            actions.push(Action::Fact(P::NAME, fact.clone()));
        }
        self.out.facts.push(fact);
    }

    /// Asks something of its own tasks.
    pub fn order(&mut self, order: P::Order) {
        if let Some(actions) = &mut self.out.actions {
            actions.push(Action::Order(P::NAME, format!("{order:?}")));
        }
        self.orders.push(order);
    }

    /// Wants exactly these neighbours kept resolved.
    pub fn keep_resolved(&mut self, next_hops: BTreeSet<NextHop>) {
        if self.out.next_hops.set(P::NAME, next_hops) {
            self.act(Effect::NextHops(self.out.next_hops.all().clone()));
        }
    }

    /// Wants the kernel to route exactly these networks to the dataplane.
    pub fn serve_prefixes(&mut self, prefixes: BTreeSet<Ipv4Net>) {
        if self.out.prefixes.set(P::NAME, prefixes) {
            self.act(Effect::Prefixes(self.out.prefixes.all().clone()));
        }
    }

    /// What `read` returns, of live state that others change, or what it returned when a replayed step was recorded. `name`
    /// tells it apart from what else this subsystem reads.
    pub fn observe<T: Serialize + DeserializeOwned>(
        &self,
        name: impl fmt::Display,
        read: impl FnOnce() -> T,
    ) -> T {
        self.shared.witness.observe(format_args!("{} {name}", P::NAME), read)
    }

    /// Leaves something to be done outside.
    pub fn act(&mut self, effect: Effect) {
        if let Some(actions) = &mut self.out.actions {
            actions.push(Action::Effect(P::NAME, effect.clone()));
        }
        self.out.effects.push(effect);
    }

    /// Leaves something to be done outside once every worker that moves has the snapshot that is published next: what is
    /// announced is true by then. In the order of the calls.
    pub fn act_when_settled(&mut self, effect: Effect) {
        if let Some(actions) = &mut self.out.actions {
            actions.push(Action::Effect(P::NAME, effect.clone()));
        }
        self.out.announcements.push(effect);
    }

    /// True if the lines of this switch are wanted.
    pub fn is_debugging(&self, switch: &Switch) -> bool {
        self.shared.switches.is_on(switch)
    }

    /// Prints a debug line, if it is wanted.
    pub fn debug(&self, switch: &Switch, line: impl FnOnce() -> String) {
        if self.is_debugging(switch) {
            self.shared.log.push(&format!("*{}: {}", self.shared.stamp(), line()));
        }
    }
}
