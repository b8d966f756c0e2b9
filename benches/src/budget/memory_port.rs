//! A port in plain memory: it receives the frames of a capture again and again and takes back what is sent.

use std::sync::Arc;

use common::id::PortId;
use dataplane::backend::{Burst, Frame, PortQueue};

/// Bytes of a buffer.
const ROOM: usize = 256;
/// Free bytes in front of a received frame.
const HEADROOM: usize = 64;
/// Frames a burst, as a device gives them.
const BURST: usize = 64;

/// A buffer of its own; one segment, never shared.
#[derive(Debug)]
pub struct MemoryFrame(Box<Buffer>);

#[derive(Debug)]
struct Buffer {
    bytes: [u8; ROOM],
    start: usize,
    end: usize,
}

impl MemoryFrame {
    fn new() -> Self {
        Self(Box::new(Buffer { bytes: [0; ROOM], start: HEADROOM, end: HEADROOM }))
    }
}

impl Frame for MemoryFrame {
    #[inline]
    fn data(&self) -> &[u8] {
        &self.0.bytes[self.0.start..self.0.end]
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        let Buffer { bytes, start, end } = &mut *self.0;
        &mut bytes[*start..*end]
    }

    #[inline]
    fn total_len(&self) -> usize {
        self.0.end - self.0.start
    }

    fn linearize(&mut self) -> bool {
        true
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.0.start = self.0.start.checked_sub(n)?;
        Some(&mut self.data_mut()[..n])
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let from = self.total_len();
        self.0.end = self.0.end.checked_add(n).filter(|end| *end <= ROOM)?;
        Some(&mut self.data_mut()[from..])
    }

    fn trim_front(&mut self, n: usize) -> bool {
        let fits = n <= self.total_len();
        self.0.start += if fits { n } else { 0 };
        fits
    }

    fn truncate(&mut self, len: usize) -> bool {
        let fits = len <= self.total_len();
        self.0.end = if fits { self.0.start + len } else { self.0.end };
        fits
    }

    fn copy(&self) -> Option<Self> {
        Some(self.share())
    }

    fn share(&self) -> Self {
        let Buffer { bytes, start, end } = *self.0;
        Self(Box::new(Buffer { bytes, start, end }))
    }

    fn rss_hash(&self) -> Option<u32> {
        None
    }

    #[inline]
    fn stripped_vlan(&self) -> Option<u16> {
        None
    }

    #[inline]
    fn ip_checksum_ok(&self) -> Option<bool> {
        None
    }
}

/// The one queue of port 0.
#[derive(Debug)]
pub struct MemoryQueue {
    capture: Arc<[Vec<u8>]>,
    next: usize,
    free: Vec<MemoryFrame>,
    /// Frames that it took.
    pub sent: Arc<std::sync::atomic::AtomicU64>,
}

impl MemoryQueue {
    /// Receives `capture` in a circle.
    pub fn new(capture: Arc<[Vec<u8>]>) -> Self {
        let free = (0..2 * BURST).map(|_| MemoryFrame::new()).collect();
        Self { capture, next: 0, free, sent: Arc::default() }
    }
}

impl PortQueue for MemoryQueue {
    type Frame = MemoryFrame;

    fn port(&self) -> PortId {
        PortId(0)
    }

    fn receive(&mut self, out: &mut Burst<MemoryFrame>) -> usize {
        let room = BURST.min(out.remaining_capacity());
        for _ in 0..room {
            let mut frame = self.free.pop().unwrap_or_else(MemoryFrame::new);
            let bytes = &self.capture[self.next];
            self.next = (self.next + 1) % self.capture.len();
            (frame.0.start, frame.0.end) = (HEADROOM, HEADROOM + bytes.len());
            frame.0.bytes[HEADROOM..HEADROOM + bytes.len()].copy_from_slice(bytes);
            out.push(frame);
        }
        room
    }

    fn transmit(&mut self, out: &mut Burst<MemoryFrame>) -> usize {
        let count = out.len();
        self.free.extend(out.drain(..));
        self.sent.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
        count
    }

    fn allocate(&mut self) -> Option<MemoryFrame> {
        Some(self.free.pop().unwrap_or_else(MemoryFrame::new))
    }
}
