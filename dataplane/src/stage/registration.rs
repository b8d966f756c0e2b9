//! Registration requests for the home agent: handed to control by a ring of their own, past the kernel. Replies come back by
//! another, to be sent like frames of the host.

use common::{id::InterfaceId, verdict::Verdict};

use super::{Context, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next},
};

/// Copies every request into the ring, link header and tag included.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::REGISTRATION) {
        let (frame, packet) = batch.at(index);
        let next = hand_over(cx, frame, packet.interface);
        batch.send(index, next);
    }
}

fn hand_over<F: Frame>(cx: &mut Context<'_>, frame: &mut F, interface: InterfaceId) -> Next {
    let Some(ring) = &mut cx.registrations else { return Next::To(Stage::PUNT) };
    if !frame.linearize() {
        return Next::Drop(Verdict::NOT_LINEAR);
    }
    let sent = ring.send(interface, frame.data());
    Next::Drop(if sent { Verdict::REGISTRATION } else { Verdict::REGISTRATION_FULL })
}
