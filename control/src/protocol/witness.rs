//! What a state machine reads that no input tells it: live state that workers change, digests made with a secret. A recording
//! keeps what was read, and a replay gives it back instead of reading.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Something that was read and was another value than the last one of that name: its place among all that one step read,
/// from 0, its name, and the value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation(pub u32, pub String, pub Value);

/// Through which live state is read, so that a decision can be repeated without it. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    /// By name.
    last: HashMap<String, Value>,
    /// Read so far in this step.
    count: u32,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Off,
    Recording(Vec<Observation>),
    Replaying {
        rest: VecDeque<Observation>,
        /// What was read that the recording does not have.
        strange: Option<String>,
    },
}

impl Witness {
    /// What `read` returns, or in a replay what it returned when it was recorded. `name` tells apart what is read;
    /// `read` observes nothing itself.
    pub fn observe<T: Serialize + DeserializeOwned>(
        &self,
        name: impl Display,
        read: impl FnOnce() -> T,
    ) -> T {
        let mut state = self.state();
        let State { mode, last, count } = &mut *state;
        let place = *count;
        match mode {
            Mode::Off => {
                drop(state);
                read()
            }
            Mode::Recording(seen) => {
                let (name, read) = (name.to_string(), read());
                *count += 1;
                let value = serde_json::to_value(&read).unwrap_or_default();
                if last.get(&name) != Some(&value) {
                    last.insert(name.clone(), value.clone());
                    seen.push(Observation(place, name, value));
                }
                read
            }
            Mode::Replaying { rest, strange } => {
                let name = name.to_string();
                *count += 1;
                if let Some(Observation(_, _, value)) =
                    rest.pop_front_if(|next| (next.0, &next.1) == (place, &name))
                {
                    last.insert(name.clone(), value);
                }
                let known = last.get(&name).and_then(|value| T::deserialize(value).ok());
                known.unwrap_or_else(|| {
                    strange.get_or_insert(name);
                    read()
                })
            }
        }
    }

    /// Keeps from now on what is read.
    pub(crate) fn record(&self) {
        *self.state() = State { mode: Mode::Recording(Vec::new()), ..State::default() };
    }

    /// Keeps nothing any more.
    pub(crate) fn off(&self) {
        *self.state() = State::default();
    }

    /// What the step that ends here has read.
    pub(crate) fn take(&self) -> Vec<Observation> {
        let mut state = self.state();
        state.count = 0;
        match &mut state.mode {
            Mode::Recording(seen) => std::mem::take(seen),
            Mode::Off | Mode::Replaying { .. } => Vec::new(),
        }
    }

    /// The step that begins reads this.
    pub(crate) fn replay(&self, seen: Vec<Observation>) {
        let mut state = self.state();
        state.count = 0;
        state.mode = Mode::Replaying { rest: seen.into(), strange: None };
    }

    /// What the replayed step that ends here read otherwise than when it was recorded.
    pub(crate) fn strange(&self) -> Option<String> {
        match &self.state().mode {
            Mode::Replaying { strange: Some(name), .. } => {
                Some(format!("{name} is read, and the recording does not have it"))
            }
            Mode::Replaying { rest, .. } => rest.front().map(|next| format!("{} is not read", next.1)),
            Mode::Off | Mode::Recording(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_given_back_and_the_same_value_is_kept_once() {
        let witness = Witness::default();
        assert_eq!(witness.observe("load", || 1), 1, "nothing is kept");
        witness.record();
        let steps =
            [vec![("load", 5), ("load", 5), ("real 1", 7), ("load", 6)], vec![("load", 6), ("real 1", 8)]];
        let mut kept = Vec::new();
        for step in &steps {
            for (name, value) in step {
                assert_eq!(witness.observe(name, || *value), *value);
            }
            kept.push(witness.take());
        }
        let all = |name: &str, place, value: u32| Observation(place, name.to_owned(), value.into());
        assert_eq!(kept[0], [all("load", 0, 5), all("real 1", 2, 7), all("load", 3, 6)]);
        assert_eq!(kept[1], [all("real 1", 1, 8)]);
        let replayed = Witness::default();
        for (step, kept) in steps.iter().zip(kept) {
            replayed.replay(kept);
            for (name, value) in step {
                assert_eq!(replayed.observe(name, || 0), *value);
            }
            assert_eq!(replayed.strange(), None);
        }
    }

    #[test]
    fn what_is_read_otherwise_is_named() {
        let witness = Witness::default();
        witness.replay(vec![Observation(0, "load".into(), 5.into())]);
        assert_eq!(witness.strange().unwrap(), "load is not read");
        assert_eq!(witness.observe("weight", || 9), 9);
        assert_eq!(witness.strange().unwrap(), "weight is read, and the recording does not have it");
    }
}
