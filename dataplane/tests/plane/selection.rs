//! Several workers, one table: weighted round robin and stickiness through real frames.

use std::collections::BTreeMap;

use common::{id::PortId, verdict::Verdict};
use dataplane::{
    backend::Frame,
    batch::Next,
    harness::{DIRECTED, DISPATCHED, Harness, agent_mac},
    stage::{classify, mobile_ip, parse},
};

use crate::{
    frames::{burst_of_one, from_agent, see},
    mobile_ip::rrq as payload,
};

fn request(user: usize) -> Vec<u8> {
    from_agent(DISPATCHED).udp(434, 434, &payload(&format!("user{user}@example.com")))
}

/// The home agents' last address bytes in the order in which frames left.
fn hosts(sent: &[Vec<u8>]) -> Vec<u8> {
    sent.iter().map(|frame| see(frame).destination.0[5]).collect()
}

#[test]
fn one_worker_keeps_the_order_a_a_a_b_c_c() {
    let mut harness = Harness::new(1);
    for user in 0..12 {
        assert!(harness.wire.feed(PortId(1), 0, &request(user)));
    }
    let [inside, _] = harness.run();
    assert_eq!(hosts(&inside), [51, 51, 51, 52, 53, 53, 51, 51, 51, 52, 53, 53]);
    assert_eq!(agent_mac(51).0[5], 51);
    harness.received();
}

/// The ones with IP options take the long way, the others are recognised before.
#[test]
fn in_a_burst_of_both_ways_sessions_begin_in_the_order_of_arrival() {
    let mut harness = Harness::new(1);
    let frame = |user: usize| {
        let build = from_agent(DISPATCHED);
        let build = if user % 3 == 1 { build } else { build.options([1; 4]) };
        build.udp(434, 434, &payload(&format!("user{user}@example.com")))
    };
    for user in 0..12 {
        assert!(harness.wire.feed(PortId(1), 0, &frame(user)));
    }
    assert_eq!(harness.run()[0].len(), 12);
    let again = (0..12).map(|user| {
        assert!(harness.wire.feed(PortId(1), 0, &request(user)));
        hosts(&harness.run()[0])[0]
    });
    assert_eq!(again.collect::<Vec<u8>>(), [51, 51, 51, 52, 53, 53, 51, 51, 51, 52, 53, 53]);
}

#[test]
fn who_else_is_in_a_burst_does_not_change_whose_session_it_is() {
    for prepared in [false, true] {
        let mut harness = if prepared { Harness::new(1) } else { Harness::new(1).unprepared() };
        let mut by_address = payload("");
        by_address.truncate(24);
        by_address[4..8].copy_from_slice(&[20, 0, 0, 1]);
        let of = |vip| from_agent(vip).udp(434, 434, &by_address);
        let frames = [request(1), of(DISPATCHED), of(DIRECTED), request(2)];
        for frame in &frames {
            assert!(harness.wire.feed(PortId(1), 0, frame));
        }
        harness.run();
        assert_eq!(harness.control.tables.slb.occupancy(), 4, "a node by address is another at each server");
        for frame in &frames {
            assert!(harness.wire.feed(PortId(1), 0, frame));
            harness.run();
        }
        assert_eq!(harness.control.tables.slb.occupancy(), 4, "alone they are the same");
        harness.received();
    }
}

#[test]
fn two_workers_in_turn_continue_each_others_cycle_and_know_each_others_sessions() {
    let mut harness = Harness::new(2);
    let mut order = Vec::new();
    for user in 0..12 {
        assert!(harness.wire.feed(PortId(1), user % 2, &request(user)));
        order.extend(hosts(&harness.run()[0]));
    }
    assert_eq!(order, [51, 51, 51, 52, 53, 53, 51, 51, 51, 52, 53, 53]);
    let mut again = Vec::new();
    for user in 0..12 {
        assert!(harness.wire.feed(PortId(1), (user + 1) % 2, &request(user)));
        again.extend(hosts(&harness.run()[0]));
    }
    assert_eq!(again, order, "a node that roams to another queue keeps its home agent");
    assert_eq!(harness.received(), 24);
}

#[test]
fn four_workers_at_once_share_full_cycles_exactly() {
    const USERS: usize = 3000;
    let mut harness = Harness::new(4);
    let mut counts = BTreeMap::new();
    for round in 0..2 {
        let mut now: BTreeMap<u8, usize> = BTreeMap::new();
        for part in (0..USERS).collect::<Vec<_>>().chunks(600) {
            for user in part {
                assert!(harness.wire.feed(PortId(1), (user + round) % 4, &request(*user)));
            }
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for worker in &mut harness.workers {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        while worker.step(1) > 0 {}
                    });
                }
            });
            for host in hosts(&harness.wire.sent(PortId(0))) {
                *now.entry(host).or_default() += 1;
            }
        }
        if round == 0 {
            assert_eq!(now, BTreeMap::from([(51, 1500), (52, 500), (53, 1000)]));
            counts = now;
        } else {
            assert_eq!(now, counts, "repeats stay");
        }
    }
    let dispatched: u64 = harness.control.stats.iter().map(|s| s.verdict(Verdict::SLB_DISPATCHED)).sum();
    assert_eq!((harness.received(), dispatched), (2 * USERS as u64, 2 * USERS as u64));
    assert_eq!(harness.control.tables.slb.occupancy(), USERS as u64);
}

#[test]
fn a_session_moves_when_its_real_goes_out_of_service() {
    let mut harness = Harness::new(1);
    assert!(harness.wire.feed(PortId(1), 0, &request(1)));
    assert_eq!(hosts(&harness.run()[0]), [51]);
    for real in harness.control.snapshot.load().slb.reals.iter().flatten() {
        real.live.set_in_service(real.id.index == 1);
    }
    assert!(harness.wire.feed(PortId(1), 0, &request(1)));
    assert_eq!(hosts(&harness.run()[0]), [52]);
    harness.received();
}

#[test]
fn a_burst_that_began_with_an_old_snapshot_asks_for_the_new_one() {
    let mut harness = Harness::new(1);
    let old = harness.control.snapshot.load_full();
    harness.change(|snapshot| {
        // The first real's slot is given to another real, which the old snapshot does not know.
        let slb = snapshot.slb_mut();
        let real = slb.reals[0].as_mut().unwrap();
        real.id.generation += 1;
        slb.farms[0].as_mut().unwrap().reals[0] = real.id;
    });
    assert!(harness.wire.feed(PortId(1), 0, &request(1)));
    assert_eq!(hosts(&harness.run()[0]), [51], "the session is on the new real");

    let mut batch = burst_of_one(&harness, &old, &request(1), |cx, batch| {
        parse::run(cx, batch);
        classify::run(cx, batch);
        mobile_ip::run(cx, batch);
    });
    let (frame, next, egress) = batch.finish().next().unwrap();
    assert_eq!((next, egress), (Next::Transmit(Verdict::SLB_DISPATCHED), PortId(0)));
    assert_eq!(see(frame.data()).destination, agent_mac(51));
}
