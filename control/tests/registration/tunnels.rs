//! Encapsulation, and tunnels over UDP (section 9.4 of the specification of Mobile IP).

use std::net::{Ipv4Addr, SocketAddrV4};

use common::wire::mobile_ip::Extension;
use control::home_agent::registration::*;

use super::harness::*;

const NAT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 51_000);
const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 20);
const FORCED: u8 = 0x80;
const LEARN: u8 = 0x40;

fn request(flags: u8, encapsulation: u8, reserved2: u16) -> Extension {
    Extension::UdpTunnelRequest { reserved: 0, flags, encapsulation, reserved2 }
}

/// A co-located mobile node that asks for a tunnel over UDP.
fn co_located(extension: Extension, source: SocketAddrV4) -> Ask {
    let care_of = if source == NAT { INSIDE } else { *source.ip() };
    Ask { flags: "D", care_of, source, before: vec![extension], ..Ask::of("a@b") }
}

fn nat(forced: Option<bool>) -> Lab {
    let nat_traversal = forced.map(|forced| NatTraversal { keepalive: 110, forced });
    Lab::with(Policy { nat_traversal, ..policy() })
}

fn without_nat() -> SocketAddrV4 {
    SocketAddrV4::new(AGENT, 4434)
}

fn answer(lab: &Lab) -> Option<(u8, u16, u16)> {
    lab.reply().extensions.iter().find_map(|extension| match extension {
        Extension::UdpTunnelReply { code, flags, keepalive } => Some((*code, *flags, *keepalive)),
        _ => None,
    })
}

fn tunnel(lab: &Lab) -> Tunnel {
    lab.agent.bindings_from(home(0), lab.now).next().unwrap().tunnel
}

fn udp(port: u16, next_header: NextHeader) -> Encapsulation {
    Encapsulation::Udp { port, next_header, learn_port: false }
}

#[test]
fn behind_a_nat_with_traversal() {
    for flags in [0, FORCED] {
        for forced in [false, true] {
            let mut lab = nat(Some(forced));
            assert_eq!(lab.code(&co_located(request(flags, 0, 0), NAT)), 0);
            assert_eq!(answer(&lab), Some((0, 0, 110)));
            let tunnel = tunnel(&lab);
            assert_eq!((tunnel.care_of, tunnel.remote), (INSIDE, *NAT.ip()));
            assert_eq!(tunnel.encapsulation, udp(51_000, NextHeader::Ip));
        }
    }
}

#[test]
fn behind_a_nat_the_first_keepalive_may_tell_the_port() {
    let mut lab = nat(Some(false));
    assert_eq!(lab.code(&co_located(request(LEARN, 0, 0), NAT)), 0);
    let encapsulation = Encapsulation::Udp { port: 51_000, next_header: NextHeader::Ip, learn_port: true };
    assert_eq!(tunnel(&lab).encapsulation, encapsulation);
}

#[test]
fn behind_a_nat_without_traversal() {
    for flags in [0, FORCED] {
        assert_eq!(nat(None).code(&co_located(request(flags, 0, 0), NAT)), 129);
    }
}

#[test]
fn without_a_nat_it_is_declined() {
    let mut lab = nat(Some(true));
    assert_eq!(lab.code(&co_located(request(0, 0, 0), without_nat())), 0);
    assert_eq!(answer(&lab), Some((64, 0, 0)));
    assert_eq!((tunnel(&lab).encapsulation, tunnel(&lab).remote), (Encapsulation::Ipip, AGENT));
}

#[test]
fn without_a_nat_forced_and_accepted() {
    let mut lab = nat(Some(true));
    assert_eq!(lab.code(&co_located(request(FORCED, 0, 0), without_nat())), 0);
    assert_eq!(answer(&lab), Some((0, 0x8000, 110)));
    assert_eq!(tunnel(&lab).encapsulation, udp(4434, NextHeader::Ip));
}

#[test]
fn without_a_nat_forced_and_rejected() {
    assert_eq!(nat(Some(false)).code(&co_located(request(FORCED, 0, 0), without_nat())), 129);
}

#[test]
fn without_nat_and_traversal_the_extension_is_skipped() {
    for flags in [0, FORCED] {
        let mut lab = nat(None);
        assert_eq!(lab.code(&co_located(request(flags, 0, 0), without_nat())), 0);
        assert_eq!((answer(&lab), tunnel(&lab).encapsulation), (None, Encapsulation::Ipip));
    }
}

#[test]
fn any_other_encapsulation_is_unavailable() {
    for encapsulation in [1, 55, 255] {
        for (lab, source) in [(nat(Some(true)), NAT), (nat(None), NAT), (nat(Some(false)), without_nat())] {
            let mut lab = lab;
            assert_eq!(lab.code(&co_located(request(0, encapsulation, 0), source)), 142);
        }
    }
}

#[test]
fn the_encapsulation_inside_is_what_was_asked_for() {
    for (flags, encapsulation, expected) in [
        ("D", 0, NextHeader::Ip),
        ("DG", 0, NextHeader::Gre),
        ("D", 4, NextHeader::Ip),
        ("DG", 4, NextHeader::Ip),
        ("D", 47, NextHeader::Gre),
    ] {
        let mut lab = nat(Some(false));
        let ask = Ask { flags, ..co_located(request(0, encapsulation, 0), NAT) };
        assert_eq!(lab.code(&ask), 0);
        assert_eq!(tunnel(&lab).encapsulation, udp(51_000, expected), "{flags} {encapsulation}");
    }
    let mut lab = nat(Some(false));
    lab.policy.gre = false;
    assert_eq!(lab.code(&co_located(request(0, 47, 0), NAT)), 142);
}

#[test]
fn who_asks_must_be_who_decapsulates() {
    let foreign = |flags, source| {
        let care_of = AGENT;
        Ask { flags, care_of, source, after: vec![request(0, 0, 0)], ..Ask::of("a@b") }
    };
    let mut lab = nat(Some(false));
    assert_eq!(lab.code(&Ask { flags: "", ..co_located(request(0, 0, 0), NAT) }), 134);
    assert_eq!(lab.code(&foreign("D", NAT)), 134);
    assert_eq!(lab.code(&foreign("", NAT)), 0);
    assert_eq!((answer(&lab), tunnel(&lab).remote), (Some((0, 0, 110)), *NAT.ip()));
    let both = Ask { before: vec![request(0, 0, 0)], ..foreign("D", NAT) };
    assert_eq!(lab.code(&both), 134);
}

#[test]
fn a_last_reserved_field_that_is_set_skips_the_extension() {
    let mut lab = nat(Some(false));
    assert_eq!(lab.code(&co_located(request(0, 0, 1), NAT)), 0);
    assert_eq!((answer(&lab), tunnel(&lab).remote), (None, INSIDE));
}

#[test]
fn minimal_encapsulation_and_gre() {
    assert_eq!(Lab::new().code(&Ask { flags: "M", ..Ask::of("a@b") }), 139);
    assert_eq!(Lab::with(Policy { gre: false, ..policy() }).code(&Ask { flags: "G", ..Ask::of("a@b") }), 139);
    let mut lab = Lab::new();
    // r and x mean nothing.
    assert_eq!(lab.code(&Ask { flags: "GRX", ..Ask::of("a@b") }), 0);
    assert_eq!(tunnel(&lab).encapsulation, Encapsulation::Gre);
}

#[test]
fn another_encapsulation_changes_the_binding() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask { flags: "", ..Ask::of("a@b") }), 0);
    let before = tunnel(&lab);
    assert_eq!(lab.code(&Ask { flags: "", ..Ask::of("a@b") }), 0);
    assert!(lab.done().is_empty());
    assert_eq!(lab.code(&Ask { flags: "G", ..Ask::of("a@b") }), 0);
    assert_eq!(lab.done(), [Seen::Changed(before, Tunnel { encapsulation: Encapsulation::Gre, ..before })]);
}
