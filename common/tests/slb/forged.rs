//! What somebody can do who writes requests in others' names, and what he cannot.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::SessionChange::*,
    slb::{Outcome, RealState, Request, SlbCounter, VserverCounter},
};

use crate::harness::{Harness, id, letter};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);

fn leave(harness: &Harness, user: u32) -> Request {
    Request { deregistration: true, ..harness.request(user) }
}

/// A request by another foreign agent.
fn by(harness: &Harness, agent: u8, user: u32) -> Request {
    Request { client: Ipv4Addr::new(15, 1, 1, agent), ..harness.request(user) }
}

#[test]
fn a_deregistration_from_elsewhere_is_passed_on_and_ends_nothing() {
    let mut harness = Harness::new(&[1, 1]);
    harness.send_all([1, 2]);
    let forged = Request { client: ATTACKER, ..leave(&harness, 2) };
    assert_eq!(harness.handle(&forged), Outcome::Forward { real: id('B'), change: None });
    assert!(harness.has(2));
    let counted =
        (harness.vstat(VserverCounter::Deregistration), harness.vstat(VserverCounter::DeregistrationRefused));
    assert_eq!(counted, (1, 1));
    // The port does not matter: a foreign agent may use any.
    let own = Request { client_port: 40_000, ..leave(&harness, 2) };
    assert_eq!(harness.handle(&own), Outcome::Forward { real: id('B'), change: Some(Deregistered) });
    harness.check_accounts();
}

#[test]
fn a_request_within_the_grace_revives_the_session_where_it_was() {
    let mut harness = Harness::new(&[1, 1]);
    harness.send_all([1, 2]);
    for request in [leave(&harness, 2), leave(&harness, 2)] {
        harness.handle(&request);
    }
    harness.advance(9.0);
    harness.sweep();
    assert_eq!(harness.change(2), ('B', Some(Repeated)));
    assert!(harness.has(2));
    harness.advance(9.0);
    harness.sweep();
    assert!(harness.has(2), "with its whole idle time");
    assert_eq!(harness.send_all([2; 3]), "BBB", "and its retries begin anew");
    assert_eq!((harness.real('B').view().established, harness.stat(SlbCounter::Created)), (1, 2));
    harness.check_accounts();
}

#[test]
fn who_leaves_a_home_agent_that_is_out_of_service_helps_it_drain() {
    let mut harness = Harness::new(&[1, 1]);
    harness.vserver_mut().idle = Duration::from_mins(5);
    harness.send_all([1, 2]);
    harness.real('B').set_in_service(false);
    assert_eq!(letter(harness.handle(&leave(&harness, 2))), 'A', "to one that hears it");
    assert_eq!(harness.real('B').conns(), 1);
    harness.advance(10.2);
    harness.sweep();
    assert_eq!((harness.real('B').conns(), harness.balancer.occupancy()), (0, 1));
    // Somebody else's word takes nobody away.
    harness.real('A').set_in_service(false);
    let forged = Request { client: ATTACKER, ..leave(&harness, 1) };
    assert_eq!(letter(harness.handle(&forged)), '-');
    assert!(harness.has(1));
    harness.check_accounts();
}

#[test]
fn the_home_agent_field_aims_no_failures() {
    let mut harness = Harness::new(&[1, 1, 1]);
    for _ in 0..5 {
        for user in 0..8 {
            let aimed = Request { home_agent: Some(id('C')), client: ATTACKER, ..harness.request(user) };
            harness.handle(&aimed);
        }
        harness.advance(1.0);
    }
    let view = harness.real('C').view();
    assert_eq!((view.state, view.failconns), (RealState::Operational, 0));
    assert_eq!((view.failures, view.disregarded), (8, 8), "they were seen, and shown");
    // Neither do sessions that the predictor placed, once the field has moved them.
    let users: Vec<u32> = (50..74).filter(|user| harness.send(*user) == 'A').collect();
    assert_eq!(users.len(), 8);
    for _ in 0..5 {
        for user in &users {
            let aimed = Request { home_agent: Some(id('C')), ..harness.request(*user) };
            harness.handle(&aimed);
        }
    }
    let view = harness.real('C').view();
    assert_eq!((view.state, view.failconns, view.disregarded), (RealState::Operational, 0, 16));
    harness.check_accounts();
}

#[test]
fn a_node_that_names_its_home_agent_and_once_was_quiet_counts_when_it_is_left_alone() {
    let mut harness = Harness::new(&[1, 1]);
    let node = Request { home_agent: Some(id('B')), ..harness.request(1) };
    assert_eq!(letter(harness.handle(&node)), 'B');
    harness.advance(6.0);
    for _ in 0..4 {
        harness.handle(&node);
        harness.advance(1.0);
    }
    assert_eq!(harness.real('B').view().failconns, 1);
    harness.check_accounts();
}

#[test]
fn of_two_foreign_agents_one_alone_fails_no_home_agent() {
    let mut harness = Harness::new(&[1, 1]);
    harness.vserver_mut().idle = Duration::from_mins(5);
    for user in 0..20 {
        harness.handle(&by(&harness, 51 + (user % 2) as u8, user));
    }
    harness.sweep();
    let agents = harness.vserver().live.foreign_agents().look_up(Ipv4Addr::new(15, 1, 1, 52));
    assert!(agents.known && agents.agents == 2, "{agents:?}");
    // Every second new node goes to A, and none is answered.
    let unanswered = |harness: &mut Harness, agent, users: std::ops::Range<u32>| {
        for user in users {
            for _ in 0..5 {
                harness.handle(&by(harness, agent, user));
            }
        }
    };
    unanswered(&mut harness, 51, 100..140);
    let view = harness.real('A').view();
    assert_eq!(
        (view.state, view.failconns, view.failclients),
        (RealState::Operational, 4, 1),
        "half of numconns"
    );
    assert!(view.disregarded >= 10);
    unanswered(&mut harness, 52, 200..240);
    assert_eq!(harness.real('A').state(), RealState::Failed);
    // A third who is nobody's foreign agent counts for nothing.
    harness.real('B').set_in_service(false);
    harness.real('B').set_in_service(true);
    unanswered(&mut harness, 99, 300..320);
    assert_eq!(harness.real('B').view().failconns, 0);
    harness.check_accounts();
}

#[test]
fn a_session_that_was_moved_is_known_and_stays_in_a_full_table() {
    let mut harness = Harness::sized(1024, &[1, 1], &[]);
    for user in 0..200 {
        let home = harness.send(user);
        harness.real(home).set_in_service(false);
        assert_ne!(harness.send(user), home, "moved, and not asked for since");
        harness.real(home).set_in_service(true);
    }
    harness.send_all(1000..5000);
    assert!(harness.stat(SlbCounter::Evicted) > 3000);
    assert!((0..200).all(|user| harness.has(user)));
    harness.check_accounts();
}

#[test]
fn in_a_full_table_those_seen_once_give_way_and_known_nodes_stay() {
    let mut harness = Harness::sized(1024, &[1, 1], &[]);
    for user in 0..300 {
        harness.send_all([user; 2]);
    }
    let known: Vec<u32> = (0..300).filter(|user| harness.has(*user)).collect();
    harness.send_all(1000..5000);
    assert!(harness.balancer.occupancy() <= 1024);
    let evicted = harness.stat(SlbCounter::Evicted);
    assert!(evicted > 3000, "{evicted}");
    assert!(known.iter().all(|user| harness.has(*user)), "those of known nodes");
    assert!(harness.ends.iter().all(|end| end.change == Evicted) && harness.ends.len() as u64 == evicted);
    // A new node gets its session and keeps it, once it has asked again.
    let found_room = (6000..6100).filter(|user| {
        harness.send_all([*user; 2]);
        harness.has(*user)
    });
    let new: Vec<u32> = found_room.collect();
    assert!(new.len() > 90, "{}", new.len());
    harness.send_all(10_000..14_000);
    assert!(new.iter().all(|user| harness.has(*user)));
    let failures = ['A', 'B'].map(|real| harness.real(real).view().failures);
    assert_eq!(failures, [0, 0], "giving way says nothing of a home agent");
    harness.check_accounts();
}
