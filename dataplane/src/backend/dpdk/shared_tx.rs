//! A transmit queue that several workers use because the device has fewer queues than there are workers.
//!
//! A driver's transmit queue takes one caller at a time. Nobody waits for it: who finds it free sends, first what
//! others left and then its own; who finds it taken leaves its frames in a lock-free queue. What was left is
//! sent by the next one who sends, or who polls the port for received frames, so by any worker within one turn of
//! its loop. Frames of one worker keep their order.

use std::{
    cell::UnsafeCell,
    fmt,
    ptr::NonNull,
    sync::atomic::{
        AtomicBool, AtomicU16,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use arrayvec::ArrayVec;
use capsule_ffi::{self as ffi, rte_mbuf};
use crossbeam::queue::ArrayQueue;

use super::frame::DpdkFrame;
use crate::backend::{BURST, Burst};

/// Frames that wait for the holder at most.
const LEFT: usize = 1024;

/// No port has this number.
const NO_DEVICE: u16 = u16::MAX;

/// One shared queue.
pub(super) struct SharedTx {
    /// Number of the port in DPDK; [`NO_DEVICE`] while there is none. Changed only while no worker uses it.
    dev: AtomicU16,
    queue: u16,
    taken: AtomicBool,
    /// Frames were left or are stuck in `pending`.
    waiting: AtomicBool,
    left: ArrayQueue<Raw>,
    /// Taken from `left`, not yet taken by the device; touched by the holder only.
    pending: UnsafeCell<ArrayVec<*mut rte_mbuf, BURST>>,
}

/// A reference to a packet on its way between workers.
struct Raw(NonNull<rte_mbuf>);

// SAFETY: buffers may be freed and sent by any thread that EAL knows; the reference is owned.
unsafe impl Send for Raw {}

// SAFETY: `pending` is touched only by the thread that holds `taken`; the rest is atomic.
unsafe impl Sync for SharedTx {}
// SAFETY: as `Raw`.
unsafe impl Send for SharedTx {}

impl SharedTx {
    pub fn new(dev: u16, queue: u16) -> Self {
        Self {
            dev: AtomicU16::new(dev),
            queue,
            taken: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            left: ArrayQueue::new(LEFT),
            pending: UnsafeCell::new(ArrayVec::new()),
        }
    }

    /// What is sent goes to that device from here on; `None`: nobody sends.
    pub fn set_device(&self, dev: Option<u16>) {
        self.dev.store(dev.unwrap_or(NO_DEVICE), Release);
    }

    /// Sends or leaves frames from the front of `out`; returns how many.
    pub fn transmit(&self, out: &mut Burst<DpdkFrame>) -> usize {
        let taken = self.hold(|pending| {
            if self.drain(pending) {
                super::queue::transmit_burst(self.dev.load(Relaxed), self.queue, out)
            } else {
                0
            }
        });
        taken.unwrap_or_else(|| self.leave(out))
    }

    /// Sends what was left, if anything was and the queue is free.
    #[inline]
    pub fn flush(&self) {
        if self.waiting.load(Relaxed) {
            self.hold(|pending| self.drain(pending));
        }
    }

    fn hold<T>(&self, f: impl FnOnce(&mut ArrayVec<*mut rte_mbuf, BURST>) -> T) -> Option<T> {
        if self.taken.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            return None;
        }
        // SAFETY: `taken` went from false to true, so no other reference exists until it is released.
        let result = f(unsafe { &mut *self.pending.get() });
        self.taken.store(false, Release);
        Some(result)
    }

    /// Sends what was left; false if the device is full.
    fn drain(&self, pending: &mut ArrayVec<*mut rte_mbuf, BURST>) -> bool {
        if !self.waiting.swap(false, Acquire) {
            return true;
        }
        // Bounded: others may go on leaving frames.
        for _ in 0..=LEFT / BURST {
            while !pending.is_full() {
                let Some(raw) = self.left.pop() else { break };
                pending.push(raw.0.as_ptr());
            }
            if pending.is_empty() {
                return true;
            }
            // SAFETY: the frames are owned by `pending`; the driver takes over the first `sent`.
            let sent = unsafe {
                ffi::_rte_eth_tx_burst(
                    self.dev.load(Relaxed),
                    self.queue,
                    pending.as_mut_ptr(),
                    pending.len() as u16,
                )
            };
            pending.drain(..usize::from(sent));
            if !pending.is_empty() {
                break;
            }
        }
        self.waiting.store(true, Release);
        pending.is_empty()
    }

    fn leave(&self, out: &mut Burst<DpdkFrame>) -> usize {
        let room = (self.left.capacity() - self.left.len()).min(out.len());
        let mut count = 0;
        for frame in out.drain(..room) {
            // A frame that lost its place to another worker is dropped; `room` makes that rare, and the frame
            // counts as sent, as one that the wire lost would.
            if let Some(raw) = NonNull::new(frame.into_raw())
                && let Err(Raw(raw)) = self.left.push(Raw(raw))
            {
                // SAFETY: the reference came back unused.
                drop(unsafe { DpdkFrame::from_raw(raw) });
            }
            count += 1;
        }
        if count > 0 {
            self.waiting.store(true, Release);
        }
        count
    }
}

impl fmt::Debug for SharedTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTx").field("dev", &self.dev).field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Drop for SharedTx {
    fn drop(&mut self) {
        // The last sender is gone: a last try, then the buffers go back.
        if *self.dev.get_mut() != NO_DEVICE {
            self.flush();
        }
        let pending = std::mem::take(self.pending.get_mut());
        let left = std::iter::from_fn(|| self.left.pop()).map(|raw| raw.0);
        for raw in pending.into_iter().filter_map(NonNull::new).chain(left) {
            // SAFETY: each reference was owned by the queue and is given up once.
            drop(unsafe { DpdkFrame::from_raw(raw) });
        }
    }
}
