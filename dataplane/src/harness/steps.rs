//! What happens to a director of the example network, step by step, and how it is left by that.

use std::{sync::Arc, time::Duration};

use common::{
    id::{InterfaceId, PortId},
    net::{ReachableVia, SourceCheck, VerifySource},
    slb::{ClientRate, ClientRule, Real, RealLive, RealSettings, RealStatus, SlbCounter, VserverCounter},
    snapshot::Snapshot,
    verdict::Verdict,
};

use super::{Harness, agent_mac};
use crate::{
    backend::{Frame as _, sim::Marks},
    stage::stages::StageList,
};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Frames arrive on a port, in one burst.
    Burst(PortId, Vec<Arrival>),
    /// The kernel, or control, sends a frame by an interface: with its tag, as the ring has it.
    Host(InterfaceId, Vec<u8>),
    /// Seconds pass.
    Wait(u64),
    /// Control publishes a change.
    Change(Change),
}

/// A frame that arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// As on the wire, but for a tag that the device has stripped.
    pub bytes: Vec<u8>,
    /// What the device says of it.
    pub marks: Marks,
    /// Bytes of its first segment, if it comes in two.
    pub first: Option<usize>,
}

impl Arrival {
    /// An unmarked frame in one piece.
    pub fn plain(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// What control changes. Numbers beyond those of the example network begin at its first again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A real goes out of service.
    OutOfService(usize),
    /// It comes back.
    InService(usize),
    /// Another real takes its slot, with the same address.
    Replace(usize),
    /// Its neighbour is forgotten, or known again.
    Adjacency(usize),
    /// An interface's MTU becomes 100 bytes, or 1500 again.
    Mtu(usize),
    /// A port's link goes down, or up.
    Link(usize),
    /// An interface is shut down, or started.
    Interface(usize),
    /// A virtual server drops what names a home agent that it has not, or does not any more.
    Strict(usize),
    /// A virtual server admits the foreign agent's subnet alone, or everybody.
    Clients(usize),
    /// Sessions are debugged, or not any more.
    Debug,
    /// Reals in directed mode move to the untagged interface.
    Untagged,
    /// Each source begins one or two sessions a second of every virtual server, or as many as it likes again.
    ClientRate(usize),
    /// Every interface checks sources, strictly or loosely, or none does any more.
    SourceCheck(usize),
}

impl Change {
    /// Changes a snapshot, which must be one of the example network.
    pub fn apply(self, snapshot: &mut Snapshot) {
        match self {
            Self::OutOfService(at) => real(snapshot, at).live.set_in_service(false),
            Self::InService(at) => real(snapshot, at).live.set_in_service(true),
            Self::Replace(at) => replace(snapshot, at),
            Self::Adjacency(at) => adjacency(snapshot, at),
            Self::Mtu(at) => {
                let interface = nth(snapshot.net_mut().interfaces_mut(), at);
                interface.mtu = if interface.mtu == 1500 { 100 } else { 1500 };
                let (id, mtu) = (interface.id, interface.mtu);
                let adjacencies = snapshot.slb_mut().reals.iter_mut().flatten();
                for adjacency in adjacencies.filter_map(|real| real.adjacency.as_mut()) {
                    if adjacency.interface == id {
                        adjacency.mtu = mtu;
                    }
                }
            }
            Self::Link(at) => {
                let port = nth(snapshot.net_mut().ports_mut(), at);
                port.link_up = !port.link_up;
            }
            Self::Interface(at) => {
                let interface = nth(snapshot.net_mut().interfaces_mut(), at);
                interface.up = !interface.up;
            }
            Self::Strict(at) => {
                if let Some(vserver) = nth(&mut snapshot.slb_mut().vservers, at).as_mut() {
                    vserver.strict_home_agent = !vserver.strict_home_agent;
                }
            }
            Self::Clients(at) => {
                if let Some(vserver) = nth(&mut snapshot.slb_mut().vservers, at).as_mut() {
                    let subnet = super::net([15, 1, 1, 0], 24);
                    let rule = ClientRule { network: subnet, exclude: false };
                    vserver.clients = if vserver.clients.is_empty() { vec![rule] } else { Vec::new() };
                }
            }
            Self::Debug => snapshot.slb_mut().debug_sessions = !snapshot.slb.debug_sessions,
            Self::Untagged => {
                let inside = snapshot.net.interfaces[0].clone();
                for real in snapshot.slb_mut().reals.iter_mut().flatten() {
                    real.adjacency = real.adjacency.map(|old| inside.adjacency(old.destination));
                }
            }
            Self::ClientRate(at) => {
                let limit = at % 3;
                limit_clients(snapshot, (limit > 0).then_some(limit as u16));
            }
            Self::SourceCheck(at) => {
                verify_sources(snapshot, [None, Some(ReachableVia::Rx), Some(ReachableVia::Any)][at % 3]);
            }
        }
    }
}

/// Each source of each virtual server begins so many sessions a second.
pub fn limit_clients(snapshot: &mut Snapshot, limit: Option<u16>) {
    for vserver in snapshot.slb_mut().vservers.iter_mut().flatten() {
        vserver.client_rate = limit.map(|limit| Arc::new(ClientRate::new(limit)));
    }
}

/// Every interface checks sources.
pub fn verify_sources(snapshot: &mut Snapshot, via: Option<ReachableVia>) {
    for interface in snapshot.net_mut().interfaces_mut() {
        let verify = via.map(|via| VerifySource { via, allow_default: false });
        interface.source_check = verify.map(|verify| SourceCheck { verify, drops: Arc::default() });
    }
}

/// The one of that number; of an empty list there is none.
fn nth<T>(list: &mut [T], at: usize) -> &mut T {
    let at = at % list.len();
    &mut list[at]
}

fn real(snapshot: &mut Snapshot, at: usize) -> &mut Real {
    nth(&mut snapshot.slb_mut().reals, at).as_mut().expect("the example network has no empty slot")
}

/// Another generation in the slot and in the farm, with a state of its own.
fn replace(snapshot: &mut Snapshot, at: usize) {
    let real = real(snapshot, at);
    let old = real.id;
    real.id.generation = old.generation % 15 + 1;
    let settings = RealSettings { weight: real.live.weight(), ..RealSettings::default() };
    real.live = Arc::new(RealLive::new(settings));
    real.live.set_in_service(true);
    let new = real.id;
    for farm in snapshot.slb_mut().farms.iter_mut().flatten() {
        for id in farm.reals.iter_mut().filter(|id| **id == old) {
            *id = new;
            farm.generation += 1;
        }
    }
}

fn adjacency(snapshot: &mut Snapshot, at: usize) {
    let interfaces = Arc::clone(&snapshot.net.interfaces);
    let real = real(snapshot, at);
    let through = interfaces
        .iter()
        .find(|interface| interface.addresses.iter().any(|subnet| subnet.contains(&real.address)));
    real.adjacency = match real.adjacency {
        Some(_) => None,
        None => through.map(|interface| interface.adjacency(agent_mac(real.address.octets()[3]))),
    };
}

/// How a director was left, and what it did on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What left each port.
    pub sent: Vec<(PortId, Vec<u8>)>,
    /// What the kernel was given.
    pub punted: Vec<(InterfaceId, Vec<u8>)>,
    /// What control was told.
    pub events: Vec<String>,
    /// By [`Verdict::ALL`].
    pub verdicts: Vec<u64>,
    /// Every session.
    pub sessions: Vec<String>,
    /// Every counter of each virtual server, then the balancer's.
    pub counters: Vec<u64>,
    /// Each real as `show` prints it.
    pub reals: Vec<RealStatus>,
}

impl<S: StageList> Harness<S> {
    /// Lets one thing happen, and takes what comes of it.
    ///
    /// # Panics
    /// If a packet has not exactly one verdict, or a buffer stays away.
    pub fn step(&mut self, step: &Step, outcome: &mut Outcome) {
        let (received, free) = (self.received(), self.wire.free_buffers());
        let mut fed = 0;
        match step {
            Step::Burst(port, arrivals) => {
                fed = arrivals.iter().filter(|arrival| self.arrive(*port, arrival)).count() as u64;
            }
            Step::Host(interface, bytes) => _ = self.control.injects[0].send(*interface, bytes),
            Step::Wait(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Step::Change(change) => self.change(|snapshot| change.apply(snapshot)),
        }
        for (port, frames) in self.run().into_iter().enumerate() {
            outcome.sent.extend(frames.into_iter().map(|frame| (PortId(port as u16), frame)));
        }
        let mut buffer = Vec::new();
        for (punts, events) in self.control.punts.iter_mut().zip(&mut self.control.events) {
            while let Some(interface) = punts.receive(&mut buffer) {
                outcome.punted.push((interface, buffer.clone()));
            }
            while let Ok(event) = events.pop() {
                outcome.events.push(format!("{event:?}"));
            }
        }
        assert_eq!(self.received(), received + fed, "every frame that arrives is received");
        assert_eq!(self.wire.free_buffers(), free, "every buffer comes back");
    }

    fn arrive(&self, port: PortId, arrival: &Arrival) -> bool {
        let Some(mut frame) = self.wire.allocate() else { return false };
        let Some(room) = frame.append(arrival.bytes.len()) else { return false };
        room.copy_from_slice(&arrival.bytes);
        frame = frame.with_marks(arrival.marks);
        if let Some(first) = arrival.first {
            frame = frame.segmented(first, true);
        }
        self.wire.feed_frame(port, 0, frame)
    }

    /// Lets everything happen.
    pub fn outcome(&mut self, steps: &[Step]) -> Outcome {
        let mut outcome = Outcome::default();
        for step in steps {
            self.step(step, &mut outcome);
        }
        self.tally(&mut outcome);
        outcome
    }

    /// Adds sessions and counters as they are.
    pub fn tally(&self, outcome: &mut Outcome) {
        let slb = &self.control.tables.slb;
        slb.sessions(self.clock.now().tick(), 0, slb.lines(), |view| {
            outcome.sessions.push(format!("{view:?}"));
        });
        outcome.verdicts = Verdict::ALL
            .iter()
            .map(|verdict| self.control.stats.iter().map(|stats| stats.verdict(*verdict)).sum())
            .collect();
        let snapshot = self.control.snapshot.load();
        for vserver in snapshot.slb.vservers.iter().flatten() {
            outcome.counters.extend(VserverCounter::ALL.iter().map(|counter| vserver.live.total(*counter)));
        }
        outcome.counters.extend(SlbCounter::ALL.iter().map(|counter| slb.stats().total(*counter)));
        outcome.reals = snapshot.slb.reals.iter().flatten().map(|real| real.live.view()).collect();
    }
}
