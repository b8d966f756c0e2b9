//! Counters that a worker writes and everybody reads.
//!
//! A worker counts in its own memory and copies to these cells once a burst; a reader may see a burst half
//! copied, so sums are exact only while traffic is still. All cells only rise, except gauges.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam::utils::CachePadded;

use crate::verdict::{Class, Verdict};

/// Receives and sends of one port as one worker saw them.
#[derive(Debug, Default)]
pub struct PortCell {
    /// Packets received.
    pub rx_packets: AtomicU64,
    /// Bytes received, without FCS.
    pub rx_bytes: AtomicU64,
    /// Packets handed to the device.
    pub tx_packets: AtomicU64,
    /// Bytes handed to the device.
    pub tx_bytes: AtomicU64,
    /// Packets dropped because the transmit ring stayed full.
    pub tx_full: AtomicU64,
    /// Polls that brought nearly a whole burst, [`PortCell::FULL`] packets or more.
    pub full_bursts: AtomicU64,
}

impl PortCell {
    /// Of 64; some drivers give up to three packets less, to end at a cache line of descriptors.
    pub const FULL: usize = 60;
}

/// One worker's cells.
#[derive(Debug)]
pub struct WorkerStats {
    /// By [`Verdict::index`].
    pub verdicts: [AtomicU64; Verdict::ROOM],
    /// Packets received on all ports.
    pub received: AtomicU64,
    /// Polls that returned packets.
    pub bursts: AtomicU64,
    /// Polls that returned none.
    pub empty_polls: AtomicU64,
    /// TSC cycles spent with packets in hand.
    pub busy_cycles: AtomicU64,
    /// TSC cycles since the worker started.
    pub total_cycles: AtomicU64,
    /// Increments at least once a second while the worker lives, with or without traffic.
    pub heartbeat: AtomicU64,
    /// The snapshot generation in use.
    pub generation: AtomicU64,
    /// CPU that the worker is pinned to, plus one; 0: not pinned.
    pub cpu: AtomicU64,
    /// Frames from the kernel sent out.
    pub injected: AtomicU64,
    /// Frames from the kernel dropped because the pool was dry.
    pub inject_no_buffer: AtomicU64,
    /// Frames from the kernel dropped because the transmit ring stayed full; also in [`PortCell::tx_full`].
    pub inject_tx_full: AtomicU64,
    /// Frames from the kernel dropped because their interface is gone or they do not fit into a buffer.
    pub inject_refused: AtomicU64,
    /// Copies of packets that stages made and the devices took; the packet itself has its verdict.
    pub replicas: AtomicU64,
    /// Copies that were dropped: no such port, a transmit ring that stayed full (also in [`PortCell::tx_full`]), or no room.
    pub replicas_dropped: AtomicU64,
    /// Packets to ourselves that came in parts and became whole.
    pub reassembled: AtomicU64,
    /// Those of which not all parts came in time, or that did not fit together; parts that were kept are not sent on.
    pub reassembly_given_up: AtomicU64,
    /// Events lost because the ring to control was full.
    pub events_lost: AtomicU64,
    /// By port.
    pub ports: Vec<CachePadded<PortCell>>,
}

impl WorkerStats {
    /// Zeroed cells for `ports` ports.
    pub fn new(ports: usize) -> Self {
        Self {
            verdicts: std::array::from_fn(|_| AtomicU64::new(0)),
            received: AtomicU64::new(0),
            bursts: AtomicU64::new(0),
            empty_polls: AtomicU64::new(0),
            busy_cycles: AtomicU64::new(0),
            total_cycles: AtomicU64::new(0),
            heartbeat: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
            injected: AtomicU64::new(0),
            inject_no_buffer: AtomicU64::new(0),
            inject_tx_full: AtomicU64::new(0),
            inject_refused: AtomicU64::new(0),
            replicas: AtomicU64::new(0),
            replicas_dropped: AtomicU64::new(0),
            reassembled: AtomicU64::new(0),
            reassembly_given_up: AtomicU64::new(0),
            events_lost: AtomicU64::new(0),
            ports: (0..ports).map(|_| CachePadded::default()).collect(),
        }
    }

    /// One verdict's total.
    pub fn verdict(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict.index()].load(Relaxed)
    }

    /// Sum of all verdicts; equals `received` while traffic is still.
    pub fn verdict_sum(&self) -> u64 {
        self.verdicts.iter().map(|cell| cell.load(Relaxed)).sum()
    }

    /// Packets handed to devices, on all ports.
    pub fn sent(&self) -> u64 {
        self.ports.iter().map(|port| port.tx_packets.load(Relaxed)).sum()
    }

    /// The same by what was sent: packets forwarded and answered, copies, and the host's frames. Equals [`Self::sent`] while
    /// traffic is still.
    pub fn accounted_sent(&self) -> u64 {
        let left =
            Verdict::all().filter(|verdict| matches!(verdict.class(), Class::Forwarded | Class::Answered));
        let packets: u64 = left.map(|verdict| self.verdict(verdict)).sum();
        packets + self.replicas.load(Relaxed) + self.injected.load(Relaxed)
    }
}
