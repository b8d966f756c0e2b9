//! Anything that may happen to a worker, and what must hold of what it sends then: the entry for fuzzing.

use common::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
    mobile::Tunnel,
    wire::{
        ethernet::{self, ARP, IPV4},
        ipv4,
    },
};

use crate::harness::{
    AGENT, Harness, MAC0, MAC1, Outcome, Step, VIRTUAL_MAC,
    home_agent::{self, NAT, NAT_CARRIER, tunnel},
    network,
};

/// Lets steps happen to one worker of the example network ([`crate::harness`]).
///
/// # Panics
/// If a stage panics, a packet has not exactly one verdict, a buffer is lost, or something is sent that a router must
/// not send.
pub fn steps(steps: &[Step]) -> Outcome {
    run(Harness::small(), steps)
}

/// The same with a home agent in the network. Of its nodes 10.9.0.1 is reached by IP in IP, 10.9.0.2 by GRE, 10.9.0.3 by UDP
/// through a NAT, 10.9.0.4 by GRE in UDP and at a second care-of address.
///
/// # Panics
/// As [`steps()`].
pub fn home_agent_steps(steps: &[Step]) -> Outcome {
    let harness = Harness::small();
    harness.change(home_agent::home_agent);
    let (ipip, nat) = (tunnel(AGENT), Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) });
    let gre = |tunnel| Tunnel { gre: true, ..tunnel };
    let second = tunnel([10, 15, 0, 9]);
    for (last, tunnels) in [(1, &[ipip][..]), (2, &[gre(ipip)]), (3, &[nat]), (4, &[gre(nat), second])] {
        harness.bind([10, 9, 0, last].into(), tunnels);
    }
    run(harness, steps)
}

fn run(mut harness: Harness, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome::default();
    // A header that a device calls good is not looked at.
    let checked = !steps.iter().any(is_vouched_for);
    for step in steps {
        let (sent, punted) = (outcome.sent.len(), outcome.punted.len());
        harness.step(step, &mut outcome);
        let sent = &outcome.sent[sent..];
        match step {
            Step::Host(interface, bytes) => assert_unchanged(*interface, bytes, sent),
            _ => sent.iter().for_each(|(port, frame)| assert_sound(*port, frame, checked)),
        }
        outcome.punted[punted..].iter().for_each(|(interface, frame)| assert_for_kernel(*interface, frame));
    }
    harness.tally(&mut outcome);
    outcome
}

fn is_vouched_for(step: &Step) -> bool {
    match step {
        Step::Burst(_, arrivals) => arrivals.iter().any(|one| one.marks.ip_checksum_ok == Some(true)),
        _ => false,
    }
}

/// The host's frames leave as they are or not at all.
fn assert_unchanged(interface: InterfaceId, bytes: &[u8], sent: &[(PortId, Vec<u8>)]) {
    let port = network().net.interfaces.get(interface.index()).map(|interface| interface.port);
    match sent {
        [] => {}
        [(by, frame)] => assert_eq!((Some(*by), &frame[..]), (port, bytes)),
        more => panic!("one frame of the host became {}", more.len()),
    }
}

fn assert_sound(port: PortId, frame: &[u8], checked: bool) {
    let link = ethernet::parse(frame).expect("a link header");
    assert!([MAC0, MAC1, VIRTUAL_MAC].contains(&link.source), "sent as somebody else: {link:?}");
    assert!(!link.destination.is_multicast(), "sent to a group: {link:?}");
    assert!(link.inner.is_none(), "sent with two tags: {link:?}");
    let tag_is_known = link.outer.is_none_or(|tag| (port, tag) == (PortId(1), 15));
    assert!(tag_is_known, "sent with a tag of nobody's: {link:?}");
    match link.ethertype {
        ARP => {}
        IPV4 => {
            let packet = ipv4::parse(link.payload).expect("an IPv4 packet");
            assert!(packet.header.ttl > 0, "sent without time to live");
            assert!(packet.header.total_length() <= 1500, "longer than every MTU");
            assert!(packet.checksum_ok || !checked, "sent with a wrong header checksum");
        }
        other => panic!("sent ethertype {other:#06x}"),
    }
}

/// The kernel is given what a host would receive on the device of that interface.
fn assert_for_kernel(interface: InterfaceId, frame: &[u8]) {
    let network = network();
    let to = MacAddr(*frame.first_chunk().expect("a link header"));
    let own = network.net.interfaces[interface.index()].mac;
    assert!(to == own || to.is_multicast(), "{to} is not for {own}");
}
