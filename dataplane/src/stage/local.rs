//! Answers for virtual addresses: ARP, echo, resets and unreachables. Everything else for the host is punted.
//!
//! The kernel holds no virtual address, so nobody else would answer.

use std::net::Ipv4Addr;

use common::{mac::MacAddr, verdict::Verdict};

use super::{
    Context,
    answer::{self, Error},
    classify::{ICMP, TCP, UDP},
    parse::{ARP, contiguous},
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet, Stage},
    rewrite::{Link, rewrite_l2},
};

const ECHO_REQUEST: u8 = 8;
/// Bytes of an ARP packet for IPv4 over Ethernet (RFC 826).
const ARP_LENGTH: usize = 28;
/// Hardware type Ethernet, protocol IPv4, lengths 6 and 4, operation request.
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];

/// Answers, or sends on to the host.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::Local) {
        let (frame, packet) = batch.at(index);
        let next = if packet.ethertype == ARP { arp(cx, frame, packet) } else { ip(cx, frame, packet) };
        batch.send(index, next);
    }
}

fn ip<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    match packet.protocol {
        ICMP => {
            let l4 = packet.l4();
            if packet.payload() == 0 {
                return Next::Drop(Verdict::TRUNCATED);
            }
            match contiguous(frame, l4 + 1) {
                Err(reason) => Next::Drop(reason),
                Ok(()) if frame.data()[l4] == ECHO_REQUEST => answer::echo(cx, frame, packet),
                Ok(()) => Next::Drop(Verdict::NO_SERVICE),
            }
        }
        TCP => answer::reset(cx, frame, packet),
        UDP => answer::error(cx, frame, packet, Error::PortUnreachable, Verdict::NO_SERVICE),
        _ => answer::error(cx, frame, packet, Error::ProtocolUnreachable, Verdict::NO_SERVICE),
    }
}

fn arp<F: Frame>(cx: &Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let l3 = usize::from(packet.l3);
    if let Err(reason) = contiguous(frame, l3 + ARP_LENGTH) {
        return Next::Drop(reason);
    }
    let body = &mut frame.data_mut()[l3..l3 + ARP_LENGTH];
    let target = Ipv4Addr::new(body[24], body[25], body[26], body[27]);
    let Some(vip) = cx.snapshot.vips.get(&target) else { return Next::Punt };
    let mut sender = [0; 10];
    sender.copy_from_slice(&body[8..18]);
    let [m0, m1, m2, m3, m4, m5, a0, a1, a2, a3] = sender;
    let hardware = MacAddr([m0, m1, m2, m3, m4, m5]);
    let announces = Ipv4Addr::new(a0, a1, a2, a3) == target;
    if body[..8] != ARP_REQUEST || announces || vip.interface != Some(packet.interface) {
        return Next::Punt;
    }
    let Some(interface) = cx.snapshot.interfaces.get(packet.interface.index()) else { return Next::Punt };
    if hardware.is_multicast() {
        return Next::Drop(Verdict::MARTIAN);
    }
    body[7] = 2;
    body[18..28].copy_from_slice(&sender);
    body[8..14].copy_from_slice(&vip.mac.0);
    body[14..18].copy_from_slice(&target.octets());
    packet.egress = interface.port;
    let link = Link { source: vip.mac, destination: hardware, vlan: interface.vlan };
    match rewrite_l2(frame, packet, &link) {
        Ok(()) => Next::Transmit(Verdict::ARP_REPLY),
        Err(reason) => Next::Drop(reason),
    }
}
