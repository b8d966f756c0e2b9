//! Frames of a port.

use serde::Serialize;

/// Frames and failures of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PortCounters {
    pub received: u64,
    pub sent: u64,
    /// Frames that the transmit ring could not take at once.
    pub ring_full: u64,
    /// Frames for which there was no buffer.
    pub no_buffer: u64,
}
