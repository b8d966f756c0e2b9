//! Parts of packets that are for a tunnel's end: put together, the whole packet is classified as if it had come so.

use common::{
    verdict::Verdict,
    wire::{
        checksum,
        ipv4::{self, Ipv4},
        mobile_ip::tunnel_data,
        udp,
    },
};
use zerocopy::FromBytes as _;

use super::{
    Context,
    parse::{self, contiguous},
    stages::Stage,
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
    reassembly::{Key, Part, Taken},
};

/// Takes each part; the last one becomes the packet.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::REASSEMBLE) {
        let (frame, packet) = batch.at(index);
        let next = take(cx, frame, packet).unwrap_or_else(Next::Drop);
        batch.send(index, next);
    }
}

fn take<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    contiguous(frame, packet.end())?;
    let (l3, l4) = (usize::from(packet.l3), packet.l4());
    let header = &frame.data()[l3..l4];
    let (fields, _) = Ipv4::ref_from_prefix(header).map_err(|_| Verdict::TRUNCATED)?;
    let key = Key {
        source: packet.source,
        destination: packet.destination,
        identification: fields.identification(),
        protocol: packet.protocol,
    };
    let (offset, more) = (fields.fragment_offset() as usize, fields.more_fragments());
    let bytes = &frame.data()[l4..packet.end()];
    // Only the first part has the ports. Others that come before it are left to the host, as are all that are its own.
    if packet.protocol == ipv4::UDP && !cx.reassembly.knows(&key, cx.now) && !is_tunnel_data(offset, bytes) {
        return Ok(Next::To(Stage::PUNT));
    }
    let part = Part { key, header, offset, more, bytes };
    let built = match cx.reassembly.take(&part, cx.now) {
        Taken::Held => return Err(Verdict::FRAGMENT_HELD),
        Taken::Refused => return Err(Verdict::REASSEMBLY),
        Taken::Whole(first, payload) => build(frame, l3, first, payload),
    };
    if built.is_none() {
        cx.reassembly.given_up += 1;
        return Err(Verdict::REASSEMBLY);
    }
    cx.reassembly.whole += 1;
    // What the device found of the checksum is true of the last part.
    parse::ipv4(frame, packet, None)
}

/// Makes the frame of the last part that of the whole packet; `None` if it has no room.
fn build<F: Frame>(frame: &mut F, l3: usize, first: &[u8], payload: &[u8]) -> Option<()> {
    let length = u16::try_from(first.len() + payload.len()).ok()?;
    frame.truncate(l3);
    let (header, rest) = frame.append(length.into())?.split_at_mut_checked(first.len())?;
    header.copy_from_slice(first);
    unfragment(header, length);
    rest.copy_from_slice(payload);
    Some(())
}

/// The header of the whole packet.
fn unfragment(header: &mut [u8], length: u16) {
    let mut set = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_be_bytes());
    set(ipv4::offset::TOTAL_LENGTH, length);
    set(ipv4::offset::FRAGMENT, 0);
    set(ipv4::offset::CHECKSUM, 0);
    let sum = checksum::of(&[header]);
    header[ipv4::offset::CHECKSUM..ipv4::offset::CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The first part of a datagram of a UDP tunnel.
fn is_tunnel_data(offset: usize, bytes: &[u8]) -> bool {
    let port = bytes.get(udp::offset::DESTINATION..udp::offset::DESTINATION + 2);
    let data = bytes.get(udp::LENGTH..).and_then(tunnel_data::next_header);
    offset == 0 && port == Some(&udp::MOBILE_IP.to_be_bytes()) && data.is_some()
}
