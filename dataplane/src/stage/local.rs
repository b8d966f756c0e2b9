//! Answers for virtual addresses: ARP, echo, resets and unreachables. Everything else for the host is punted.
//!
//! The kernel holds no virtual address, so nobody else would answer.

use common::{
    mac::MacAddr,
    net::{Interface, NextHop, Owner},
    verdict::Verdict,
    wire::{
        arp::{self, Arp},
        ethernet::ARP,
        icmp,
        ipv4::{ICMP, TCP, UDP},
    },
};
use std::net::Ipv4Addr;

use zerocopy::IntoBytes;

use super::{
    Context,
    answer::{self, Error},
    parse::contiguous,
    stages::Stage,
};
use crate::{
    backend::Frame,
    batch::{Batch, Next, Packet},
    rewrite::{L2Rewrite, rewrite_l2},
};

/// Answers, or sends on to the host.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::LOCAL) {
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
                Ok(()) if frame.data()[l4] == icmp::ECHO_REQUEST => answer::echo(cx, frame, packet),
                Ok(()) => Next::Drop(Verdict::NO_SERVICE),
            }
        }
        TCP => answer::reset(cx, frame, packet),
        UDP => answer::error(cx, frame, packet, Error::PortUnreachable, Verdict::NO_SERVICE),
        _ => answer::error(cx, frame, packet, Error::ProtocolUnreachable, Verdict::NO_SERVICE),
    }
}

fn arp<F: Frame>(cx: &mut Context<'_>, frame: &mut F, packet: &mut Packet) -> Next {
    let l3 = usize::from(packet.l3);
    if let Err(reason) = contiguous(frame, l3 + arp::LENGTH) {
        return Next::Drop(reason);
    }
    let snapshot = cx.snapshot;
    let body = &mut frame.data_mut()[l3..l3 + arp::LENGTH];
    let Ok(request) = Arp::parse(body) else { return Next::To(Stage::PUNT) };
    let (sender, (_, target)) = (request.sender(), request.target());
    let Some(interface) = snapshot.net.interfaces.get(packet.interface.index()) else {
        return Next::To(Stage::PUNT);
    };
    watch(cx, interface, sender);
    let Some(Owner::Virtual(address)) = snapshot.net.owners.get(&target) else {
        return Next::To(Stage::PUNT);
    };
    let (hardware, announces) = (sender.0, sender.1 == target);
    if request.operation() != arp::REQUEST || announces || address.interface != Some(packet.interface) {
        return Next::To(Stage::PUNT);
    }
    if hardware.is_multicast() {
        return Next::Drop(Verdict::MARTIAN);
    }
    body.copy_from_slice(Arp::reply((address.mac, target), sender).as_bytes());
    packet.egress = interface.port;
    let link = L2Rewrite { source: address.mac, destination: hardware, vlan: interface.vlan };
    match rewrite_l2(frame, packet, &link) {
        Ok(()) => Next::Transmit(Verdict::ARP_REPLY),
        Err(reason) => Next::Drop(reason),
    }
}

/// Every message says who has the sender's address. That somebody else has it than we know is told to control.
fn watch(cx: &mut Context<'_>, interface: &Interface, (mac, address): (MacAddr, Ipv4Addr)) {
    let at = NextHop { interface: interface.id, address };
    let net = &cx.snapshot.net;
    let known = match net.owners.get(&address) {
        Some(_) if interface.receives(mac) => return,
        Some(Owner::Virtual(held)) if held.mac == mac => return,
        Some(Owner::Virtual(held)) => Some(held.mac),
        // One of a loopback is another's on the wire, too: that of a virtual server before us.
        Some(Owner::Host(at) | Owner::TunnelEnd(at)) if *at != interface.id => return,
        Some(Owner::Host(_) | Owner::TunnelEnd(_)) => Some(interface.mac),
        None => net.neighbours.get(&at).copied(),
    };
    if let Some(known) = known {
        cx.events.claim(at, mac, known, cx.now);
    }
}
