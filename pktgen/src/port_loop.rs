//! The loop of a port: receives bursts, lets an endpoint answer and act, sends what it made.
//!
//! An [`Endpoint`] is pure: frames, commands and the time go in, frames come out. Nothing in it sees a port or a clock.

use std::{sync::mpsc::Receiver, time::Duration};

use dataplane::backend::{BURST, Burst, Frame, PortQueue};

use crate::{
    accounting::port::PortCounters,
    command::{Command, CommandRequest},
};

/// Most frames that an endpoint sends in one poll.
pub const MOST: usize = BURST;

/// Where an endpoint puts frames.
pub trait Transmit {
    /// Takes a copy; false if it cannot, now.
    fn send(&mut self, frame: &[u8]) -> bool;
}

impl Transmit for Vec<Vec<u8>> {
    fn send(&mut self, frame: &[u8]) -> bool {
        self.push(frame.to_vec());
        true
    }
}

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Something was done.
    Busy,
    /// Frames or time are waited for.
    Idle,
    /// All is done.
    Done,
}

/// What a port is driven by. Times are since the start.
pub trait Endpoint: Send {
    /// A frame came in.
    fn receive(&mut self, now: Duration, frame: &[u8], out: &mut dyn Transmit);
    /// Time goes by; at most a burst of frames is sent.
    fn poll(&mut self, now: Duration, out: &mut dyn Transmit) -> Activity;
    /// Somebody commands; the result is the answer.
    fn command(&mut self, now: Duration, command: &Command) -> String;
    /// It is to come to its end.
    fn stop(&mut self, now: Duration);
    /// Frames bring frames: none is to be received while the ring is full, so that no answer is lost.
    fn answers(&self) -> bool;
    /// One line for the screen.
    fn progress(&self, now: Duration) -> String;
}

/// A port's queue with the burst that is to be sent.
pub(crate) struct BufferedPort<Q: PortQueue> {
    queue: Q,
    pending: Burst<Q::Frame>,
    pub counters: PortCounters,
}

impl<Q: PortQueue> BufferedPort<Q> {
    pub fn new(queue: Q) -> Self {
        Self { queue, pending: Burst::new(), counters: PortCounters::default() }
    }

    /// Everything was sent.
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.counters.sent += self.queue.transmit(&mut self.pending) as u64;
        }
    }

    /// Receives into `burst`, which is empty, and hands over each frame and the time of its receipt; how many came.
    pub fn receive(
        &mut self,
        burst: &mut Burst<Q::Frame>,
        clock: &mut dyn FnMut() -> Duration,
        mut handle: impl FnMut(Duration, &[u8], &mut Self),
    ) -> usize {
        let received = self.queue.receive(burst);
        self.counters.received += received as u64;
        if received > 0 {
            let now = clock();
            for mut frame in burst.drain(..) {
                // A frame in several segments that cannot be made one is no frame of ours.
                if frame.data().len() == frame.total_len() || frame.linearize() {
                    handle(now, frame.data(), self);
                }
            }
        }
        received
    }
}

impl<Q: PortQueue> Transmit for BufferedPort<Q> {
    fn send(&mut self, bytes: &[u8]) -> bool {
        if self.pending.is_full() {
            self.flush();
        }
        if self.pending.is_full() {
            self.counters.ring_full += 1;
            return false;
        }
        let Some(mut frame) = self.queue.allocate() else {
            self.counters.no_buffer += 1;
            return false;
        };
        let Some(room) = frame.append(bytes.len()) else {
            self.counters.no_buffer += 1;
            return false;
        };
        room.copy_from_slice(bytes);
        self.pending.push(frame);
        true
    }
}

/// An endpoint on a port.
pub struct PortLoop<Q: PortQueue, E> {
    port: BufferedPort<Q>,
    pub endpoint: E,
    commands: Receiver<CommandRequest>,
    burst: Burst<Q::Frame>,
}

impl<Q: PortQueue, E: Endpoint> PortLoop<Q, E> {
    /// A sender of commands that is gone is as one that is silent.
    pub fn new(queue: Q, endpoint: E, commands: Receiver<CommandRequest>) -> Self {
        Self { port: BufferedPort::new(queue), endpoint, commands, burst: Burst::new() }
    }

    /// One burst in, what the endpoint makes of it and of the time out.
    pub fn step(&mut self, now: Duration) -> Activity {
        self.handle_commands(now);
        self.port.flush();
        let mut received = 0;
        if self.port.is_flushed() || !self.endpoint.answers() {
            let endpoint = &mut self.endpoint;
            received = self
                .port
                .receive(&mut self.burst, &mut || now, |now, frame, port| endpoint.receive(now, frame, port));
        }
        let activity = self.endpoint.poll(now, &mut self.port);
        self.port.flush();
        match activity {
            Activity::Idle if received > 0 || !self.port.is_flushed() => Activity::Busy,
            Activity::Done if !self.port.is_flushed() => Activity::Busy,
            activity => activity,
        }
    }

    fn handle_commands(&mut self, now: Duration) {
        while let Ok(request) = self.commands.try_recv() {
            if request.command == Command::Stop {
                self.endpoint.stop(now);
            }
            let text = self.endpoint.command(now, &request.command);
            request.answer(text);
        }
    }

    /// What the port saw.
    pub fn counters(&self) -> PortCounters {
        self.port.counters
    }
}
