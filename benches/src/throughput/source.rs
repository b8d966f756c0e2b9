//! Where frames come from: a capture, or one for each of several queues.

use serde::Serialize;

use super::case::MILLION;

/// What the captures of a case hold; programs that are compared read the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Four of five frames are of known nodes; else there is one frame a node, in order.
    pub mixed: bool,
    /// Frames, and distinct nodes that have a session in the end.
    pub sessions: u32,
    /// Queues, each with a capture of its own that holds its share of the frames.
    pub workers: u8,
}

impl Source {
    /// One queue, a frame a node.
    pub fn nodes(sessions: u32) -> Self {
        Self { mixed: false, sessions, workers: 1 }
    }

    /// Nodes that have their session before the first frame of mixed traffic.
    pub fn known(&self) -> u32 {
        if self.mixed { self.sessions / 5 * 4 } else { 0 }
    }

    /// Name of the first file.
    pub fn file(&self) -> String {
        let kind = if self.mixed { "mixed" } else { "nodes" };
        format!("{kind}-{}-{}.pcap", self.sessions, self.workers)
    }

    /// Bytes of a packet buffer, headroom included, of both programs: a large capture has small ones.
    pub fn buffer_size(&self) -> u16 {
        if self.sessions > 4 * MILLION { 384 } else { 2176 }
    }

    /// Packet buffers: those that `infinite_rx` keeps, one a frame, and those in flight.
    pub fn buffers(&self) -> u32 {
        self.sessions + u32::from(self.workers) * 16_384
    }

    /// Megabytes of huge pages that the more demanding program needs: buffers with their heads, and the session table.
    pub fn megabytes(&self) -> u64 {
        let bytes =
            u64::from(self.buffers()) * (u64::from(self.buffer_size()) + 256) + u64::from(self.sessions) * 96;
        bytes / 1_000_000 + 512
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mixed = if self.mixed { "mixed 80/20, " } else { "" };
        write!(f, "{mixed}{} frames", self.sessions)?;
        if self.workers > 1 { write!(f, ", {} cores", self.workers) } else { Ok(()) }
    }
}
