//! Every interleaving of workers that count the new sessions of sources: the production source on cells of loom.
//!
//! `Torn` is the kept mutation, with compare-and-swap split into a load and a store: with it the checker must find a violation.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    net::Ipv4Addr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use common::{
    slb::{Cell64, ClientRate},
    time::Tick,
};
use loom::{
    sync::{Arc, Mutex},
    thread,
};

const NOW: Tick = Tick(1500);
const NEXT_WINDOW: Tick = Tick(1515);
const ONE: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
const OTHER: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 52);

struct Whole(Mutex<u64>);
struct Torn(Mutex<u64>);

impl Default for Whole {
    fn default() -> Self {
        Self(Mutex::new(0))
    }
}

impl Default for Torn {
    fn default() -> Self {
        Self(Mutex::new(0))
    }
}

impl Cell64 for Whole {
    fn load(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        let mut word = self.0.lock().unwrap();
        let holds = *word == old;
        if holds {
            *word = new;
        }
        holds
    }
}

impl Cell64 for Torn {
    fn load(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        let holds = self.load() == old;
        if holds {
            *self.0.lock().unwrap() = new;
        }
        holds
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

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Two of one source and one of another, of which each may begin one.
fn two_of_one_source<C: Cell64 + 'static>() {
    explore(|| {
        let [first, second, other] =
            begun::<C>(ClientRate::with_places(1, 1), [(ONE, NOW), (ONE, NOW), (OTHER, NOW)]);
        assert!(first ^ second, "one of two");
        assert!(other, "another source is another matter");
    });
}

/// A source that is known, with one session left in this window, and a worker that is a window ahead.
fn a_new_window<C: Cell64 + 'static>() {
    explore(|| {
        let rate = ClientRate::with_places(2, 1);
        assert!(rate.admits(ONE, NOW));
        let begun = begun::<C>(rate, [(ONE, NOW), (ONE, NOW), (ONE, NEXT_WINDOW)]);
        let many = begun.iter().filter(|begun| **begun).count();
        // One in the old window at most before the new one begins, two in the new one.
        assert!((2..=3).contains(&many), "{begun:?}");
        assert!(begun[2], "the new window is empty when it begins, or has room for two");
    });
}

fn must_fail(model: fn()) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(model));
    std::panic::set_hook(hook);
    assert!(result.is_err(), "the checker does not see a torn compare-and-swap");
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
