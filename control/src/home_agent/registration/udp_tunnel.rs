//! Encapsulation: what the request asks for, and what it gets (RFC 3519; RFC 3024, section 3.4).

use std::net::Ipv4Addr;

use common::wire::{
    ipv4::{GRE, IPIP},
    mobile_ip::{Code, Flags},
};

use super::{
    policy::{NatTraversal, Policy, ReverseTunnel},
    request::{From, Received, Request, UdpTunnelRequest},
};

/// Code of the UDP Tunnel Reply: the home agent will tunnel.
const WILL_TUNNEL: u8 = 0;
/// Code of the UDP Tunnel Reply: there is no need to.
const DECLINED: u8 = 64;
/// F of the UDP Tunnel Reply.
const FORCED: u16 = 0x8000;

/// What is inside a tunnel over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NextHeader {
    /// IP (protocol number 4).
    Ip,
    /// GRE (47).
    Gre,
}

/// How packets are tunnelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// IP in IP (RFC 2003).
    Ipip,
    /// GRE (RFC 2784).
    Gre,
    /// Mobile IP tunnel data over UDP (RFC 3519).
    Udp {
        /// The mobile node's port: that of its registration.
        port: u16,
        /// What the tunnel data is.
        next_header: NextHeader,
        /// The first keepalive tells the port that counts.
        learn_port: bool,
    },
}

/// The UDP Tunnel Reply of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// None: it was not asked for.
    None,
    Tunnel,
    /// Without a NAT.
    Forced,
    Declined,
}

impl Answer {
    /// Code and flags of the extension.
    pub fn fields(self) -> Option<(u8, u16)> {
        match self {
            Self::None => None,
            Self::Tunnel => Some((WILL_TUNNEL, 0)),
            Self::Forced => Some((WILL_TUNNEL, FORCED)),
            Self::Declined => Some((DECLINED, 0)),
        }
    }
}

/// How a binding's packets are tunnelled, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub encapsulation: Encapsulation,
    pub remote: Ipv4Addr,
    pub answer: Answer,
}

/// Step 13 of the processing order.
pub(super) fn agree(policy: &Policy, received: &Received<'_>, request: &Request<'_>) -> Result<Agreed, Code> {
    let flags = request.fixed.flags;
    let gre = flags.contains(Flags::GRE);
    if flags.contains(Flags::MINIMAL) || gre && !policy.gre {
        return Err(Code::ENCAPSULATION_UNAVAILABLE);
    }
    match (policy.reverse_tunnel, flags.contains(Flags::REVERSE_TUNNEL)) {
        (ReverseTunnel::Off, true) => return Err(Code::REVERSE_TUNNEL_UNAVAILABLE),
        (ReverseTunnel::Mandatory, false) => return Err(Code::REVERSE_TUNNEL_MANDATORY),
        _ => {}
    }
    let plain = Agreed {
        encapsulation: if gre { Encapsulation::Gre } else { Encapsulation::Ipip },
        remote: request.fixed.care_of,
        answer: Answer::None,
    };
    let Some(wanted) = wanted(request)? else { return Ok(plain) };
    let next_header = match wanted.encapsulation {
        0 if gre => NextHeader::Gre,
        0 | IPIP => NextHeader::Ip,
        GRE if policy.gre => NextHeader::Gre,
        _ => return Err(Code::UDP_ENCAPSULATION_UNAVAILABLE),
    };
    let tunnel = |answer| Agreed {
        encapsulation: Encapsulation::Udp {
            port: received.source.port(),
            next_header,
            learn_port: wanted.learn_port,
        },
        remote: *received.source.ip(),
        answer,
    };
    let nat = *received.source.ip() != request.fixed.care_of;
    match (nat, policy.nat_traversal, wanted.forced) {
        (true, Some(_), _) => Ok(tunnel(Answer::Tunnel)),
        (true, None, _) | (false, Some(NatTraversal { forced: false, .. }), true) => Err(Code::PROHIBITED),
        (false, Some(_), false) => Ok(Agreed { answer: Answer::Declined, ..plain }),
        (false, Some(NatTraversal { forced: true, .. }), true) => Ok(tunnel(Answer::Forced)),
        // To who knows nothing of it the extension may be skipped, and is.
        (false, None, _) => Ok(plain),
    }
}

/// The request for a tunnel over UDP. A mobile node asks for one to itself, a foreign agent for one to its own address.
fn wanted(request: &Request<'_>) -> Result<Option<UdpTunnelRequest>, Code> {
    let co_located = request.fixed.flags.contains(Flags::CO_LOCATED);
    let [mobile, foreign] = [From::Mobile, From::Foreign].map(|from| request.udp_tunnel[from as usize]);
    if mobile.is_some() && !co_located || foreign.is_some() && co_located {
        return Err(Code::POORLY_FORMED);
    }
    Ok(mobile.or(foreign))
}
