//! The loop of a port: receives bursts, lets a machine answer and act, sends what it made.
//!
//! A [`Machine`] is pure: frames, commands and the time go in, frames come out. Nothing in it sees a port or a clock.

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

use dataplane::backend::{BURST, Burst, Frame, PortQueue};
use serde::Serialize;

use crate::control::{Command, Order};

/// Where a machine puts frames.
pub trait Outbox {
    /// Takes a copy; false if it cannot, now.
    fn send(&mut self, frame: &[u8]) -> bool;
}

impl Outbox for Vec<Vec<u8>> {
    fn send(&mut self, frame: &[u8]) -> bool {
        self.push(frame.to_vec());
        true
    }
}

/// How a machine stands after a look at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It did something.
    Busy,
    /// It waits for frames or for time.
    Idle,
    /// It is done.
    Done,
}

/// What a port is driven by. Times are since the start.
pub trait Machine: Send {
    /// A frame came in.
    fn receive(&mut self, now: Duration, frame: &[u8], out: &mut dyn Outbox);
    /// Time goes by; at most a burst of frames is sent.
    fn poll(&mut self, now: Duration, out: &mut dyn Outbox) -> Flow;
    /// Somebody commands; the result is the answer.
    fn command(&mut self, now: Duration, command: &Command) -> String;
    /// It is to come to its end.
    fn stop(&mut self, now: Duration);
    /// Frames bring frames: none is to be received while the ring is full, so that no answer is lost.
    fn answers(&self) -> bool;
    /// One line for the screen.
    fn progress(&self, now: Duration) -> String;
}

/// Frames and failures of the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortCount {
    /// Frames received.
    pub received: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames that the transmit ring could not take at once.
    pub ring_full: u64,
    /// Frames for which there was no buffer.
    pub no_buffer: u64,
}

/// A port's queue with what waits to be sent.
pub(crate) struct Sender<Q: PortQueue> {
    pub queue: Q,
    pub waiting: Burst<Q::Frame>,
    pub count: PortCount,
}

impl<Q: PortQueue> Sender<Q> {
    pub fn new(queue: Q) -> Self {
        Self { queue, waiting: Burst::new(), count: PortCount::default() }
    }

    pub fn flush(&mut self) {
        if !self.waiting.is_empty() {
            self.count.sent += self.queue.transmit(&mut self.waiting) as u64;
        }
    }
}

impl<Q: PortQueue> Outbox for Sender<Q> {
    fn send(&mut self, bytes: &[u8]) -> bool {
        if self.waiting.is_full() {
            self.flush();
        }
        if self.waiting.is_full() {
            self.count.ring_full += 1;
            return false;
        }
        let Some(mut frame) = self.queue.allocate() else {
            self.count.no_buffer += 1;
            return false;
        };
        let Some(room) = frame.append(bytes.len()) else {
            self.count.no_buffer += 1;
            return false;
        };
        room.copy_from_slice(bytes);
        self.waiting.push(frame);
        true
    }
}

/// A machine on a port.
pub struct Engine<Q: PortQueue, M> {
    sender: Sender<Q>,
    /// The machine.
    pub machine: M,
    orders: Receiver<Order>,
    burst: Burst<Q::Frame>,
    scratch: Vec<u8>,
}

impl<Q: PortQueue, M: Machine> Engine<Q, M> {
    /// `orders` bring commands; a sender that is gone is as one that is silent.
    pub fn new(queue: Q, machine: M, orders: Receiver<Order>) -> Self {
        Self {
            sender: Sender::new(queue),
            machine,
            orders,
            burst: Burst::new(),
            scratch: Vec::with_capacity(2048),
        }
    }

    /// One burst in, what the machine makes of it and of the time out.
    pub fn step(&mut self, now: Duration) -> Flow {
        self.obey(now);
        self.sender.flush();
        let mut received = 0;
        if self.sender.waiting.is_empty() || !self.machine.answers() {
            received = self.sender.queue.receive(&mut self.burst);
        }
        self.sender.count.received += received as u64;
        for mut frame in self.burst.drain(..) {
            // A frame in several segments that cannot be made one is no frame of ours.
            if frame.data().len() == frame.total_len() || frame.linearize() {
                self.scratch.clear();
                self.scratch.extend_from_slice(frame.data());
                self.machine.receive(now, &self.scratch, &mut self.sender);
            }
        }
        let flow = self.machine.poll(now, &mut self.sender);
        self.sender.flush();
        match flow {
            Flow::Idle if received > 0 || !self.sender.waiting.is_empty() => Flow::Busy,
            Flow::Done if !self.sender.waiting.is_empty() => Flow::Busy,
            flow => flow,
        }
    }

    fn obey(&mut self, now: Duration) {
        loop {
            match self.orders.try_recv() {
                Ok(order) => {
                    if order.command == Command::Stop {
                        self.machine.stop(now);
                    }
                    let text = self.machine.command(now, &order.command);
                    order.answer(text);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// What the port saw.
    pub fn count(&self) -> PortCount {
        self.sender.count
    }
}

/// Most frames that a machine sends in one look at the time.
pub const MOST: usize = BURST;
