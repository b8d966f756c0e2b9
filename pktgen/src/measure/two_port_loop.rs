//! The loop of a measurement: both ports of one process, one after the other, with the time taken anew at each.

use std::{sync::mpsc::Receiver, time::Duration};

use dataplane::backend::{Burst, Frame, PortQueue};

use super::{counters::Counters, meter::Meter};
use crate::{
    control::{Command, Order},
    engine::{Flow, PortCount, Sender},
};

/// Bursts that are taken from the receiving side before more is sent.
const BURSTS: usize = 4;

/// Both ports and the machine.
pub struct Duo<Q: PortQueue> {
    port: Sender<Q>,
    sink: Option<Sender<Q>>,
    /// The machine.
    pub meter: Meter,
    orders: Receiver<Order>,
    counters: Receiver<Counters>,
    burst: Burst<Q::Frame>,
}

impl<Q: PortQueue> Duo<Q> {
    /// Senders of commands and counters that are gone are as ones that are silent.
    pub fn new(
        port: Q,
        sink: Option<Q>,
        meter: Meter,
        orders: Receiver<Order>,
        counters: Receiver<Counters>,
    ) -> Self {
        let (port, sink) = (Sender::new(port), sink.map(Sender::new));
        Self { port, sink, meter, orders, counters, burst: Burst::new() }
    }

    /// Takes what came, sends what is due.
    pub fn step(&mut self, clock: &mut dyn FnMut() -> Duration) -> Flow {
        self.obey(clock());
        let mut received = 0;
        self.port.flush();
        received += self.receive_at_port(clock);
        for _ in 0..BURSTS {
            let took = self.receive_at_sink(clock);
            received += took;
            if took < self.burst.capacity() {
                break;
            }
        }
        let sink = self.sink.as_mut().map(|sink| sink as &mut dyn crate::engine::Outbox);
        let flow = self.meter.poll(clock(), &mut self.port, sink);
        self.port.flush();
        if let Some(sink) = &mut self.sink {
            sink.flush();
        }
        match flow {
            Flow::Idle if received > 0 || !self.port.waiting.is_empty() => Flow::Busy,
            flow => flow,
        }
    }

    fn receive_at_port(&mut self, clock: &mut dyn FnMut() -> Duration) -> usize {
        let received = self.port.queue.receive(&mut self.burst);
        self.port.count.received += received as u64;
        if received > 0 {
            let now = clock();
            for mut frame in self.burst.drain(..) {
                if whole(&mut frame) {
                    self.meter.receive_at_port(now, frame.data(), &mut self.port);
                }
            }
        }
        received
    }

    fn receive_at_sink(&mut self, clock: &mut dyn FnMut() -> Duration) -> usize {
        let Some(sink) = &mut self.sink else { return 0 };
        let received = sink.queue.receive(&mut self.burst);
        sink.count.received += received as u64;
        if received > 0 {
            let now = clock();
            for mut frame in self.burst.drain(..) {
                if whole(&mut frame) {
                    self.meter.receive_at_sink(now, frame.data(), sink);
                }
            }
        }
        received
    }

    fn obey(&mut self, now: Duration) {
        while let Ok(order) = self.orders.try_recv() {
            let text = self.command(now, &order.command);
            order.answer(text);
        }
        while let Ok(counters) = self.counters.try_recv() {
            self.meter.count(now, counters);
        }
    }

    fn command(&mut self, now: Duration, command: &Command) -> String {
        let known = |found: bool, name: &str| {
            if found { "ok".into() } else { format!("error: there is no home agent {name}") }
        };
        match command {
            Command::Deaf(name) => known(self.meter.excuse(name, true), name),
            Command::Hear(name) => known(self.meter.excuse(name, false), name),
            Command::Status => {
                let steps = self.meter.steps();
                serde_json::json!({ "doing": self.meter.doing(), "total": self.meter.ledger().total(),
                    "steps": steps.len(), "last": steps.last() })
                .to_string()
            }
            Command::Stop => {
                self.meter.stop(now);
                "ok".into()
            }
        }
    }

    /// What the ports saw: the sending one, the receiving one.
    pub fn counts(&self) -> (PortCount, Option<PortCount>) {
        (self.port.count, self.sink.as_ref().map(|sink| sink.count))
    }
}

/// A frame in several segments that cannot be made one is no frame of ours.
fn whole(frame: &mut impl Frame) -> bool {
    frame.data().len() == frame.total_len() || frame.linearize()
}
