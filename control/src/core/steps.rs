//! Inputs: each goes to every subsystem (or the one that it is for), then what they told each other, then what changed is
//! published, and all that before anybody else gets the lock.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use common::{event::Event, net::NextHop, time::Nanos};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Core, health::DIAGNOSIS, record::Told};
use crate::{
    bus::Fact,
    host::{HostState, PortState},
    protocol::{Effect, Input, Instance, Member, Outbox, Protocol, Protocols, Report, Shared, Visitor},
};

/// How often workers are looked at: what they tell, whether they move, whether an old snapshot can be freed.
pub const POLL: Duration = Duration::from_millis(50);

/// How often it is seen whether workers have a snapshot that something waits for.
const SETTLE: Duration = Duration::from_millis(1);

/// Events taken from one worker by one look.
const EVENTS: usize = 4096;

/// An input that every subsystem gets.
#[derive(Clone, Copy)]
pub(super) enum Broadcast<'a> {
    Ports(&'a [PortState]),
    Host(&'a HostState),
    Events(&'a [Event]),
    Fact(&'a Fact),
    Debug,
    Stop,
}

impl<'a> Broadcast<'a> {
    fn input<P: Protocol>(self) -> Input<'a, P> {
        match self {
            Self::Ports(ports) => Input::Ports(ports),
            Self::Host(host) => Input::Host(host),
            Self::Events(events) => Input::Events(events),
            Self::Fact(fact) => Input::Fact(fact),
            Self::Debug => Input::Debug,
            Self::Stop => Input::Stop,
        }
    }
}

/// What a visit works with.
pub(super) struct Surroundings<'a, L: Protocols> {
    pub running: &'a L::Configuration,
    pub shared: &'a Shared,
    pub out: &'a mut Outbox,
}

struct Deliver<'a, L: Protocols>(Surroundings<'a, L>, Broadcast<'a>);

impl<L: Protocols> Visitor<L> for Deliver<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self(at, input) = self;
        instance.handle(input.input(), L::config(at.running), at.shared, at.out);
    }
}

/// Subsystems whose deadline has come.
struct Expire<'a, L: Protocols>(Surroundings<'a, L>);

impl<L: Protocols> Visitor<L> for Expire<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let at = &mut self.0;
        if instance.state().deadline().is_some_and(|due| due <= at.shared.now) {
            instance.handle(Input::Timer, L::config(at.running), at.shared, at.out);
        }
    }
}

struct Earliest(Nanos);

impl<L: Protocols> Visitor<L> for Earliest {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        self.0 = instance.state().deadline().map_or(self.0, |due| due.min(self.0));
    }
}

struct Ask<'a, L: Protocols>(Surroundings<'a, L>, Report);

impl<L: Protocols> Visitor<L> for Ask<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self(at, report) = self;
        instance.report(report, L::config(at.running), at.shared, at.out);
    }
}

impl<L: Protocols> Core<L> {
    /// The list and what a visit of it works with.
    pub(super) fn parts(&mut self) -> (&mut L, Surroundings<'_, L>) {
        let Self { list, running, shared, out, .. } = self;
        (list, Surroundings { running, shared, out })
    }

    /// Does what is due. To be called when [`Core::deadline`] has come; earlier does no harm.
    pub fn advance(&mut self) {
        let events = if self.poll <= self.shared.now { self.take_events() } else { Vec::new() };
        self.step(self.told(|| Told::Advance(events.clone())), |core| core.pass(&events));
    }

    /// Does what is due now, and hands on what workers told.
    pub(super) fn pass(&mut self, events: &[Event]) {
        let now = self.shared.now;
        if self.poll <= now {
            self.poll = now.after(POLL);
            let generation = self.shared.publisher.generation();
            for change in self.shared.supervisor.poll(&self.shared.stats, generation, now) {
                change.log();
            }
            self.hand_on(events);
            self.shared.publisher.reap();
        }
        let (list, at) = self.parts();
        list.each(&mut Expire(at));
        self.run_to_completion();
        if self.diagnosis <= now {
            self.diagnosis = now.after(DIAGNOSIS);
            self.diagnose();
        }
    }

    /// When [`Core::advance`] is to be called next.
    pub fn deadline(&mut self) -> Nanos {
        let unsettled = !self.out.unsettled.is_empty();
        let mut earliest =
            Earliest(if unsettled { self.poll.min(self.shared.now.after(SETTLE)) } else { self.poll });
        Protocols::each(&mut self.list, &mut earliest);
        earliest.0
    }

    /// Sets the time of the inputs that follow: the workers' clock, and the time of day for stamps.
    pub fn set_time(&mut self, now: Nanos, wall: SystemTime) {
        (self.shared.now, self.shared.wall) = (now, wall);
    }

    /// A subsystem's own tasks tell it something.
    pub fn message<P: Protocol>(&mut self, message: P::Message)
    where
        L: Member<P>,
    {
        let told = self.told(|| Told::Message(P::NAME, serde_json::to_value(&message).unwrap_or_default()));
        self.step(told, |core| {
            let Self { list, running, shared, out, .. } = core;
            list.instance().handle(Input::Message(message), L::config(running), shared, out);
            core.run_to_completion();
        });
    }

    /// What a subsystem's tasks, about to start, get orders from.
    pub fn attach<P: Protocol>(&mut self) -> UnboundedReceiver<P::Order>
    where
        L: Member<P>,
    {
        self.list.instance().attach()
    }

    /// A subsystem's own tasks have died.
    pub fn tasks_died<P: Protocol>(&mut self)
    where
        L: Member<P>,
    {
        self.step(self.told(|| Told::TasksDied(P::NAME)), |core| {
            let Self { list, running, shared, out, .. } = core;
            list.instance().tasks_died(L::config(running), shared, out);
            core.run_to_completion();
        });
    }

    /// What the ports are, by port.
    pub fn ports_changed(&mut self, ports: &[PortState]) {
        self.step(self.told(|| Told::Ports(ports.to_vec())), |core| core.deliver(Broadcast::Ports(ports)));
    }

    /// What the kernel holds.
    pub fn host_changed(&mut self, host: &HostState) {
        self.step(self.told(|| Told::Host(Box::new(host.clone()))), |core| {
            core.deliver(Broadcast::Host(host));
        });
    }

    /// The process is about to end: every subsystem gives up what attracts traffic, the last of the list first.
    pub fn stop(&mut self) {
        let stop = |core: &mut Self| {
            core.draining = true;
            let (list, at) = core.parts();
            list.each_reversed(&mut Deliver(at, Broadcast::Stop));
            core.run_to_completion();
        };
        self.step(self.told(|| Told::Stop), stop);
    }

    /// True once every worker that moves has taken the newest snapshot.
    pub fn is_settled(&self) -> bool {
        self.shared.is_settled(self.shared.publisher.generation())
    }

    /// The metrics of each subsystem, and health.
    pub fn report(&mut self) -> Report {
        let (list, at) = self.parts();
        let mut ask = Ask(at, Report::default());
        list.each(&mut ask);
        let mut report = ask.1;
        self.report_health(&mut report);
        self.report_launcher(&mut report);
        report
    }

    /// Hands an input to everybody, in the order of the list.
    pub(super) fn deliver(&mut self, input: Broadcast<'_>) {
        let (list, at) = self.parts();
        list.each(&mut Deliver(at, input));
        self.run_to_completion();
    }

    /// Hands on what subsystems tell each other, then publishes what changed, until nothing is left of either.
    pub(super) fn run_to_completion(&mut self) {
        loop {
            self.shared.bus.tell(self.out.facts.drain(..));
            if let Some(fact) = self.shared.bus.pop() {
                let (list, at) = self.parts();
                list.each(&mut Deliver(at, Broadcast::Fact(&fact)));
            } else if !self.publish() {
                return self.release_settled();
            }
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        let rings = self.events.iter_mut();
        rings.flat_map(|ring| std::iter::from_fn(|| ring.pop().ok()).take(EVENTS)).collect()
    }

    /// Has the neighbours resolved that workers need, and hands the rest to everybody.
    fn hand_on(&mut self, events: &[Event]) {
        let (mut wanted, mut others) = (BTreeSet::new(), Vec::new());
        for event in events {
            match event {
                Event::Resolve { interface, address } => {
                    wanted.insert(NextHop { interface: *interface, address: *address });
                }
                Event::Session(_) | Event::AddressClaimed { .. } => others.push(event.clone()),
            }
        }
        self.out.effects.extend(wanted.into_iter().map(Effect::Resolve));
        if !others.is_empty() {
            let (list, at) = self.parts();
            list.each(&mut Deliver(at, Broadcast::Events(&others)));
        }
    }
}
