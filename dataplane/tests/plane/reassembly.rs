//! Packets in tunnels that were cut on their way to the home agent.

use std::net::Ipv4Addr;

use common::{mobile::Tunnel, verdict::Verdict};
use dataplane::harness::{
    AGENT, Harness,
    home_agent::{HOME_AGENT, NAT, NAT_CARRIER, tunnel},
};
use etherparse::{IpNumber, Ipv4Header};

use crate::{
    frames::{from_agent, one, punted, see},
    mobile_nodes::{CORRESPONDENT, NODE, arriving, away, of_the_node},
};

/// Bytes of an Ethernet header.
const LINK: usize = 14;

/// The packet of a frame in parts that begin at these places of its payload, units of eight bytes.
fn cut(frame: &[u8], places: &[usize]) -> Vec<Vec<u8>> {
    let (header, payload) = Ipv4Header::from_slice(&frame[LINK..]).unwrap();
    let ends = places.iter().skip(1).map(|at| at * 8).chain([payload.len()]);
    let part = |(at, end): (&usize, usize)| {
        let mut build = from_agent(HOME_AGENT).fragment(*at as u16, end < payload.len());
        build.ip.source = header.source;
        build.ip.identification = 4711;
        build.ip(header.protocol, &payload[at * 8..end])
    };
    places.iter().zip(ends).map(part).collect()
}

fn of(harness: &mut Harness, frames: &[Vec<u8>]) -> Vec<Verdict> {
    frames.iter().map(|frame| one(harness, 1, frame).0).collect()
}

/// Packets that were put together, and those that were given up.
fn totals(harness: &mut Harness) -> (u64, u64) {
    use std::sync::atomic::Ordering::Relaxed;
    harness.clock.advance(std::time::Duration::from_millis(200));
    harness.run();
    let stats = harness.workers[0].stats();
    (stats.reassembled.load(Relaxed), stats.reassembly_given_up.load(Relaxed))
}

#[test]
fn a_packet_in_parts_is_one_packet() {
    let inner = of_the_node(CORRESPONDENT);
    let gre = Tunnel { gre: true, ..tunnel(AGENT) };
    for tunnel in [tunnel(AGENT), gre] {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut harness = away(&[tunnel]);
            let parts = cut(&arriving(&tunnel, &[], &inner), &[0, 1, 3]);
            let [first, second, last] = order.map(|at| parts[at].clone());
            assert_eq!(of(&mut harness, &[first, second]), [Verdict::FRAGMENT_HELD; 2]);
            let (verdict, sent) = one(&mut harness, 1, &last);
            assert_eq!((verdict, see(&sent[0]).payload), (Verdict::ROUTED, b"from the node".to_vec()));
            assert_eq!(totals(&mut harness), (1, 0));
        }
    }
}

#[test]
fn the_largest_packet_of_the_node_comes_in_two_parts() {
    let mut harness = away(&[tunnel(AGENT)]);
    let text = [7; 1472];
    let inner = from_agent(CORRESPONDENT).source_ip(NODE).udp(5, 6, &text)[LINK..].to_vec();
    let parts = cut(&arriving(&tunnel(AGENT), &[], &inner), &[0, 185]);
    assert_eq!(one(&mut harness, 1, &parts[0]).0, Verdict::FRAGMENT_HELD);
    let (verdict, sent) = one(&mut harness, 1, &parts[1]);
    assert_eq!((verdict, see(&sent[0]).payload), (Verdict::ROUTED, text.to_vec()));
}

#[test]
fn of_udp_only_tunnels_are_put_together() {
    let nat = Tunnel { carrier: NAT_CARRIER, ..tunnel(NAT) };
    let mut harness = away(&[nat]);
    let parts = cut(&arriving(&nat, &[], &of_the_node(CORRESPONDENT)), &[0, 2, 4]);
    assert_eq!(of(&mut harness, &parts), [Verdict::FRAGMENT_HELD, Verdict::FRAGMENT_HELD, Verdict::ROUTED]);
    // Nothing says of a later part alone what it belongs to; nor is a request a tunnel's.
    let request = cut(&from_agent(HOME_AGENT).udp(434, 434, &[1; 80]), &[0, 4]);
    for part in [&parts[1], &request[0], &request[1]] {
        assert_eq!(one(&mut harness, 1, part).0, Verdict::PUNTED);
        assert_eq!(&punted(&mut harness).unwrap().1, part, "the host's, as it came");
    }
}

#[test]
fn what_cannot_be_put_together_is_given_up() {
    let mut harness = away(&[tunnel(AGENT)]);
    let whole = arriving(&tunnel(AGENT), &[], &of_the_node(CORRESPONDENT));
    let parts = cut(&whole, &[0, 2]);
    assert_eq!(one(&mut harness, 1, &parts[0]).0, Verdict::FRAGMENT_HELD);
    assert_eq!(one(&mut harness, 1, &parts[0]).0, Verdict::REASSEMBLY, "the same again overlaps");
    assert_eq!(one(&mut harness, 1, &parts[1]).0, Verdict::FRAGMENT_HELD, "and is forgotten");
    harness.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(totals(&mut harness), (0, 2), "one overlapped, one waited for too long");
    // More than a buffer has room for.
    let long = from_agent(HOME_AGENT).ip(IpNumber(4), &[7; 8000]);
    let verdicts = of(&mut harness, &cut(&long, &[0, 180, 360, 540, 720, 900]));
    assert_eq!(verdicts[..5], [Verdict::FRAGMENT_HELD; 5]);
    assert_eq!((verdicts[5], totals(&mut harness)), (Verdict::REASSEMBLY, (0, 3)));
}

#[test]
fn a_stranger_in_parts_stays_one() {
    let mut harness = away(&[tunnel(AGENT)]);
    let stranger = Ipv4Addr::new(15, 1, 1, 99);
    let parts = cut(&arriving(&tunnel(stranger), &[], &of_the_node(CORRESPONDENT)), &[0, 2]);
    assert_eq!(of(&mut harness, &parts), [Verdict::FRAGMENT_HELD, Verdict::TUNNEL_SOURCE_MISMATCH]);
}
