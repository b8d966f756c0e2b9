//! What a worker counts in its own memory, copied to the shared cells once a burst.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use common::{id::PortId, stats::WorkerStats, verdict::Verdict};

use crate::batch::Indices;

/// One port's counts, in the order of [`common::stats::PortCell`].
#[derive(Clone, Copy, Debug, Default)]
pub struct PortCounts {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets that the device took.
    pub tx_packets: u64,
    /// Bytes that the device took.
    pub tx_bytes: u64,
    /// Packets that it did not take.
    pub tx_full: u64,
    /// Polls that brought nearly a whole burst.
    pub full_bursts: u64,
}

/// Bits of the set of changed verdicts.
const BITS: usize = u64::BITS as usize;

/// A worker's counts since its start.
#[derive(Debug)]
pub struct Counts {
    verdicts: [u64; Verdict::ROOM],
    /// Verdicts that changed since they were published: a bit stands for all whose index leaves the same rest.
    changed: u64,
    /// Packets received.
    pub received: u64,
    /// Polls that returned packets.
    pub bursts: u64,
    /// Polls that returned none.
    pub empty_polls: u64,
    /// Cycles with packets in hand.
    pub busy_cycles: u64,
    /// Frames from control sent out.
    pub injected: u64,
    /// Those dropped: the pool was dry.
    pub inject_no_buffer: u64,
    /// Those dropped: the device did not take them.
    pub inject_tx_full: u64,
    /// Those dropped: no such interface any more, or too large.
    pub inject_refused: u64,
    /// Copies of packets sent out.
    pub replicas: u64,
    /// Those dropped.
    pub replicas_dropped: u64,
    /// By port.
    pub ports: Vec<PortCounts>,
}

impl Counts {
    /// Zeros for `ports` ports.
    pub fn new(ports: usize) -> Self {
        Self {
            verdicts: [0; Verdict::ROOM],
            changed: 0,
            received: 0,
            bursts: 0,
            empty_polls: 0,
            busy_cycles: 0,
            injected: 0,
            inject_no_buffer: 0,
            inject_tx_full: 0,
            inject_refused: 0,
            replicas: 0,
            replicas_dropped: 0,
            ports: vec![PortCounts::default(); ports],
        }
    }

    /// Counts the end of one packet.
    #[inline]
    pub fn end(&mut self, verdict: Verdict) {
        self.ends(verdict, 1);
    }

    /// Counts the same end of several packets.
    #[inline]
    pub fn ends(&mut self, verdict: Verdict, packets: u64) {
        let index = verdict.index();
        self.verdicts[index] += packets;
        self.changed |= 1 << (index % BITS);
    }

    /// Copies a burst's changes to the cells that others read.
    pub fn publish(&mut self, stats: &WorkerStats) {
        for bit in Indices(std::mem::take(&mut self.changed)) {
            for index in (bit..Verdict::ROOM).step_by(BITS) {
                stats.verdicts[index].store(self.verdicts[index], Relaxed);
            }
        }
        stats.received.store(self.received, Relaxed);
        stats.bursts.store(self.bursts, Relaxed);
        stats.busy_cycles.store(self.busy_cycles, Relaxed);
        stats.empty_polls.store(self.empty_polls, Relaxed);
        for (cell, counts) in stats.ports.iter().zip(&self.ports) {
            let pairs: [(&AtomicU64, u64); 6] = [
                (&cell.rx_packets, counts.rx_packets),
                (&cell.rx_bytes, counts.rx_bytes),
                (&cell.tx_packets, counts.tx_packets),
                (&cell.tx_bytes, counts.tx_bytes),
                (&cell.tx_full, counts.tx_full),
                (&cell.full_bursts, counts.full_bursts),
            ];
            for (cell, value) in pairs {
                cell.store(value, Relaxed);
            }
        }
    }

    /// Copies what became of frames from control.
    pub fn publish_injected(&self, stats: &WorkerStats) {
        stats.injected.store(self.injected, Relaxed);
        stats.inject_no_buffer.store(self.inject_no_buffer, Relaxed);
        stats.inject_tx_full.store(self.inject_tx_full, Relaxed);
        stats.inject_refused.store(self.inject_refused, Relaxed);
    }

    /// Copies what became of copies that stages made.
    pub fn publish_replicas(&self, stats: &WorkerStats) {
        stats.replicas.store(self.replicas, Relaxed);
        stats.replicas_dropped.store(self.replicas_dropped, Relaxed);
    }

    /// A port's counts.
    pub fn port(&mut self, port: PortId) -> Option<&mut PortCounts> {
        self.ports.get_mut(port.index())
    }
}
