//! Hands frames to the kernel: untagged, because each VLAN has a shadow of its own, and with the interface's own
//! MAC address where they were sent to a virtual one.

use common::{
    verdict::Verdict,
    wire::ethernet::{self, TAG},
};

use super::{Context, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// Copies every frame for the host into the ring.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::PUNT) {
        let (frame, packet) = batch.at(index);
        let verdict = punt(cx, frame, packet);
        batch.send(index, Next::Drop(verdict));
    }
}

fn punt<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &Packet) -> Verdict {
    if !frame.linearize() {
        return Verdict::NOT_LINEAR;
    }
    if usize::from(packet.l3) > ethernet::LENGTH {
        frame.data_mut().copy_within(..ethernet::offset::ETHERTYPE, TAG);
        frame.trim_front(TAG);
    }
    if !packet.group
        && let Some(interface) = cx.snapshot.net.interfaces.get(packet.interface.index())
    {
        frame.data_mut()[..ethernet::offset::SOURCE].copy_from_slice(&interface.mac.0);
    }
    if cx.punt.send(packet.interface, frame.data()) { Verdict::PUNTED } else { Verdict::PUNT_FULL }
}
