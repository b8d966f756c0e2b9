//! One worker's share of a port: the receive queues that it polls and the transmit queue that it uses.

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU16, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
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
///
/// A device is taken from under running workers in this order: `up` goes, then `away` comes; each worker that finds it says
/// so in `seen` and touches the device no more; once all have, control may close it, open another and store its number; `away`
/// goes, then `up` comes. The hot path reads `up` alone, as it must for `shutdown`.
#[derive(Debug, Default)]
pub(super) struct PortState {
    /// False after `shutdown` and while the device is away: nothing is taken, what arrives is thrown away.
    pub up: AtomicBool,
    /// Number of the port in DPDK. Another one only while `away`.
    pub dev: AtomicU16,
    /// No worker may touch the device.
    away: AtomicBool,
    /// Workers that hold a queue, a bit each.
    holders: AtomicU64,
    /// Those of them that know that the device is away.
    seen: AtomicU64,
}

impl PortState {
    /// Asks the workers to let go of the device.
    pub fn ask_away(&self) {
        self.up.store(false, Relaxed);
        // Whoever says that it has seen it knows by then that the port is not up.
        self.seen.store(0, Release);
        self.away.store(true, Release);
    }

    /// True once no worker touches the device any more.
    pub fn is_left(&self) -> bool {
        let holders = self.holders.load(Acquire);
        self.away.load(Relaxed) && self.seen.load(Acquire) & holders == holders
    }

    /// The device may be touched again; frames flow if it is `up`.
    pub fn come_back(&self, up: bool) {
        self.away.store(false, Release);
        self.up.store(up, Release);
    }
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
    /// This worker in [`PortState::holders`].
    pub(super) bit: u64,
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

    /// For `worker`.
    pub(super) fn hold(state: &PortState, worker: u16) -> u64 {
        let bit = 1u64 << worker;
        state.holders.fetch_or(bit, Relaxed);
        bit
    }

    #[inline]
    fn send(&self, out: &mut Burst<DpdkFrame>) -> usize {
        match &self.tx {
            Tx::Own(queue) => transmit_burst(self.state.dev.load(Relaxed), *queue, out),
            Tx::Shared(shared) => shared.transmit(out),
        }
    }

    /// Takes from the receive queues what they have and `out` has room for.
    #[inline]
    fn take(&mut self, out: &mut Burst<DpdkFrame>) -> usize {
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
                let received = ffi::_rte_eth_rx_burst(self.state.dev.load(Relaxed), queue, end, room as u16);
                out.set_len(out.len() + usize::from(received));
            }
        }
        out.len() - before
    }

    /// Of a port that is not up: what arrives is thrown away, unless nobody may look.
    #[cold]
    fn pass_over(&mut self, out: &mut Burst<DpdkFrame>) {
        if self.state.away.load(Acquire) {
            if self.state.seen.load(Relaxed) & self.bit == 0 {
                // What was done with the device is done before this is seen.
                self.state.seen.fetch_or(self.bit, AcqRel);
            }
            return;
        }
        if let Tx::Shared(shared) = &self.tx {
            shared.flush();
        }
        let before = out.len();
        self.take(out);
        out.truncate(before);
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
        // With Acquire a worker that finds it true has all of the device that was opened before.
        if !self.state.up.load(Acquire) {
            self.pass_over(out);
            return 0;
        }
        if let Tx::Shared(shared) = &self.tx {
            shared.flush();
        }
        self.take(out)
    }

    #[inline]
    fn transmit(&mut self, out: &mut Burst<Self::Frame>) -> usize {
        if out.is_empty() || !self.state.up.load(Acquire) {
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

impl Drop for DpdkQueue {
    fn drop(&mut self) {
        self.state.holders.fetch_and(!self.bit, Release);
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
