//! The loop of one worker: poll, run the stages, send, count. It owns its queues and waits for nobody.
//!
//! Nothing in the loop allocates, locks or calls the system, but for two things: an idle adaptive worker sleeps,
//! and while `debug ip slb sessions` is on each session event carries a copy of its NAI.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, Release},
        },
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Cache};
use common::{
    config::Poll,
    id::{InterfaceId, PortId, WorkerId},
    link::WorkerEnd,
    ring::{FrameReceiver, FrameSender, MAX_FRAME},
    snapshot::Snapshot,
    stats::{PortCell, WorkerStats},
    stream::StreamEnd,
    tables::Tables,
    time::Nanos,
};

use crate::{
    backend::{Frame, PortQueue},
    batch::{Batch, Packet},
    clock::{Clock, TscClock},
    counts::Counts,
    limit::{EventSender, ReplyLimiter},
    reassembly::Reassembly,
    stage::{
        Context, HOST, fast_path,
        stages::{Stage, StageList, Stages},
        transmit::{self, TxBuffer},
    },
};

/// Empty rounds before an adaptive worker sleeps.
const IDLE_POLLS: u32 = 1000;
/// First and longest sleep of an idle worker; each is twice the one before.
const BACKOFF: (Duration, Duration) = (Duration::from_micros(15), Duration::from_millis(1));
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
/// Frames from control a round.
const INJECT: usize = 32;
/// Rounds between two looks at whether to stop.
const ROUNDS: usize = 1024;
/// Runs of stages for one burst at most; what has no end then is dropped. A frame passes some 40 with all its re-entries, and
/// a stage that copies runs again for each full vector of copies.
const RUNS: usize = 512;

/// One worker. `Q` is the backend's queue, `C` the clock, `S` the list of stages.
#[derive(Debug)]
pub struct Worker<Q: PortQueue, C: Clock = TscClock, S: StageList = Stages> {
    id: WorkerId,
    queues: Vec<Q>,
    tx_buffers: Vec<TxBuffer<Q::Frame>>,
    batch: Batch<Q::Frame>,
    published: Arc<ArcSwap<Snapshot>>,
    snapshot: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    tables: Tables,
    stats: Arc<WorkerStats>,
    counts: Counts,
    punt: FrameSender,
    inject: FrameReceiver,
    registrations: Option<StreamEnd>,
    injected: Vec<u8>,
    reassembly: Reassembly,
    replies: ReplyLimiter,
    events: EventSender,
    idle: Idle,
    clock: C,
    started: Option<u64>,
    last_heartbeat: Nanos,
    heartbeats: u64,
    stages: PhantomData<S>,
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
        Self::with_stages(end, queues, poll, clock)
    }
}

impl<Q: PortQueue, C: Clock, S: StageList> Worker<Q, C, S> {
    /// A worker with a list of stages of the caller's.
    pub fn with_stages(end: WorkerEnd, queues: Vec<Q>, poll: Poll, clock: C) -> Self {
        Self {
            id: end.id,
            tx_buffers: queues.iter().map(|_| TxBuffer::default()).collect(),
            counts: Counts::new(queues.len()),
            queues,
            batch: Batch::default(),
            snapshot: Cache::new(Arc::clone(&end.snapshot)),
            published: end.snapshot,
            registrations: end.tables.mobile.as_ref().map(|mobile| mobile.registrations.open()),
            reassembly: Reassembly::new(end.tables.mobile.is_some()),
            tables: end.tables,
            stats: end.stats,
            punt: end.punt,
            inject: end.inject,
            injected: Vec::with_capacity(MAX_FRAME),
            replies: ReplyLimiter::default(),
            events: EventSender::new(end.events),
            idle: Idle { poll, empty: 0, backoff: BACKOFF.0 },
            clock,
            started: None,
            last_heartbeat: Nanos(0),
            heartbeats: 0,
            stages: PhantomData,
        }
    }

    /// Says on which CPU the caller pinned this worker.
    pub fn pinned(&self, cpu: usize) {
        self.stats.cpu.store(cpu as u64 + 1, Relaxed);
    }

    /// Counters that control reads while it runs.
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
            tables: self.tables.by_ref(),
            now: self.clock.nanos(cycles),
            port,
            punt: &mut self.punt,
            registrations: self.registrations.as_mut().map(|stream| &mut stream.sender),
            reassembly: &mut self.reassembly,
            replies: &mut self.replies,
            events: &mut self.events,
        };
        self.batch.start();
        fast_path::run(&cx, &mut self.batch);
        let (queues, tx_buffers) = (&mut self.queues[..], &mut self.tx_buffers[..]);
        let copied = run_stages::<S, Q>(&mut cx, &mut self.batch, queues, tx_buffers, &mut self.counts);
        transmit::run(&mut self.batch, queues, tx_buffers, &mut self.counts);
        self.flush();
        if copied {
            self.counts.publish_replicas(&self.stats);
        }
    }

    fn flush(&mut self) {
        for (queue, tx_buffer) in self.queues.iter_mut().zip(&mut self.tx_buffers) {
            transmit::flush(queue, tx_buffer, &mut self.counts);
        }
    }

    /// Sends frames from control; returns how many were taken.
    fn inject(&mut self) -> usize {
        let mut taken = 0;
        while taken < INJECT
            && let Some(interface) = self.next_injected()
        {
            taken += 1;
            self.accept(interface);
        }
        if taken > 0 {
            self.host_burst();
            self.flush();
            self.counts.publish(&self.stats);
            self.counts.publish_injected(&self.stats);
            self.counts.publish_replicas(&self.stats);
        }
        taken
    }

    /// Takes the oldest frame of the host, else of the home agent.
    fn next_injected(&mut self) -> Option<InterfaceId> {
        let Self { inject, registrations, injected, .. } = self;
        inject.receive(injected).or_else(|| registrations.as_mut()?.receiver.receive(injected))
    }

    /// Takes the frame that control just sent into the batch.
    fn accept(&mut self, interface: InterfaceId) {
        let interfaces = &self.snapshot.load().net.interfaces;
        let port = match interface {
            // Which port it leaves by is not decided yet.
            InterfaceId::DATAPLANE => Some(PortId(0)),
            _ => interfaces.get(interface.index()).map(|interface| interface.port),
        };
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
        let packet = &mut self.batch.packets[self.batch.frames.len()];
        *packet = Packet { interface, egress: port, ..Packet::EMPTY };
        self.batch.frames.push(frame);
    }

    /// Sends the host's frames in the batch by way of the output stage.
    fn host_burst(&mut self) {
        let cycles = self.clock.cycles();
        let now = self.clock.nanos(cycles);
        let mut cx = Context {
            worker: self.id,
            snapshot: self.snapshot.load(),
            published: &self.published,
            tables: self.tables.by_ref(),
            now,
            port: HOST,
            punt: &mut self.punt,
            registrations: self.registrations.as_mut().map(|stream| &mut stream.sender),
            reassembly: &mut self.reassembly,
            replies: &mut self.replies,
            events: &mut self.events,
        };
        self.batch.enter(Stage::OUTPUT);
        let (queues, tx_buffers) = (&mut self.queues[..], &mut self.tx_buffers[..]);
        run_stages::<S, Q>(&mut cx, &mut self.batch, queues, tx_buffers, &mut self.counts);
        transmit::host(&mut self.batch, queues, tx_buffers, &mut self.counts);
    }

    /// Shows ten times a second that the worker lives.
    fn heartbeat(&mut self, cycles: u64) {
        let started = *self.started.get_or_insert(cycles);
        let now = self.clock.nanos(cycles);
        if self.heartbeats > 0 && now < self.last_heartbeat.after(HEARTBEAT_INTERVAL) {
            return;
        }
        self.last_heartbeat = now;
        self.heartbeats += 1;
        let stats = &self.stats;
        stats.heartbeat.store(self.heartbeats, Relaxed);
        stats.total_cycles.store(cycles.wrapping_sub(started), Relaxed);
        stats.empty_polls.store(self.counts.empty_polls, Relaxed);
        stats.events_lost.store(self.events.lost, Relaxed);
        self.reassembly.expire(now);
        stats.reassembled.store(self.reassembly.whole, Relaxed);
        stats.reassembly_given_up.store(self.reassembly.given_up, Relaxed);
        // What the last burst read was read before: control reuses records by this.
        stats.generation.store(self.snapshot.load().generation, Release);
    }
}

/// Runs the first stage that has frames until none has any, and sends the copies that stages make; true if there were any.
fn run_stages<S: StageList, Q: PortQueue>(
    cx: &mut Context<'_>,
    batch: &mut Batch<Q::Frame>,
    queues: &mut [Q],
    tx_buffers: &mut [TxBuffer<Q::Frame>],
    counts: &mut Counts,
) -> bool {
    let mut copied = false;
    let mut runs = 0..RUNS;
    while let Some(stage) = batch.first_pending().filter(|_| runs.next().is_some()) {
        S::run(stage, cx, batch);
        if batch.has_replicas() {
            transmit::replicas(batch, queues, tx_buffers, counts);
            copied = true;
        }
    }
    copied
}
