//! Ethernet, tags, IPv4 headers: whose frame is it?

use common::{id::PortId, mac::MacAddr, verdict::Verdict};
use dataplane::{
    backend::sim::Marks,
    harness::{AGENT_MAC, Harness, INTERFACES, MAC0, MAC1, VIRTUAL_MAC},
};
use etherparse::IpNumber;

use crate::frames::{Build, from_agent, one, pad, punted};

fn transit() -> Build {
    from_agent([10, 1, 1, 51].into())
}

#[test]
fn a_frame_too_short_for_its_headers_is_truncated_at_every_length() {
    let mut harness = Harness::new(1);
    for frame in [transit().udp(1, 2, &[]), transit().vlan(15).udp(1, 2, &[])] {
        // One that ends with its tag is another case, below.
        let after_tag = |length: &usize| *length == 16 && frame[12..14] == [0x81, 0];
        for length in (0..frame.len()).filter(|length| !after_tag(length)) {
            let (verdict, sent) = one(&mut harness, 1, &frame[..length]);
            assert_eq!((verdict, sent.len()), (Verdict::TRUNCATED, 0), "{length}");
        }
        assert_eq!(one(&mut harness, 1, &frame).0, Verdict::ROUTED);
    }
}

#[test]
fn a_header_that_is_none_is_dropped() {
    let mut harness = Harness::new(1);
    let sound = transit().udp(1, 2, &[7; 20]);
    // The device calls every header checksum good, so only what is named can be wrong.
    let marks = Marks { ip_checksum_ok: Some(true), ..Marks::default() };
    for (at, bytes) in [(14, &[0x65][..]), (14, &[0x44]), (14, &[0x4f]), (16, &[0, 19])] {
        let mut frame = sound.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        harness.wire.feed_marked(PortId(1), 0, &frame, marks);
        harness.run();
    }
    assert_eq!(harness.control.stats[0].verdict(Verdict::BAD_IP_HEADER), 4);
    harness.wire.feed_marked(PortId(1), 0, &sound, marks);
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::ROUTED), 1);
    assert_eq!(harness.received(), 5);
}

#[test]
fn the_device_knows_the_header_checksum_better() {
    let mut harness = Harness::new(1);
    let good = transit().udp(1, 2, &[]);
    let mut bad = good.clone();
    bad[24] ^= 1;
    for (frame, says, verdict) in [
        (&good, Some(false), Verdict::BAD_IP_HEADER),
        (&good, Some(true), Verdict::ROUTED),
        (&good, None, Verdict::ROUTED),
        (&bad, None, Verdict::BAD_IP_HEADER),
    ] {
        let before = harness.control.stats[0].verdict(verdict);
        let marks = Marks { ip_checksum_ok: says, ..Marks::default() };
        harness.wire.feed_marked(PortId(1), 0, frame, marks);
        harness.run();
        assert_eq!(harness.control.stats[0].verdict(verdict), before + 1, "{says:?}");
    }
    assert_eq!(harness.received(), 4);
}

#[test]
fn padding_is_not_part_of_the_packet() {
    let mut harness = Harness::new(1);
    let bare = transit().udp(1, 2, &[1, 2, 3]);
    let (verdict, sent) = one(&mut harness, 1, &pad(bare.clone()));
    assert_eq!(verdict, Verdict::ROUTED);
    assert_eq!(sent[0].len(), 60);
    let long = [bare, vec![0xee; 100]].concat();
    assert_eq!(one(&mut harness, 1, &long).1[0].len(), 60, "a trailer beyond the smallest frame is cut off");
}

#[test]
fn our_own_frames_and_those_of_others_are_not_taken() {
    let mut harness = Harness::new(1);
    let mut own = transit();
    own.source = MAC1;
    assert_eq!(one(&mut harness, 1, &own.udp(1, 2, &[])).0, Verdict::OWN_FRAME);
    let other = transit().mac(MacAddr([2, 9, 9, 9, 9, 9]));
    assert_eq!(one(&mut harness, 1, &other.udp(1, 2, &[])).0, Verdict::NOT_FOR_US);
    assert_eq!(one(&mut harness, 1, &transit().mac(MAC0).udp(1, 2, &[])).0, Verdict::ROUTED, "a virtual MAC");
    assert_eq!(one(&mut harness, 1, &transit().mac(VIRTUAL_MAC).udp(1, 2, &[])).0, Verdict::ROUTED);
}

#[test]
fn vlans_lead_to_their_interfaces_whoever_strips_the_tag() {
    let mut harness = Harness::new(1);
    let frame = |vlan| transit().vlan(vlan).link(0x86dd);
    assert_eq!(one(&mut harness, 1, &pad(frame(15))).0, Verdict::PUNTED);
    let mut untagged = pad(frame(15));
    untagged.drain(12..16);
    assert_eq!(punted(&mut harness), Some((INTERFACES[2], untagged)), "the tag is gone");
    assert_eq!(one(&mut harness, 1, &pad(frame(0))).0, Verdict::PUNTED);
    assert_eq!(punted(&mut harness).unwrap().0, INTERFACES[1], "VLAN 0 is a priority, no VLAN");
    assert_eq!(one(&mut harness, 1, &pad(frame(16))).0, Verdict::UNKNOWN_VLAN);
    assert_eq!(one(&mut harness, 0, &pad(frame(15))).0, Verdict::UNKNOWN_VLAN, "another port's");
    let marks = Marks { vlan: Some(0xe00f), ..Marks::default() };
    harness.wire.feed_marked(PortId(1), 0, &pad(transit().link(0x86dd)), marks);
    harness.run();
    let (interface, bytes) = punted(&mut harness).unwrap();
    assert_eq!((interface, bytes.len()), (INTERFACES[2], 60));
    harness.received();
}

#[test]
fn an_interface_that_is_shut_down_takes_nothing() {
    let mut harness = Harness::new(1);
    harness.change(|snapshot| snapshot.net_mut().interfaces_mut()[1].up = false);
    assert_eq!(one(&mut harness, 1, &transit().udp(1, 2, &[])).0, Verdict::INTERFACE_DOWN);
}

#[test]
fn what_is_not_ipv4_is_the_kernels_unless_it_is_no_ethernet_ii_frame() {
    let mut harness = Harness::new(1);
    for ethertype in [0x86dd, 0x88cc, 0x888e, 0x9000] {
        assert_eq!(
            one(&mut harness, 1, &pad(transit().link(ethertype))).0,
            Verdict::PUNTED,
            "{ethertype:#x}"
        );
        assert_eq!(punted(&mut harness).unwrap().1, pad(transit().link(ethertype)));
    }
    for ethertype in [0x0026, 0x05ff, 0x88a8] {
        let (verdict, _) = one(&mut harness, 1, &pad(transit().link(ethertype)));
        assert_eq!(verdict, Verdict::UNKNOWN_ETHERTYPE, "{ethertype:#x}");
    }
    // What a packet socket leaves of a frame with another tag than 802.1Q's; one byte more or less is no such frame.
    let tagged = transit().vlan(15).link(0x0800);
    for (length, verdict) in
        [(15, Verdict::TRUNCATED), (16, Verdict::UNKNOWN_ETHERTYPE), (17, Verdict::TRUNCATED)]
    {
        assert_eq!(one(&mut harness, 1, &tagged[..length]).0, verdict, "{length}");
    }
    let stacked = pad(transit().vlan(15).vlan(15).link(0x0800));
    assert_eq!(one(&mut harness, 1, &stacked).0, Verdict::UNKNOWN_ETHERTYPE);
}

#[test]
fn segments_are_made_one_where_headers_are_needed() {
    let mut harness = Harness::new(1);
    let frame = transit().udp(1, 2, &[3; 100]);
    for first in [0, 13, 14, 20, 33, 40] {
        harness.wire.feed_segmented(PortId(1), 0, &frame, first, true);
        let [inside, _] = harness.run();
        assert_eq!(inside.len(), 1, "{first}");
    }
    for first in [0, 13, 14, 20, 33] {
        harness.wire.feed_segmented(PortId(1), 0, &frame, first, false);
    }
    harness.run();
    assert_eq!(harness.control.stats[0].verdict(Verdict::NOT_LINEAR), 5);
    assert_eq!(harness.received(), 11);
}

#[test]
fn a_frame_to_a_virtual_mac_is_punted_with_the_interfaces_own() {
    let mut harness = Harness::new(1);
    let frame = from_agent([15, 1, 1, 1].into()).mac(VIRTUAL_MAC).ip(IpNumber(89), &[1; 30]);
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::PUNTED);
    assert_eq!(punted(&mut harness).unwrap().1[..12], [MAC1.0, AGENT_MAC.0].concat());
}

#[test]
fn a_full_punt_ring_is_a_verdict() {
    let mut harness = Harness::new(1);
    let frame = from_agent([15, 1, 1, 1].into()).udp(1, 2, &[0; 1400]);
    let verdicts: Vec<_> = (0..800).map(|_| one(&mut harness, 1, &frame).0).collect();
    let full = verdicts.iter().filter(|verdict| **verdict == Verdict::PUNT_FULL).count();
    assert!((1..799).contains(&full), "{full}");
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::PUNTED).count(), 800 - full);
    while punted(&mut harness).is_some() {}
    assert_eq!(one(&mut harness, 1, &frame).0, Verdict::PUNTED);
}

#[test]
fn priority_and_dei_are_no_part_of_a_vlans_number() {
    let mut harness = Harness::new(1);
    let mut tagged = transit().vlan(15).udp(1, 2, &[]);
    tagged[14..16].copy_from_slice(&[0xf0, 15]);
    assert_eq!(one(&mut harness, 1, &tagged).0, Verdict::ROUTED);
    let stripped = transit().udp(1, 2, &[]);
    for control in [15, 0xf00f, 0x100f] {
        let before = harness.control.stats[0].verdict(Verdict::ROUTED);
        let marks = Marks { vlan: Some(control), ..Marks::default() };
        harness.wire.feed_marked(PortId(1), 0, &stripped, marks);
        harness.run();
        assert_eq!(harness.control.stats[0].verdict(Verdict::ROUTED), before + 1, "{control:#x}");
    }
    assert_eq!(harness.received(), 4);
}
