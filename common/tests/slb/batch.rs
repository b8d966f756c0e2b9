//! Sessions that begin together are those that would have begun one after the other.

use common::slb::{RealSettings, SlbCounter, VserverCounter};
use proptest::prelude::*;

use crate::harness::{Harness, WORKER};

#[derive(Clone, Debug)]
enum Step {
    Burst(Vec<u32>),
    Weight(char, u32),
    MaxConns(char, u32),
    InService(char, bool),
    /// Seconds; sessions idle out after ten.
    Wait(u32),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let real = prop_oneof![Just('A'), Just('B'), Just('C')];
    prop_oneof![
        8 => proptest::collection::vec(0..200_u32, 1..64).prop_map(Step::Burst),
        1 => (real.clone(), 0..5_u32).prop_map(|(real, weight)| Step::Weight(real, weight)),
        1 => (real.clone(), 0..40_u32).prop_map(|(real, limit)| Step::MaxConns(real, limit)),
        1 => (real, any::<bool>()).prop_map(|(real, on)| Step::InService(real, on)),
        1 => (1..12_u32).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

/// What is left of it: sessions with all they hold, and every counter.
fn state(harness: &Harness) -> (Vec<String>, Vec<u64>, Vec<String>) {
    let mut sessions = Vec::new();
    harness.balancer.sessions(harness.tick(), 0, u32::MAX, |view| sessions.push(format!("{view:?}")));
    let totals = SlbCounter::ALL.iter().map(|counter| harness.stat(*counter));
    let totals = totals.chain(VserverCounter::ALL.iter().map(|counter| harness.vstat(*counter)));
    (
        sessions,
        totals.collect(),
        ['A', 'B', 'C'].map(|real| format!("{:?}", harness.real(real).view())).to_vec(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_burst_is_its_requests_one_by_one(
        weights in proptest::collection::vec(0..4_u32, 3), steps in proptest::collection::vec(step(), 1..12),
    ) {
        // A table of few lines: some are full, so sessions are refused or take the place of expired ones.
        let mut worlds = [Harness::sized(1024, &weights, &[2]), Harness::sized(1024, &weights, &[2])];
        for step in steps {
            if let Step::Burst(users) = &step {
                let single = worlds[0].send_all(users.iter().copied());
                prop_assert_eq!(worlds[1].send_burst(users.iter().copied()), single);
            }
            for harness in &mut worlds {
                match step {
                    Step::Burst(_) => {}
                    Step::Weight(real, weight) => harness.real(real).set_weight(weight),
                    Step::MaxConns(real, maxconns) => {
                        let weight = harness.real(real).weight();
                        harness.real(real).configure(RealSettings { weight, maxconns, ..RealSettings::default() });
                    }
                    Step::InService(real, on) => harness.real(real).set_in_service(on),
                    Step::Wait(seconds) => harness.advance(seconds.into()),
                    Step::Sweep => _ = harness.sweep(),
                }
            }
            prop_assert_eq!(state(&worlds[0]), state(&worlds[1]));
            worlds[1].check_accounts();
        }
    }
}

#[test]
fn a_turn_of_many_is_taken_at_once_and_goes_on_afterwards() {
    let mut harness = Harness::new(&[3, 1, 2]);
    assert_eq!(harness.send_burst(0..10), "AAABCCAAAB");
    assert_eq!(harness.send(10), 'C');
    assert_eq!(harness.send_burst(11..14), "CAA");
    assert_eq!(harness.stat(SlbCounter::Created), 14);
    harness.check_accounts();
}

/// Not only by falling back to one request after the other, which looks the same.
#[test]
fn new_nodes_of_a_burst_begin_together() {
    let harness = Harness::new(&[3, 1, 2]);
    let requests: Vec<_> = (0..64).map(|user| ((), harness.request(user))).collect();
    let begun = harness.balancer.create_batch(&harness.snapshot, &requests, &[0; 64], harness.tick(), WORKER);
    assert_eq!(begun.iter().flatten().count(), 64);
    // A known node is more than this; those before it are not.
    let requests = [64, 65, 3, 66].map(|user| ((), harness.request(user)));
    let begun = harness.balancer.create_batch(&harness.snapshot, &requests, &[0; 4], harness.tick(), WORKER);
    assert_eq!(begun.len(), 2);
    harness.check_accounts();
}

#[test]
fn a_node_twice_in_a_burst_has_one_session() {
    let mut harness = Harness::new(&[1, 1, 1]);
    assert_eq!(harness.send_burst([1, 2, 1, 3, 2]), "ABACB");
    assert_eq!(harness.stat(SlbCounter::Created), 3);
    harness.check_accounts();
}

#[test]
fn beyond_the_capacity_nothing_begins_but_in_place_of_another() {
    let mut harness = Harness::sized(1024, &[1, 1], &[]);
    for start in (0..2048).step_by(64) {
        harness.send_burst(start..start + 64);
    }
    assert!(harness.balancer.occupancy() <= 1024);
    let none = harness.stat(SlbCounter::Evicted) + harness.stat(SlbCounter::FailedAllocs);
    assert_eq!(none + harness.balancer.occupancy(), 2048);
    harness.check_accounts();
}
