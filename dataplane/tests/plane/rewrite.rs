//! Incremental checksums against a full recomputation by `etherparse`.

use std::net::Ipv4Addr;

use common::mac::MacAddr;
use dataplane::{
    backend::{
        Frame,
        sim::{HEADROOM, Pool},
    },
    batch::Packet,
    rewrite::{L2Rewrite, Rewrite, Ttl, rewrite, rewrite_l2},
};
use etherparse::{Ipv4Header, TcpHeader, TcpHeaderSlice, UdpHeader};
use proptest::prelude::*;

use crate::frames::{Build, see};

const TO: MacAddr = MacAddr([2, 1, 1, 1, 1, 1]);
const FROM: MacAddr = MacAddr([2, 2, 2, 2, 2, 2]);

fn build(source: [u8; 4], destination: [u8; 4], ttl: u8, vlan: Option<u16>) -> Build {
    let ip = Ipv4Header::new(0, ttl, etherparse::IpNumber::UDP, source, destination).unwrap();
    Build { source: TO, destination: FROM, vlans: vlan.into_iter().collect(), ip }
}

fn changed(bytes: &[u8], vlan: Option<u16>, protocol: u8, change: &Rewrite) -> Vec<u8> {
    let pool = Pool::new(1, HEADROOM + 2048);
    let mut frame = pool.frame(bytes).unwrap();
    let l3 = if vlan.is_some() { 18 } else { 14 };
    let length = u16::from_be_bytes([bytes[l3 + 2], bytes[l3 + 3]]);
    let header = u16::from(bytes[l3] & 15) * 4;
    let mut packet = Packet { l3: l3 as u16, length, header, ttl: bytes[l3 + 8], protocol, ..Packet::EMPTY };
    rewrite(&mut frame, &mut packet, change).unwrap();
    frame.data().to_vec()
}

fn any_change() -> impl Strategy<Value = Rewrite> {
    let address = || proptest::option::of(any::<u32>().prop_map(Ipv4Addr::from_bits));
    let vlan = proptest::option::of(1..4095_u16);
    let port = proptest::option::of(any::<u16>());
    let ttl = prop_oneof![Just(Ttl::Decrement), any::<u8>().prop_map(Ttl::Set)];
    (address(), address(), port, ttl, vlan).prop_map(|(source, destination, destination_port, ttl, vlan)| {
        Rewrite {
            source,
            destination,
            destination_port,
            ttl,
            link: L2Rewrite { source: FROM, destination: TO, vlan },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_change_equals_a_frame_built_anew(
        source: [u8; 4], destination: [u8; 4], ttl in 1..=255_u8, vlan in proptest::option::of(1..4095_u16),
        from: u16, to: u16, payload in proptest::collection::vec(any::<u8>(), 0..200),
        tcp: bool, change in any_change(),
    ) {
        let make = |b: Build, to: u16| if tcp {
            b.tcp(TcpHeader::new(from, to, 7, 9), &payload)
        } else {
            b.udp(from, to, &payload)
        };
        let before = make(build(source, destination, ttl, vlan), to);
        let after = changed(&before, vlan, if tcp { 6 } else { 17 }, &change);
        let mut wanted = build(
            change.source.map_or(source, |a| a.octets()),
            change.destination.map_or(destination, |a| a.octets()),
            match change.ttl { Ttl::Decrement => ttl - 1, Ttl::Set(ttl) => ttl },
            change.link.vlan,
        );
        (wanted.source, wanted.destination) = (FROM, TO);
        prop_assert_eq!(after, make(wanted, change.destination_port.unwrap_or(to)));
    }

    #[test]
    fn a_wrong_checksum_stays_wrong_by_as_much(
        destination: u32, wrong in 1..0xffff_u16, payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None).udp(434, 434, &payload);
        let right = u16::from_be_bytes([bytes[40], bytes[41]]);
        let spoilt = right.wrapping_add(wrong);
        prop_assume!(spoilt != 0 && spoilt != right && u32::from(spoilt) + 0xffff != u32::from(right));
        prop_assume!(!(spoilt == 0xffff && right == 0));
        bytes[40..42].copy_from_slice(&spoilt.to_be_bytes());
        let link = L2Rewrite { source: FROM, destination: TO, vlan: None };
        let change = Rewrite {
            source: None,
            destination: Some(Ipv4Addr::from_bits(destination)),
            destination_port: Some(8434),
            ttl: Ttl::Decrement,
            link,
        };
        let after = changed(&bytes, None, 17, &change);
        let (ip, rest) = Ipv4Header::from_slice(&after[14..]).unwrap();
        let (udp, data) = UdpHeader::from_slice(rest).unwrap();
        prop_assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        prop_assert_ne!(udp.checksum, udp.calc_checksum_ipv4(&ip, data).unwrap());
        prop_assert_ne!(udp.checksum, 0);
    }
}

fn to_real(port: Option<u16>) -> Rewrite {
    Rewrite {
        source: None,
        destination: Some([10, 1, 1, 51].into()),
        destination_port: port,
        ttl: Ttl::Decrement,
        link: L2Rewrite { source: FROM, destination: TO, vlan: None },
    }
}

#[test]
fn no_udp_checksum_stays_none_and_a_computed_zero_is_written_as_ones() {
    let mut none = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None).udp(434, 434, b"odd");
    none[40..42].fill(0);
    assert_eq!(changed(&none, None, 17, &to_real(Some(8434)))[40..42], [0, 0]);
    let mut ones = 0;
    for tail in 0..=u16::MAX {
        let frame = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None).udp(434, 434, &tail.to_be_bytes());
        let after = changed(&frame, None, 17, &to_real(None));
        ones += usize::from(after[40..42] == [0xff, 0xff]);
        assert_ne!(after[40..42], [0, 0]);
        see(&after);
    }
    assert!(ones > 0, "the case was met");
}

#[test]
fn where_the_packet_lies_is_known_after_its_tag_came_or_went() {
    let pool = Pool::new(1, HEADROOM + 2048);
    let l3 = |vlan: Option<u16>| if vlan.is_some() { 18 } else { 14 };
    for (before, after) in [(None, None), (None, Some(7)), (Some(7), None), (Some(7), Some(9))] {
        let bytes = build([1, 2, 3, 4], [5, 6, 7, 8], 9, before).udp(434, 434, b"x");
        let mut frame = pool.frame(&bytes).unwrap();
        let mut packet = Packet { l3: l3(before), ..Packet::EMPTY };
        let link = L2Rewrite { source: FROM, destination: TO, vlan: after };
        rewrite_l2(&mut frame, &mut packet, &link).unwrap();
        assert_eq!((packet.l3, frame.data().len()), (l3(after), usize::from(l3(after)) + 29));
        assert_eq!(frame.data()[usize::from(packet.l3)..], bytes[usize::from(l3(before))..]);
    }
}

#[test]
fn a_later_fragment_has_no_ports_to_change() {
    let bytes = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None)
        .fragment(5, false)
        .ip(etherparse::IpNumber::UDP, &[0x11; 24]);
    let pool = Pool::new(1, HEADROOM + 2048);
    let mut frame = pool.frame(&bytes).unwrap();
    let mut packet =
        Packet { length: 44, ttl: 9, protocol: 17, later_fragment: true, fragment: true, ..Packet::EMPTY };
    rewrite(&mut frame, &mut packet, &to_real(Some(1))).unwrap();
    assert_eq!(frame.data()[34..58], [0x11; 24]);
    for length in 0..8 {
        let short = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None)
            .ip(etherparse::IpNumber::UDP, &[3; 7][..length.min(7)]);
        assert_eq!(changed(&short, None, 17, &to_real(Some(1)))[34..], [3; 7][..length.min(7)]);
    }
    let tcp = build([1, 2, 3, 4], [5, 6, 7, 8], 9, None).tcp(TcpHeader::new(1, 2, 3, 4), &[]);
    let after = changed(&tcp, None, 6, &to_real(Some(80)));
    assert_eq!(TcpHeaderSlice::from_slice(&after[34..]).unwrap().destination_port(), 80);
}
