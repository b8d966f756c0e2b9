//! Transit IPv4, by the mirrored routing table; and the last steps of everything that is sent on.
//!
//! The kernel, which routes between the shadows too, is the slow path: it gets a packet whose next hop is not resolved
//! yet (and holds it until the answer comes) and one that must be fragmented; at a bounded rate, beyond which they are
//! dropped as `no_neighbour` and `too_big`.

use std::net::Ipv4Addr;

use common::{
    snapshot::{Adjacency, Route},
    verdict::Verdict,
};
use ipnet::Ipv4Net;

use super::{
    Context,
    answer::{self, Error},
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet, Stage},
    rewrite::{Change, Link, Ttl, rewrite},
};

/// Routes every transit packet.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::Forward) {
        let (frame, packet) = batch.at(index);
        let next = route(cx, frame, packet);
        batch.send(index, next);
    }
}

fn route<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let snapshot = cx.snapshot;
    let found = snapshot.fib.get_lpm(&Ipv4Net::from(packet.destination)).map(|(_, route)| *route);
    let (interface, hop) = match found {
        None => return answer::error(cx, frame, packet, Error::NetUnreachable, Verdict::NO_ROUTE),
        Some(Route::Null) => return Next::Drop(Verdict::NO_ROUTE),
        Some(Route::Punt) => return Next::Punt,
        Some(Route::Connected(interface)) => (interface, packet.destination),
        Some(Route::Via(interface, gateway)) => (interface, gateway),
    };
    let Some(egress) = snapshot.interfaces.get(interface.index()) else {
        return Next::Drop(Verdict::NO_ROUTE);
    };
    // A directed broadcast is not forwarded (RFC 2644), and there is no neighbour to ask for.
    if hop == packet.destination && egress.broadcasts(hop) {
        return Next::Drop(Verdict::MARTIAN);
    }
    let Some(destination) = snapshot.neighbours.get(&(interface, hop)) else {
        cx.events.resolve(interface, hop, cx.now);
        return slow_path(cx, packet, Verdict::NO_NEIGHBOUR);
    };
    let adjacency = Adjacency {
        interface,
        port: egress.port,
        vlan: egress.vlan,
        source: egress.mac,
        destination: *destination,
        mtu: egress.mtu,
    };
    output(cx, frame, packet, &adjacency, DestinationNat::default(), Verdict::ROUTED)
}

/// To the kernel while the rate allows, else dropped for `reason`.
fn slow_path(cx: &mut Context<'_>, packet: &Packet, reason: Verdict) -> Next {
    if packet.ttl > 1 && cx.replies.slow_path.take(cx.now) { Next::Punt } else { Next::Drop(reason) }
}

/// What directed mode changes beside what every hop changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationNat {
    /// IPv4 destination.
    pub destination: Option<Ipv4Addr>,
    /// UDP destination port.
    pub port: Option<u16>,
}

/// Sends a packet on through an adjacency: time to live, MTU, rewrite.
#[inline]
pub fn output<F: Frame>(
    cx: &mut Context<'_>,
    frame: &mut F,
    packet: &mut Packet,
    adjacency: &Adjacency,
    nat: DestinationNat,
    verdict: Verdict,
) -> Next {
    if packet.ttl <= 1 {
        return answer::error(cx, frame, packet, Error::TimeExceeded, Verdict::TTL_EXPIRED);
    }
    if packet.length > adjacency.mtu {
        if packet.dont_fragment {
            let error = Error::FragmentationNeeded { mtu: adjacency.mtu };
            return answer::error(cx, frame, packet, error, Verdict::TOO_BIG);
        }
        // The kernel does not know virtual addresses.
        return if verdict == Verdict::ROUTED {
            slow_path(cx, packet, Verdict::TOO_BIG)
        } else {
            Next::Drop(Verdict::TOO_BIG)
        };
    }
    let up = cx.snapshot.interfaces.get(adjacency.interface.index()).is_some_and(|interface| interface.up)
        && cx.snapshot.ports.get(adjacency.port.index()).is_some_and(|port| port.link_up);
    if !up {
        return Next::Drop(Verdict::TX_DOWN);
    }
    let change = Change {
        source: None,
        destination: nat.destination,
        destination_port: nat.port,
        ttl: Ttl::Decrement,
        link: Link { source: adjacency.source, destination: adjacency.destination, vlan: adjacency.vlan },
    };
    packet.egress = adjacency.port;
    match rewrite(frame, packet, &change) {
        Ok(()) => Next::Transmit(verdict),
        Err(reason) => Next::Drop(reason),
    }
}
