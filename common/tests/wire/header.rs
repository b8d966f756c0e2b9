//! Headers and checksums beside `etherparse`, which knows nothing of ours.

use std::net::Ipv4Addr;

use common::{
    mac::MacAddr,
    wire::{
        HeaderError,
        arp::{self, Arp},
        checksum,
        checksum::Delta,
        ethernet, icmp, ipv4, tcp, udp,
    },
};
use etherparse::{IpNumber, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::{collection::vec, prelude::*};
use zerocopy::IntoBytes;

use super::vector::{bytes, file, find};

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn ours(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp::Udp::new(ports.0, ports.1, payload.len() as u16).as_bytes().to_vec();
    datagram.extend_from_slice(payload);
    udp::fill_checksum(&mut datagram, source, destination);
    let ip = ipv4::Ipv4::new(source, destination, ipv4::UDP, datagram.len() as u16, 0);
    [ethernet::Ethernet::new(B, A, ethernet::IPV4).as_bytes(), ip.as_bytes(), &datagram].concat()
}

proptest! {
    #[test]
    fn our_datagrams_are_those_of_etherparse(
        source: u32, destination: u32, ports: (u16, u16), payload in vec(any::<u8>(), 0..200)
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let mut theirs = Vec::new();
        PacketBuilder::ethernet2(A.0, B.0)
            .ipv4(source.octets(), destination.octets(), ipv4::TTL)
            .udp(ports.0, ports.1)
            .write(&mut theirs, &payload)
            .unwrap();
        let made = ours(source, destination, ports, &payload);
        prop_assert_eq!(&made, &theirs);
        let frame = ethernet::parse(&made).unwrap();
        prop_assert_eq!((frame.destination, frame.source, frame.outer), (B, A, None));
        let ip = ipv4::parse(frame.payload).unwrap();
        prop_assert!(ip.checksum_ok && !ip.header.is_fragment() && ip.header.dont_fragment());
        let datagram = udp::parse(ip.payload).unwrap();
        prop_assert!(datagram.checksum_ok(ip.header.source(), ip.header.destination()));
        prop_assert_eq!(datagram.payload, &payload[..]);
        prop_assert_eq!((datagram.header.source(), datagram.header.destination()), ports);
        let Some(TransportSlice::Udp(udp)) = SlicedPacket::from_ethernet(&theirs).unwrap().transport else {
            panic!("not UDP");
        };
        prop_assert_eq!(datagram.header.checksum(), udp.checksum());
    }

    #[test]
    fn a_change_gives_the_checksum_of_the_whole(
        mut packet in vec(any::<u8>(), 20..80), new: [u8; 4], at in 0..3_usize, wrong: bool
    ) {
        packet.truncate(packet.len() & !1);
        packet[10..12].fill(0);
        let sum = checksum::of(&[&packet]) ^ u16::from(wrong);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut delta = Delta::default();
        delta.replace(&mut packet, 12 + at * 2, &new);
        delta.apply(&mut packet, 10);
        prop_assert_eq!(checksum::verify(&packet), !wrong);
    }

    #[test]
    fn a_udp_checksum_stays_none_right_or_wrong(
        source: u32, destination: u32, to: u32, port: u16, payload in vec(any::<u8>(), 0..60), how in 0..3_u8
    ) {
        let (source, to) = (Ipv4Addr::from(source), Ipv4Addr::from(to));
        let mut frame = ours(source, destination.into(), (434, 434), &payload);
        let ip = &mut frame[14..];
        match how {
            0 => ip[26..28].fill(0),
            1 => ip[27] ^= 1,
            _ => {}
        }
        let none = ip[26..28] == [0, 0];
        let mut delta = Delta::default();
        delta.replace(ip, 16, &to.octets());
        delta.replace(ip, 22, &port.to_be_bytes());
        delta.apply_udp(ip, 26);
        let sent = u16::from_be_bytes([ip[26], ip[27]]);
        prop_assert_eq!(sent == 0, none);
        let slice = etherparse::UdpSlice::from_slice(&ip[20..]).unwrap();
        let right = slice.to_header().calc_checksum_ipv4_raw(source.octets(), to.octets(), slice.payload()).unwrap();
        prop_assert_eq!(none || sent == right, none || how != 1);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        let _ = (ethernet::parse(&bytes), Arp::parse(&bytes), icmp::parse(&bytes));
        if let Ok(ip) = ipv4::parse(&bytes) {
            prop_assert!(usize::from(ip.header.total_length()) <= bytes.len());
        }
        if let Ok(datagram) = udp::parse(&bytes) {
            prop_assert!(datagram.payload.len() + 8 <= bytes.len());
        }
    }

    #[test]
    fn headers_with_options_and_fragments_are_read_as_etherparse_reads_them(
        mut bytes in vec(any::<u8>(), 20..120), words in 4..10_u8
    ) {
        bytes[0] = 0x40 | words;
        let total = (bytes.len() as u16).to_be_bytes();
        bytes[2..4].copy_from_slice(&total);
        match (ipv4::parse(&bytes), etherparse::Ipv4HeaderSlice::from_slice(&bytes)) {
            (Ok(ip), Ok(theirs)) => {
                prop_assert_eq!(ip.options, theirs.options());
                prop_assert_eq!(ip.header.is_fragment(), theirs.is_fragmenting_payload());
                prop_assert_eq!(ip.header.fragment_offset(), u32::from(theirs.fragments_offset().value()) * 8);
                prop_assert_eq!(ip.header.identification(), theirs.identification());
                prop_assert_eq!(ip.header.source(), theirs.source_addr());
                prop_assert_eq!(ip.checksum_ok, theirs.to_header().calc_header_checksum() == theirs.header_checksum());
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{ours:?} {theirs:?}"),
        }
    }
}

#[test]
fn a_computed_zero_is_written_as_all_ones() {
    // The payload is chosen so that the sum comes to 0xffff.
    let (source, destination) = (Ipv4Addr::new(15, 1, 1, 51), Ipv4Addr::new(10, 1, 1, 10));
    let mut datagram = udp::Udp::new(434, 434, 2).as_bytes().to_vec();
    datagram.extend([0, 0]);
    let rest = checksum::of_udp(source, destination, &datagram);
    datagram[8..10].copy_from_slice(&rest.to_be_bytes());
    udp::fill_checksum(&mut datagram, source, destination);
    assert_eq!(datagram[6..8], [0xff, 0xff]);
    assert!(checksum::verify_udp(source, destination, &datagram));
}

#[test]
fn the_recorded_packets_follow_from_each_other() {
    let file = file();
    let packet = |index: usize| bytes(&file["packets"][index]["ip_packet_hex"]);
    let arrived = packet(0);
    let ip = ipv4::parse(&arrived).unwrap();
    let datagram = udp::parse(ip.payload).unwrap();
    assert!(ip.checksum_ok && datagram.checksum_ok(ip.header.source(), ip.header.destination()));
    assert_eq!(datagram.payload, find("RRQ-01"));
    let ttl = |packet: &mut Vec<u8>, mut delta: Delta| {
        delta.replace(packet, 8, &[63, 17]);
        delta.apply(packet, 10);
    };
    let mut directed = arrived.clone();
    let mut delta = Delta::default();
    delta.replace(&mut directed, 16, &[10, 1, 1, 51]);
    delta.apply_udp(&mut directed, 26);
    ttl(&mut directed, delta);
    assert_eq!(directed, packet(1));
    let mut dispatched = arrived;
    ttl(&mut dispatched, Delta::default());
    assert_eq!(dispatched, packet(2));
}

#[test]
fn a_frame_that_ends_in_its_tags_says_how_much_it_lacks() {
    let tags = [0x81, 0x00, 0, 15, 0x81, 0x00, 0, 16, 8, 0];
    let whole = [&B.0[..], &A.0, &tags].concat();
    assert!(ethernet::parse(&whole).unwrap().payload.is_empty());
    for (length, need) in [(0, 14), (13, 14), (14, 18), (17, 18), (18, 22), (21, 22)] {
        let short = HeaderError::Short { header: "ethernet", need, got: length };
        assert_eq!(ethernet::parse(&whole[..length]).unwrap_err(), short);
    }
}

#[test]
fn tags_are_read_outer_and_inner() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A.0, B.0)
        .double_vlan(7.try_into().unwrap(), 15.try_into().unwrap())
        .ipv4([1, 2, 3, 4], [5, 6, 7, 8], 9)
        .udp(1, 2)
        .write(&mut frame, &[1])
        .unwrap();
    let parsed = ethernet::parse(&frame).unwrap();
    assert_eq!((parsed.outer, parsed.inner, parsed.ethertype), (Some(7), Some(15), ethernet::IPV4));
    for length in 0..22 {
        assert!(matches!(ethernet::parse(&frame[..length]), Err(HeaderError::Short { .. })), "{length}");
    }
}

#[test]
fn arp_is_read_as_written_and_nothing_else_is_arp() {
    let (who, whom) = ((A, Ipv4Addr::new(10, 1, 1, 1)), (B, Ipv4Addr::new(10, 1, 1, 2)));
    let reply = Arp::reply(who, whom);
    let bytes = reply.as_bytes();
    let theirs = etherparse::ArpPacketSlice::from_slice(bytes).unwrap();
    assert_eq!((theirs.sender_hw_addr(), theirs.target_protocol_addr()), (&A.0[..], &[10, 1, 1, 2][..]));
    assert_eq!(theirs.operation(), etherparse::ArpOperation::REPLY);
    let read = Arp::parse(bytes).unwrap();
    assert_eq!((read.sender(), read.target(), read.operation()), (who, whom, 2));
    assert_eq!(Arp::request(who, whom.1).target(), (MacAddr::default(), whom.1));
    for (at, field) in
        [(1, "hardware"), (2, "protocol"), (4, "hardware address length"), (5, "protocol address length")]
    {
        let mut bad = bytes.to_vec();
        bad[at] ^= 0x10;
        assert!(
            matches!(Arp::parse(&bad), Err(HeaderError::Field { field: got, .. }) if got == field),
            "{field}"
        );
    }
}

#[test]
fn an_echo_is_summed() {
    let payload = [1, 2, 3];
    let echo = icmp::Icmp::new(icmp::ECHO_REPLY, 0, [0, 7, 0, 1], &payload);
    let message = [echo.as_bytes(), &payload].concat();
    assert!(icmp::parse(&message).unwrap().checksum_ok);
    let ip = ipv4::Ipv4::new([1, 1, 1, 1].into(), [2, 2, 2, 2].into(), ipv4::ICMP, 11, 0);
    let packet = [ip.as_bytes(), &message].concat();
    let sliced = SlicedPacket::from_ip(&packet).unwrap();
    assert!(matches!(sliced.transport, Some(TransportSlice::Icmpv4(_))));
    assert_eq!(sliced.net.unwrap().ip_payload_ref().unwrap().ip_number, IpNumber::ICMP);
}

#[test]
fn a_gratuitous_request_asks_everybody_for_the_address_it_comes_from() {
    let address = Ipv4Addr::new(10, 1, 1, 10);
    let bytes = arp::gratuitous(A, address);
    let SlicedPacket { link, net: Some(etherparse::NetSlice::Arp(request)), .. } =
        SlicedPacket::from_ethernet(&bytes).unwrap()
    else {
        panic!("ARP")
    };
    let Some(etherparse::LinkSlice::Ethernet2(link)) = link else { panic!("Ethernet II") };
    assert_eq!((link.source(), link.destination()), (A.0, [0xff; 6]));
    assert_eq!(request.operation(), etherparse::ArpOperation::REQUEST);
    assert_eq!((request.sender_hw_addr(), request.target_hw_addr()), (&A.0[..], &[0; 6][..]));
    assert_eq!(request.sender_protocol_addr(), address.octets());
    assert_eq!(request.target_protocol_addr(), address.octets());
    assert_eq!(bytes[42..], [0; 18], "padding");
}

proptest! {
    #[test]
    fn our_resets_are_those_of_etherparse(
        addresses: (u32, u32), ports: (u16, u16), sequence: u32, acknowledged: u32, ack: bool
    ) {
        let (source, destination) = (Ipv4Addr::from(addresses.0), Ipv4Addr::from(addresses.1));
        let mut builder = PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
            .tcp(ports.0, ports.1, sequence, 0).rst();
        if ack {
            builder = builder.ack(acknowledged);
        }
        let mut theirs = Vec::new();
        builder.write(&mut theirs, &[]).unwrap();
        let (flags, number) = if ack { (tcp::RST | tcp::ACK, acknowledged) } else { (tcp::RST, 0) };
        let ours = tcp::Tcp::new(ports.0, ports.1, (sequence, number), flags).with_checksum(source, destination);
        prop_assert_eq!(ours.as_bytes(), &theirs[20..]);
        let read = tcp::Tcp::parse(&theirs[20..]).unwrap();
        prop_assert_eq!((read.source(), read.destination()), ports);
        prop_assert_eq!((read.sequence(), read.acknowledgement(), read.flags), (sequence, number, flags));
        prop_assert_eq!(read.header_length(), tcp::LENGTH);
        prop_assert!(tcp::Tcp::parse(&theirs[20..39]).is_err());
    }

    #[test]
    fn a_header_with_another_type_of_service_sums_up(source: u32, destination: u32, tos: u8, payload in 0..1000_u16) {
        let header = ipv4::Ipv4::new(source.into(), destination.into(), ipv4::ICMP, payload, 9).with_tos(tos);
        let (theirs, _) = etherparse::Ipv4Header::from_slice(header.as_bytes()).unwrap();
        prop_assert_eq!(theirs.header_checksum, theirs.calc_header_checksum());
        prop_assert_eq!(header.tos, tos);
    }
}
