//! One worker's share of a port: the receive queues that it polls and the transmit queue that it uses.

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arrayvec::ArrayVec;
use capsule_ffi::{self as ffi, rte_mbuf};
use common::id::PortId;

use super::{frame::DpdkFrame, shared_tx::SharedTx};
use crate::backend::{Burst, Frame, PortQueue};

/// Receive queues of a port at most, by the configuration's range.
pub(super) const MAX_QUEUES: usize = 64;

/// What queues and control share of a port.
#[derive(Debug, Default)]
pub(super) struct PortState {
    /// False after `shutdown`: nothing is taken, what arrives is thrown away.
    pub up: AtomicBool,
}

/// How a worker sends.
#[derive(Clone, Debug)]
pub(super) enum Tx {
    /// A queue of its own.
    Own(u16),
    /// A queue that others use too.
    Shared(Arc<SharedTx>),
}

/// One worker's queues of one port.
#[derive(Debug)]
pub struct DpdkQueue {
    pub(super) port: PortId,
    /// Number of the port in DPDK.
    pub(super) dev: u16,
    /// Receive queues; none if the device has fewer than there are workers.
    pub(super) rx: ArrayVec<u16, MAX_QUEUES>,
    /// Which receive queue is polled first.
    pub(super) turn: usize,
    pub(super) tx: Tx,
    /// Where [`PortQueue::allocate`] takes from; lives until every queue is gone.
    pub(super) pool: NonNull<ffi::rte_mempool>,
    pub(super) state: Arc<PortState>,
    /// The device takes one segment a frame.
    pub(super) one_segment: bool,
    pub(super) checksum_offload: bool,
}

// SAFETY: the pool is made to be used by all threads, and a queue is used by the thread that holds it only.
unsafe impl Send for DpdkQueue {}

impl DpdkQueue {
    /// True if this worker receives from the port.
    pub fn receives(&self) -> bool {
        !self.rx.is_empty()
    }

    /// False if the transmit queue is used by other workers too.
    pub fn owns_transmit(&self) -> bool {
        matches!(self.tx, Tx::Own(_))
    }

    #[inline]
    fn send(&self, out: &mut Burst<DpdkFrame>) -> usize {
        match &self.tx {
            Tx::Own(queue) => transmit_burst(self.dev, *queue, out),
            Tx::Shared(shared) => shared.transmit(out),
        }
    }

    /// The frame at `at` cannot be made one segment: those before it go out; when it is first, it counts as taken.
    fn transmit_before(&self, at: usize, out: &mut Burst<DpdkFrame>) -> usize {
        if at == 0 {
            out.remove(0);
            return 1;
        }
        let rest: Burst<DpdkFrame> = out.drain(at..).collect();
        let taken = self.send(out);
        out.extend(rest);
        taken
    }
}

impl PortQueue for DpdkQueue {
    type Frame = DpdkFrame;

    fn port(&self) -> PortId {
        self.port
    }

    #[inline]
    fn receive(&mut self, out: &mut Burst<Self::Frame>) -> usize {
        if let Tx::Shared(shared) = &self.tx {
            shared.flush();
        }
        let before = out.len();
        for _ in 0..self.rx.len() {
            let room = out.remaining_capacity();
            if room == 0 {
                break;
            }
            let queue = self.rx[self.turn % self.rx.len()];
            self.turn = self.turn.wrapping_add(1);
            // SAFETY: `DpdkFrame` is a pointer to a buffer, and the vector has room for `room` more of them; the
            // driver writes `received` of which we own each. Only this worker polls the queue.
            unsafe {
                let end = out.as_mut_ptr().add(out.len()).cast::<*mut rte_mbuf>();
                let received = ffi::_rte_eth_rx_burst(self.dev, queue, end, room as u16);
                out.set_len(out.len() + usize::from(received));
            }
        }
        if !self.state.up.load(Relaxed) {
            out.truncate(before);
        }
        out.len() - before
    }

    #[inline]
    fn transmit(&mut self, out: &mut Burst<Self::Frame>) -> usize {
        if out.is_empty() || !self.state.up.load(Relaxed) {
            return 0;
        }
        if self.one_segment
            && let Some(at) = out.iter_mut().position(|frame| !frame.linearize())
        {
            return self.transmit_before(at, out);
        }
        self.send(out)
    }

    #[inline]
    fn allocate(&mut self) -> Option<Self::Frame> {
        // SAFETY: the pool outlives the queue; a buffer comes with one reference, which the frame owns.
        unsafe {
            NonNull::new(ffi::_rte_pktmbuf_alloc(self.pool.as_ptr())).map(|raw| DpdkFrame::from_raw(raw))
        }
    }

    fn checksum_offload(&self) -> bool {
        self.checksum_offload
    }
}

/// Hands frames from the front of `out` to the device; returns how many it took.
#[inline]
pub(super) fn transmit_burst(dev: u16, queue: u16, out: &mut Burst<DpdkFrame>) -> usize {
    let count = out.len();
    // SAFETY: `DpdkFrame` is a pointer to a buffer. The driver takes over the first `sent`; the vector keeps the
    // rest, moved to its front, and forgets the others. The caller is the only user of the queue.
    unsafe {
        let frames = out.as_mut_ptr().cast::<*mut rte_mbuf>();
        let sent = usize::from(ffi::_rte_eth_tx_burst(dev, queue, frames, count as u16));
        out.set_len(0);
        std::ptr::copy(frames.add(sent), frames, count - sent);
        out.set_len(count - sent);
        sent
    }
}
