//! What models have in common: cells of loom, and the checker's bounds.
//!
//! [`Whole`] is a cell whose compare-and-swap is one step. [`Torn`] is the kept mutation: the same cell with compare-and-swap
//! split into a load and a store. With it the checker must find a violation, else a model would prove nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Mutex;

pub struct Whole<T>(Mutex<T>);
pub struct Torn<T>(Mutex<T>);

impl<T> From<T> for Whole<T> {
    fn from(word: T) -> Self {
        Self(Mutex::new(word))
    }
}

impl<T> From<T> for Torn<T> {
    fn from(word: T) -> Self {
        Self(Mutex::new(word))
    }
}

impl<T: Default> Default for Whole<T> {
    fn default() -> Self {
        T::default().into()
    }
}

impl<T: Default> Default for Torn<T> {
    fn default() -> Self {
        T::default().into()
    }
}

impl<T: Copy + PartialEq> Whole<T> {
    pub fn get(&self) -> T {
        *self.0.lock().unwrap()
    }

    /// Writes it if it is `current`; else what it is.
    pub fn exchange(&self, current: T, new: T) -> Result<T, T> {
        let mut word = self.0.lock().unwrap();
        let found = *word;
        if found == current {
            *word = new;
            Ok(found)
        } else {
            Err(found)
        }
    }
}

impl<T: Copy + PartialEq> Torn<T> {
    pub fn get(&self) -> T {
        *self.0.lock().unwrap()
    }

    /// The same in two steps.
    pub fn exchange(&self, current: T, new: T) -> Result<T, T> {
        let found = self.get();
        if found != current {
            return Err(found);
        }
        *self.0.lock().unwrap() = new;
        Ok(found)
    }
}

/// Runs a model in every interleaving with at most so many preemptions.
pub fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

pub fn must_fail(model: fn()) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(model));
    std::panic::set_hook(hook);
    assert!(result.is_err(), "the checker does not see a torn compare-and-swap");
}
