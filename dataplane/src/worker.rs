//! The loop of one worker: poll, run the stages, send, count. It owns its queues and waits for nobody.
//!
//! Nothing in the loop allocates, locks or calls the system, but for two things: an idle adaptive worker sleeps,
//! and while `debug ip slb sessions` is on each session event carries a copy of its NAI.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Cache};
use common::{
    config::Poll,
    id::{InterfaceId, WorkerId},
    link::WorkerEnd,
    ring::{FrameReceiver, FrameSender, MAX_FRAME},
    slb::Director,
    snapshot::Snapshot,
    stats::{PortCell, WorkerStats},
    time::Nanos,
};

use crate::{
    backend::{Frame, PortQueue},
    batch::Batch,
    clock::{Clock, TscClock},
    counts::Counts,
    limit::{EventSender, ReplyLimiter},
    stage::{
        Context, classify, fast_path, forward, local, mobile_ip, parse, punt,
        transmit::{self, Outbox},
    },
};

/// Empty rounds before an adaptive worker sleeps.
const IDLE_POLLS: u32 = 1000;
/// First and longest sleep; each is twice the one before.
const BACKOFF: (Duration, Duration) = (Duration::from_micros(15), Duration::from_millis(1));
/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Frames from control a round.
const INJECT: usize = 32;
/// Rounds between two looks at whether to stop.
const ROUNDS: usize = 1024;

/// One worker. `Q` is the backend's queue, `C` the clock.
#[derive(Debug)]
pub struct Worker<Q: PortQueue, C: Clock = TscClock> {
    id: WorkerId,
    queues: Vec<Q>,
    outboxes: Vec<Outbox<Q::Frame>>,
    batch: Batch<Q::Frame>,
    published: Arc<ArcSwap<Snapshot>>,
    snapshot: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    director: Arc<Director>,
    stats: Arc<WorkerStats>,
    counts: Counts,
    punt: FrameSender,
    inject: FrameReceiver,
    injected: Vec<u8>,
    replies: ReplyLimiter,
    events: EventSender,
    idle: Idle,
    clock: C,
    started: Option<u64>,
    beat: Nanos,
    beats: u64,
}

#[derive(Debug)]
struct Idle {
    poll: Poll,
    empty: u32,
    backoff: Duration,
}

impl Idle {
    /// How long to sleep after one more round without work.
    fn round(&mut self) -> Option<Duration> {
        self.empty = self.empty.saturating_add(1);
        if self.poll == Poll::Always || self.empty <= IDLE_POLLS {
            return None;
        }
        let backoff = self.backoff;
        self.backoff = (backoff * 2).min(BACKOFF.1);
        Some(backoff)
    }

    fn work(&mut self) {
        (self.empty, self.backoff) = (0, BACKOFF.0);
    }
}

impl<Q: PortQueue, C: Clock> Worker<Q, C> {
    /// A worker with its end of the link and its queues, one a port in port order.
    pub fn new(end: WorkerEnd, queues: Vec<Q>, poll: Poll, clock: C) -> Self {
        Self {
            id: end.id,
            outboxes: queues.iter().map(|_| Outbox::default()).collect(),
            counts: Counts::new(queues.len()),
            queues,
            batch: Batch::default(),
            snapshot: Cache::new(Arc::clone(&end.snapshot)),
            published: end.snapshot,
            director: end.director,
            stats: end.stats,
            punt: end.punt,
            inject: end.inject,
            injected: Vec::with_capacity(MAX_FRAME),
            replies: ReplyLimiter::default(),
            events: EventSender::new(end.events),
            idle: Idle { poll, empty: 0, backoff: BACKOFF.0 },
            clock,
            started: None,
            beat: Nanos(0),
            beats: 0,
        }
    }

    /// Says on which CPU the caller pinned this worker.
    pub fn pinned(&self, cpu: usize) {
        self.stats.cpu.store(cpu as u64 + 1, Relaxed);
    }

    /// Its counters.
    pub fn stats(&self) -> &Arc<WorkerStats> {
        &self.stats
    }

    /// Polls every queue `rounds` times; returns the packets received. Sleeps only as an idle adaptive worker, at
    /// most 1 ms a round, and then returns early.
    pub fn step(&mut self, rounds: usize) -> usize {
        let mut received = 0;
        for _ in 0..rounds {
            let cycles = self.clock.cycles();
            let (got, injected) = (self.poll(cycles), self.inject());
            received += got;
            if got + injected > 0 {
                self.idle.work();
            }
            self.heartbeat(cycles);
            if got + injected == 0
                && let Some(backoff) = self.idle.round()
            {
                self.clock.sleep(backoff);
                break;
            }
        }
        received
    }

    /// Steps until `stop` is set, then drains.
    pub fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            self.step(ROUNDS);
        }
        self.drain();
    }

    /// Sends what control still has to send and whatever waits, and publishes the last counts.
    pub fn drain(&mut self) {
        while self.inject() > 0 {}
        self.flush();
        self.counts.publish(&self.stats);
        self.counts.publish_injected(&self.stats);
    }

    /// One burst from each queue.
    fn poll(&mut self, mut from: u64) -> usize {
        let mut total = 0;
        for index in 0..self.queues.len() {
            let got = self.queues[index].receive(&mut self.batch.frames);
            if got == 0 {
                self.counts.empty_polls += 1;
                continue;
            }
            total += got;
            self.burst(index, from, got);
            let until = self.clock.cycles();
            self.counts.busy_cycles += until.wrapping_sub(from);
            self.counts.publish(&self.stats);
            from = until;
        }
        total
    }

    fn burst(&mut self, index: usize, cycles: u64, got: usize) {
        let bytes: usize = self.batch.frames.iter().map(Frame::total_len).sum();
        let port = self.queues[index].port();
        self.counts.bursts += 1;
        self.counts.received += got as u64;
        if let Some(cell) = self.counts.port(port) {
            cell.rx_packets += got as u64;
            cell.rx_bytes += bytes as u64;
            cell.full_bursts += u64::from(got >= PortCell::FULL);
        }
        let mut cx = Context {
            worker: self.id,
            snapshot: self.snapshot.load(),
            published: &self.published,
            director: &self.director,
            now: self.clock.nanos(cycles),
            port,
            replies: &mut self.replies,
            events: &mut self.events,
        };
        let batch = &mut self.batch;
        batch.start();
        fast_path::run(&cx, batch);
        parse::run(&cx, batch);
        classify::run(&cx, batch);
        mobile_ip::run(&mut cx, batch);
        forward::run(&mut cx, batch);
        local::run(&mut cx, batch);
        punt::run(&cx, batch, &mut self.punt);
        transmit::run(batch, &mut self.queues, &mut self.outboxes, &mut self.counts);
        self.flush();
    }

    fn flush(&mut self) {
        for (queue, outbox) in self.queues.iter_mut().zip(&mut self.outboxes) {
            transmit::flush(queue, outbox, &mut self.counts);
        }
    }

    /// Sends frames from control; returns how many were taken.
    fn inject(&mut self) -> usize {
        let mut taken = 0;
        while taken < INJECT
            && let Some(interface) = self.inject.receive(&mut self.injected)
        {
            taken += 1;
            self.inject_one(interface);
        }
        if taken > 0 {
            self.flush();
            self.counts.publish(&self.stats);
            self.counts.publish_injected(&self.stats);
        }
        taken
    }

    fn inject_one(&mut self, interface: InterfaceId) {
        let port = self.snapshot.load().interfaces.get(interface.index()).map(|interface| interface.port);
        let Some((port, queue)) = port.and_then(|port| Some((port, self.queues.get_mut(port.index())?)))
        else {
            self.counts.inject_refused += 1;
            return;
        };
        let Some(mut frame) = queue.allocate() else {
            self.counts.inject_no_buffer += 1;
            return;
        };
        let Some(room) = frame.append(self.injected.len()) else {
            self.counts.inject_refused += 1;
            return;
        };
        room.copy_from_slice(&self.injected);
        transmit::push(frame, None, port, &mut self.queues, &mut self.outboxes, &mut self.counts);
    }

    /// Gives a sign of life ten times a second.
    fn heartbeat(&mut self, cycles: u64) {
        let started = *self.started.get_or_insert(cycles);
        let now = self.clock.nanos(cycles);
        if self.beats > 0 && now < self.beat.after(HEARTBEAT) {
            return;
        }
        self.beat = now;
        self.beats += 1;
        let stats = &self.stats;
        stats.heartbeat.store(self.beats, Relaxed);
        stats.total_cycles.store(cycles.wrapping_sub(started), Relaxed);
        stats.empty_polls.store(self.counts.empty_polls, Relaxed);
        stats.events_lost.store(self.events.lost, Relaxed);
        stats.generation.store(self.snapshot.load().generation, Relaxed);
    }
}
