//! Every interleaving of workers that count the new sessions of sources: the production source on cells of loom.
//!
//! On `Torn` cells the checker must find a violation.
#![allow(missing_docs, clippy::unwrap_used)]

mod checker;

use std::net::Ipv4Addr;

use common::{
    slb::{Cell64, ClientRate},
    time::Tick,
};
use loom::{sync::Arc, thread};

use self::checker::{explore, must_fail};

const NOW: Tick = Tick(1500);
const NEXT_WINDOW: Tick = Tick(1515);
const ONE: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
const OTHER: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 52);

type Whole = checker::Whole<u64>;
type Torn = checker::Torn<u64>;

impl Cell64 for Whole {
    fn load(&self) -> u64 {
        self.get()
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        self.exchange(old, new).is_ok()
    }
}

impl Cell64 for Torn {
    fn load(&self) -> u64 {
        self.get()
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        self.exchange(old, new).is_ok()
    }
}

/// Three workers, each with one session of a source: of the limit as many begin as may.
fn begun<C: Cell64 + 'static>(rate: ClientRate<C>, steps: [(Ipv4Addr, Tick); 3]) -> [bool; 3] {
    let rate = Arc::new(rate);
    let [first, second, third] = steps;
    let spawned = [first, second].map(|(source, now)| {
        let rate = Arc::clone(&rate);
        thread::spawn(move || rate.admits(source, now))
    });
    let own = rate.admits(third.0, third.1);
    let [first, second] = spawned.map(|thread| thread.join().unwrap());
    [first, second, own]
}

/// Preemptions of a model with three threads.
const PREEMPTIONS: usize = 2;

/// Two of one source and one of another, of which each may begin one.
fn two_of_one_source<C: Cell64 + 'static>() {
    explore(PREEMPTIONS, || {
        let [first, second, other] =
            begun::<C>(ClientRate::with_places(1, 1), [(ONE, NOW), (ONE, NOW), (OTHER, NOW)]);
        assert!(first ^ second, "one of two");
        assert!(other, "another source is another matter");
    });
}

/// A source that is known, with one session left in this window, and a worker that is a window ahead.
fn a_new_window<C: Cell64 + 'static>() {
    explore(PREEMPTIONS, || {
        let rate = ClientRate::with_places(2, 1);
        assert!(rate.admits(ONE, NOW));
        let begun = begun::<C>(rate, [(ONE, NOW), (ONE, NOW), (ONE, NEXT_WINDOW)]);
        let many = begun.iter().filter(|begun| **begun).count();
        // One in the old window at most before the new one begins, two in the new one.
        assert!((2..=3).contains(&many), "{begun:?}");
        assert!(begun[2], "the new window is empty when it begins, or has room for two");
    });
}

#[test]
fn of_two_new_sessions_of_a_source_that_may_begin_one_one_begins() {
    two_of_one_source::<Whole>();
}

#[test]
fn a_torn_cell_lets_both_begin_or_loses_a_source() {
    must_fail(two_of_one_source::<Torn>);
}

#[test]
fn a_new_window_begins_once() {
    a_new_window::<Whole>();
}
