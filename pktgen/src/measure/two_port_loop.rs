//! The loop of a measurement: both ports of one process, one after the other, with the time taken anew at each.

use std::{sync::mpsc::Receiver, time::Duration};

use dataplane::backend::{Burst, PortQueue};

use super::{director_counters::DirectorCounters, measurement::Measurement};
use crate::{
    accounting::port::PortCounters,
    command::{Command, CommandRequest},
    port_loop::{Activity, BufferedPort, Transmit},
};

/// Bursts that are taken from the receiving side before more is sent.
const BURSTS: usize = 4;

/// A measurement on its ports.
pub struct TwoPortLoop<Q: PortQueue> {
    port: BufferedPort<Q>,
    sink: Option<BufferedPort<Q>>,
    /// The measurement.
    pub measurement: Measurement,
    commands: Receiver<CommandRequest>,
    counters: Receiver<DirectorCounters>,
    burst: Burst<Q::Frame>,
}

impl<Q: PortQueue> TwoPortLoop<Q> {
    /// Senders of commands and counters that are gone are as ones that are silent.
    pub fn new(
        port: Q,
        sink: Option<Q>,
        measurement: Measurement,
        commands: Receiver<CommandRequest>,
        counters: Receiver<DirectorCounters>,
    ) -> Self {
        let (port, sink) = (BufferedPort::new(port), sink.map(BufferedPort::new));
        Self { port, sink, measurement, commands, counters, burst: Burst::new() }
    }

    /// Takes what came, sends what is due.
    pub fn step(&mut self, clock: &mut dyn FnMut() -> Duration) -> Activity {
        self.handle_commands(clock());
        self.port.flush();
        let Self { port, sink, measurement, burst, .. } = self;
        let mut received = port.receive(burst, clock, |now, frame, port| {
            measurement.receive_at_port(now, frame, port);
        });
        if let Some(sink) = sink {
            for _ in 0..BURSTS {
                let took = sink.receive(burst, clock, |now, frame, sink| {
                    measurement.receive_at_sink(now, frame, sink);
                });
                received += took;
                if took < burst.capacity() {
                    break;
                }
            }
        }
        let activity = measurement.poll(clock(), port, sink.as_mut().map(|sink| sink as &mut dyn Transmit));
        port.flush();
        if let Some(sink) = sink {
            sink.flush();
        }
        match activity {
            Activity::Idle if received > 0 || !port.is_flushed() => Activity::Busy,
            activity => activity,
        }
    }

    fn handle_commands(&mut self, now: Duration) {
        while let Ok(request) = self.commands.try_recv() {
            let text = self.command(now, &request.command);
            request.answer(text);
        }
        while let Ok(counters) = self.counters.try_recv() {
            self.measurement.count(now, counters);
        }
    }

    fn command(&mut self, now: Duration, command: &Command) -> String {
        let known = |found: bool, name: &str| {
            if found { "ok".into() } else { format!("error: there is no home agent {name}") }
        };
        match command {
            Command::Deaf(name) => known(self.measurement.set_down(name, true), name),
            Command::Hear(name) => known(self.measurement.set_down(name, false), name),
            Command::Status => {
                let steps = self.measurement.steps();
                serde_json::json!({ "doing": self.measurement.doing(), "total": self.measurement.deliveries().total(),
                    "steps": steps.len(), "last": steps.last() })
                .to_string()
            }
            Command::Stop => {
                self.measurement.stop(now);
                "ok".into()
            }
        }
    }

    /// What the ports saw: the sending one, the receiving one.
    pub fn port_counters(&self) -> (PortCounters, Option<PortCounters>) {
        (self.port.counters, self.sink.as_ref().map(|sink| sink.counters))
    }
}
