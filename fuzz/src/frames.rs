//! Frames that the example network may see, out of a fuzzer's bytes: registration requests with extensions of all kinds, and
//! everything else that a router is sent.

use std::net::Ipv4Addr;

use arbitrary::{Arbitrary, Result, Unstructured};
use common::{
    mac::MacAddr,
    wire::{
        arp::Arp,
        checksum,
        ethernet::{self, ARP, DOT1AD, DOT1Q, Ethernet, IPV4},
        icmp::Icmp,
        ipv4::{self, DONT_FRAGMENT, ICMP, IPIP, Ipv4, MORE_FRAGMENTS, TCP, UDP},
        tcp::Tcp,
        udp::{self, Udp},
    },
};
use dataplane::harness::{
    AGENT, AGENT_MAC, DIRECTED, DISPATCHED, MAC0, MAC1, VIRTUAL_MAC, agent_mac,
    home_agent::{HOME_AGENT, NAT},
};
use zerocopy::IntoBytes;

use crate::mend::mend;

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Registration requests to virtual addresses.
    Requests,
    /// What is routed, answered or left to the kernel.
    Forwarded,
    /// What the kernel sends, and little else.
    Host,
    /// Tunnels of a home agent: into them, out of them, what routers on their way say, and requests to it.
    Tunnels,
    /// Requests as often as the rest.
    Any,
}

/// Bytes from the Ethernet header on, lengths and checksums mostly right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Vec<u8>);

impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::of(Traffic::Any, u)
    }
}

impl Frame {
    /// One that is about that.
    pub fn of(traffic: Traffic, u: &mut Unstructured<'_>) -> Result<Self> {
        let is_request = match traffic {
            Traffic::Tunnels => false,
            Traffic::Requests => u.ratio(15, 16)?,
            Traffic::Forwarded | Traffic::Host => u.ratio(1, 16)?,
            Traffic::Any => u.arbitrary()?,
        };
        let mut frame = if traffic == Traffic::Tunnels && u.ratio(15, 16)? {
            tunnel_frame(u)?
        } else if is_request {
            request_frame(u)?
        } else {
            other_frame(u)?
        };
        if u.ratio(15, 16)? {
            mend(&mut frame);
        }
        match u.int_in_range(0..=9)? {
            0 => frame.resize(frame.len().max(ethernet::MINIMUM), 0xee),
            1 => frame.extend([0xee; 7]),
            _ => {}
        }
        Ok(Self(frame))
    }
}

/// The UDP payload of a registration request (RFC 5944, section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(pub Vec<u8>);

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kind = if u.ratio(31, 32)? { 1 } else { u.arbitrary()? };
        let lifetime: u16 = *u.choose(&[1800, 1800, 1800, 1, 0xffff, 0])?;
        let home = *u.choose(&[[0; 4], [0; 4], [10, 9, 0, 7]])?;
        let named: &[[u8; 4]] = &[
            [0; 4],
            [0; 4],
            [255; 4],
            DISPATCHED.octets(),
            DIRECTED.octets(),
            [10, 1, 1, 52],
            [10, 15, 0, 9],
            [9; 4],
        ];
        let mut message = vec![kind, u.arbitrary()?];
        message.extend(lifetime.to_be_bytes());
        message.extend(home);
        message.extend(u.choose(named)?);
        message.extend(AGENT.octets());
        message.extend([0xc2, 0xb9, 0xf5, 0xa0, 0, 0, 0, u.int_in_range(0..=3)?]);
        for _ in 0..u.int_in_range(0..=4)? {
            extension(u, &mut message)?;
        }
        if u.ratio(1, 16)? {
            message.truncate(u.int_in_range(0..=message.len())?);
        }
        Ok(Self(message))
    }
}

/// A NAI half of the time, of one of few nodes, so that requests repeat each other.
fn extension(u: &mut Unstructured<'_>, message: &mut Vec<u8>) -> Result<()> {
    let short = |message: &mut Vec<u8>, kind: u8, data: &[u8]| {
        message.extend([kind, data.len() as u8]);
        message.extend_from_slice(data);
    };
    match u.int_in_range(0..=15)? {
        0..=6 => short(message, 131, format!("n{}@example.com", u.int_in_range(0..=4)?).as_bytes()),
        7 => {
            let length = usize::from(u.arbitrary::<u8>()?).min(u.len());
            short(message, 131, u.bytes(length)?);
        }
        8 | 9 => short(message, 32, &[0, 0, 1, 0, 7, 7, 7, 7]),
        10 => message.push(0),
        11 => short(message, 139, &[u.int_in_range(0..=3)?, 0, 4, 10, 1, 1, 52][..u.int_in_range(1..=7)?]),
        12 => {
            let kind = *u.choose(&[36, 37, 38, 40, 43, 47, 48, 50, 127])?;
            let length: u16 = u.int_in_range(0..=20)?;
            message.extend([kind, u.arbitrary()?]);
            message.extend(length.to_be_bytes());
            message.extend(vec![9; length.into()]);
        }
        13 => short(message, u.arbitrary()?, &[3; 5]),
        14 => message.extend([u.arbitrary::<u8>()?, u.arbitrary()?]),
        _ => {
            // A length that is a lie.
            short(message, *u.choose(&[131, 32, 133])?, b"x");
            let at = message.len() - 2;
            message[at] = u.arbitrary()?;
        }
    }
    Ok(())
}

fn request_frame(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let Request(message) = u.arbitrary()?;
    let source = *u.choose(&[434, 434, 434, 5000])?;
    let port = if u.ratio(15, 16)? { 434 } else { u.arbitrary()? };
    let to = *u.choose(&[DISPATCHED, DISPATCHED, DIRECTED])?;
    let from = if u.ratio(7, 8)? { AGENT } else { address(u)? };
    let datagram = datagram(u, (source, port), &message)?;
    packet(u, (from, to), UDP, &datagram)
}

/// With a checksum for [`mend`] to fill in, or none.
fn datagram(u: &mut Unstructured<'_>, (source, port): (u16, u16), payload: &[u8]) -> Result<Vec<u8>> {
    let mut datagram = Udp::new(source, port, payload.len() as u16).as_bytes().to_vec();
    datagram[udp::offset::CHECKSUM] = u8::from(u.ratio(7, 8)?);
    datagram.extend_from_slice(payload);
    Ok(datagram)
}

fn other_frame(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let addresses = (address(u)?, address(u)?);
    Ok(match u.int_in_range(0..=9)? {
        0 | 1 => arp(u)?,
        2 | 3 => {
            let quoted = Ipv4::new(addresses.1, addresses.0, UDP, 8, 0);
            let kind = *u.choose(&[8, 8, 0, 3, 11, 13])?;
            let rest: [u8; 4] = u.arbitrary()?;
            let data = if kind == 3 || kind == 11 { quoted.as_bytes() } else { &[6; 40][..] };
            let message = [Icmp::new(kind, 0, rest, data).as_bytes(), data].concat();
            packet(u, addresses, ICMP, &message)?
        }
        4 | 5 => {
            let flags = *u.choose(&[2, 16, 17, 4, 18])?;
            let numbers = (u.arbitrary()?, u.arbitrary()?);
            let segment = [Tcp::new(40000, 80, numbers, flags).as_bytes(), b"data"].concat();
            packet(u, addresses, TCP, &segment)?
        }
        6 | 7 => {
            let length = *u.choose(&[0, 1, 8, 60, 1472, 1473])?;
            let ports = (u.arbitrary()?, *u.choose(&[53, 434, 5000])?);
            let datagram = datagram(u, ports, &vec![5; length])?;
            packet(u, addresses, UDP, &datagram)?
        }
        8 => {
            let protocol = *u.choose(&[IPIP, 47, 50, 89, 255])?;
            packet(u, addresses, protocol, Ipv4::new(AGENT, DISPATCHED, UDP, 0, 0).as_bytes())?
        }
        _ => {
            let kind = *u.choose(&[0x86dd, 0x88cc, 0x0042, DOT1AD, 0x88f7])?;
            let mut frame = link(u, kind)?;
            let length = u.int_in_range(0..=60.min(u.len()))?;
            frame.extend_from_slice(u.bytes(length)?);
            frame
        }
    })
}

/// Of the nodes of [`dataplane::fuzz::home_agent_steps`], of theirs, or about theirs.
fn tunnel_frame(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let home = Ipv4Addr::new(10, 9, u.ratio(1, 16)?.into(), u.int_in_range(1..=5)?);
    let far =
        *u.choose(&[[198, 51, 100, 1], [198, 51, 100, 1], [10, 1, 1, 52], [10, 9, 0, 2], [10, 1, 1, 51]])?;
    Ok(match u.int_in_range(0..=9)? {
        0..=2 => {
            let length = *u.choose(&[20, 20, 1400, 1440, 1472])?;
            let datagram = datagram(u, (5, 6), &vec![5; length])?;
            packet(u, (far.into(), home), UDP, &datagram)?
        }
        3..=7 => {
            let inner = inner(u, (home, far.into()))?;
            let (from, protocol, payload) = outer(u, &inner)?;
            piece(u, (from, HOME_AGENT), protocol, &payload)?
        }
        8 => {
            // Of a packet that the home agent has sent.
            let inner = inner(u, (far.into(), home))?;
            let (to, protocol, payload) = outer(u, &inner)?;
            let sent = Ipv4::new(HOME_AGENT, to, protocol, payload.len() as u16, 7);
            let quoted = [sent.as_bytes(), &payload].concat();
            let mtu: u16 = *u.choose(&[1400, 576, 68, 0, 9000])?;
            let [high, low] = mtu.to_be_bytes();
            let message = Icmp::new(3, 4, [0, 0, high, low], &quoted);
            packet(u, (AGENT, HOME_AGENT), ICMP, &[message.as_bytes(), &quoted].concat())?
        }
        _ => {
            let Request(message) = u.arbitrary()?;
            let datagram = datagram(u, (434, 434), &message)?;
            packet(u, (AGENT, HOME_AGENT), UDP, &datagram)?
        }
    })
}

/// An IPv4 packet for a tunnel, its header mostly right.
fn inner(u: &mut Unstructured<'_>, (from, to): (Ipv4Addr, Ipv4Addr)) -> Result<Vec<u8>> {
    let (protocol, payload) = if u.ratio(1, 8)? {
        // One in another.
        (IPIP, Ipv4::new(from, to, UDP, 0, 1).as_bytes().to_vec())
    } else {
        (UDP, datagram(u, (5, 6), &[7; 30])?)
    };
    let mut header = Ipv4::new(from, to, protocol, payload.len() as u16, 9);
    header.ttl = *u.choose(&[64, 64, 64, 1, 0])?;
    let mut header = header.as_bytes().to_vec();
    if u.ratio(1, 16)? {
        let at = u.int_in_range(0..=ipv4::LENGTH - 1)?;
        header[at] = u.arbitrary()?;
    }
    let field = ipv4::offset::CHECKSUM..ipv4::offset::CHECKSUM + 2;
    header[field.clone()].fill(0);
    let sum = checksum::of(&[&header]) ^ u16::from(u.ratio(1, 32)?);
    header[field].copy_from_slice(&sum.to_be_bytes());
    let mut packet = [header, payload].concat();
    if u.ratio(1, 32)? {
        packet.truncate(u.int_in_range(0..=packet.len())?);
    }
    Ok(packet)
}

/// The other end of a tunnel, and what a packet is in there: protocol number and payload.
fn outer(u: &mut Unstructured<'_>, inner: &[u8]) -> Result<(Ipv4Addr, u8, Vec<u8>)> {
    let gre = u.ratio(2, 5)?;
    let carried = if gre {
        let flags = if u.ratio(1, 2)? { 0 } else { *u.choose(&[0x80, 0x80, 0x20, 0x90, 0x40, 0x0c])? };
        let words = (flags & 0xb0_u8).count_ones() as usize * 4;
        let ethertype = if u.ratio(15, 16)? { [8, 0] } else { u.arbitrary()? };
        let mut packet = [&[flags, 0][..], &ethertype, &vec![0; words], inner].concat();
        if flags & 0x80 != 0 && u.ratio(3, 4)? {
            let sum = checksum::of(&[&packet]);
            packet[4..6].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    } else {
        inner.to_vec()
    };
    let next = if gre { 47 } else { IPIP };
    let from = if u.ratio(7, 8)? { AGENT } else { address(u)? };
    if u.ratio(2, 5)? {
        let next = if u.ratio(15, 16)? { next } else { u.arbitrary()? };
        let ports = if u.ratio(7, 8)? { (51_000, 434) } else { (u.arbitrary()?, 434) };
        let datagram = datagram(u, ports, &[&[4, next, 0, 0], &carried[..]].concat())?;
        return Ok((if u.ratio(7, 8)? { NAT } else { from }, UDP, datagram));
    }
    Ok((from, next, carried))
}

fn arp(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let sender = (mac(u)?, address(u)?);
    let target = address(u)?;
    let message =
        if u.ratio(3, 4)? { Arp::request(sender, target) } else { Arp::reply(sender, (MAC0, target)) };
    let mut frame = link(u, ARP)?;
    if u.arbitrary()? {
        frame[..6].copy_from_slice(&MacAddr::BROADCAST.0);
    }
    frame.extend_from_slice(message.as_bytes());
    Ok(frame)
}

/// With options, as a fragment, short-lived, now and then.
fn packet(
    u: &mut Unstructured<'_>,
    addresses: (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    payload: &[u8],
) -> Result<Vec<u8>> {
    identified(u, addresses, protocol, payload, Unstructured::arbitrary)
}

/// The same with one of few identifications, so that parts belong together.
fn piece(
    u: &mut Unstructured<'_>,
    addresses: (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    payload: &[u8],
) -> Result<Vec<u8>> {
    identified(u, addresses, protocol, payload, |u| u.int_in_range(0..=2))
}

fn identified<'a>(
    u: &mut Unstructured<'a>,
    (from, to): (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    payload: &[u8],
    identify: impl FnOnce(&mut Unstructured<'a>) -> Result<u16>,
) -> Result<Vec<u8>> {
    let options: &[u8] = match u.int_in_range(0..=23)? {
        0 => &[1, 1, 1, 0],
        1 => &[131, 7, 4, 10, 1, 1, 52, 0],
        2 => &[137, 7, 4, 10, 1, 1, 52, 0],
        3 => &[7, 8, 4, 0, 0, 0, 0, 0],
        4 => &[148, 1, 0, 0],
        _ => &[],
    };
    let fragment = match u.int_in_range(0..=23)? {
        0 => MORE_FRAGMENTS,
        1 => 64,
        2 => MORE_FRAGMENTS | 1,
        3..=9 => DONT_FRAGMENT,
        _ => 0,
    };
    let identification = identify(u)?;
    let mut header = Ipv4::new(from, to, protocol, (options.len() + payload.len()) as u16, identification);
    header.ttl = *u.choose(&[64, 64, 64, 64, 2, 1, 0])?;
    let mut header = header.as_bytes().to_vec();
    header[0] += (options.len() / 4) as u8;
    header[ipv4::offset::FRAGMENT..ipv4::offset::FRAGMENT + 2].copy_from_slice(&fragment.to_be_bytes());
    let mut frame = link(u, IPV4)?;
    frame.extend(header);
    frame.extend_from_slice(options);
    frame.extend_from_slice(payload);
    Ok(frame)
}

/// Ethernet header, with one tag or two now and then.
fn link(u: &mut Unstructured<'_>, ethertype: u16) -> Result<Vec<u8>> {
    let destination = if u.ratio(3, 4)? { *u.choose(&[MAC1, MAC1, MAC0])? } else { mac(u)? };
    let source = if u.ratio(7, 8)? { AGENT_MAC } else { mac(u)? };
    let mut frame = Ethernet::new(destination, source, ethertype).as_bytes()[..12].to_vec();
    let tags: &[u16] = match u.int_in_range(0..=15)? {
        0 | 1 => &[15],
        2 => &[0xf00f],
        3 => &[0],
        4 => &[16],
        5 => &[15, 15],
        _ => &[],
    };
    for tag in tags {
        let kind = if u.ratio(1, 16)? { DOT1AD } else { DOT1Q };
        frame.extend([kind, *tag].iter().flat_map(|half| half.to_be_bytes()));
    }
    frame.extend(ethertype.to_be_bytes());
    Ok(frame)
}

fn mac(u: &mut Unstructured<'_>) -> Result<MacAddr> {
    let known = [
        MAC0,
        MAC1,
        VIRTUAL_MAC,
        AGENT_MAC,
        agent_mac(51),
        agent_mac(9),
        MacAddr::BROADCAST,
        MacAddr([1, 0, 0x5e, 0, 0, 5]),
    ];
    Ok(*u.choose(&known)?)
}

/// Of the network, of its edges, and of nobody's.
fn address(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    const KNOWN: [[u8; 4]; 26] = [
        [15, 1, 1, 51],
        [15, 1, 1, 51],
        [10, 1, 1, 51],
        [10, 1, 1, 52],
        [10, 15, 0, 9],
        [192, 168, 5, 5],
        [10, 1, 1, 10],
        [10, 1, 1, 11],
        [10, 1, 1, 10],
        [10, 1, 1, 1],
        [15, 1, 1, 1],
        [10, 15, 0, 1],
        [10, 1, 1, 99],
        [15, 1, 1, 52],
        [192, 168, 66, 1],
        [192, 168, 77, 1],
        [8, 8, 8, 8],
        [10, 1, 1, 255],
        [10, 1, 1, 0],
        [255, 255, 255, 255],
        [224, 0, 0, 5],
        [239, 1, 1, 1],
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [169, 254, 1, 1],
        [240, 0, 0, 1],
    ];
    if u.ratio(1, 16)? { u.arbitrary() } else { Ok(Ipv4Addr::from(*u.choose(&KNOWN)?)) }
}

#[cfg(test)]
mod tests {
    use common::verdict::Verdict;
    use dataplane::harness::{Arrival, Step};

    use super::*;

    /// How often each verdict ends frames of that kind.
    fn verdicts(traffic: Traffic) -> Vec<(Verdict, u64)> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut noise = vec![0; 1024];
        let mut totals = vec![0; Verdict::ALL.len()];
        for _ in 0..300 {
            let step = |at: u16| {
                random.fill(&mut noise);
                let frame = Frame::of(traffic, &mut Unstructured::new(&noise)).unwrap();
                Step::Burst(common::id::PortId(at / 4 % 2), vec![Arrival::plain(frame.0)])
            };
            let steps: Vec<_> = (0..16).map(step).collect();
            let outcome = match traffic {
                Traffic::Tunnels => dataplane::fuzz::home_agent_steps(&steps),
                _ => dataplane::fuzz::steps(&steps),
            };
            totals.iter_mut().zip(outcome.verdicts).for_each(|(total, more)| *total += more);
        }
        Verdict::ALL.iter().copied().zip(totals).filter(|(_, total)| *total > 0).collect()
    }

    #[test]
    fn requests_reach_the_director() {
        let met = verdicts(Traffic::Requests);
        let of = |wanted| met.iter().find(|(verdict, _)| *verdict == wanted).map_or(0, |(_, total)| *total);
        let dispatched = of(Verdict::SLB_DISPATCHED) + of(Verdict::SLB_DIRECTED);
        assert!(dispatched > 300, "{dispatched} of 4800: {met:?}");
        for wanted in [Verdict::NO_IDENTITY, Verdict::EXT_OVERRUN, Verdict::NAI_DUPLICATE, Verdict::FRAGMENT]
        {
            assert!(of(wanted) > 0, "{wanted:?} in {met:?}");
        }
    }

    #[test]
    fn the_rest_reaches_every_other_end() {
        let met = verdicts(Traffic::Forwarded);
        assert!(met.len() >= 20, "{met:?}");
        for wanted in
            [Verdict::ROUTED, Verdict::ARP_REPLY, Verdict::ECHO_REPLY, Verdict::TCP_RESET, Verdict::PUNTED]
        {
            assert!(met.iter().any(|(verdict, _)| *verdict == wanted), "{wanted:?} in {met:?}");
        }
    }

    #[test]
    fn tunnels_are_gone_into_and_come_out_of() {
        let met = verdicts(Traffic::Tunnels);
        for wanted in [
            Verdict::TUNNELLED,
            Verdict::ROUTED,
            Verdict::ICMP_ERROR,
            Verdict::NOT_REGISTERED,
            Verdict::TUNNEL_SOURCE_MISMATCH,
            Verdict::TUNNEL_HEADER,
            Verdict::TUNNEL_CHECKSUM,
            Verdict::FRAGMENT_HELD,
            Verdict::REASSEMBLY,
            Verdict::TUNNEL_LOOP,
            Verdict::REGISTRATION,
        ] {
            assert!(met.iter().any(|(verdict, _)| *verdict == wanted), "{wanted:?} in {met:?}");
        }
    }
}
