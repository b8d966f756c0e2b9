//! An agent that runs by itself, on sockets and by the clock, without a core: in whatever task waits for something
//! meanwhile.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use common::time::Nanos;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{sleep, timeout},
};

use super::{Settings, weight_source::WeightSource};
use crate::dfp::{
    agent::fsm::{Agent, Table},
    packet::Row,
    sockets::{DRAIN, SocketEvent, SocketOrder, Sockets},
};

/// Time is looked at no more often than this.
const GRAIN: Duration = Duration::from_millis(5);

/// The agent with its sockets. Managers are served while it is asked for something; it ends without further ado when it is
/// dropped.
pub struct Standalone {
    settings: Settings,
    agent: Agent,
    sockets: Sockets,
    events: UnboundedReceiver<SocketEvent>,
    /// Not done yet.
    orders: VecDeque<SocketOrder>,
    start: Instant,
    /// When time was looked at.
    looked: Nanos,
}

impl Standalone {
    /// Nothing is listened on yet.
    pub fn new(settings: Settings) -> Self {
        let (told, events) = mpsc::unbounded_channel();
        // Nobody listens any more once it ends.
        let tell = move |event| drop(told.send(event));
        Self {
            agent: Agent::new(settings.config(), *settings.listen.ip(), Nanos::default()),
            settings,
            sockets: Sockets::new(Arc::new(tell)),
            events,
            orders: VecDeque::new(),
            start: Instant::now(),
            looked: Nanos::default(),
        }
    }

    /// Reports whenever a weight is due, without end; calls `ready` after the first time. To be called within a tokio
    /// runtime; may be dropped, to end.
    pub async fn run(&mut self, ready: impl FnOnce()) {
        let (key, mut ready) = (self.settings.key, Some(ready));
        let mut weights = WeightSource::new(self.settings.source.clone());
        loop {
            self.weights_wanted().await;
            let now = self.now();
            let weight = self.serve_until(weights.weigh(now)).await;
            self.agent.computed(weight.map(|weight| Table {
                rows: vec![Row { key, weight }],
                local: key.address.is_unspecified(),
                binds: Vec::new(),
            }));
            if let Some(ready) = ready.take() {
                ready();
            }
        }
    }

    /// Ends every connection in order, for at most `DRAIN`, then the agent; what has gone wrong until then, and how
    /// often.
    pub async fn end(mut self) -> Vec<(&'static str, u64)> {
        let (now, counters) = (self.now(), self.agent.counters());
        self.perform().await;
        for order in self.agent.end(now) {
            self.sockets.perform(order).await;
        }
        let _ = timeout(DRAIN + GRAIN, self.sockets.end()).await;
        counters.counted().map(|(counter, count)| (counter.name(), count)).collect()
    }

    fn now(&self) -> Nanos {
        Nanos::default().after(self.start.elapsed())
    }

    /// Serves managers until something else is done. May be dropped and called again.
    async fn serve_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            self.perform().await;
            let rest = self.rest();
            tokio::select! {
                // However much comes, what is due is done; and what has come, before more that may come.
                biased;
                () = sleep(rest) => self.expire(),
                Some(event) = self.events.recv() => self.event(event),
                done = &mut done => return done,
                () = self.sockets.serve() => {}
            }
        }
    }

    /// Serves managers until the weights are wanted.
    async fn weights_wanted(&mut self) {
        while !self.agent.wants_weights(self.now()) {
            self.serve_until(sleep(self.rest())).await;
        }
    }

    /// Time until something is due.
    fn rest(&self) -> Duration {
        let due = self.agent.deadline().map(|at| at.max(self.looked.after(GRAIN)));
        due.map_or(Duration::MAX, |due| due.since(self.now()))
    }

    fn expire(&mut self) {
        self.looked = self.now();
        self.agent.expire(self.looked);
    }

    fn event(&mut self, event: SocketEvent) {
        if self.agent.concerns(&event) {
            self.agent.event(event, self.now());
        } else {
            self.orders.extend(event.refuse());
        }
    }

    async fn perform(&mut self) {
        self.orders.extend(self.agent.take_orders(self.now()));
        while let Some(order) = self.orders.pop_front() {
            self.sockets.perform(order).await;
        }
    }
}

#[cfg(test)]
mod tests;
