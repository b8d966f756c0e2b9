//! Simulated ports: in-memory rings and capture files behind the same traits as DPDK's.
//!
//! A [`Wire`] is the other end of every cable: it feeds frames into receive queues and collects what was sent.
//! Everything is allocated at start, so that a worker on these ports allocates nothing.

mod frame;
pub mod pcap;
mod port;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use common::{id::PortId, mac::MacAddr, port::PortError};
use crossbeam::queue::ArrayQueue;

pub use frame::{HEADROOM, Marks, Pool, SimFrame};
pub use port::SimQueue;
use port::{SimControl, SimPort};

use super::{Config, Ports};

/// Sizes of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Buffers in the pool that all ports share.
    pub pool: usize,
    /// Bytes of a buffer, headroom included.
    pub room: usize,
    /// Places in each receive queue.
    pub receive: usize,
    /// Places in each transmit queue.
    pub transmit: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { pool: 4096, room: HEADROOM + 2048, receive: 1024, transmit: 1024 }
    }
}

/// The other end of all cables.
#[derive(Clone, Debug)]
pub struct Wire {
    pool: Pool,
    ports: Vec<Arc<SimPort>>,
}

/// Builds the configured ports for the configured number of workers.
///
/// A device string `sim0,rx_pcap=FILE` preloads queue 0 with the frames of a capture file (as many as fit).
///
/// # Errors
/// [`PortError::NoDevice`] if a capture file cannot be read.
pub fn open(config: &Config, sizes: Sizes) -> Result<(Ports<SimQueue>, Wire), PortError> {
    let pool = Pool::new(sizes.pool, sizes.room);
    let workers = usize::from(config.workers.max(1));
    let ports: Vec<_> = config
        .ports
        .iter()
        .enumerate()
        .map(|(index, port)| {
            let rx = port.rx_queues.map_or(workers, usize::from).clamp(1, workers);
            let mac = port.mac.unwrap_or(MacAddr([2, 0, 0, 0, 0, index as u8 + 1]));
            Arc::new(SimPort {
                id: PortId(index as u16),
                mac: Mutex::new(mac),
                macs: Mutex::default(),
                mtu: port.mtu.into(),
                up: true.into(),
                receive: (0..rx).map(|_| ArrayQueue::new(sizes.receive.max(1))).collect(),
                transmit: (0..workers).map(|_| ArrayQueue::new(sizes.transmit.max(1))).collect(),
                counts: port::Counts::default(),
            })
        })
        .collect();
    let queues = (0..workers)
        .map(|worker| {
            ports.iter().map(|port| SimQueue::new(Arc::clone(port), worker, pool.clone())).collect()
        })
        .collect();
    let wire = Wire { pool: pool.clone(), ports: ports.clone() };
    for (port, config) in config.ports.iter().enumerate() {
        for file in config.device.split(',').skip(1).filter_map(|part| part.strip_prefix("rx_pcap=")) {
            let problem = |reason: String| PortError::NoDevice {
                interface: config.name.clone(),
                device: config.device.clone(),
                reason,
            };
            let bytes =
                std::fs::read(Path::new(file)).map_err(|error| problem(format!("{file}: {error}")))?;
            for captured in pcap::read(&bytes).map_err(|error| problem(format!("{file}: {error}")))? {
                wire.feed(PortId(port as u16), 0, &captured.bytes);
            }
        }
    }
    Ok((Ports { queues, control: Arc::new(SimControl { ports, pool }) }, wire))
}

impl Wire {
    /// Puts a frame into a receive queue; false if the link is down, the queue is full or the pool is dry.
    pub fn feed(&self, port: PortId, queue: usize, bytes: &[u8]) -> bool {
        let frame = self.pool.frame(bytes);
        self.ports[port.index()].arrive(queue, frame)
    }

    /// [`Wire::feed`] with what the device says of the frame.
    pub fn feed_marked(&self, port: PortId, queue: usize, bytes: &[u8], marks: Marks) -> bool {
        let frame = self.pool.frame(bytes).map(|frame| frame.with_marks(marks));
        self.ports[port.index()].arrive(queue, frame)
    }

    /// [`Wire::feed`] of a frame in several segments (see [`SimFrame::segmented`]).
    pub fn feed_segmented(&self, port: PortId, queue: usize, bytes: &[u8], first: usize, room: bool) -> bool {
        let frame = self.pool.frame(bytes).map(|frame| frame.segmented(first, room));
        self.ports[port.index()].arrive(queue, frame)
    }

    /// [`Wire::feed`] of a frame made by the caller (see [`Wire::allocate`]).
    pub fn feed_frame(&self, port: PortId, queue: usize, frame: SimFrame) -> bool {
        self.ports[port.index()].arrive(queue, Some(frame))
    }

    /// An empty frame of the pool; `None` when it is dry.
    pub fn allocate(&self) -> Option<SimFrame> {
        self.pool.allocate()
    }

    /// Takes every frame that a port has sent, worker after worker.
    pub fn sent(&self, port: PortId) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        self.take(port, |bytes| sent.push(bytes.to_vec()));
        sent
    }

    /// Shows every frame that a port has sent to `look` and gives it back to the pool; returns how many.
    pub fn take(&self, port: PortId, mut look: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        for queue in &self.ports[port.index()].transmit {
            while let Some(frame) = queue.pop() {
                look(frame.bytes());
                taken += 1;
            }
        }
        taken
    }

    /// Takes every frame that a port has sent into a capture file.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn save(&self, port: PortId, file: &Path) -> std::io::Result<usize> {
        let sent = self.sent(port);
        std::fs::write(file, pcap::write(sent.iter().map(|bytes| (0, bytes.as_slice()))))?;
        Ok(sent.len())
    }

    /// Addresses that a port receives for beside its own, in order.
    pub fn macs(&self, port: PortId) -> Vec<MacAddr> {
        let macs = self.ports[port.index()].macs.lock().unwrap_or_else(PoisonError::into_inner);
        macs.iter().copied().collect()
    }

    /// Pulls or plugs the cable.
    pub fn set_link(&self, port: PortId, up: bool) {
        self.ports[port.index()].up.store(up, std::sync::atomic::Ordering::Relaxed);
    }

    /// Buffers that nobody holds.
    pub fn free_buffers(&self) -> usize {
        self.pool.free()
    }

    /// Allocates all but `keep` buffers, so that the pool runs dry while the result lives.
    pub fn exhaust_pool(&self, keep: usize) -> Vec<SimFrame> {
        let mut taken = Vec::new();
        while self.pool.free() > keep
            && let Some(frame) = self.pool.allocate()
        {
            taken.push(frame);
        }
        taken
    }
}
