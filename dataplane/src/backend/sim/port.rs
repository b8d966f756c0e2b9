//! Queues and control of a simulated port.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed},
    },
};

use common::{
    id::PortId,
    mac::MacAddr,
    port::{Link, PoolInfo, PortControl, PortCounters, PortError, PortInfo},
};
use crossbeam::queue::ArrayQueue;

use super::frame::{Pool, SimFrame};
use crate::backend::{Burst, Frame, PortQueue};

#[derive(Debug, Default)]
pub(super) struct Counts {
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    rx_missed: AtomicU64,
    rx_no_mbuf: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
}

/// What all ends of a port share.
#[derive(Debug)]
pub(super) struct SimPort {
    pub(super) id: PortId,
    pub(super) mac: Mutex<MacAddr>,
    /// Added beside its own.
    pub(super) macs: Mutex<BTreeSet<MacAddr>>,
    pub(super) mtu: AtomicU16,
    pub(super) up: AtomicBool,
    pub(super) receive: Vec<ArrayQueue<SimFrame>>,
    pub(super) transmit: Vec<ArrayQueue<SimFrame>>,
    pub(super) counts: Counts,
}

impl SimPort {
    pub(super) fn arrive(&self, queue: usize, frame: Option<SimFrame>) -> bool {
        if !self.up.load(Relaxed) {
            return false;
        }
        let Some(frame) = frame else {
            self.counts.rx_no_mbuf.fetch_add(1, Relaxed);
            return false;
        };
        let length = frame.total_len() as u64;
        if self.receive[queue].push(frame).is_err() {
            self.counts.rx_missed.fetch_add(1, Relaxed);
            return false;
        }
        self.counts.rx_packets.fetch_add(1, Relaxed);
        self.counts.rx_bytes.fetch_add(length, Relaxed);
        true
    }
}

/// One worker's queue pair of a simulated port.
#[derive(Debug)]
pub struct SimQueue {
    port: Arc<SimPort>,
    queue: usize,
    pool: Pool,
}

impl SimQueue {
    pub(super) fn new(port: Arc<SimPort>, queue: usize, pool: Pool) -> Self {
        Self { port, queue, pool }
    }
}

impl PortQueue for SimQueue {
    type Frame = SimFrame;

    fn port(&self) -> PortId {
        self.port.id
    }

    fn receive(&mut self, out: &mut Burst<SimFrame>) -> usize {
        let Some(queue) = self.port.receive.get(self.queue) else { return 0 };
        let before = out.len();
        while !out.is_full()
            && let Some(frame) = queue.pop()
        {
            out.push(frame);
        }
        out.len() - before
    }

    fn transmit(&mut self, out: &mut Burst<SimFrame>) -> usize {
        if !self.port.up.load(Relaxed) {
            return 0;
        }
        let queue = &self.port.transmit[self.queue];
        // This worker is the queue's only writer, so what is free stays free.
        let room = (queue.capacity() - queue.len()).min(out.len());
        for frame in out.drain(..room) {
            self.port.counts.tx_packets.fetch_add(1, Relaxed);
            self.port.counts.tx_bytes.fetch_add(frame.total_len() as u64, Relaxed);
            let _ = queue.push(frame);
        }
        room
    }

    fn allocate(&mut self) -> Option<SimFrame> {
        self.pool.allocate()
    }
}

/// Control of all simulated ports.
#[derive(Debug)]
pub(super) struct SimControl {
    pub(super) ports: Vec<Arc<SimPort>>,
    pub(super) pool: Pool,
}

impl PortControl for SimControl {
    fn ports(&self) -> Vec<PortInfo> {
        self.ports
            .iter()
            .map(|port| PortInfo {
                id: port.id,
                mac: *port.mac.lock().unwrap_or_else(PoisonError::into_inner),
                driver: "sim".into(),
                rx_queues: port.receive.len() as u16,
                tx_queues: port.transmit.len() as u16,
                rx_descriptors: port.receive[0].capacity() as u16,
                tx_descriptors: port.transmit[0].capacity() as u16,
                mtu: port.mtu.load(Relaxed),
                checksum_offload: false,
                socket: None,
                rss: 0,
            })
            .collect()
    }

    fn counters(&self, port: PortId) -> PortCounters {
        let counts = &self.ports[port.index()].counts;
        PortCounters {
            rx_packets: counts.rx_packets.load(Relaxed),
            rx_bytes: counts.rx_bytes.load(Relaxed),
            tx_packets: counts.tx_packets.load(Relaxed),
            tx_bytes: counts.tx_bytes.load(Relaxed),
            rx_missed: counts.rx_missed.load(Relaxed),
            rx_no_mbuf: counts.rx_no_mbuf.load(Relaxed),
            ..PortCounters::default()
        }
    }

    fn link(&self, port: PortId) -> Link {
        Link { up: self.ports[port.index()].up.load(Relaxed), speed_mbps: 0, full_duplex: true }
    }

    fn pools(&self) -> Vec<PoolInfo> {
        vec![PoolInfo {
            name: "sim".into(),
            size: self.pool.size() as u32,
            free: self.pool.free() as u32,
            room: self.pool.room() as u16,
        }]
    }

    fn set_promiscuous(&self, _port: PortId, _on: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_allmulticast(&self, _port: PortId, _on: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_mtu(&self, port: PortId, mtu: u16) -> Result<(), PortError> {
        self.ports[port.index()].mtu.store(mtu, Relaxed);
        Ok(())
    }

    fn set_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        *self.ports[port.index()].mac.lock().unwrap_or_else(PoisonError::into_inner) = mac;
        Ok(())
    }

    fn add_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        self.ports[port.index()].macs.lock().unwrap_or_else(PoisonError::into_inner).insert(mac);
        Ok(())
    }

    fn remove_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        self.ports[port.index()].macs.lock().unwrap_or_else(PoisonError::into_inner).remove(&mac);
        Ok(())
    }

    fn set_up(&self, port: PortId, up: bool) -> Result<(), PortError> {
        self.ports[port.index()].up.store(up, Relaxed);
        Ok(())
    }
}
