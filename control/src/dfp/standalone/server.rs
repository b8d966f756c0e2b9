//! An agent that runs by itself, on sockets and by the clock, without a core.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use common::time::Nanos;
use tokio::{
    sync::{
        mpsc::{self, UnboundedSender},
        watch,
    },
    task::JoinHandle,
};

use crate::dfp::{
    agent::{
        config::AgentConfig,
        fsm::{Agent, Table},
        service::Service,
    },
    debug::Facility,
    sockets::{DRAIN, SocketEvent, SocketOrder, Sockets},
};

/// Time is looked at no more often than this.
const GRAIN: Duration = Duration::from_millis(5);

/// The agent, and where its orders go until it ends.
#[derive(Debug)]
struct State {
    service: Service,
    orders: Option<UnboundedSender<SocketOrder>>,
}

/// What the tasks of an agent share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    start: Instant,
}

impl Shared {
    fn now(&self) -> Nanos {
        Nanos::default().after(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the sockets tell.
    fn event(&self, event: SocketEvent) {
        if self.lock().service.concerns(&event) {
            self.step(|service, now| service.event(event, now));
        } else if let (Some(order), Some(orders)) = (event.refuse(), &self.lock().orders) {
            let _ = orders.send(order);
        }
    }

    /// One step of the agent, and what follows from it.
    fn step<T>(&self, what: impl FnOnce(&mut Service, Nanos) -> T) -> T {
        let (answer, notices) = {
            let mut state = self.lock();
            let State { service, orders } = &mut *state;
            let answer = what(service, self.now());
            for (order, sockets) in service.take_orders().into_iter().zip(orders.iter().cycle()) {
                // Sockets that have ended are found by the watch over them.
                let _ = sockets.send(order);
            }
            (answer, service.agent_mut().take_notices())
        };
        for notice in notices {
            notice.emit(Facility::Agent);
        }
        self.changed.send_replace(());
        answer
    }
}

/// A running agent. Ends without further ado when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    sockets: JoinHandle<()>,
    timer: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sockets.abort();
        self.timer.abort();
    }
}

impl Server {
    /// Runs an agent that listens on `address` while it is active. To be called within a tokio runtime.
    pub fn start(address: Ipv4Addr, config: AgentConfig) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let service = Service::new(config, address, Nanos::default());
        let state = Mutex::new(State { service, orders: Some(orders) });
        let changed = watch::Sender::new(());
        let shared = Arc::new(Shared { state, changed, start: Instant::now() });
        let told = Arc::clone(&shared);
        let sockets = Sockets::new(move |event| told.event(event));
        Self {
            sockets: tokio::spawn(sockets.run(received)),
            timer: tokio::spawn(keep_time(Arc::clone(&shared))),
            shared,
        }
    }

    /// Asks the agent, which does not change.
    pub fn ask<T>(&self, what: impl FnOnce(&Agent, Nanos) -> T) -> T {
        what(self.shared.lock().service.agent(), self.shared.now())
    }

    /// Tells the agent something; what follows from it is done at once.
    pub fn tell<T>(&self, what: impl FnOnce(&mut Agent, Nanos) -> T) -> T {
        self.shared.step(|service, now| service.tell(now, |agent| what(agent, now)))
    }

    /// Waits until the weights are wanted, which [`Server::computed`] answers.
    pub async fn weights_wanted(&self) {
        let mut changed = self.shared.changed.subscribe();
        while !self.tell(Agent::wants_weights) {
            changed.mark_unchanged();
            tokio::select! {
                _ = changed.changed() => {}
                () = deadline(&self.shared) => {}
            }
        }
    }

    /// The weights; none: the subsystem is not active.
    pub fn computed(&self, table: Option<Table>) {
        self.tell(|agent, _| agent.computed(table));
    }

    /// True while the tasks run.
    pub fn is_alive(&self) -> bool {
        !self.sockets.is_finished() && !self.timer.is_finished()
    }

    /// Ends every connection in order, for at most [`DRAIN`], then the agent.
    pub async fn end(mut self) {
        self.tell(|agent, now| {
            let mut config = agent.config().clone();
            config.inservice = false;
            agent.configure(config, now);
        });
        self.shared.lock().orders = None;
        let _ = tokio::time::timeout(DRAIN + GRAIN, &mut self.sockets).await;
    }
}

/// Waits until something is due. It may come later than that if the agent changes meanwhile.
async fn deadline(shared: &Shared) {
    let deadline = shared.lock().service.deadline();
    match deadline {
        None => std::future::pending().await,
        Some(at) => tokio::time::sleep(at.since(shared.now()).max(GRAIN)).await,
    }
}

async fn keep_time(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    loop {
        changed.mark_unchanged();
        tokio::select! {
            _ = changed.changed() => {}
            () = deadline(&shared) => shared.step(|service, now| service.tell(now, |agent| agent.expire(now))),
        }
    }
}

#[cfg(test)]
mod tests;
