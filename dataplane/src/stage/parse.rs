//! Ethernet, the tag and the IPv4 header: whose frame is it, on which interface, and is it sound?

use common::{
    id::InterfaceId,
    net::{Interface, SourceCheck},
    snapshot::Snapshot,
    verdict::Verdict,
    wire::{
        checksum,
        ethernet::{self, ARP, DOT1AD, DOT1Q, Ethernet, FIRST_TYPE, IPV4, TAG},
        ipv4::{self, Ipv4},
    },
};
use zerocopy::FromBytes;

use super::{Context, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// Parses every frame that is still to be.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::PARSE) {
        let (frame, packet) = batch.at(index);
        *packet = Packet::EMPTY;
        let next = frame_next(cx, frame, packet).unwrap_or_else(Next::Drop);
        batch.send(index, next);
    }
}

fn frame_next<F: Frame>(cx: &Context<'_>, frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    let snapshot = cx.snapshot;
    let header = first(frame, ethernet::LENGTH)?;
    let header = *Ethernet::ref_from_prefix(header).map_err(|_| Verdict::TRUNCATED)?.0;
    let mut ethertype = header.ethertype();
    let mut vlan = frame.stripped_vlan().map(|control| control & ethernet::VLAN);
    packet.l3 = ethernet::LENGTH as u16;
    if ethertype == DOT1Q && vlan.is_none() {
        let tagged = match first(frame, ethernet::LENGTH + TAG) {
            Ok(tagged) => tagged,
            Err(verdict) => return Err(foreign(frame, verdict)),
        };
        let word = |at: usize| u16::from_be_bytes([tagged[at], tagged[at + 1]]);
        vlan = Some(word(ethernet::offset::TAG_CONTROL) & ethernet::VLAN);
        ethertype = word(ethernet::offset::TAGGED_ETHERTYPE);
        packet.l3 += TAG as u16;
    }
    // VLAN 0 carries a priority only (IEEE 802.1Q, 9.6).
    let interface = find(snapshot, cx, vlan.filter(|vlan| *vlan != 0)).ok_or(Verdict::UNKNOWN_VLAN)?;
    packet.interface = interface.id;
    packet.ethertype = ethertype;
    if !interface.up {
        return Err(Verdict::INTERFACE_DOWN);
    }
    let destination = header.destination();
    if header.source() == interface.mac {
        return Err(Verdict::OWN_FRAME);
    }
    packet.group = destination.is_multicast();
    if !packet.group && !interface.receives(destination) {
        return Err(Verdict::NOT_FOR_US);
    }
    match ethertype {
        IPV4 => {
            let checked = frame.ip_checksum_ok();
            let next = ipv4(frame, packet, checked)?;
            match &interface.source_check {
                None => Ok(next),
                Some(check) => verify_source(cx, check, packet).map(|()| next),
            }
        }
        ARP => Ok(Next::To(Stage::LOCAL)),
        DOT1Q | DOT1AD | 0..FIRST_TYPE => Err(Verdict::UNKNOWN_ETHERTYPE),
        _ => Ok(Next::To(Stage::PUNT)),
    }
}

fn find<'a>(snapshot: &'a Snapshot, cx: &Context<'_>, vlan: Option<u16>) -> Option<&'a Interface> {
    let view = snapshot.net.ports.get(cx.port.index())?;
    let id: InterfaceId = match vlan {
        None => view.untagged?,
        Some(vlan) => view.vlans.iter().find(|(number, _)| *number == vlan)?.1,
    };
    snapshot.net.interfaces.get(id.index())
}

/// Whoever the packet is for.
#[inline(never)]
fn verify_source(cx: &Context<'_>, check: &SourceCheck, packet: &Packet) -> Result<(), Verdict> {
    let (source, destination) = (packet.source, packet.destination);
    if cx.snapshot.net.admits_source(check.verify, packet.interface, source, destination) {
        return Ok(());
    }
    check.drops.add(cx.worker, 0, 1);
    Err(Verdict::RPF_FAILED)
}

/// A frame that ends with its tag had one of another type: a packet socket's filter has cut it.
#[cold]
fn foreign<F: Frame>(frame: &F, verdict: Verdict) -> Verdict {
    if frame.total_len() == ethernet::offset::TAGGED_ETHERTYPE { Verdict::UNKNOWN_ETHERTYPE } else { verdict }
}

/// The frame's first bytes, at least `need`.
fn first<F: Frame>(frame: &mut F, need: usize) -> Result<&[u8], Verdict> {
    if frame.data().len() < need {
        if frame.total_len() < need {
            return Err(Verdict::TRUNCATED);
        }
        if !frame.linearize() {
            return Err(Verdict::NOT_LINEAR);
        }
    }
    Ok(frame.data())
}

/// Makes sure that the first `need` bytes lie in one piece.
///
/// # Errors
/// [`Verdict::TRUNCATED`] if there are fewer, [`Verdict::NOT_LINEAR`] if they cannot be made one piece.
pub fn contiguous<F: Frame>(frame: &mut F, need: usize) -> Result<(), Verdict> {
    first(frame, need).map(|_| ())
}

/// Checks the IPv4 header at [`Packet::l3`] as RFC 1812, 5.2.2 asks; `checked` is what the device found of its checksum.
/// Bytes behind the packet are padding and ignored.
pub(super) fn ipv4<F: Frame>(
    frame: &mut F,
    packet: &mut Packet,
    checked: Option<bool>,
) -> Result<Next, Verdict> {
    let l3 = usize::from(packet.l3);
    let total = frame.total_len();
    let header = &first(frame, l3 + ipv4::LENGTH)?[l3..];
    let header = *Ipv4::ref_from_prefix(header).map_err(|_| Verdict::TRUNCATED)?.0;
    packet.header = header.header_length();
    packet.length = header.total_length();
    let sound =
        header.version() == 4 && usize::from(packet.header) >= ipv4::LENGTH && packet.length >= packet.header;
    if !sound {
        return Err(Verdict::BAD_IP_HEADER);
    }
    if packet.end() > total {
        return Err(Verdict::TRUNCATED);
    }
    let l4 = packet.l4();
    let bytes = first(frame, l4)?;
    if !checked.unwrap_or_else(|| checksum::verify(&bytes[l3..l4])) {
        return Err(Verdict::BAD_IP_HEADER);
    }
    packet.dont_fragment = header.dont_fragment();
    packet.fragment = header.is_fragment();
    packet.later_fragment = header.is_later_fragment();
    packet.ttl = header.ttl;
    packet.protocol = header.protocol;
    packet.source = header.source();
    packet.destination = header.destination();
    Ok(Next::To(Stage::CLASSIFY))
}
