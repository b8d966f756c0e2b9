//! What a binding takes: every byte that is asked of the allocator, and what the allocator adds.

#![allow(clippy::unwrap_used)]

#[path = "registration/harness.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod harness;

use std::{hint::black_box, sync::Arc};

use control::home_agent::registration::*;
use harness::{Ask, KEY, Lab, association, policy};

/// Mobile nodes; as many as fill the indices to where a million stand.
const NODES: u32 = 250_000;
/// Bytes of a binding whose NAI has 28, as far as this side has them.
const MOST: u64 = 190;
/// What malloc adds to a NAI of 28 bytes: pieces are multiples of 16, and 8 are its own.
const OVERHEAD: u64 = 20;

struct Silent;

impl Effects for Silent {
    fn apply(&mut self, effect: Effect<'_>) {
        black_box(effect);
    }
}

fn big() -> Policy {
    let mut policy = policy();
    let [low, high] = [0x0a40_0000_u32, 0x0a7f_ffff].map(std::net::Ipv4Addr::from_bits);
    policy.pools = [("P".into(), Pool { low, high })].into();
    policy.max_binding = NODES;
    let realm = policy.hosts.get(Identity::Nai(b"@b"), false).unwrap();
    policy.hosts.insert_nai(b"@ispxyz.com", Arc::clone(realm));
    policy.associations.insert(PeerName::Nai(b"@ispxyz.com"), association(0x100, KEY)).unwrap();
    policy
}

#[test]
fn a_binding_takes_few_bytes_and_a_renewal_none() {
    let mut lab = Lab::with(big());
    let asks = (0..NODES).map(|user| Ask::of(&format!("mwts-mip-n-{user:06}@ispxyz.com")));
    let requests: Vec<(Ask, Vec<u8>)> =
        asks.map(|ask| (ask.clone(), ask.bytes(lab.next_identification()))).collect();
    assert_eq!(requests[0].0.nai.len(), 28);
    // What does not depend on how many there are.
    lab.agent = Agent::new(0);
    let received = |(ask, payload): &'_ (Ask, Vec<u8>)| -> Received<'static> {
        let payload: &'static [u8] = Vec::leak(payload.clone());
        let destination = std::net::SocketAddrV4::new(ask.destination, 434);
        Received {
            source: ask.source,
            destination,
            destination_is_broadcast: false,
            checksum_ok: true,
            payload,
        }
    };
    let all: Vec<Received<'static>> = requests.iter().map(received).collect();
    let mut reply = Vec::with_capacity(512);
    let mut run = |lab: &mut Lab, all: &[Received<'static>]| {
        for one in all {
            let outcome = lab.agent.process(&lab.policy, one, lab.now, &mut reply, &mut Silent);
            assert!(matches!(outcome, Outcome::Reply { .. }));
        }
    };
    let memory = allocation_counter::measure(|| run(&mut lab, &all));
    assert_eq!(lab.agent.bindings(), NODES as usize);
    let each = memory.bytes_current as u64 / u64::from(NODES) + OVERHEAD;
    println!("{each} bytes a binding, {} allocations", memory.count_total);
    assert!(each <= MOST, "{each} bytes a binding");
    // The replies again, from what is there.
    lab.now.monotonic.0 += 1_000_000;
    let again = allocation_counter::measure(|| run(&mut lab, &all[..90]));
    assert_eq!(again.count_total, 0);
    // And renewals, which change what is there.
    let renewals: Vec<_> = requests[..50]
        .iter()
        .map(|(ask, _)| (ask.clone(), ask.bytes(lab.now.ntp + harness::SECOND)))
        .map(|renewal| received(&renewal))
        .collect();
    let renewed = allocation_counter::measure(|| run(&mut lab, &renewals));
    assert_eq!((renewed.count_total, lab.agent.bindings()), (0, NODES as usize));
    lab.clear(Clear::All, NODES as usize);
    assert_eq!(lab.agent.bindings(), 0);
}
