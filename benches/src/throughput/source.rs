//! Where frames come from: a capture, or one for each of several queues.

use serde::Serialize;

use super::case::MILLION;

/// What the captures of a case hold; programs that are compared read the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What they are.
    pub frames: Frames,
    /// Frames, and distinct nodes that have a session in the end.
    pub sessions: u32,
    /// Queues, each with a capture of its own that holds its share of the frames.
    pub workers: u8,
}

/// What the frames of a capture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frames {
    /// A registration request of each node, in order.
    Requests,
    /// As many, of which four of five are of known nodes.
    Mixed,
    /// An IPv4 packet of 64 bytes to each node, in a scattered order.
    Data,
}

impl Source {
    /// One queue, a frame a node.
    pub fn nodes(sessions: u32) -> Self {
        Self { frames: Frames::Requests, sessions, workers: 1 }
    }

    /// Nodes that have their session before the first frame of mixed traffic.
    pub fn known(&self) -> u32 {
        if self.frames == Frames::Mixed { self.sessions / 5 * 4 } else { 0 }
    }

    /// Name of the first file.
    pub fn file(&self) -> String {
        let kind = match self.frames {
            Frames::Requests => "nodes",
            Frames::Mixed => "mixed",
            Frames::Data => "data",
        };
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
        let kind = match self.frames {
            Frames::Requests => "",
            Frames::Mixed => "mixed 80/20, ",
            Frames::Data => "packets of 64 bytes, ",
        };
        write!(f, "{kind}{} frames", self.sessions)?;
        if self.workers > 1 { write!(f, ", {} cores", self.workers) } else { Ok(()) }
    }
}
