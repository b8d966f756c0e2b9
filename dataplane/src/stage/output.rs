//! The last steps of what leaves. Frames of the host enter here; packets that are sent on by an adjacency get their time to
//! live, their checks and their link header.

use std::net::Ipv4Addr;

use common::{id::InterfaceId, net::Adjacency, verdict::Verdict, wire::ethernet};

use super::{
    Context,
    answer::{self, Error},
    forward::slow_path,
    parse,
    stages::Stage,
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
    rewrite::{L2Rewrite, Rewrite, Ttl, rewrite},
};

/// Lets the host's frames pass as they are. Packets that it has routed to the dataplane are classified like others.
pub fn run<F: Frame>(_: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::OUTPUT) {
        let (frame, packet) = batch.at(index);
        let next = match packet.interface {
            InterfaceId::DATAPLANE => routed(frame, packet).unwrap_or_else(Next::Drop),
            _ => Next::Host,
        };
        batch.send(index, next);
    }
}

/// Only IPv4 is routed to the dataplane; the kernel says something of other protocols, too, when a device comes up.
fn routed<F: Frame>(frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    let header = ethernet::parse(frame.data()).map_err(|_| Verdict::TRUNCATED)?;
    if header.ethertype != ethernet::IPV4 {
        return Err(Verdict::UNKNOWN_ETHERTYPE);
    }
    packet.ethertype = ethernet::IPV4;
    parse::ipv4(frame, packet, None)
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
    if !cx.snapshot.net.can_send(adjacency) {
        return Next::Drop(Verdict::TX_DOWN);
    }
    let change = Rewrite {
        source: None,
        destination: nat.destination,
        destination_port: nat.port,
        ttl: Ttl::Decrement,
        link: L2Rewrite {
            source: adjacency.source,
            destination: adjacency.destination,
            vlan: adjacency.vlan,
        },
    };
    packet.egress = adjacency.port;
    match rewrite(frame, packet, &change) {
        Ok(()) => Next::Transmit(verdict),
        Err(reason) => Next::Drop(reason),
    }
}
