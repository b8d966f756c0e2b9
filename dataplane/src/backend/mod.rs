//! Ports, as a worker sees them: queues of frames. Two backends implement them: `dpdk` and `sim`.

use arrayvec::ArrayVec;
use common::{config::DataplaneConfig, id::PortId, port::PortControl};

#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod sim;

/// Frames in a vector at most.
pub const BURST: usize = 64;

/// A vector of frames.
pub type Burst<F> = ArrayVec<F, BURST>;

/// A packet buffer. Dropping it gives the buffer back.
pub trait Frame: Sized {
    /// The bytes of the first segment, from the Ethernet header on.
    fn data(&self) -> &[u8];
    /// The same, writable. A frame that was shared ([`Frame::share`]) must not be written.
    fn data_mut(&mut self) -> &mut [u8];
    /// Brings the headers and the usual NAI near: two cache lines.
    #[inline]
    fn prefetch(&self) {
        let data = self.data();
        for byte in [data.first(), data.get(64)].into_iter().flatten() {
            hw::prefetch(byte);
        }
    }
    /// Bytes of all segments.
    fn total_len(&self) -> usize;
    /// Makes the frame one segment; false if there is no room.
    fn linearize(&mut self) -> bool;
    /// Room for `n` bytes more in front; `None` without headroom.
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Room for `n` bytes more at the end; `None` without tailroom.
    fn append(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Cuts `n` bytes off the front; false if there are fewer.
    fn trim_front(&mut self, n: usize) -> bool;
    /// Cuts the frame to `len` bytes; false if it is shorter.
    fn truncate(&mut self, len: usize) -> bool;
    /// A frame of the same pool with the same bytes, in one segment, and nothing of what the device said of them; `None` when
    /// the pool is dry or they do not fit.
    fn copy(&self) -> Option<Self>;
    /// Another reference to the same bytes.
    #[must_use]
    fn share(&self) -> Self;
    /// The hash that the device computed.
    fn rss_hash(&self) -> Option<u32>;
    /// The tag that the device stripped (TCI).
    fn stripped_vlan(&self) -> Option<u16>;
    /// What the device found of the IPv4 header checksum: `Some(true)` good, `Some(false)` bad, `None` unknown.
    fn ip_checksum_ok(&self) -> Option<bool>;
    /// Has the device fill in the IPv4 header checksum, and the UDP checksum if `udp`, when the frame is sent on a
    /// port with [`PortQueue::checksum_offload`]. `l2` and `l3` are the lengths in bytes of what is in front of the
    /// IPv4 header and of that header. Changes the frame last: what is written later is not summed. False, and
    /// nothing changed, if it must be done in software.
    fn request_checksum(&mut self, l2: usize, l3: usize, udp: bool) -> bool {
        let _ = (l2, l3, udp);
        false
    }
}

/// One receive and transmit queue pair of a port, owned by one worker.
pub trait PortQueue: Send {
    /// The buffers it deals in.
    type Frame: Frame;
    /// The port that it is a queue of.
    fn port(&self) -> PortId;
    /// Appends received frames to `out` as far as there is room; returns how many.
    fn receive(&mut self, out: &mut Burst<Self::Frame>) -> usize;
    /// Takes frames from the front of `out` as the device accepts them; returns how many. The rest stays.
    fn transmit(&mut self, out: &mut Burst<Self::Frame>) -> usize;
    /// An empty frame with headroom; `None` when the pool is dry.
    fn allocate(&mut self) -> Option<Self::Frame>;
    /// The device fills in checksums that [`Frame::request_checksum`] asked for.
    fn checksum_offload(&self) -> bool {
        false
    }
}

/// What a backend hands over: for each worker its queues, and a handle for control.
pub struct Ports<Q: PortQueue> {
    /// By worker, then one entry a port (in port order; a port with fewer queues is missing from later workers'
    /// receive side but every worker can transmit on every port).
    pub queues: Vec<Vec<Q>>,
    /// For control.
    pub control: std::sync::Arc<dyn PortControl>,
}

/// What every backend needs to know to build its ports.
pub type Config = DataplaneConfig;
