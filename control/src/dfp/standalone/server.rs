//! An agent that runs by itself, on sockets and by the clock, without a core: in whatever task waits for something
//! meanwhile.

use std::{
    collections::VecDeque,
    fmt,
    net::Ipv4Addr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use common::time::Nanos;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{sleep, timeout},
};

use crate::dfp::{
    agent::{config::AgentConfig, fsm::Agent},
    counter::Counters,
    sockets::{DRAIN, SocketEvent, SocketOrder, Sockets},
};

/// Time is looked at no more often than this.
const GRAIN: Duration = Duration::from_millis(5);

/// The agent with its sockets. Ends without further ado when it is dropped.
pub struct Server {
    pub agent: Agent,
    sockets: Sockets,
    events: UnboundedReceiver<SocketEvent>,
    /// Not done yet.
    orders: VecDeque<SocketOrder>,
    start: Instant,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Server {
    /// An agent that listens on `address` while it is active.
    pub fn new(address: Ipv4Addr, config: AgentConfig) -> Self {
        let (told, events) = mpsc::unbounded_channel();
        // Nobody listens any more once it ends.
        let tell = move |event| drop(told.send(event));
        Self {
            agent: Agent::new(config, address, Nanos::default()),
            sockets: Sockets::new(Arc::new(tell)),
            events,
            orders: VecDeque::new(),
            start: Instant::now(),
        }
    }

    pub fn now(&self) -> Nanos {
        Nanos::default().after(self.start.elapsed())
    }

    /// Serves managers until something else is done. May be dropped and called again.
    pub async fn serve_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            self.perform().await;
            let rest = self.rest();
            tokio::select! {
                // What has come goes before more that may come.
                biased;
                Some(event) = self.events.recv() => self.event(event),
                () = sleep(rest) => self.agent.expire(self.now()),
                done = &mut done => return done,
                () = self.sockets.serve() => {}
            }
        }
    }

    /// Serves managers until the weights are wanted.
    pub async fn weights_wanted(&mut self) {
        while !self.agent.wants_weights(self.now()) {
            self.serve_until(sleep(self.rest())).await;
        }
    }

    /// Ends every connection in order, for at most [`DRAIN`], then the agent; what has gone wrong until then.
    pub async fn end(mut self) -> Counters {
        let (now, counters) = (self.now(), self.agent.counters());
        self.perform().await;
        for order in self.agent.end(now) {
            self.sockets.perform(order).await;
        }
        let _ = timeout(DRAIN + GRAIN, self.sockets.end()).await;
        counters
    }

    /// Time until something is due.
    fn rest(&self) -> Duration {
        self.agent.deadline().map_or(Duration::MAX, |at| at.since(self.now()).max(GRAIN))
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
