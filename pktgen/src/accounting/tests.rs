//! Every frame has one end, whatever the network does.

use std::time::Duration;

use proptest::{collection::vec, prop_assert, prop_assert_eq, proptest, sample::select};

use crate::accounting::deliveries::{AffinityRules, Arrival, Deliveries, Delivery};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn deliveries(rules: AffinityRules) -> Deliveries {
    let mut deliveries = Deliveries::new(10, 3, 100, rules);
    deliveries.begin(0);
    deliveries
}

fn arrival(serial: u32, agent: u16) -> Arrival {
    Arrival { serial, node: None, agent: Some(agent), stamp: None, intact: true }
}

/// Sends for `node` at `at` and has it arrive a millisecond later at `agent`.
fn exchange(deliveries: &mut Deliveries, at: u64, node: u32, agent: u16) -> Delivery {
    let serial = deliveries.next_serial();
    deliveries.sent(millis(at), node, 0, false);
    deliveries.arrived(millis(at + 1), arrival(serial, agent))
}

#[test]
fn a_node_stays_with_its_home_agent() {
    let mut deliveries = deliveries(AffinityRules::default());
    assert_eq!(exchange(&mut deliveries, 0, 1, 0), Delivery::Right);
    assert_eq!(exchange(&mut deliveries, 10, 2, 1), Delivery::Right);
    assert_eq!(exchange(&mut deliveries, 1_000_000, 1, 1), Delivery::Wrong);
    assert_eq!(
        exchange(&mut deliveries, 1_000_010, 1, 0),
        Delivery::Right,
        "a wrong one does not become the right one"
    );
    let total = deliveries.total();
    assert_eq!((total.sent, total.new, total.right, total.wrong, total.moved), (4, 2, 3, 1, 0));
    assert_eq!(
        deliveries.home_agents().iter().map(|it| (it.right, it.wrong, it.nodes)).collect::<Vec<_>>(),
        [(2, 0, 1), (1, 1, 1), (0, 0, 0)]
    );
    assert_eq!(deliveries.distinct(), 2);
}

#[test]
fn an_address_of_nobody_is_wrong_and_a_serial_of_nobody_is_stray() {
    let mut deliveries = deliveries(AffinityRules::default());
    deliveries.sent(millis(0), 1, 0, false);
    assert_eq!(deliveries.arrived(millis(1), Arrival { agent: None, ..arrival(1, 0) }), Delivery::Wrong);
    for serial in [0, 2, 1 + 4096, u32::MAX] {
        assert_eq!(deliveries.arrived(millis(1), arrival(serial, 0)), Delivery::Stray);
    }
    assert!(deliveries.adds_up());
}

#[test]
fn a_session_that_was_silent_may_move() {
    let rules = AffinityRules { session: Some(Duration::from_secs(10)), reassign: None };
    let mut deliveries = deliveries(rules);
    exchange(&mut deliveries, 1, 1, 0);
    assert_eq!(exchange(&mut deliveries, 8_000, 1, 1), Delivery::Wrong);
    assert_eq!(exchange(&mut deliveries, 18_001, 1, 1), Delivery::Moved);
    assert_eq!(exchange(&mut deliveries, 18_010, 1, 0), Delivery::Wrong);
}

#[test]
fn a_move_whose_first_frame_was_lost_is_seen_at_the_second() {
    let rules = AffinityRules { session: Some(Duration::from_secs(10)), reassign: None };
    let mut deliveries = deliveries(rules);
    exchange(&mut deliveries, 1, 1, 0);
    deliveries.sent(millis(20_000), 1, 0, false);
    assert_eq!(exchange(&mut deliveries, 20_500, 1, 2), Delivery::Moved);
    assert_eq!(exchange(&mut deliveries, 21_000, 1, 0), Delivery::Wrong);
}

#[test]
fn retries_beyond_the_threshold_may_move() {
    let mut deliveries = deliveries(AffinityRules { session: None, reassign: Some(2) });
    exchange(&mut deliveries, 1, 1, 0);
    for at in [2, 3] {
        assert_eq!(exchange(&mut deliveries, at * 1000, 1, 1), Delivery::Wrong, "retry {}", at - 1);
    }
    assert_eq!(exchange(&mut deliveries, 4000, 1, 1), Delivery::Moved);
}

#[test]
fn a_home_agent_that_is_down_loses_its_nodes_with_impunity() {
    let mut deliveries = deliveries(AffinityRules::default());
    exchange(&mut deliveries, 1, 1, 0);
    exchange(&mut deliveries, 1, 2, 0);
    deliveries.set_down(0, true);
    assert_eq!(exchange(&mut deliveries, 10, 1, 1), Delivery::Moved);
    // Its first request to the other home agent is lost; meanwhile the first home agent is back.
    deliveries.sent(millis(20), 2, 0, false);
    deliveries.set_down(0, false);
    assert_eq!(exchange(&mut deliveries, 30, 2, 1), Delivery::Moved);
    assert_eq!(exchange(&mut deliveries, 40, 2, 0), Delivery::Wrong);
    assert_eq!(deliveries.home_agents()[1].nodes, 2);
}

#[test]
fn what_comes_twice_late_or_spoiled_is_told_apart() {
    let mut deliveries = deliveries(AffinityRules::default());
    for node in 0..4 {
        deliveries.sent(millis(1), node, 0, false);
    }
    assert_eq!(deliveries.arrived(millis(2), arrival(1, 0)), Delivery::Right);
    assert_eq!(deliveries.arrived(millis(3), arrival(1, 0)), Delivery::Duplicated);
    assert_eq!(
        deliveries.arrived(millis(3), Arrival { intact: false, ..arrival(2, 0) }),
        Delivery::Corrupted
    );
    assert_eq!(
        deliveries.arrived(millis(3), Arrival { node: Some(7), ..arrival(4, 0) }),
        Delivery::Corrupted
    );
    deliveries.expire(millis(500), millis(500));
    assert_eq!(deliveries.waiting(), 1, "it has a millisecond left");
    deliveries.expire(millis(501), millis(500));
    assert_eq!(deliveries.arrived(millis(502), arrival(3, 0)), Delivery::Late);
    let total = deliveries.total();
    assert_eq!((total.right, total.duplicated, total.corrupted, total.lost, total.late), (1, 1, 2, 1, 1));
}

#[test]
fn a_step_is_settled_when_it_has_ended_and_its_frames_have() {
    let mut deliveries = deliveries(AffinityRules::default());
    deliveries.sent(millis(1), 1, 0, false);
    deliveries.sent(millis(2), 2, 0, false);
    assert!(deliveries.settled().is_none(), "it goes on");
    deliveries.begin(1);
    deliveries.sent(millis(3), 3, 0, false);
    assert_eq!(deliveries.arrived(millis(9), arrival(3, 1)), Delivery::Right);
    assert_eq!(deliveries.arrived(millis(9), arrival(1, 1)), Delivery::Right);
    assert!(deliveries.settled().is_none(), "a frame is on its way");
    deliveries.expire(millis(100), millis(50));
    let first = deliveries.settled().unwrap();
    assert_eq!((first.step, first.frames.sent, first.frames.right, first.frames.lost), (0, 2, 1, 1));
    assert_eq!(first.latency.len(), 1);
    assert!((7_990_000..8_010_000).contains(&first.latency.max()));
    assert!(deliveries.settled().is_none(), "the second goes on");
    deliveries.end();
    assert_eq!(deliveries.settled().unwrap().frames.right, 1);
    // Of a closed step, but not forgotten.
    deliveries.arrived(millis(101), arrival(1, 1));
    assert_eq!(deliveries.total().duplicated, 1);
}

#[test]
fn the_first_frame_of_a_node_that_arrives_is_a_new_session() {
    let mut deliveries = deliveries(AffinityRules::default());
    deliveries.begin(0);
    for at in 1..=3 {
        deliveries.sent(millis(at), 7, 0, false);
    }
    deliveries.sent(millis(4), 8, 0, false);
    // The first one is lost on the way.
    deliveries.arrived(millis(9), arrival(2, 1));
    deliveries.arrived(millis(9), arrival(3, 1));
    deliveries.arrived(millis(9), Arrival { intact: false, ..arrival(4, 1) });
    let total = deliveries.total();
    assert_eq!((total.new, total.right, total.created, total.corrupted), (2, 2, 1, 1));
}

#[test]
fn nodes_move_freely_when_the_director_has_no_room_to_remember_them() {
    let mut deliveries = deliveries(AffinityRules::default());
    for at in 1..=3 {
        deliveries.sent(millis(at), 7, 0, false);
    }
    assert_eq!(deliveries.arrived(millis(4), arrival(1, 0)), Delivery::Right);
    assert_eq!(deliveries.arrived(millis(5), arrival(2, 1)), Delivery::Wrong);
    deliveries.let_all_move();
    assert_eq!(deliveries.arrived(millis(6), arrival(3, 1)), Delivery::Moved);
}

#[test]
fn a_request_without_an_answer_is_due_once_and_its_recovery_on_record() {
    let mut deliveries = deliveries(AffinityRules::default());
    deliveries.sent(millis(10), 4, 0, false);
    assert_eq!(deliveries.due(millis(1009), millis(1000)), None);
    assert_eq!(deliveries.due(millis(1010), millis(1000)), Some((4, 0)));
    assert_eq!(deliveries.due(millis(1010), millis(1000)), None);
    deliveries.sent(millis(1010), 4, 1, false);
    deliveries.arrived(millis(1510), arrival(2, 0));
    assert_eq!(deliveries.due(millis(9000), millis(1000)), None, "it is answered");
    deliveries.expire(millis(9000), millis(1000));
    deliveries.end();
    let step = deliveries.settled().unwrap();
    assert_eq!((step.frames.retransmitted, step.recovery.len()), (1, 1));
    assert!((1_499_000_000..1_501_000_000).contains(&step.recovery.max()), "{}", step.recovery.max());
}

#[test]
fn a_ring_that_overflows_loses_the_oldest() {
    let mut deliveries = deliveries(AffinityRules::default());
    for at in 0..5000 {
        deliveries.sent(millis(at), (at % 10) as u32, 0, false);
    }
    assert_eq!((deliveries.total().lost, deliveries.waiting()), (5000 - 4096, 4096));
    assert_eq!(deliveries.arrived(millis(5000), arrival(1, 0)), Delivery::Stray);
    assert_eq!(deliveries.arrived(millis(5000), arrival(5000, 0)), Delivery::Right);
    deliveries.expire(millis(10_000), millis(1));
    assert_eq!(deliveries.waiting(), 0);
    assert!(deliveries.adds_up());
}

proptest! {
    #[test]
    fn every_frame_has_one_end(
        fates in vec((select(&[0u8, 0, 0, 0, 1, 2, 3, 4, 5, 6][..]), 0u32..10, 0u16..3, 1u64..300), 1..400),
        session in proptest::option::of(1u64..4),
    ) {
        let rules = AffinityRules { session: session.map(Duration::from_secs), reassign: Some(3) };
        let mut deliveries = deliveries(rules);
        // What is under way: when it arrives, and how.
        let mut wire: Vec<(u64, Arrival)> = Vec::new();
        let (mut now, mut lost, mut corrupt, mut twice) = (0, 0u64, 0u64, 0u64);
        for (index, (fate, node, agent, delay)) in fates.iter().enumerate() {
            now += 7;
            let serial = deliveries.next_serial();
            deliveries.sent(millis(now), *node, 0, false);
            if index % 50 == 49 {
                deliveries.begin(index as u32 / 50 + 1);
            }
            match fate {
                1 => lost += 1,
                2 => {
                    twice += 1;
                    wire.push((now + delay, arrival(serial, *agent)));
                    wire.push((now + delay + 1, arrival(serial, *agent)));
                }
                3 => {
                    corrupt += 1;
                    wire.push((now + delay, Arrival { intact: false, ..arrival(serial, *agent) }));
                }
                4 => wire.push((now + delay, Arrival { agent: None, ..arrival(serial, 0) })),
                _ => wire.push((now + delay, arrival(serial, *agent))),
            }
            let (come, rest): (Vec<_>, Vec<_>) = wire.into_iter().partition(|(at, _)| *at <= now);
            wire = rest;
            for (at, arrival) in come {
                deliveries.arrived(millis(at), arrival);
            }
            deliveries.expire(millis(now), millis(2000));
            prop_assert!(deliveries.adds_up());
        }
        for (at, arrival) in wire {
            deliveries.arrived(millis(at), arrival);
        }
        deliveries.end();
        deliveries.expire(millis(now + 3000), millis(2000));
        prop_assert_eq!(deliveries.waiting(), 0);
        let total = deliveries.total();
        prop_assert_eq!(total.sent, fates.len() as u64);
        prop_assert_eq!((total.lost, total.corrupted, total.duplicated), (lost, corrupt, twice));
        prop_assert_eq!(total.sent, total.right + total.wrong + total.corrupted + total.lost);
        prop_assert_eq!(deliveries.home_agents().iter().map(|agent| agent.right).sum::<u64>(), total.right);
        let mut sum = 0;
        while let Some(step) = deliveries.settled() {
            sum += step.frames.sent;
            prop_assert_eq!(step.unsettled(), 0);
        }
        prop_assert_eq!(sum, total.sent);
        prop_assert_eq!(deliveries.total(), total);
    }
}
