//! Reals that fail, recover, fill up and leave.

use std::time::Duration;

use common::{
    event::SessionChange::*,
    slb::{Probe, RealSettings, RealState::*, SlbCounter, VserverCounter},
};

use crate::harness::{Harness, id};

const RETRY: Duration = Duration::from_secs(5);

/// Two clients make A fail: `numconns 2 numclients 2`.
fn with_failed_a(weights: &[u32]) -> Harness {
    let mut harness = Harness::new(weights);
    harness.real('A').configure(RealSettings {
        weight: weights[0],
        numconns: 2,
        numclients: 2,
        ..RealSettings::default()
    });
    for user in [901, 902] {
        // Whoever lands elsewhere is of no use here.
        let mut user = user;
        while harness.send(user) != 'A' {
            user += 10;
        }
        assert_eq!(harness.send_all([user; 4]).chars().take(3).collect::<String>(), "AAA");
    }
    assert_eq!(harness.state('A'), Failed);
    harness
}

#[test]
fn enough_failures_take_a_home_agent_out() {
    let mut harness = with_failed_a(&[1, 1]);
    assert_eq!(harness.send_all(1..=20), "B".repeat(20));
    let view = harness.real('A').view();
    assert_eq!((view.failconns, view.failclients, view.server_failures), (2, 2, 1));
    harness.check_accounts();
}

#[test]
fn one_client_cannot_fail_a_home_agent() {
    let mut harness = Harness::new(&[1, 1]);
    for name in ['A', 'B'] {
        harness.real(name).configure(RealSettings {
            weight: 1,
            numconns: 1,
            numclients: 2,
            ..RealSettings::default()
        });
    }
    for _ in 0..60 {
        harness.send(1);
    }
    assert_eq!((harness.state('A'), harness.state('B')), (Operational, Operational));
    assert_eq!((harness.real('A').view().failconns, harness.real('B').view().failconns), (1, 1));
    assert!(harness.real('A').view().failures >= 5, "every move is in the total");
}

#[test]
fn no_faildetect_inband_counts_nothing() {
    let mut harness = Harness::new(&[1, 1]);
    let settings = RealSettings { weight: 1, numconns: 1, numclients: 1, inband: false, maxconns: 100 };
    harness.real('A').configure(settings);
    harness.real('B').configure(settings);
    for user in 0..10 {
        harness.fail_over(user);
    }
    assert_eq!((harness.state('A'), harness.real('A').view().failconns), (Operational, 0));
}

#[test]
fn a_failed_home_agent_is_tested_by_one_session_after_retry() {
    let mut harness = with_failed_a(&[1, 1]);
    assert!(!harness.real('A').retry_expired(harness.tick(), RETRY));
    harness.advance(4.8);
    assert!(!harness.real('A').retry_expired(harness.tick(), RETRY));
    harness.advance(0.3);
    assert!(harness.real('A').retry_expired(harness.tick(), RETRY));
    assert!(!harness.real('A').retry_expired(harness.tick(), RETRY), "once");
    assert_eq!(harness.state('A'), ReadyToTest);
    let seen = harness.send_all(1..=10);
    assert_eq!(seen.matches('A').count(), 1, "{seen}");
    assert_eq!(harness.state('A'), Testing);
    harness.advance(11.0);
    harness.sweep();
    assert_eq!(harness.state('A'), Operational);
    assert_eq!(harness.real('A').view().failconns, 0);
    assert_eq!(harness.send_all(20..24).matches('A').count(), 2);
    harness.check_accounts();
}

#[test]
fn an_unanswered_test_fails_it_again_and_restarts_the_timer() {
    let mut harness = with_failed_a(&[1, 1]);
    harness.advance(5.1);
    assert!(harness.real('A').retry_expired(harness.tick(), RETRY));
    let tester = (1..10).find(|user| harness.send(*user) == 'A').unwrap();
    harness.advance(2.0);
    assert_eq!(harness.send_all([tester; 4]), "AAAB");
    assert_eq!(harness.state('A'), Failed);
    assert_eq!(harness.real('A').failed_at(), Some(harness.tick()));
    assert_eq!(harness.real('A').view().server_failures, 1, "it had not come back into service");
    harness.check_accounts();
}

#[test]
fn a_test_that_is_not_finished_leaves_it_to_the_next_session() {
    let mut harness = with_failed_a(&[1, 1]);
    harness.advance(5.1);
    harness.real('A').retry_expired(harness.tick(), RETRY);
    let tester = (1..10).find(|user| harness.send(*user) == 'A').unwrap();
    let leave = common::slb::Request { deregistration: true, ..harness.request(tester) };
    harness.handle(&leave);
    assert_eq!(harness.state('A'), Testing, "the node may think better of it");
    harness.advance(10.2);
    harness.sweep();
    assert_eq!(harness.state('A'), ReadyToTest);
    // A packet without a session is never the test.
    for user in 50..60 {
        let leave = common::slb::Request { deregistration: true, ..harness.request(user) };
        assert_eq!(crate::harness::letter(harness.handle(&leave)), 'B');
    }
    assert_eq!(harness.state('A'), ReadyToTest);
    harness.check_accounts();
}

#[test]
fn a_lone_home_agent_that_fails_its_test_keeps_the_session_and_is_failed() {
    let mut harness = with_failed_a(&[1, 1]);
    harness.real('B').set_in_service(false);
    harness.advance(5.1);
    harness.real('A').retry_expired(harness.tick(), RETRY);
    assert_eq!(harness.fail_over(1), "AAAAA");
    assert_eq!(harness.state('A'), Failed);
    assert_eq!(harness.send(1), 'A', "a failed real keeps a session that has nowhere to go");
    assert_eq!(harness.send(2), '-');
}

#[test]
fn a_dfp_weight_brings_it_back_and_zero_throttles() {
    let mut harness = with_failed_a(&[1, 1]);
    harness.real('A').set_dfp(Some(10));
    assert_eq!((harness.state('A'), harness.real('A').weight()), (Operational, 10));
    assert_eq!(harness.real('A').view().failconns, 0);
    let user = (1..20).find(|user| harness.send(*user) == 'A').unwrap();
    harness.real('A').set_dfp(Some(0));
    assert_eq!(harness.state('A'), DfpThrottled);
    assert_eq!(harness.send(user), 'A', "sessions stay");
    assert_eq!(harness.send_all(30..40), "B".repeat(10));
    harness.real('A').set_weight(7);
    assert_eq!(harness.real('A').weight(), 0);
    harness.real('A').set_dfp(None);
    assert_eq!((harness.state('A'), harness.real('A').weight()), (Operational, 7));
    assert_eq!(harness.real('A').view().dfp_weight, None);
}

#[test]
fn losing_the_dfp_row_does_not_heal_a_failed_real() {
    let harness = with_failed_a(&[1, 1]);
    harness.real('A').set_dfp(None);
    assert_eq!(harness.state('A'), Failed);
    harness.real('A').set_dfp(Some(0));
    assert_eq!(harness.state('A'), Failed);
}

#[test]
fn a_dfp_weight_without_a_report_heals_nothing() {
    let harness = with_failed_a(&[1, 1]);
    harness.real('A').override_weight(Some(10));
    assert_eq!((harness.state('A'), harness.real('A').weight()), (Failed, 10));
}

#[test]
fn maxconns_2_sends_the_third_elsewhere() {
    let mut harness = Harness::new(&[5, 1]);
    harness.real('A').configure(RealSettings { weight: 5, maxconns: 2, ..RealSettings::default() });
    assert_eq!(harness.send_all([1, 2, 3]), "AAB");
    assert_eq!(harness.state('A'), MaxConns);
    assert_eq!(harness.send_all([1, 2]), "AA", "its sessions stay");
    harness.advance(11.0);
    harness.sweep();
    assert_eq!(harness.state('A'), Operational);
    harness.check_accounts();
}

#[test]
fn the_backup_serves_only_while_the_primary_cannot() {
    let mut harness = Harness::with_backup(&[1, 1], &[1]);
    assert_eq!(harness.send_all([1, 2]), "AB");
    harness.real('A').set_in_service(false);
    harness.real('B').set_probe(Probe::Failed);
    assert_eq!(harness.send_all([3, 4]), "CC");
    assert_eq!(harness.vstat(VserverCounter::BackupHits), 2);
    harness.real('A').set_in_service(true);
    assert_eq!(harness.send_all([5, 6]), "AA");
    assert_eq!(harness.send(3), 'C', "sessions of the backup stay there");
    harness.real('A').set_in_service(false);
    harness.real('C').set_in_service(false);
    assert_eq!(harness.send(7), '-');
    assert_eq!((harness.vstat(VserverCounter::NoReal), harness.stat(SlbCounter::FailedReals)), (1, 1));
    harness.check_accounts();
}

#[test]
fn a_failed_home_agents_sessions_move_without_blame() {
    let mut harness = Harness::new(&[4, 4]);
    harness.real('A').configure(RealSettings {
        weight: 4,
        numconns: 2,
        numclients: 2,
        ..RealSettings::default()
    });
    assert_eq!(harness.send_all(1..=3), "AAA");
    harness.fail_over(1);
    harness.send_all([2; 4]);
    assert_eq!(harness.state('A'), Failed);
    assert_eq!(harness.change(3), ('B', Some(Reassigned)));
    assert_eq!(harness.real('A').view().failconns, 2);
    assert_eq!(harness.real('A').conns(), 0);
    harness.check_accounts();
}

#[test]
fn out_of_service_moves_or_drops() {
    let mut harness = Harness::new(&[1, 1]);
    assert_eq!(harness.send_all([1, 2]), "AB");
    harness.real('A').set_in_service(false);
    assert_eq!(harness.state('A'), OutOfService);
    assert_eq!(harness.change(1), ('B', Some(Reassigned)));
    assert_eq!(harness.real('B').view().failures + harness.real('A').view().failures, 0);
    harness.real('B').set_in_service(false);
    assert_eq!(harness.send_all([1, 2]), "--");
    assert_eq!(harness.ends.iter().filter(|end| end.change == Cleared).count(), 2);
    assert_eq!(harness.vstat(VserverCounter::NoReal), 2);
    harness.check_accounts();
}

#[test]
fn these_states_keep_their_sessions() {
    for case in 0..4 {
        let mut harness = Harness::new(&[1, 1]);
        assert_eq!(harness.send(1), 'A');
        let a = harness.real('A');
        match case {
            0 => a.set_dfp(Some(0)),
            1 => a.configure(RealSettings { weight: 1, maxconns: 1, ..RealSettings::default() }),
            2 => a.set_probe(Probe::Testing),
            _ => a.set_weight(0),
        }
        assert_eq!(harness.send(1), 'A', "case {case}");
    }
}

#[test]
fn an_unresolved_home_agent_is_not_chosen_and_its_sessions_move() {
    let mut harness = Harness::new(&[1, 1]);
    assert_eq!(harness.send(1), 'A');
    harness.real('A').set_arp_resolved(false);
    assert_eq!(harness.state('A'), ArpFailed);
    assert_eq!(harness.send_all([2, 3]), "BB");
    assert_eq!(harness.send(1), 'B');
    harness.real('A').set_arp_resolved(true);
    harness.real_mut('A').adjacency = None;
    assert_eq!(harness.send_all([4, 5]), "BB", "no adjacency in the snapshot says the same");
}

#[test]
fn probes_take_out_and_bring_back() {
    let mut harness = with_failed_a(&[1, 1]);
    let a = harness.real('A');
    a.set_probe(Probe::Failed);
    assert_eq!(a.state(), ProbeFailed);
    a.set_probe(Probe::Testing);
    assert_eq!(a.state(), ProbeTesting);
    a.set_probe(Probe::Ok);
    assert_eq!(a.state(), Failed, "an answer to a ping says nothing of what nodes have asked");
    a.vouch();
    assert_eq!((a.state(), a.view().failconns), (Operational, 0));
    assert!(harness.send_all(1..=4).contains('A'));
}

#[test]
fn purge_ends_sessions_by_sweep_and_by_request() {
    let mut harness = Harness::new(&[4, 4]);
    harness.real_mut('A').purge = true;
    assert_eq!(harness.send_all(1..=4), "AAAA");
    harness.real('A').set_probe(Probe::Failed);
    assert_eq!(harness.change(1), ('B', Some(Created)), "the next request is a new session");
    assert_eq!(harness.sweep(), 3);
    assert!(harness.ends.len() == 4 && harness.ends.iter().all(|end| end.change == Cleared));
    assert_eq!((harness.real('A').conns(), harness.real('B').conns()), (0, 1));
    harness.check_accounts();
}

#[test]
fn only_a_quiet_session_younger_than_the_last_failure_clears_the_counters() {
    let mut harness = Harness::new(&[100, 1]);
    // 1 is older than the failure; 2 fails; 3 is younger but retries; 4 is younger and quiet.
    assert_eq!(harness.send_all([1, 2]), "AA");
    harness.send_all([2; 4]);
    assert_eq!(harness.real('A').view().failconns, 1);
    harness.send_all([3, 3]);
    harness.advance(11.0);
    harness.sweep();
    assert_eq!(harness.real('A').view().failconns, 1, "neither 1 nor 3 clears");
    assert_eq!(harness.send(4), 'A');
    harness.advance(11.0);
    harness.sweep();
    assert_eq!(harness.real('A').view().failconns, 0);
}

#[test]
fn out_of_service_and_back_starts_afresh() {
    let harness = with_failed_a(&[1, 1]);
    let a = harness.real('A');
    a.set_in_service(true);
    assert_eq!(a.state(), Failed, "already in service: no change");
    a.set_in_service(false);
    a.set_in_service(true);
    assert_eq!((a.state(), a.view().failconns), (Operational, 0));
    assert_eq!(a.failed_at(), None);
}

#[test]
fn a_reused_slot_is_not_the_same_real() {
    let mut harness = Harness::new(&[1, 1]);
    assert_eq!(harness.send(1), 'A');
    harness.real_mut('A').id.generation = 2;
    harness.snapshot.slb_mut().farms[0].as_mut().unwrap().reals[0].generation = 2;
    harness.snapshot.generation += 1;
    let (to, change) = harness.change(1);
    assert_eq!(change, Some(Reassigned));
    let view = harness.balancer.lookup(harness.request(1).identity, harness.tick()).unwrap();
    assert_ne!(view.session.real, id('A'));
    assert!(to == 'A' || to == 'B');
}
