//! Hands frames to the kernel: untagged, because each VLAN has a shadow of its own, and with the interface's own
//! MAC address where they were sent to a virtual one.

use common::{ring::FrameSender, verdict::Verdict};

use super::Context;
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet, Stage},
    rewrite::{ETHERNET, TAG},
};

/// Copies every frame for the host into the ring.
pub fn run<F: Frame>(cx: &Context<'_>, batch: &mut Batch<F>, ring: &mut FrameSender) {
    for index in batch.take(Stage::Punt) {
        let (frame, packet) = batch.at(index);
        let verdict = punt(cx, frame, packet, ring);
        batch.send(index, Next::Drop(verdict));
    }
}

fn punt<F: Frame>(cx: &Context<'_>, frame: &mut F, packet: &Packet, ring: &mut FrameSender) -> Verdict {
    if !frame.linearize() {
        return Verdict::NOT_LINEAR;
    }
    if usize::from(packet.l3) > ETHERNET {
        frame.data_mut().copy_within(..12, TAG);
        frame.trim_front(TAG);
    }
    if !packet.group
        && let Some(interface) = cx.snapshot.interfaces.get(packet.interface.index())
    {
        frame.data_mut()[..6].copy_from_slice(&interface.mac.0);
    }
    if ring.send(packet.interface, frame.data()) { Verdict::PUNTED } else { Verdict::PUNT_FULL }
}
