//! What routers on the way say of packets in tunnels that were too long for them (RFC 2003, section 5.1): the tunnel's MTU falls for a
//! while, and senders hear of it when they send such a packet again.

use std::net::Ipv4Addr;

use common::wire::{
    icmp,
    ipv4::{self, Ipv4},
};
use zerocopy::FromBytes as _;

use super::{Context, parse::contiguous, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
    outer::Outer,
};

/// Learns from each, and lets the host hear it, too.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::PATH_MTU) {
        let (frame, packet) = batch.at(index);
        let next = match contiguous(frame, packet.end()) {
            Ok(()) => {
                // Somebody else's, or too short to say whose.
                let _ = learn(cx, &frame.data()[packet.l4()..packet.end()], packet);
                Next::To(Stage::PUNT)
            }
            Err(verdict) => Next::Drop(verdict),
        };
        batch.send(index, next);
    }
}

/// The tunnel is that of the quoted packet: both its ends, its headers, and the node that the packet in it is for.
fn learn(cx: &Context<'_>, message: &[u8], packet: &Packet) -> Option<()> {
    let error = icmp::parse(message).ok().filter(|error| error.checksum_ok)?;
    let mtu = u16::from_be_bytes([error.header.rest[2], error.header.rest[3]]);
    let (sent, _) = Ipv4::ref_from_prefix(error.payload).ok()?;
    let behind = error.payload.get(usize::from(sent.header_length())..)?;
    let outer = Outer::parse_sent(sent.protocol, behind)?;
    let home = behind.get(outer.length + ipv4::offset::DESTINATION..)?.first_chunk::<4>()?;
    if sent.source() != packet.destination || mtu == 0 {
        return None;
    }
    for record in cx.tables.mobile?.tunnels(Ipv4Addr::from(*home)) {
        let tunnel = record.tunnel();
        if (tunnel.local, tunnel.remote) == (sent.source(), sent.destination()) && outer.is_of(&tunnel) {
            record.learn_path_mtu(mtu, cx.now);
        }
    }
    Some(())
}
