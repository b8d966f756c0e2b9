//! The Home Agent field and the addresses of replies (section 8.3 of the specification of Mobile IP), and reverse tunnels (8.4).

use std::net::Ipv4Addr;

use common::wire::mobile_ip::Extension;
use control::home_agent::registration::*;

use super::harness::*;

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SECOND_OWN: Ipv4Addr = Ipv4Addr::new(10, 2, 2, 51);
const ANY: [Ipv4Addr; 2] = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST];

/// Code, Home Agent field and source of the reply.
fn told(policy: Policy, destination: Ipv4Addr, field: Ipv4Addr) -> (u8, Ipv4Addr, Ipv4Addr) {
    let mut lab = Lab::with(policy);
    let broadcast = destination.octets()[3] == 255;
    let ask = Ask { destination, broadcast, home_agent: field, ..Ask::of("a@b") };
    let Outcome::Reply { code, from, .. } = lab.outcome(&ask) else { panic!() };
    (code.0, lab.reply().home_agent, *from.ip())
}

fn two() -> Policy {
    Policy { own: [OWN, SECOND_OWN].into(), ..policy() }
}

#[test]
fn unicast_and_ours() {
    assert_eq!(told(two(), OWN, OWN), (0, OWN, OWN));
    assert_eq!(told(two(), OWN, SECOND_OWN), (0, SECOND_OWN, OWN));
    assert_eq!(told(two(), SECOND_OWN, SECOND_OWN), (0, SECOND_OWN, SECOND_OWN));
}

#[test]
fn unicast_and_any() {
    for field in ANY {
        assert_eq!(told(two(), SECOND_OWN, field), (0, SECOND_OWN, SECOND_OWN));
    }
}

#[test]
fn unicast_and_a_subnet_broadcast_or_a_foreign_address() {
    for field in [OTHER, Ipv4Addr::new(10, 1, 1, 255)] {
        assert_eq!(told(two(), SECOND_OWN, field), (136, SECOND_OWN, SECOND_OWN));
    }
}

#[test]
fn a_subnet_broadcast_and_anything() {
    let broadcast = Ipv4Addr::new(10, 1, 1, 255);
    for field in [OWN, OTHER, ANY[0], ANY[1]] {
        assert_eq!(told(two(), broadcast, field), (136, OWN, OWN));
        let policy = Policy { address: Some(SECOND_OWN), ..two() };
        assert_eq!(told(policy, broadcast, field), (136, SECOND_OWN, SECOND_OWN));
    }
}

#[test]
fn the_dynamic_address_is_told_whatever_was_asked() {
    for field in [ANY[0], ANY[1], VIRTUAL, OWN, SECOND_OWN] {
        for destination in [VIRTUAL, OWN] {
            let policy = Policy { dynamic_address: Some(SECOND_OWN), ..two() };
            assert_eq!(told(policy, destination, field), (0, SECOND_OWN, SECOND_OWN));
        }
    }
    let policy = Policy { dynamic_address: Some(SECOND_OWN), ..two() };
    assert_eq!(told(policy, OWN, OTHER), (136, SECOND_OWN, SECOND_OWN));
}

#[test]
fn the_address_of_a_balancer_is_ours_if_it_is_said() {
    // Directed mode: the destination has been rewritten.
    assert_eq!(told(two(), OWN, VIRTUAL), (0, VIRTUAL, OWN));
    let unsaid = Policy { virtual_addresses: Vec::new(), ..two() };
    assert_eq!(told(unsaid, OWN, VIRTUAL).0, 136);
}

#[test]
fn the_requested_home_agent_is_the_destination() {
    let code = |destination, address, sub_type| {
        let before = vec![Extension::DynamicHa { long: true, sub_type, address }];
        Lab::with(two()).code(&Ask { before, destination, ..Ask::of("a@b") })
    };
    assert_eq!(code(OWN, OWN, 1), 0);
    assert_eq!(code(OWN, VIRTUAL, 1), 0);
    assert_eq!(code(OWN, SECOND_OWN, 1), 136);
    assert_eq!(code(OWN, OTHER, 1), 136);
    // A redirection is nothing that a mobile node says.
    assert_eq!(code(OWN, OTHER, 2), 0);
}

#[test]
fn any_home_agent_if_unknown_ones_are_accepted() {
    let policy = Policy { unknown_home_agent: true, ..two() };
    assert_eq!(told(policy, OWN, OTHER), (0, OWN, OWN));
}

#[test]
fn the_home_agent_field_is_our_end_of_the_tunnel() {
    let mut lab = Lab::with(two());
    assert_eq!(lab.code(&Ask { home_agent: SECOND_OWN, ..Ask::of("a@b") }), 0);
    let Some(Seen::Installed(tunnel)) = lab.done().get(1).cloned() else { panic!("{:?}", lab.done()) };
    assert_eq!((tunnel.local, tunnel.remote), (SECOND_OWN, AGENT));
}

#[test]
fn reverse_tunnels() {
    for (reverse_tunnel, flags, expected) in [
        (ReverseTunnel::On, "T", 0),
        (ReverseTunnel::On, "", 0),
        (ReverseTunnel::Off, "T", 137),
        (ReverseTunnel::Off, "", 0),
        (ReverseTunnel::Mandatory, "T", 0),
        (ReverseTunnel::Mandatory, "", 138),
    ] {
        let mut lab = Lab::with(Policy { reverse_tunnel, ..policy() });
        assert_eq!(lab.code(&Ask { flags, ..Ask::of("a@b") }), expected, "{reverse_tunnel:?} {flags}");
        let granted = lab.agent.bindings_from(home(0), lab.now).next().map(|one| one.tunnel.reverse);
        assert_eq!(granted, (expected == 0).then_some(flags == "T"));
    }
}
