//! Where workers and control meet: one end each, made together at start.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{
    event::Event,
    id::WorkerId,
    ring::{FrameReceiver, FrameSender, frame_ring},
    snapshot::Snapshot,
    stats::WorkerStats,
    tables::Tables,
};

/// Bytes of a ring of frames, each way and worker.
const FRAME_RING: usize = 1 << 20;
/// Events in flight from a worker.
const EVENT_RING: usize = 4096;

/// What one worker holds.
#[derive(Debug)]
pub struct WorkerEnd {
    /// Its number, from 0.
    pub id: WorkerId,
    /// The published snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Everybody's.
    pub tables: Tables,
    /// Counted by this worker, read by everybody.
    pub stats: Arc<WorkerStats>,
    /// Frames for the kernel.
    pub punt: FrameSender,
    /// Frames from the kernel or from control, to be sent as they are (tag included) on the interface's port.
    pub inject: FrameReceiver,
    /// For control; what does not fit is lost.
    pub events: Producer<Event>,
}

/// What control holds.
#[derive(Debug)]
pub struct ControlEnd {
    /// The published snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Everybody's.
    pub tables: Tables,
    /// By worker.
    pub stats: Vec<Arc<WorkerStats>>,
    /// By worker: frames for the kernel.
    pub punts: Vec<FrameReceiver>,
    /// By worker: frames to send.
    pub injects: Vec<FrameSender>,
    /// By worker: what they tell.
    pub events: Vec<Consumer<Event>>,
}

/// Makes both ends for `workers` workers and `ports` ports, all with these tables.
pub fn link(workers: u8, ports: usize, tables: Tables) -> (Vec<WorkerEnd>, ControlEnd) {
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let mut control = ControlEnd {
        snapshot: Arc::clone(&snapshot),
        tables,
        stats: Vec::new(),
        punts: Vec::new(),
        injects: Vec::new(),
        events: Vec::new(),
    };
    let ends = (0..workers)
        .map(|worker| {
            let stats = Arc::new(WorkerStats::new(ports));
            let (punt, punts) = frame_ring(FRAME_RING);
            let (injects, inject) = frame_ring(FRAME_RING);
            let (events, receiver) = RingBuffer::new(EVENT_RING);
            control.stats.push(Arc::clone(&stats));
            control.punts.push(punts);
            control.injects.push(injects);
            control.events.push(receiver);
            WorkerEnd {
                id: WorkerId(worker),
                snapshot: Arc::clone(&snapshot),
                tables: control.tables.clone(),
                stats,
                punt,
                inject,
                events,
            }
        })
        .collect();
    (ends, control)
}
