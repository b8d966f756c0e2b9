//! Packets to mobile nodes: to those that are away, in a tunnel to each of their care-of addresses (RFC 5944, 4.2.3; RFC 2003).
//!
//! What does not fit is cut before it is put into the tunnel, so that the other end need not put outer packets together, or
//! refused with the MTU of the tunnel if it must not be cut.

use arrayvec::ArrayVec;
use common::{
    mobile::{Bindings, HomeNetwork, MAX_CARE_OF, Tunnel},
    net::Adjacency,
    table::SlabIndex,
    verdict::Verdict,
    wire::ipv4::{self, IPIP},
};

use super::{
    Context, HOST,
    answer::{self, Error},
    forward::{self, Unreachable, flow},
    output::{DestinationNat, output},
    stages::Stage,
};
use crate::{
    backend::{BURST, Frame},
    batch::{Batch, Next, Packet},
    encapsulate::{Piece, Pieces, encapsulate},
    rewrite::{L2Rewrite, replace_word, rewrite_l2},
};

/// A tunnel with the way to its other end.
struct Path {
    tunnel: Tunnel,
    adjacency: Adjacency,
    /// Bytes of the largest inner packet.
    mtu: u16,
}

/// The bindings, and the first of the node that a packet is for.
type Found<'a> = (&'a Bindings, Option<SlabIndex>);

type Paths = ArrayVec<Path, MAX_CARE_OF>;

/// Sends packets to nodes that are away on their way; those to nodes at home are routed.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    let taken = batch.take(Stage::TUNNEL_OUT);
    let Some(bindings) = cx.tables.mobile else {
        return taken.for_each(|index| batch.send(index, Next::To(Stage::FORWARD)));
    };
    for index in taken.clone() {
        bindings.prefetch(batch.packets[index].destination);
    }
    let mut first = [None; BURST];
    for index in taken.clone() {
        first[index] = bindings.find_first(batch.packets[index].destination);
    }
    for index in taken {
        let next = deliver(cx, (bindings, first[index]), batch, index).unwrap_or_else(|next| next);
        batch.send(index, next);
    }
}

fn deliver<F: Frame>(
    cx: &mut Context<'_>,
    bindings: Found<'_>,
    batch: &mut Batch<F>,
    index: usize,
) -> Result<Next, Next> {
    let (frame, packet) = batch.at(index);
    let paths = paths(cx, bindings, frame, packet)?;
    if packet.protocol == IPIP
        && let Some(path) = paths.first()
        && is_nested_to(frame, packet)
    {
        // Already in a tunnel to the node: sent on to where it is (RFC 5944, 4.2.3).
        let nat = DestinationNat { destination: Some(path.tunnel.remote), port: None };
        return Ok(output(cx, frame, packet, &path.adjacency, nat, Verdict::TUNNELLED));
    }
    if packet.ttl <= 1 {
        return Err(answer::error(cx, frame, packet, Error::TimeExceeded, Verdict::TTL_EXPIRED));
    }
    if packet.dont_fragment
        && let Some(mtu) = paths.iter().map(|path| path.mtu).min()
        && packet.length > mtu
    {
        return Err(answer::error(cx, frame, packet, Error::FragmentationNeeded { mtu }, Verdict::TOO_BIG));
    }
    let copies: usize = paths.iter().map(|path| Pieces::of(packet, path.mtu).len()).sum();
    if copies > batch.replica_room() {
        // The last one is the frame itself.
        let ever = copies <= BURST;
        return Err(if ever { Next::To(Stage::TUNNEL_OUT) } else { Next::Drop(Verdict::TOO_BIG) });
    }
    let (frame, packet) = batch.at(index);
    decrement_ttl(frame, packet);
    Ok(send(batch, index, &paths))
}

/// Where copies of a packet go; of tunnels whose other end cannot be reached only the first one's reason counts.
fn paths<F: Frame>(
    cx: &mut Context<'_>,
    (bindings, first): Found<'_>,
    frame: &mut F,
    packet: &mut Packet,
) -> Result<Paths, Next> {
    let mut paths = Paths::new();
    let mut failure = Next::To(Stage::FORWARD);
    for record in bindings.tunnels_from(packet.destination, first) {
        let tunnel = record.tunnel();
        // Its own packets would come back to it (RFC 2003, 3.2). The host's may say so.
        let own = cx.port != HOST && cx.snapshot.net.owners.contains_key(&packet.source);
        if packet.source == tunnel.remote || own {
            failure = Next::Drop(Verdict::TUNNEL_LOOP);
            continue;
        }
        match forward::adjacency(cx, tunnel.remote, || flow(frame, packet)) {
            Ok(adjacency) if cx.snapshot.net.can_send(&adjacency) => {
                let room = record.path_mtu(cx.now).map_or(adjacency.mtu, |told| told.min(adjacency.mtu));
                let mtu = room.saturating_sub(tunnel.overhead() as u16);
                paths.push(Path { tunnel, adjacency, mtu });
            }
            Ok(_) => failure = Next::Drop(Verdict::TX_DOWN),
            Err(Unreachable::NoNeighbour) => failure = Next::Drop(Verdict::NO_NEIGHBOUR),
            Err(Unreachable::Refused(verdict)) => failure = Next::Drop(verdict),
            // The kernel has no tunnels.
            Err(Unreachable::NoRoute | Unreachable::Kernel) => {
                failure = Next::Drop(Verdict::NO_ROUTE);
            }
        }
    }
    if !paths.is_empty() {
        return Ok(paths);
    }
    let mobile = &cx.snapshot.mobile;
    Err(match failure {
        Next::Drop(Verdict::NO_ROUTE) => {
            answer::error(cx, frame, packet, Error::NetUnreachable, Verdict::NO_ROUTE)
        }
        Next::To(_) if mobile.networks.longest_match(packet.destination) != Some(&HomeNetwork::Virtual) => {
            failure
        }
        Next::To(_) if mobile.suppress_unreachable => Next::Drop(Verdict::NOT_REGISTERED),
        Next::To(_) => answer::error(cx, frame, packet, Error::HostUnreachable, Verdict::NOT_REGISTERED),
        failure => failure,
    })
}

/// The packet in the packet is for the same node.
fn is_nested_to<F: Frame>(frame: &F, packet: &Packet) -> bool {
    let at = packet.l4() + ipv4::offset::DESTINATION;
    let inner = frame.data().get(at..at + 4);
    !packet.fragment && inner.is_some_and(|inner| *inner == packet.destination.octets())
}

fn decrement_ttl<F: Frame>(frame: &mut F, packet: &mut Packet) {
    packet.ttl -= 1;
    let header = &mut frame.data_mut()[usize::from(packet.l3)..];
    replace_word(header, ipv4::offset::TTL, [packet.ttl, packet.protocol], ipv4::offset::CHECKSUM);
}

/// Sends each piece through each tunnel; the frame itself is the last one.
fn send<F: Frame>(batch: &mut Batch<F>, index: usize, paths: &Paths) -> Next {
    let whole = batch.packets[index];
    let Some((last, others)) = paths.split_last() else { return Next::Drop(Verdict::UNENDED) };
    for path in others {
        for piece in Pieces::of(&whole, path.mtu) {
            send_copy(batch, index, path, piece);
        }
    }
    let mut pieces = Pieces::of(&whole, last.mtu);
    let own = pieces.next_back();
    for piece in pieces {
        send_copy(batch, index, last, piece);
    }
    let identification = batch.identification();
    let (frame, packet) = batch.at(index);
    packet.egress = last.adjacency.port;
    let cut = own.map_or(Ok(()), |piece| piece.cut(frame, packet));
    match cut.and_then(|()| enter(frame, packet, last, identification)) {
        Ok(()) => Next::Transmit(Verdict::TUNNELLED),
        Err(verdict) => Next::Drop(verdict),
    }
}

fn send_copy<F: Frame>(batch: &mut Batch<F>, index: usize, path: &Path, piece: Piece) {
    let (mut packet, identification) = (batch.packets[index], batch.identification());
    let copy = batch.frames[index].copy().and_then(|mut frame| {
        piece
            .cut(&mut frame, &mut packet)
            .and_then(|()| enter(&mut frame, &mut packet, path, identification))
            .ok()?;
        Some(frame)
    });
    batch.send_replica(copy, path.adjacency.port);
}

fn enter<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    path: &Path,
    identification: u16,
) -> Result<(), Verdict> {
    encapsulate(frame, packet, &path.tunnel, identification)?;
    let Adjacency { source, destination, vlan, .. } = path.adjacency;
    rewrite_l2(frame, packet, &L2Rewrite { source, destination, vlan })
}
