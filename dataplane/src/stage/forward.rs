//! Transit IPv4, by the mirrored routing table.
//!
//! The kernel, which routes between the shadows too, is the slow path: it gets a packet whose next hop is not resolved
//! yet (and holds it until the answer comes) and one that must be fragmented; at a bounded rate, beyond which they are
//! dropped as `no_neighbour` and `too_big`.
//!
//! Of a route with several next hops each flow takes one of its own, by addresses, protocol and ports, and another only while that
//! one cannot be sent to.

use std::net::Ipv4Addr;

use common::{
    net::{Adjacency, Flow, NextHop, NextHopGroup, Route},
    verdict::Verdict,
    wire::ipv4,
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
    match adjacency(cx, packet.destination, || flow(frame, packet)) {
        Ok(adjacency) => output(cx, frame, packet, &adjacency, DestinationNat::default(), Verdict::ROUTED),
        Err(Unreachable::NoRoute) => {
            answer::error(cx, frame, packet, Error::NetUnreachable, Verdict::NO_ROUTE)
        }
        Err(Unreachable::Kernel) => Next::To(Stage::PUNT),
        Err(Unreachable::NoNeighbour) => slow_path(cx, packet, Verdict::NO_NEIGHBOUR),
        Err(Unreachable::Refused(verdict)) => Next::Drop(verdict),
    }
}

/// Why a packet cannot be sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// No route, and the sender may hear of it.
    NoRoute,
    /// Only the kernel can.
    Kernel,
    /// The next hop is being asked for.
    NoNeighbour,
    /// Nobody shall.
    Refused(Verdict),
}

/// The way to an address, of a route with several next hops that of the flow. Asks for a neighbour that is missing.
#[inline]
pub(super) fn adjacency(
    cx: &mut Context<'_>,
    to: Ipv4Addr,
    flow: impl FnOnce() -> Flow,
) -> Result<Adjacency, Unreachable> {
    let net = &*cx.snapshot.net;
    let next_hop = match net.routes.longest_match(to) {
        None => return Err(Unreachable::NoRoute),
        Some(Route::Null) => return Err(Unreachable::Refused(Verdict::NO_ROUTE)),
        Some(Route::Punt) => return Err(Unreachable::Kernel),
        Some(Route::Unusable) => return Err(Unreachable::Refused(Verdict::UNUSABLE_ROUTE)),
        Some(Route::Connected(interface)) => NextHop { interface: *interface, address: to },
        Some(Route::Via(next_hop)) => *next_hop,
        Some(Route::Group(group)) => {
            choose(cx, group, flow(), to).ok_or(Unreachable::Refused(Verdict::NO_ROUTE))?
        }
    };
    let Some(egress) = net.interfaces.get(next_hop.interface.index()) else {
        return Err(Unreachable::Refused(Verdict::NO_ROUTE));
    };
    // A directed broadcast is not forwarded (RFC 2644), and there is no neighbour to ask for.
    if next_hop.address == to && egress.broadcasts(to) {
        return Err(Unreachable::Refused(Verdict::MARTIAN));
    }
    let Some(destination) = net.neighbours.get(&next_hop) else {
        cx.events.resolve(next_hop.interface, next_hop.address, cx.now);
        return Err(Unreachable::NoNeighbour);
    };
    Ok(egress.adjacency(*destination))
}

/// The next hop of a flow. If it must do with another than its own, that one is asked for, so that it finds its way back.
fn choose(cx: &mut Context<'_>, group: &NextHopGroup, flow: Flow, to: Ipv4Addr) -> Option<NextHop> {
    let net = &*cx.snapshot.net;
    let mut order = group.order(flow, to);
    let own = order.next()?;
    if net.reaches(own) {
        return Some(own);
    }
    let other = order.find(|next_hop| net.reaches(*next_hop));
    if other.is_some() && !net.neighbours.contains_key(&own) {
        cx.events.resolve(own.interface, own.address, cx.now);
    }
    Some(other.unwrap_or(own))
}

/// Ports tell flows of one pair of hosts apart, but only the first fragment has them, and all must go one way.
pub(super) fn flow<F: Frame>(frame: &F, packet: &Packet) -> Flow {
    let has_ports =
        matches!(packet.protocol, ipv4::UDP | ipv4::TCP) && !packet.fragment && packet.payload() >= 4;
    let ports = if has_ports { frame.data().get(packet.l4()..packet.l4() + 4) } else { None };
    let ports = ports.and_then(|ports| ports.try_into().ok()).map_or(0, u32::from_be_bytes);
    Flow::between(packet.source, packet.destination, packet.protocol, ports)
}

/// To the kernel while the rate allows, else dropped for `reason`.
pub(super) fn slow_path(cx: &mut Context<'_>, packet: &Packet, reason: Verdict) -> Next {
    if packet.ttl > 1 && cx.replies.slow_path.take(cx.now) {
        Next::To(Stage::PUNT)
    } else {
        Next::Drop(reason)
    }
}
