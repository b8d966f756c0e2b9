//! Tasks that must live, and how they end.

use std::{
    future::Future,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::UnboundedReceiver},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Clock, Operated};
use crate::{
    launcher::Launcher,
    manage::operator::{Check, SharedOperator, lock},
    protocol::{Instance, Io, Member, Messenger, Protocol, Protocols, Visitor},
};

/// Longest time that the subsystems' tasks have to take leave of their peers.
const END: Duration = Duration::from_millis(500);

/// How long tasks that have died rest before they are started again: this at first, twice as long each time, at most that.
/// Tasks that have lived for [`STEADY`] begin anew.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
const STEADY: Duration = Duration::from_mins(1);

/// Tasks by name.
#[derive(Debug)]
pub(super) struct Tasks {
    management: Vec<(&'static str, JoinHandle<()>)>,
    /// Watches over those of subsystems, which end when they get no more orders.
    protocols: Vec<JoinHandle<()>>,
    /// They are to end.
    ending: CancellationToken,
}

/// Starts the tasks of each subsystem.
struct Start<'a, L: Protocols> {
    core: &'a SharedOperator<Operated<L>>,
    clock: &'a Clock,
    launcher: &'a Launcher,
    wake: &'a Arc<Notify>,
    ending: &'a CancellationToken,
    started: Vec<JoinHandle<()>>,
}

impl<L: Protocols> Visitor<L> for Start<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let watch = Watch::<L, P> {
            core: Arc::clone(self.core),
            clock: Arc::clone(self.clock),
            launcher: self.launcher.clone(),
            wake: Arc::clone(self.wake),
            ending: self.ending.clone(),
            of: PhantomData,
        };
        self.started.push(tokio::spawn(watch.run(instance.attach())));
    }
}

/// The watch over the tasks of one subsystem.
struct Watch<L: Protocols, P> {
    core: SharedOperator<Operated<L>>,
    clock: Clock,
    launcher: Launcher,
    wake: Arc<Notify>,
    /// They are to end.
    ending: CancellationToken,
    of: PhantomData<fn() -> P>,
}

impl<L: Member<P>, P: Protocol> Watch<L, P> {
    /// Starts them, and again whenever they have died.
    async fn run(self, mut orders: UnboundedReceiver<P::Order>) {
        let (first, last) = BACKOFF;
        let mut backoff = first;
        loop {
            let begun = Instant::now();
            let alive = Arc::new(AtomicBool::new(true));
            let io = Io {
                orders,
                messenger: self.messenger(Arc::clone(&alive)),
                clock: Arc::clone(&self.clock),
                launcher: self.launcher.clone(),
            };
            let ended = AbortOnDropHandle::new(tokio::spawn(P::start(io))).await;
            if self.ending.is_cancelled() {
                return;
            }
            if begun.elapsed() >= STEADY {
                backoff = first;
            }
            let why = ended.map_or_else(|error| error.to_string(), |()| "they ended by themselves".into());
            let mnemonic = "SYS-2-TASKS";
            tracing::error!(
                mnemonic,
                "The tasks of {} have died, and start again in {backoff:?}: {why}",
                P::NAME
            );
            {
                let mut operated = lock(&self.core);
                // Under the lock: whatever is left of them is not heard any more.
                alive.store(false, Relaxed);
                operated.core_mut().tasks_died::<P>();
            }
            self.wake.notify_one();
            tokio::select! {
                () = self.ending.cancelled() => return,
                () = tokio::time::sleep(backoff) => {}
            }
            backoff = last.min(backoff * 2);
            orders = lock(&self.core).core_mut().attach::<P>();
        }
    }

    /// To the state, while those who have it are `alive`.
    fn messenger(&self, alive: Arc<AtomicBool>) -> Messenger<P> {
        let (core, wake) = (Arc::clone(&self.core), Arc::clone(&self.wake));
        Messenger::new(move |message| {
            let mut operated = lock(&core);
            if alive.load(Relaxed) {
                operated.core_mut().message::<P>(message);
                wake.notify_one();
            }
        })
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
    /// None yet. Those that end once `ending` is cancelled have not died.
    pub(super) fn new(ending: CancellationToken) -> Self {
        Self { management: Vec::new(), protocols: Vec::new(), ending }
    }

    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.management.push((name, tokio::spawn(task)));
    }

    /// Starts the subsystems' own tasks.
    pub(super) fn start<L: Protocols>(
        &mut self,
        core: &SharedOperator<Operated<L>>,
        clock: &Clock,
        launcher: &Launcher,
        wake: &Arc<Notify>,
    ) {
        let mut start = Start { core, clock, launcher, wake, ending: &self.ending, started: Vec::new() };
        lock(core).core_mut().visit(&mut start);
        self.protocols = start.started;
    }

    /// Ends the subsystems' tasks: they say goodbye to their peers, for at most [`END`].
    pub(super) async fn end<L: Protocols>(&mut self, core: &SharedOperator<Operated<L>>) {
        lock(core).core_mut().visit(&mut Detach);
        let _ = tokio::time::timeout(END, futures::future::join_all(&mut self.protocols)).await;
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
        self.management.iter().map(|(_, task)| task).chain(&self.protocols).for_each(JoinHandle::abort);
    }
}
