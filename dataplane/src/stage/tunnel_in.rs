//! Packets in tunnels to the home agent: taken out and classified again, if a binding explains them (RFC 3024, 4.3.2; RFC 3519).

use std::net::Ipv4Addr;

use common::{
    mobile::Tunnel,
    verdict::Verdict,
    wire::{gre, ipv4, mobile_ip::tunnel_data, udp},
};

use super::{Context, parse::contiguous, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
    outer::Outer,
};

/// Bytes of the outer packet that are looked at behind its own header: UDP, tunnel data, GRE with every word, the inner header.
const LOOK: usize = udp::LENGTH + tunnel_data::LENGTH + gre::LENGTH + 3 * 4 + ipv4::LENGTH;

/// Takes the tunnels off.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::TUNNEL_IN) {
        let (frame, packet) = batch.at(index);
        match open(cx, frame, packet) {
            Ok(length) => batch.reenter(index, length),
            Err(verdict) => batch.send(index, Next::Drop(verdict)),
        }
    }
}

/// How much is in front of the inner packet, if it may be taken out.
fn open<F: Frame>(cx: &Context<'_>, frame: &mut F, packet: &Packet) -> Result<usize, Verdict> {
    contiguous(frame, packet.end().min(packet.l4() + LOOK))?;
    let bytes = frame.data().get(packet.l4()..packet.end().min(frame.data().len())).unwrap_or_default();
    let outer = Outer::parse(packet.protocol, bytes).ok_or(Verdict::TUNNEL_HEADER)?;
    let inner = bytes.get(outer.length..).unwrap_or_default();
    let source = inner.get(ipv4::offset::SOURCE..).and_then(<[u8]>::first_chunk::<4>);
    let home = Ipv4Addr::from(*source.ok_or(Verdict::TRUNCATED)?);
    let bindings = cx.tables.mobile.ok_or(Verdict::TUNNEL_SOURCE_MISMATCH)?;
    let explained = bindings.tunnels(home).any(|record| explains(&record.tunnel(), packet.source, &outer));
    if !explained {
        return Err(Verdict::TUNNEL_SOURCE_MISMATCH);
    }
    if outer.checksum {
        contiguous(frame, packet.end())?;
        let whole = &frame.data()[packet.l4()..packet.end()];
        if !outer.checksums_ok(packet.source, packet.destination, whole) {
            return Err(Verdict::TUNNEL_CHECKSUM);
        }
    }
    Ok(usize::from(packet.header) + outer.length)
}

fn explains(tunnel: &Tunnel, source: Ipv4Addr, outer: &Outer) -> bool {
    tunnel.reverse && tunnel.remote == source && outer.is_of(tunnel)
}
