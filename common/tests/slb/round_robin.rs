//! Weighted round robin against the reference algorithm of `ios-slb` section 5.2, and its own rules.

use common::{
    id::{FarmId, RealId},
    slb::{Farm, PickError, Probe, Purpose, RealSettings},
};
use proptest::prelude::*;

use crate::harness::{Harness, add_real, id, name};

/// The text of section 5.2, word for word.
struct Reference {
    reals: usize,
    cur: usize,
    used: u32,
}

impl Reference {
    fn pick(&mut self, weight: &[u32], eligible: &[bool]) -> Option<usize> {
        for _ in 0..2 * self.reals {
            if eligible[self.cur] && self.used < weight[self.cur] {
                self.used += 1;
                return Some(self.cur);
            }
            self.cur = (self.cur + 1) % self.reals;
            self.used = 0;
        }
        None
    }
}

fn pick(harness: &Harness) -> char {
    pick_but(harness, None)
}

fn pick_but(harness: &Harness, exclude: Option<char>) -> char {
    let farm = harness.farm();
    match farm.live.pick(farm, &harness.snapshot, exclude.map(id), Purpose::Packet) {
        Ok(picked) => name(picked.real),
        Err(PickError::NoReal) => '-',
        Err(PickError::Stale) => '?',
    }
}

fn picks(harness: &Harness, count: usize) -> String {
    (0..count).map(|_| pick(harness)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Pick,
    Weight(usize, u32),
    Eligible(usize, bool),
    /// A move; it must not disturb the turn.
    Move(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Pick),
        1 => (0usize..6, 0u32..5).prop_map(|(real, weight)| Step::Weight(real, weight)),
        1 => (0usize..6, any::<bool>()).prop_map(|(real, eligible)| Step::Eligible(real, eligible)),
        2 => (0usize..6).prop_map(Step::Move),
    ]
}

proptest! {
    #[test]
    fn picks_are_the_references_picks(
        weights in prop::collection::vec(0u32..5, 1..6),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let harness = Harness::new(&weights);
        let reals = weights.len();
        let mut reference = Reference { reals, cur: 0, used: 0 };
        let mut weights = weights;
        let mut eligible = vec![true; reals];
        for step in steps {
            match step {
                Step::Pick => {
                    let expected = reference.pick(&weights, &eligible).map_or('-', |at| char::from(b'A' + at as u8));
                    prop_assert_eq!(pick(&harness), expected);
                }
                Step::Weight(real, weight) => {
                    let real = real % reals;
                    weights[real] = weight;
                    harness.real(char::from(b'A' + real as u8)).set_weight(weight);
                }
                Step::Eligible(real, value) => {
                    let real = real % reals;
                    eligible[real] = value;
                    harness.real(char::from(b'A' + real as u8)).set_in_service(value);
                }
                Step::Move(real) => {
                    let from = real % reals;
                    let name = char::from(b'A' + from as u8);
                    let found = pick_but(&harness, Some(name));
                    prop_assert_ne!(found, name);
                    let others = (0..reals).any(|at| at != from && eligible[at] && weights[at] > 0);
                    prop_assert_eq!(found != '-', others);
                }
            }
        }
    }
}

#[test]
fn a_new_weight_acts_within_the_turn() {
    let harness = Harness::new(&[3, 2]);
    assert_eq!(picks(&harness, 2), "AA");
    harness.real('A').set_weight(5);
    assert_eq!(picks(&harness, 5), "AAABB");
    assert_eq!(picks(&harness, 2), "AA");
    harness.real('A').set_weight(1);
    assert_eq!(picks(&harness, 4), "BBAB");
}

#[test]
fn a_real_that_fails_in_its_turn_loses_the_rest_of_it() {
    let harness = Harness::new(&[3, 1, 2]);
    assert_eq!(picks(&harness, 1), "A");
    harness.real('A').set_probe(Probe::Failed);
    assert_eq!(picks(&harness, 4), "BCCB");
    harness.real('A').set_probe(Probe::Ok);
    assert_eq!(picks(&harness, 8), "CCAAABCC");
}

#[test]
fn maxconns_in_a_turn_passes_it_on() {
    let mut harness = Harness::new(&[3, 1, 2]);
    harness.real('A').configure(RealSettings { weight: 3, maxconns: 2, ..RealSettings::default() });
    assert_eq!(harness.send_all(1..=6), "AABCCB");
}

#[test]
fn a_move_looks_ahead_and_leaves_the_cursor_alone() {
    let harness = Harness::new(&[3, 1, 2]);
    assert_eq!(picks(&harness, 1), "A");
    // Moves from A spread over the others by weight, beginning with the neighbour.
    let moves: String = (0..6).map(|_| pick_but(&harness, Some('A'))).collect();
    assert_eq!(moves, "BCCBCC");
    assert_eq!(picks(&harness, 5), "AABCC");
    // A new session makes them start from the turn again.
    assert_eq!(pick_but(&harness, Some('C')), 'A');
    assert_eq!(picks(&harness, 4), "AAAB");
    assert_eq!(pick_but(&harness, Some('A')), 'C');
    assert_eq!(picks(&harness, 2), "CC");
}

#[test]
fn a_move_from_the_only_real_finds_nobody() {
    let harness = Harness::new(&[3]);
    assert_eq!(pick_but(&harness, Some('A')), '-');
    assert_eq!(pick(&harness), 'A');
}

fn change_members(harness: &mut Harness, members: &[char], departed: &[(char, u16)]) {
    let farm: &mut Farm = harness.snapshot.slb_mut().farms[0].as_mut().unwrap();
    farm.reals = members.iter().map(|name| id(*name)).collect();
    farm.departed = departed.iter().map(|(name, heir)| (id(*name), *heir)).collect();
    farm.generation = farm.generation.wrapping_add(1);
}

#[test]
fn members_come_and_go_around_the_turn() {
    for advance in [false, true] {
        let mut harness = Harness::new(&[2, 2, 2, 2]);
        add_real(&mut harness.snapshot, FarmId(0), 1);
        assert_eq!(picks(&harness, 5), "AABBC");
        // A real before the turn leaves: the turn stays on C, with one left.
        change_members(&mut harness, &['B', 'C', 'D'], &[('A', 0)]);
        if advance {
            harness.farm().live.advance(harness.farm());
        }
        assert_eq!(picks(&harness, 1), "C");
        // The one that has the turn leaves: its neighbour goes on. A new one joins at the end.
        change_members(&mut harness, &['B', 'D', 'E'], &[('C', 1)]);
        if advance {
            harness.farm().live.advance(harness.farm());
        }
        assert_eq!(picks(&harness, 5), "DDEBB");
    }
}

#[test]
fn an_older_farm_than_the_turn_is_stale() {
    let mut harness = Harness::new(&[2, 2]);
    let older = harness.farm().clone();
    change_members(&mut harness, &['A'], &[('B', 0)]);
    assert_eq!(pick(&harness), 'A');
    let result = older.live.pick(&older, &harness.snapshot, None, Purpose::Packet);
    assert_eq!(result, Err(PickError::Stale));
    let result = older.live.pick(&older, &harness.snapshot, Some(id('A')), Purpose::Packet);
    assert_eq!(result, Err(PickError::Stale));
    // The generation wraps.
    for _ in 0..70_000 {
        change_members(&mut harness, &['A'], &[]);
        harness.farm().live.advance(harness.farm());
        let farm = harness.farm();
        assert!(farm.live.peek(farm, &harness.snapshot).is_ok(), "it never lags more than one change");
    }
    assert_eq!(pick(&harness), 'A');
}

#[test]
fn the_first_pick_ever_is_the_first_members_in_any_generation() {
    for generation in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
        let mut harness = Harness::new(&[1, 1]);
        let farm: &mut Farm = harness.snapshot.slb_mut().farms[0].as_mut().unwrap();
        farm.generation = generation;
        // The cursor's word is zero until then, and so is the last one's identity.
        farm.reals.push(RealId { index: 0, generation: 0 });
        assert_eq!(picks(&harness, 2), "AB", "{generation}");
    }
}

#[test]
fn after_each_new_session_moves_start_from_the_turn() {
    // Their own cursor stays one ahead of the turn if they do not.
    let harness = Harness::new(&[1; 5]);
    for turn in 0..200_usize {
        let name = |after: usize| char::from(b'A' + ((turn + after) % 5) as u8);
        assert_eq!(pick(&harness), name(0));
        assert_eq!(pick_but(&harness, Some(name(1))), name(2), "move {turn}");
        assert_eq!(pick_but(&harness, Some(name(1))), name(3), "move {turn}");
    }
}

#[test]
fn an_empty_farm_has_nobody() {
    let mut harness = Harness::new(&[1]);
    change_members(&mut harness, &[], &[('A', 0)]);
    harness.farm().live.advance(harness.farm());
    assert_eq!(pick(&harness), '-');
    let unknown = RealId { index: 77, generation: 3 };
    harness.snapshot.slb_mut().farms[0].as_mut().unwrap().reals = vec![unknown];
    assert_eq!(pick(&harness), '-', "a member that the snapshot does not know");
}
