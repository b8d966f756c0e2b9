//! Frames that nobody sane sends: no panic, and every one has its verdict.

use common::{
    id::{InterfaceId, PortId},
    verdict::Verdict,
};
use dataplane::{
    backend::sim::Marks,
    harness::{Arrival, DIRECTED, DISPATCHED, Harness, Step},
};
use etherparse::{IcmpEchoHeader, Icmpv4Type, TcpHeader};

use crate::{
    frames::{from_agent, pad, totals},
    mobile_ip::rrq,
};

/// SplitMix64: the same sequence in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let inside = from_agent([10, 1, 1, 51].into());
    let mut arp = from_agent(DISPATCHED).link(0x0806);
    arp.extend_from_slice(&[
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 1, 1, 9, 0, 0, 0, 0, 0, 0, 10, 1, 1, 10,
    ]);
    let mut long = rrq("somebody@example.com");
    long.extend_from_slice(&[
        38, 0, 0, 8, 0, 0, 0, 9, 0, 1, 1, 2, 139, 1, 0, 4, 1, 2, 3, 4, 0, 0, 100, 2, 5, 5,
    ]);
    vec![
        from_agent(DISPATCHED).udp(434, 434, &long),
        from_agent(DIRECTED).vlan(15).udp(434, 434, &long),
        from_agent(DISPATCHED).options([7, 7, 4, 0, 0, 0, 0, 0]).udp(434, 434, &long),
        from_agent(DISPATCHED).tcp(TcpHeader::new(1, 2, 3, 4), b"data"),
        from_agent(DISPATCHED).icmp(Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 1, seq: 2 }), b"ping"),
        inside.clone().ttl(1).udp(1, 2, b"expires"),
        inside.clone().vlan(15).options([7, 3, 4, 0]).udp(1, 2, b"routed"),
        from_agent([8; 4].into()).udp(1, 2, b"nowhere"),
        from_agent([10, 15, 0, 9].into()).udp(1, 2, b"pushed"),
        pad(arp),
    ]
}

/// Runs `count` frames made by `make` through two workers, each in one of several ways to arrive.
fn run(count: usize, seed: u64, mut make: impl FnMut(&mut Random) -> Vec<u8>) -> Vec<Verdict> {
    let mut harness = Harness::new(2);
    let mut random = Random(seed);
    let all = harness.wire.free_buffers();
    let mut buffer = Vec::new();
    for fed in 0..count {
        let frame = make(&mut random);
        let (port, queue) = (PortId(random.below(2) as u16), random.below(2));
        let fits = match random.below(4) {
            0 => harness.wire.feed_segmented(port, queue, &frame, random.below(80), random.below(8) > 0),
            _ => harness.wire.feed(port, queue, &frame),
        };
        assert!(fits);
        if fed % 61 == 0 || fed + 1 == count {
            harness.clock.advance(std::time::Duration::from_millis(50));
            harness.run();
            for worker in 0..2 {
                while harness.control.punts[worker].receive(&mut buffer).is_some() {}
                while harness.control.events[worker].pop().is_ok() {}
            }
        }
    }
    assert_eq!(harness.received(), count as u64, "seed {seed}");
    assert_eq!(harness.wire.free_buffers(), all, "every buffer came back");
    Verdict::ALL
        .iter()
        .zip(totals(&harness))
        .filter(|(_, total)| *total > 0)
        .map(|(verdict, _)| *verdict)
        .collect()
}

#[test]
fn mutated_frames_never_panic_and_add_up() {
    let seeds = seeds();
    let met = run(100_000, 1, |random| {
        let mut frame = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(4) {
            let at = random.below(frame.len());
            match random.below(3) {
                0 => frame[at] = random.next() as u8,
                1 => frame[at] ^= 1 << random.below(8),
                _ => frame.truncate(at + 1),
            }
        }
        // The header checksum is made right again, else few frames would come further than the parser.
        let l3 = if frame.get(12..14) == Some(&[0x81, 0]) { 18 } else { 14 };
        let header = frame.get(l3).map_or(0, |first| usize::from(first & 15) * 4);
        if header >= 20 && frame.len() >= l3 + header && random.below(8) > 0 {
            frame[l3 + 10..l3 + 12].fill(0);
            let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&frame[l3..l3 + header]);
            frame[l3 + 10..l3 + 12].copy_from_slice(&sum.ones_complement().to_be_bytes());
        }
        frame
    });
    assert!(met.len() >= 20, "mutations reach most ends: {met:?}");
}

#[test]
fn random_bytes_never_panic_and_add_up() {
    run(20_000, 2, |random| {
        let length = random.below(200);
        let mut frame: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if length >= 15 && random.below(2) == 0 {
            frame[..6].copy_from_slice(&dataplane::harness::MAC1.0);
            frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        }
        frame
    });
}

#[test]
fn what_is_sent_is_sound_whatever_arrives() {
    let mut random = Random(3);
    let arrival = |bytes: &[u8], how: usize| Arrival {
        bytes: bytes.to_vec(),
        marks: Marks { vlan: (how & 1 != 0).then_some(15), ..Marks::default() },
        first: (how & 2 != 0).then_some(bytes.len() / 2),
    };
    let mut steps = vec![Step::Burst(PortId(0), vec![arrival(&[], 0), arrival(&[0; 4000], 0)])];
    for seed in seeds() {
        for how in 0..8 {
            let mut damaged = seed.clone();
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
            let burst = vec![arrival(&seed, how), arrival(&damaged, how)];
            steps.push(Step::Burst(PortId(how as u16 >> 2), burst));
            steps.push(Step::Host(InterfaceId(how as u16 >> 1), seed.clone()));
        }
    }
    let outcome = dataplane::fuzz::steps(&steps);
    assert!(outcome.sent.len() > seeds().len() && !outcome.punted.is_empty());
}
