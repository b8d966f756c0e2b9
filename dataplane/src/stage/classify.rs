//! For whom is an IPv4 packet: a virtual server, a virtual address, the host, or somebody else?

use std::net::Ipv4Addr;

use common::{
    net::{Owner, VirtualAddress},
    snapshot::Snapshot,
    verdict::Verdict,
    wire::{
        icmp,
        ipv4::{self, GRE, ICMP, IPIP, UDP, option},
        mobile_ip::tunnel_data,
        udp,
    },
};

use super::{Context, parse::contiguous, stages::Stage};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
};

/// Bytes of a UDP header up to the destination port's end.
const UDP_PORTS: usize = udp::offset::DESTINATION + 2;

/// Bytes of a datagram up to the end of a tunnel's header in it.
const TUNNEL_DATA: usize = udp::LENGTH + tunnel_data::LENGTH;

/// Sends every sound IPv4 packet to its stage.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::CLASSIFY) {
        let (frame, packet) = batch.at(index);
        let next = classify(cx.snapshot, frame, packet).unwrap_or_else(Next::Drop);
        batch.send(index, next);
    }
}

fn classify<F: Frame>(snapshot: &Snapshot, frame: &mut F, packet: &mut Packet) -> Result<Next, Verdict> {
    let destination = packet.destination;
    match snapshot.net.owners.get(&destination) {
        Some(Owner::Virtual(address)) => return virtual_address(snapshot, address, frame, packet),
        Some(Owner::Host(_)) => return Ok(Next::To(Stage::PUNT)),
        Some(Owner::TunnelEnd(_)) => return tunnel_end(snapshot, frame, packet),
        None => {}
    }
    if destination.is_multicast() || destination.is_broadcast() || directed_broadcast(snapshot, packet) {
        return Ok(Next::To(Stage::PUNT));
    }
    transit(snapshot, frame, packet)
}

/// A unicast packet in a group frame is never forwarded (RFC 1812, 5.3.4).
fn transit<F: Frame>(snapshot: &Snapshot, frame: &mut F, packet: &Packet) -> Result<Next, Verdict> {
    if packet.group || martian(packet.source) || martian(packet.destination) {
        return Err(Verdict::MARTIAN);
    }
    options(frame, packet)?;
    let at_home = snapshot.mobile.networks.longest_match(packet.destination).is_none();
    Ok(Next::To(if at_home { Stage::FORWARD } else { Stage::TUNNEL_OUT }))
}

/// Packets that were cut are put together, packets in tunnels are taken out, registration requests are handed over; the rest is the host's. A request from where no
/// answer may go, or that was in a tunnel itself, is the kernel's to judge.
fn tunnel_end<F: Frame>(snapshot: &Snapshot, frame: &mut F, packet: &Packet) -> Result<Next, Verdict> {
    let stage = match packet.protocol {
        IPIP | GRE | UDP if packet.fragment => Stage::REASSEMBLE,
        IPIP | GRE => Stage::TUNNEL_IN,
        UDP if packet.payload() >= TUNNEL_DATA => {
            let l4 = packet.l4();
            contiguous(frame, l4 + TUNNEL_DATA)?;
            let datagram = &frame.data()[l4..l4 + TUNNEL_DATA];
            let port = [datagram[udp::offset::DESTINATION], datagram[udp::offset::DESTINATION + 1]];
            let answerable = || {
                !packet.group && !martian(packet.source) && !snapshot.net.owners.contains_key(&packet.source)
            };
            if u16::from_be_bytes(port) != udp::MOBILE_IP {
                Stage::PUNT
            } else if tunnel_data::next_header(&datagram[udp::LENGTH..]).is_some() {
                Stage::TUNNEL_IN
            } else if packet.reentered == 0 && answerable() {
                Stage::REGISTRATION
            } else {
                Stage::PUNT
            }
        }
        ICMP if !packet.fragment && packet.payload() > icmp::offset::CODE => {
            let l4 = packet.l4();
            contiguous(frame, l4 + icmp::LENGTH.min(packet.payload()))?;
            let too_big = [icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED];
            if frame.data()[l4..].starts_with(&too_big) { Stage::PATH_MTU } else { Stage::PUNT }
        }
        _ => Stage::PUNT,
    };
    Ok(Next::To(stage))
}

fn virtual_address<F: Frame>(
    snapshot: &Snapshot,
    address: &VirtualAddress,
    frame: &mut F,
    packet: &mut Packet,
) -> Result<Next, Verdict> {
    if packet.group || martian(packet.source) {
        return Err(Verdict::MARTIAN);
    }
    if packet.fragment {
        return Err(Verdict::FRAGMENT);
    }
    options(frame, packet)?;
    if packet.protocol != UDP {
        return Ok(Next::To(Stage::LOCAL));
    }
    if packet.payload() < UDP_PORTS {
        return Err(Verdict::UDP_LENGTH);
    }
    let l4 = packet.l4();
    contiguous(frame, l4 + UDP_PORTS)?;
    let at = l4 + udp::offset::DESTINATION;
    let port = u16::from_be_bytes([frame.data()[at], frame.data()[at + 1]]);
    let mut served = false;
    for id in &address.vservers {
        let Some(vserver) = snapshot.vserver(*id) else { continue };
        if vserver.port == 0 || vserver.port == port {
            served = true;
            if vserver.admits(packet.source) {
                packet.vserver = *id;
                return Ok(Next::To(Stage::MOBILE_IP));
            }
        }
    }
    // A client that no virtual server admits is not load balanced; its packet is routed like any other.
    Ok(Next::To(if served { Stage::FORWARD } else { Stage::LOCAL }))
}

/// The broadcast address of a subnet of the interface that it came on.
fn directed_broadcast(snapshot: &Snapshot, packet: &Packet) -> bool {
    let interface = snapshot.net.interfaces.get(packet.interface.index());
    interface.is_some_and(|interface| interface.broadcasts(packet.destination))
}

/// True for addresses that no router may forward from or to: this network, loopback, link-local, multicast,
/// reserved and broadcast (RFC 1812, 5.3.7; RFC 3927, 2.7).
#[inline]
pub fn martian(address: Ipv4Addr) -> bool {
    let [a, b, _, _] = address.octets();
    a == 0 || a == 127 || a >= 224 || (a == 169 && b == 254)
}

/// Refuses source routes (RFC 7126, 4.3 and 4.4) and options that cannot be walked.
fn options<F: Frame>(frame: &F, packet: &Packet) -> Result<(), Verdict> {
    if usize::from(packet.header) == ipv4::LENGTH {
        return Ok(());
    }
    let mut rest = &frame.data()[usize::from(packet.l3) + ipv4::LENGTH..packet.l4()];
    loop {
        rest = match rest {
            [] | [option::END, ..] => return Ok(()),
            [option::NOP, after @ ..] => after,
            [option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE, ..] => return Err(Verdict::IP_OPTION),
            [_, length, ..] if *length >= 2 => rest.get(usize::from(*length)..).ok_or(Verdict::IP_OPTION)?,
            _ => return Err(Verdict::IP_OPTION),
        };
    }
}
