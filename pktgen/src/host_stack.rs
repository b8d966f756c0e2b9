//! A host on the wire: answers ARP and ping for its addresses, finds out next hops.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use common::{
    mac::MacAddr,
    wire::{
        arp::{self, Arp},
        ethernet::{self, Ethernet},
        icmp::{self, Icmp},
        ipv4::{self, Ipv4},
    },
};
use zerocopy::IntoBytes;

use crate::port_loop::Transmit;

/// Between two ARP requests for the same next hop.
const AGAIN: Duration = Duration::from_secs(1);

/// Addresses that are answered for, and next hops.
#[derive(Clone, Debug, Default)]
pub struct HostStack {
    addresses: BTreeMap<Ipv4Addr, MacAddr>,
    hops: BTreeMap<Ipv4Addr, NextHop>,
    /// Addresses that nobody has asked for yet.
    unasked: BTreeSet<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug)]
struct NextHop {
    /// Who asks for it.
    asker: Ipv4Addr,
    mac: Option<MacAddr>,
    asked: Option<Duration>,
}

impl HostStack {
    /// Answers for these addresses.
    pub fn new(addresses: impl IntoIterator<Item = (Ipv4Addr, MacAddr)>) -> Self {
        let addresses: BTreeMap<_, _> = addresses.into_iter().collect();
        Self { unasked: addresses.keys().copied().collect(), addresses, hops: BTreeMap::new() }
    }

    /// Has `hop` found out by `asker`, one of its own addresses; or knows it already.
    pub fn resolve(&mut self, hop: Ipv4Addr, asker: Ipv4Addr, mac: Option<MacAddr>) {
        self.hops.entry(hop).or_insert(NextHop { asker, mac, asked: None });
    }

    /// The next hop's address on the wire, if it is known.
    pub fn mac_of(&self, hop: Ipv4Addr) -> Option<MacAddr> {
        self.hops.get(&hop)?.mac
    }

    /// The first next hop that is not known.
    pub fn unresolved(&self) -> Option<Ipv4Addr> {
        self.hops.iter().find(|(_, hop)| hop.mac.is_none()).map(|(address, _)| *address)
    }

    /// Somebody has asked for each of its addresses by ARP.
    pub fn all_asked(&self) -> bool {
        self.unasked.is_empty()
    }

    /// True for its own frames.
    pub fn is_own(&self, source: MacAddr) -> bool {
        self.addresses.values().any(|mac| *mac == source)
    }

    /// Asks for what is not known, once a second.
    pub fn poll(&mut self, now: Duration, out: &mut dyn Transmit) {
        for (address, hop) in &mut self.hops {
            let due = hop.asked.is_none_or(|asked| now.saturating_sub(asked) >= AGAIN);
            let Some(mac) = self.addresses.get(&hop.asker) else { continue };
            if hop.mac.is_none() && due {
                hop.asked = Some(now);
                send_arp(MacAddr::BROADCAST, *mac, &Arp::request((*mac, hop.asker), *address), out);
            }
        }
    }

    /// Takes ARP, and ping for its addresses; true if the frame was one of these.
    pub fn receive(&mut self, frame: &ethernet::Parsed<'_>, out: &mut dyn Transmit) -> bool {
        match frame.ethertype {
            ethernet::ARP => {
                if let Ok(message) = Arp::parse(frame.payload) {
                    self.arp(message, out);
                }
                true
            }
            ethernet::IPV4 => self.ping(frame, out).is_some(),
            _ => false,
        }
    }

    fn arp(&mut self, message: &Arp, out: &mut dyn Transmit) {
        let (sender, target) = (message.sender(), message.target().1);
        if let Some(hop) = self.hops.get_mut(&sender.1)
            && !sender.0.is_multicast()
        {
            hop.mac = Some(sender.0);
        }
        if message.operation() == arp::REQUEST
            && let Some(mac) = self.addresses.get(&target)
        {
            self.unasked.remove(&target);
            send_arp(sender.0, *mac, &Arp::reply((*mac, target), sender), out);
        }
    }

    fn ping(&self, frame: &ethernet::Parsed<'_>, out: &mut dyn Transmit) -> Option<()> {
        let ip = ipv4::parse(frame.payload).ok()?;
        let (source, own) = (ip.header.source(), ip.header.destination());
        let mac = *self.addresses.get(&own)?;
        if ip.header.protocol != ipv4::ICMP || ip.header.is_fragment() || !ip.checksum_ok {
            return None;
        }
        let echo = icmp::parse(ip.payload).ok()?;
        if echo.header.kind == icmp::ECHO_REQUEST && echo.checksum_ok && frame.destination == mac {
            let reply = Icmp::new(icmp::ECHO_REPLY, 0, echo.header.rest, echo.payload);
            let ip = Ipv4::new(own, source, ipv4::ICMP, ip.payload.len() as u16, 0);
            let head = Ethernet::new(frame.source, mac, ethernet::IPV4);
            out.send(&[head.as_bytes(), ip.as_bytes(), reply.as_bytes(), echo.payload].concat());
        }
        Some(())
    }
}

fn send_arp(to: MacAddr, from: MacAddr, message: &Arp, out: &mut dyn Transmit) {
    let mut frame = Ethernet::new(to, from, ethernet::ARP).as_bytes().to_vec();
    frame.extend_from_slice(message.as_bytes());
    frame.resize(ethernet::MINIMUM, 0);
    out.send(&frame);
}
