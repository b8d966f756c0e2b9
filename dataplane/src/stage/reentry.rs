//! Packets that were in other packets: once a stage has taken a tunnel off or decrypted, the inner packet goes to `classify`
//! as if it had come so.

use common::verdict::Verdict;

use super::parse::{self, contiguous};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// How often a packet is taken out of another.
pub const DEPTH: u8 = 4;

impl<F: Frame> Batch<F> {
    /// Takes a frame's outer headers off and sends the inner IPv4 packet to where it belongs; one with a header that is none
    /// and one that was nested more than [`DEPTH`] deep end here. `inner` is the length in bytes of what is in front of it
    /// in the outer packet, headers and options of all kinds. The link header moves up to it.
    ///
    /// The frame must be [`Batch::take`]n, and not be shared.
    pub fn reenter(&mut self, index: usize, inner: usize) {
        let (frame, packet) = self.at(index);
        let next = unwrap(frame, packet, inner).unwrap_or_else(Next::Drop);
        self.send(index, next);
    }
}

fn unwrap<F: Frame>(frame: &mut F, packet: &mut Packet, inner: usize) -> Result<Next, Verdict> {
    if packet.reentered == DEPTH {
        return Err(Verdict::NESTED_TOO_DEEP);
    }
    packet.reentered += 1;
    let l3 = usize::from(packet.l3);
    contiguous(frame, l3 + inner)?;
    // What lies behind the outer packet is no part of the inner one.
    frame.truncate(packet.end());
    frame.data_mut().copy_within(..l3, inner);
    if !frame.trim_front(inner) {
        return Err(Verdict::TRUNCATED);
    }
    // What the device found of the checksum is true of the outer header.
    parse::ipv4(frame, packet, None)
}
