//! Requests as frames: Ethernet, IPv4, UDP, RRQ with NAI, filling and MN-HA authenticator.

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    wire::{
        ethernet::{self, Ethernet},
        ipv4::{self, Ipv4},
        mobile_ip::{
            AuthKind, RRQ, RRQ_FIXED,
            auth::{self, Association},
        },
        udp::{self, Udp},
    },
};
use zerocopy::IntoBytes;

use crate::{
    nai::NaiPattern,
    scenario::{Request, Scenario},
    test_payload::{self, TestPayload},
};

const NAI: u8 = 131;
/// Skippable experimental extension.
const EXPERIMENTAL: u8 = 255;
const HEADERS: usize = ethernet::LENGTH + ipv4::LENGTH + udp::LENGTH;
const AUTHENTICATION: usize = 2 + 4 + auth::LENGTH;

/// Bytes of a request's frame with a NAI of `nai` bytes, before it is filled up.
pub fn frame_length(scenario: &Scenario, nai: usize) -> usize {
    let authentication = if scenario.authentication.is_some() { AUTHENTICATION } else { 0 };
    let payload = if scenario.mode.is_some() { test_payload::LENGTH } else { 0 };
    HEADERS + RRQ_FIXED + 2 + nai + payload + authentication
}

/// Who sends a request, and where its frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAddresses {
    /// IPv4 source and care-of address.
    pub agent: Ipv4Addr,
    pub source: MacAddr,
    pub next_hop: MacAddr,
}

/// What all requests of a scenario have in common, and the buffer that one is made in.
#[derive(Clone, Debug)]
pub struct Template {
    request: Request,
    nai: NaiPattern,
    target: (Ipv4Addr, u16),
    association: Option<Association>,
    message: Vec<u8>,
    frame: Vec<u8>,
}

impl Template {
    /// For the requests of `scenario` with these NAIs to that address and port.
    pub fn new(scenario: &Scenario, nai: NaiPattern, target: (Ipv4Addr, u16)) -> Self {
        Self {
            request: scenario.request.clone(),
            nai,
            target,
            association: scenario.association().cloned(),
            message: Vec::with_capacity(512),
            frame: Vec::with_capacity(512),
        }
    }

    /// Makes the frame of a request of node `number`. The IPv4 identification is the lower half of the lower half.
    pub fn frame(&mut self, addresses: FrameAddresses, number: u32, identification: u64) -> &[u8] {
        self.frame_with(addresses, number, identification, None)
    }

    /// Makes the frame with a test payload in it.
    pub fn frame_with(
        &mut self,
        addresses: FrameAddresses,
        number: u32,
        identification: u64,
        payload: Option<TestPayload>,
    ) -> &[u8] {
        self.compose(addresses.agent, number, identification, payload);
        let frame = &mut self.frame;
        frame.clear();
        frame.resize(HEADERS, 0);
        frame.extend_from_slice(&self.message);
        let (ethernet, rest) = frame.split_at_mut(ethernet::LENGTH);
        let (ip, datagram) = rest.split_at_mut(ipv4::LENGTH);
        ethernet
            .copy_from_slice(Ethernet::new(addresses.next_hop, addresses.source, ethernet::IPV4).as_bytes());
        let udp = Udp::new(self.request.source_port, self.target.1, self.message.len() as u16);
        datagram[..udp::LENGTH].copy_from_slice(udp.as_bytes());
        if self.request.udp_checksum {
            udp::fill_checksum(datagram, addresses.agent, self.target.0);
        }
        let length = datagram.len() as u16;
        let header = Ipv4::new(addresses.agent, self.target.0, ipv4::UDP, length, identification as u16);
        ip.copy_from_slice(header.as_bytes());
        frame
    }

    /// Makes the message. An authenticator covers it from its first byte, so it has a buffer of its own.
    fn compose(&mut self, agent: Ipv4Addr, number: u32, identification: u64, payload: Option<TestPayload>) {
        let (request, message) = (&self.request, &mut self.message);
        message.clear();
        message.extend([RRQ, request.flags.0]);
        message.extend(request.lifetime.to_be_bytes());
        message.extend(request.home_address.octets());
        message.extend(request.home_agent.octets());
        message.extend(agent.octets());
        message.extend(identification.to_be_bytes());
        message.extend([NAI, self.nai.length(number) as u8]);
        self.nai.write(number, message);
        let payload = payload.map(|payload| payload.write(message));
        let authentication = if self.association.is_some() { AUTHENTICATION } else { 0 };
        let least = HEADERS + message.len() + authentication;
        fill(message, usize::from(request.frame_size.unwrap_or(0)).saturating_sub(least));
        if let Some(at) = payload {
            test_payload::seal(message, at);
        }
        if let Some(association) = &self.association {
            association.sign(AuthKind::MobileHome, message);
        }
    }
}

/// Appends `rest` bytes that a receiver skips: experimental extensions (RFC 4064), since common dissectors misread pads.
/// Only a single byte is a pad.
fn fill(message: &mut Vec<u8>, mut rest: usize) {
    while rest > 0 {
        let whole = match rest {
            1 => 1,
            // Leaves no single byte behind.
            258 => 256,
            rest => rest.min(257),
        };
        let end = message.len() + whole;
        if whole > 1 {
            message.extend([EXPERIMENTAL, (whole - 2) as u8]);
        }
        message.resize(end, 0);
        rest -= whole;
    }
}
