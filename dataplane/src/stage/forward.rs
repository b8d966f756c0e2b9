//! Transit IPv4, by the mirrored routing table.
//!
//! The kernel, which routes between the shadows too, is the slow path: it gets a packet whose next hop is not resolved
//! yet (and holds it until the answer comes) and one that must be fragmented; at a bounded rate, beyond which they are
//! dropped as `no_neighbour` and `too_big`.

use common::{
    net::{NextHop, Route},
    verdict::Verdict,
};

use super::{
    Context,
    answer::{self, Error},
    output::{DestinationNat, output},
    stages::Stage,
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// Routes every transit packet.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::FORWARD) {
        let (frame, packet) = batch.at(index);
        let next = route(cx, frame, packet);
        batch.send(index, next);
    }
}

fn route<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let net = &*cx.snapshot.net;
    let next_hop = match net.routes.longest_match(packet.destination).copied() {
        None => return answer::error(cx, frame, packet, Error::NetUnreachable, Verdict::NO_ROUTE),
        Some(Route::Null) => return Next::Drop(Verdict::NO_ROUTE),
        Some(Route::Punt) => return Next::To(Stage::PUNT),
        Some(Route::Connected(interface)) => NextHop { interface, address: packet.destination },
        Some(Route::Via(next_hop)) => next_hop,
    };
    let Some(egress) = net.interfaces.get(next_hop.interface.index()) else {
        return Next::Drop(Verdict::NO_ROUTE);
    };
    // A directed broadcast is not forwarded (RFC 2644), and there is no neighbour to ask for.
    if next_hop.address == packet.destination && egress.broadcasts(next_hop.address) {
        return Next::Drop(Verdict::MARTIAN);
    }
    let Some(destination) = net.neighbours.get(&next_hop) else {
        cx.events.resolve(next_hop.interface, next_hop.address, cx.now);
        return slow_path(cx, packet, Verdict::NO_NEIGHBOUR);
    };
    let adjacency = egress.adjacency(*destination);
    output(cx, frame, packet, &adjacency, DestinationNat::default(), Verdict::ROUTED)
}

/// To the kernel while the rate allows, else dropped for `reason`.
pub(super) fn slow_path(cx: &mut Context<'_>, packet: &Packet, reason: Verdict) -> Next {
    if packet.ttl > 1 && cx.replies.slow_path.take(cx.now) {
        Next::To(Stage::PUNT)
    } else {
        Next::Drop(reason)
    }
}
