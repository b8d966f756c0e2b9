//! Ethernet, the tag and the IPv4 header: whose frame is it, on which interface, and is it sound?

use std::net::Ipv4Addr;

use common::{
    id::InterfaceId,
    mac::MacAddr,
    snapshot::{Interface, Snapshot},
    verdict::Verdict,
    wire::checksum,
};

use super::Context;
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet, Stage},
    rewrite::{DOT1Q, ETHERNET, IP_HEADER, TAG},
};

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
const DOT1AD: u16 = 0x88a8;
/// EtherType fields below this are lengths (IEEE 802.3).
const TYPES: u16 = 0x0600;
const VLAN_MASK: u16 = 0x0fff;

/// Parses every frame that is still to be.
pub fn run<F: Frame>(cx: &Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::Parse) {
        let (frame, packet) = batch.at(index);
        *packet = Packet::EMPTY;
        let next = frame_next(cx, frame, packet).unwrap_or_else(Next::Drop);
        batch.send(index, next);
    }
}

fn frame_next<F: Frame>(cx: &Context<'_>, frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    let snapshot = cx.snapshot;
    let header: [u8; ETHERNET] = *first(frame, ETHERNET)?.first_chunk().ok_or(Verdict::TRUNCATED)?;
    let mut ethertype = u16::from_be_bytes([header[12], header[13]]);
    let mut vlan = frame.stripped_vlan().map(|tci| tci & VLAN_MASK);
    packet.l3 = ETHERNET as u16;
    if ethertype == DOT1Q && vlan.is_none() {
        let tagged = first(frame, ETHERNET + TAG)?;
        vlan = Some(u16::from_be_bytes([tagged[14], tagged[15]]) & VLAN_MASK);
        ethertype = u16::from_be_bytes([tagged[16], tagged[17]]);
        packet.l3 += TAG as u16;
    }
    // VLAN 0 carries a priority only (IEEE 802.1Q, 9.6).
    let interface = find(snapshot, cx, vlan.filter(|vlan| *vlan != 0)).ok_or(Verdict::UNKNOWN_VLAN)?;
    packet.interface = interface.id;
    packet.ethertype = ethertype;
    if !interface.up {
        return Err(Verdict::INTERFACE_DOWN);
    }
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, _, _] = header;
    let (destination, source) = (MacAddr([d0, d1, d2, d3, d4, d5]), MacAddr([s0, s1, s2, s3, s4, s5]));
    if source == interface.mac {
        return Err(Verdict::OWN_FRAME);
    }
    packet.group = destination.is_multicast();
    if destination != interface.mac
        && !packet.group
        && !snapshot.vips.values().any(|vip| vip.mac == destination)
    {
        return Err(Verdict::NOT_FOR_US);
    }
    match ethertype {
        IPV4 => ipv4(frame, packet),
        ARP => Ok(Next::Local),
        DOT1Q | DOT1AD | 0..TYPES => Err(Verdict::UNKNOWN_ETHERTYPE),
        _ => Ok(Next::Punt),
    }
}

fn find<'a>(snapshot: &'a Snapshot, cx: &Context<'_>, vlan: Option<u16>) -> Option<&'a Interface> {
    let view = snapshot.ports.get(cx.port.index())?;
    let id: InterfaceId = match vlan {
        None => view.untagged?,
        Some(vlan) => view.vlans.iter().find(|(number, _)| *number == vlan)?.1,
    };
    snapshot.interfaces.get(id.index())
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

/// Checks the IPv4 header as RFC 1812, 5.2.2 asks. Bytes behind the packet are padding and ignored.
fn ipv4<F: Frame>(frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    let l3 = usize::from(packet.l3);
    let total = frame.total_len();
    let ip_ok = frame.ip_checksum_ok();
    let header: [u8; IP_HEADER] =
        *first(frame, l3 + IP_HEADER)?[l3..].first_chunk().ok_or(Verdict::TRUNCATED)?;
    let words = header[0] & 0x0f;
    packet.header = u16::from(words) * 4;
    packet.length = u16::from_be_bytes([header[2], header[3]]);
    if header[0] >> 4 != 4 || words < 5 || packet.length < packet.header {
        return Err(Verdict::BAD_IP_HEADER);
    }
    if packet.end() > total {
        return Err(Verdict::TRUNCATED);
    }
    let l4 = packet.l4();
    let bytes = first(frame, l4)?;
    if !ip_ok.unwrap_or_else(|| checksum::verify(&bytes[l3..l4])) {
        return Err(Verdict::BAD_IP_HEADER);
    }
    let flags = u16::from_be_bytes([header[6], header[7]]);
    packet.dont_fragment = flags & 0x4000 != 0;
    packet.fragment = flags & 0x3fff != 0;
    packet.later_fragment = flags & 0x1fff != 0;
    packet.ttl = header[8];
    packet.protocol = header[9];
    packet.source = address(&header, 12);
    packet.destination = address(&header, 16);
    Ok(Next::Classify)
}

fn address(header: &[u8; IP_HEADER], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3])
}
