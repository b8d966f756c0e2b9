//! The short way and the long way of a request side by side: the same happens to two directors, one of which has nothing
//! prepared for the short way. The fuzz target `both_ways` does so with any steps.

use std::time::Duration;

use common::{id::PortId, net::ReachableVia};
use dataplane::{
    backend::sim::Marks,
    harness::{
        Arrival, Change, DIRECTED, DISPATCHED, Harness, MAC0, MAC1, Step, VIRTUAL_MAC, both_ways,
        limit_clients, verify_sources,
    },
    stage::fast_path,
};
use proptest::prelude::*;

use crate::{
    frames::{burst_of_one, from_agent, pad},
    mobile_ip::{rrq, to_agent},
};

fn request() -> impl Strategy<Value = Vec<u8>> {
    let agent = prop_oneof![
        4 => Just([0; 4]), 1 => Just([255; 4]), 2 => Just(DISPATCHED.octets()), 1 => Just([10, 1, 1, 52]),
        1 => Just([9; 4])
    ];
    let extensions = proptest::collection::vec(
        prop_oneof![
            3 => Just(vec![32, 6, 0, 0, 1, 0, 7, 7]),
            1 => Just(vec![0]),
            1 => Just(vec![139, 1, 0, 4]),
            1 => Just(vec![131, 2, b'n', b'0']),
            1 => Just(vec![200, 9]),
            1 => Just(vec![38, 0, 0, 1, 5]),
        ],
        0..3,
    );
    (0..3_u8, agent, extensions, 0..8_u8).prop_map(|(node, agent, extensions, rare)| {
        let mut payload = to_agent(rrq(&format!("n{node}@a-realm-of-length.example")), agent);
        payload.extend(extensions.concat());
        if rare == 0 {
            payload[2..4].fill(0);
        }
        payload
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let build = prop_oneof![
        6 => Just(from_agent(DISPATCHED)),
        3 => Just(from_agent(DIRECTED)),
        1 => Just(from_agent(DIRECTED).mac(VIRTUAL_MAC)),
        1 => Just(from_agent(DISPATCHED).ttl(1)),
        1 => Just(from_agent(DISPATCHED).ttl(2)),
        1 => Just(from_agent(DISPATCHED).vlan(15)),
        1 => Just(from_agent(DISPATCHED).options([1, 1, 1, 0])),
        1 => Just(from_agent(DISPATCHED).source_ip([127, 0, 0, 1])),
        1 => Just(from_agent(DISPATCHED).source_ip([15, 1, 1, 52])),
        1 => Just(from_agent(DISPATCHED).source_ip(DIRECTED)),
        1 => Just(from_agent(DISPATCHED).source_ip([10, 1, 1, 51])),
        1 => Just(from_agent(DISPATCHED).source_ip([192, 168, 1, 1])),
        1 => Just(from_agent(DISPATCHED).mac(MAC1).fragment(0, true)),
    ];
    let ports = prop_oneof![6 => Just((434, 434)), 1 => Just((5000, 434)), 1 => Just((434, 435))];
    let damage = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    let source = prop_oneof![12 => Just(None), 1 => Just(Some(MAC0)), 1 => Just(Some(MAC1))];
    (build, request(), ports, 0..6_u8, damage, source).prop_map(
        |(build, payload, (from, to), tail, damage, source)| {
            let mut frame = build.udp(from, to, &payload);
            if let Some(own) = source {
                frame[6..12].copy_from_slice(&own.0);
            }
            match tail {
                0 => frame.extend([0xee; 7]),
                1 => frame = pad(frame),
                2 => frame[40..42].fill(0),
                _ => {}
            }
            if let Some((at, byte)) = damage {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            frame
        },
    )
}

fn marks() -> impl Strategy<Value = Marks> {
    let vlan =
        prop_oneof![8 => Just(None), 1 => Just(Some(15)), 1 => Just(Some(0xf00f)), 1 => Just(Some(16))];
    let checksum = prop_oneof![3 => Just(None), 3 => Just(Some(true)), 1 => Just(Some(false))];
    (vlan, checksum).prop_map(|(vlan, ip_checksum_ok)| Marks { vlan, ip_checksum_ok, ..Marks::default() })
}

fn change() -> impl Strategy<Value = Change> {
    (0..14_u8, 0..4_usize).prop_map(|(kind, at)| match kind {
        0 => Change::OutOfService(at),
        1 => Change::InService(at),
        2 => Change::Replace(at),
        3 => Change::Adjacency(at),
        4 => Change::Mtu(at),
        5 => Change::Link(at),
        6 => Change::Interface(at),
        7 => Change::Strict(at),
        8 => Change::Clients(at),
        9..=11 => Change::ClientRate(at),
        12 => Change::SourceCheck(at),
        _ => Change::Debug,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let arrival = (frame(), marks()).prop_map(|(bytes, marks)| Arrival { bytes, marks, first: None });
    let burst = proptest::collection::vec(arrival, 1..4).prop_map(|burst| Step::Burst(PortId(1), burst));
    prop_oneof![
        24 => burst,
        2 => (1..12_u64).prop_map(Step::Wait),
        1 => change().prop_map(Step::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_ways_lead_to_the_same_place(
        mut steps in proptest::collection::vec(step(), 1..24),
        untagged: bool,
    ) {
        if untagged {
            steps.insert(0, Step::Change(Change::Untagged));
        }
        both_ways(&steps);
    }
}

#[test]
fn the_short_way_is_taken_by_a_repeat_and_by_nothing_else() {
    let mut harness = Harness::new(1);
    let usual = from_agent(DISPATCHED).udp(434, 434, &rrq("mwts-mip-np-user1@ispxyz.com"));
    let short = |harness: &Harness, bytes: &[u8]| {
        let snapshot = harness.control.snapshot.load_full();
        let batch = burst_of_one(harness, &snapshot, bytes, |cx, batch| fast_path::run(cx, batch));
        batch.single_egress.is_some()
    };
    assert!(!short(&harness, &usual), "there is no session yet");
    assert!(harness.wire.feed(PortId(1), 0, &usual));
    harness.run();
    assert!(short(&harness, &usual));
    let other = from_agent(DISPATCHED).udp(434, 434, &rrq("mwts-mip-np-user2@ispxyz.com"));
    assert!(!short(&harness, &other), "a new node");
    assert!(!short(&harness, &[&usual[..], &[0xee; 60]].concat()), "bytes behind the packet");
    harness.change(|snapshot| snapshot.net_mut().ports_mut()[0].link_up = false);
    assert!(!short(&harness, &usual), "the way out is down");
    harness.change(|snapshot| snapshot.net_mut().ports_mut()[0].link_up = true);
    assert!(short(&harness, &usual));
    harness.change(|snapshot| verify_sources(snapshot, Some(ReachableVia::Rx)));
    assert!(!short(&harness, &usual), "sources are checked");
    harness.change(|snapshot| {
        snapshot.net_mut().interfaces_mut()[1].source_check = None;
        limit_clients(snapshot, Some(1));
    });
    assert!(short(&harness, &usual), "sources are checked elsewhere, and new sessions are limited");
    harness.clock.advance(Duration::from_secs(11));
    assert!(!short(&harness, &usual), "the session has expired");
}
