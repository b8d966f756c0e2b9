//! Tasks that must live, and how they end.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use super::{Clock, Operated};
use crate::{
    manage::operator::{Check, SharedOperator, lock},
    protocol::{Instance, Io, Member, Messenger, Protocol, Protocols, Visitor},
};

/// Longest time that the subsystems' tasks have to take leave of their peers.
const END: Duration = Duration::from_millis(500);

/// Tasks by name.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    management: Vec<(&'static str, JoinHandle<()>)>,
    /// Of subsystems: they end when they get no more orders.
    protocols: Vec<(&'static str, JoinHandle<()>)>,
}

/// Starts the tasks of each subsystem.
struct Start<'a, L: Protocols> {
    core: &'a SharedOperator<Operated<L>>,
    clock: &'a Clock,
    wake: &'a Arc<Notify>,
    started: Vec<(&'static str, JoinHandle<()>)>,
}

impl<L: Protocols> Visitor<L> for Start<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let (sender, orders) = mpsc::unbounded_channel();
        let (core, wake) = (Arc::clone(self.core), Arc::clone(self.wake));
        let messenger = Messenger::new(move |message| {
            lock(&core).core_mut().message::<P>(message);
            wake.notify_one();
        });
        let io = Io { orders, messenger, clock: Arc::clone(self.clock) };
        self.started.push((P::NAME, tokio::spawn(P::start(io))));
        instance.attach(sender);
    }
}

/// Leaves the tasks of each subsystem without orders, so that they end.
struct Detach;

impl<L: Protocols> Visitor<L> for Detach {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        instance.detach();
    }
}

impl Tasks {
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.management.push((name, tokio::spawn(task)));
    }

    /// Starts the subsystems' own tasks.
    pub(super) fn start<L: Protocols>(
        &mut self,
        core: &SharedOperator<Operated<L>>,
        clock: &Clock,
        wake: &Arc<Notify>,
    ) {
        let mut start = Start { core, clock, wake, started: Vec::new() };
        lock(core).core_mut().visit(&mut start);
        self.protocols = start.started;
    }

    /// Ends the subsystems' tasks: they say goodbye to their peers, for at most [`END`].
    pub(super) async fn end<L: Protocols>(&mut self, core: &SharedOperator<Operated<L>>) {
        lock(core).core_mut().visit(&mut Detach);
        let ends = self.protocols.iter_mut().map(|(_, task)| task);
        let _ = tokio::time::timeout(END, futures::future::join_all(ends)).await;
    }

    pub(super) fn checks(&self) -> impl Iterator<Item = Check> {
        self.management.iter().map(|(name, task)| {
            let healthy = !task.is_finished();
            let reason = if healthy { "runs" } else { "has ended" };
            Check { name: (*name).into(), healthy, reason: reason.into() }
        })
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.management.iter().chain(&self.protocols).for_each(|(_, task)| task.abort());
    }
}
