//! Watches conditions: since when each holds, from when on it counts, what begins and what ends. Pure; time is an argument.

use std::{collections::BTreeMap, fmt, time::Duration};

use common::time::Nanos;

use super::condition::{Condition, Found, HealthSettings};
use crate::manage::operator::ConditionView;

/// All conditions that hold.
#[derive(Debug)]
pub struct Conditions {
    /// By name and subject.
    held: BTreeMap<(&'static str, String), Held>,
    /// Nothing is said before.
    quiet_until: Nanos,
}

#[derive(Debug)]
struct Held {
    condition: &'static Condition,
    since: Nanos,
    reason: String,
    /// It has lasted long enough.
    counts: bool,
    /// The log has it.
    said: bool,
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// [`Condition::name`]
    pub condition: &'static str,
    /// Of what.
    pub subject: String,
    /// It begins for this reason, or ends after so long.
    pub what: Turn,
}

/// Which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It counts from now on; the reason.
    Begins(String),
    /// It does not hold any more; for how long it did.
    Ends(Duration),
}

/// A director that starts knows no neighbour yet: what is over within this time is no line.
const START: Duration = Duration::from_secs(1);

impl Conditions {
    /// Watches from the start of the process at `now`.
    pub fn new(now: Nanos) -> Self {
        Self { held: BTreeMap::new(), quiet_until: now.after(START) }
    }

    /// Takes all that is so at `now`; returns what begins to count and what has ended of it, less what its owner logs.
    pub fn update(&mut self, found: Vec<Found>, settings: &HealthSettings, now: Nanos) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.held);
        let mut changes = Vec::new();
        for Found { condition, subject, reason } in found {
            let key = (condition.name, subject);
            if self.held.contains_key(&key) {
                continue;
            }
            let known = before.remove(&key);
            let (since, counted, said) =
                known.map_or((now, false, false), |held| (held.since, held.counts, held.said));
            let counts = counted || now.since(since) >= settings.after(condition);
            let says = counts && !said && !condition.quiet && now >= self.quiet_until;
            if says {
                let what = Turn::Begins(reason.clone());
                changes.push(Change { condition: condition.name, subject: key.1.clone(), what });
            }
            self.held.insert(key, Held { condition, since, reason, counts, said: said || says });
        }
        let ended = before.into_iter().filter(|(_, held)| held.said);
        changes.extend(ended.map(|((condition, subject), held)| Change {
            condition,
            subject,
            what: Turn::Ends(now.since(held.since)),
        }));
        changes
    }

    /// Those that count, by name and subject.
    pub fn views(&self, settings: &HealthSettings, now: Nanos) -> Vec<ConditionView> {
        let counting = self.held.iter().filter(|(_, held)| held.counts);
        counting
            .map(|((condition, subject), held)| ConditionView {
                condition,
                subject: subject.clone(),
                reason: held.reason.clone(),
                seconds: now.since(held.since).as_secs(),
                unready: settings.is_unready(held.condition),
            })
            .collect()
    }
}

impl Change {
    /// Writes the line.
    pub fn log(&self) {
        match self.what {
            Turn::Begins(_) => tracing::warn!(mnemonic = "HEALTH-4-CONDITION", "{self}"),
            Turn::Ends(_) => tracing::info!(mnemonic = "HEALTH-6-CONDITION", "{self}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, subject, what } = self;
        match what {
            Turn::Begins(reason) => write!(f, "{condition} of {subject} begins: {reason}"),
            Turn::Ends(time) => write!(f, "{condition} of {subject} has ended after {} s", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::condition, *};

    static LEAK: Condition = condition!("leak", "A pipe that leaks", after: 0, above: none, unready: true);
    static SLOW: Condition =
        condition!("slow", "A pipe that is slow", after: 10, above: none, unready: false);
    static NOISE: Condition =
        condition!("noise", "A pipe that sings", after: 0, above: none, unready: false).quiet();

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    struct Harness {
        conditions: Conditions,
        settings: HealthSettings,
    }

    impl Harness {
        fn new() -> Self {
            let conditions = Conditions { held: BTreeMap::new(), quiet_until: at(0) };
            Self { conditions, settings: HealthSettings::default() }
        }

        /// The lines of the log.
        fn pass(&mut self, second: u64, found: &[(&'static Condition, &str)]) -> Vec<String> {
            let found =
                found.iter().map(|(what, subject)| Found::new(what, *subject, format!("at {second}")));
            let changes = self.conditions.update(found.collect(), &self.settings, at(second));
            changes.iter().map(ToString::to_string).collect()
        }

        fn counting(&self, second: u64) -> Vec<(&'static str, String, u64, bool)> {
            let views = self.conditions.views(&self.settings, at(second));
            views.into_iter().map(|view| (view.condition, view.subject, view.seconds, view.unready)).collect()
        }
    }

    #[test]
    fn a_condition_is_a_line_when_it_begins_and_one_when_it_ends() {
        let mut harness = Harness::new();
        assert_eq!(harness.pass(1, &[(&LEAK, "A")]), ["leak of A begins: at 1"]);
        assert_eq!(harness.pass(2, &[(&LEAK, "A"), (&LEAK, "B")]), ["leak of B begins: at 2"]);
        assert_eq!(harness.counting(5), [("leak", "A".into(), 4, true), ("leak", "B".into(), 3, true)]);
        assert_eq!(harness.conditions.views(&harness.settings, at(5))[0].reason, "at 2", "as it is now");
        assert_eq!(harness.pass(6, &[(&LEAK, "B")]), ["leak of A has ended after 5 s"]);
        assert_eq!(harness.pass(7, &[]), ["leak of B has ended after 5 s"]);
        assert!(harness.counting(7).is_empty());
    }

    #[test]
    fn one_that_must_last_counts_only_then_and_begins_anew_after_each_break() {
        let mut harness = Harness::new();
        for second in [0, 5, 9] {
            assert!(harness.pass(second, &[(&SLOW, "A")]).is_empty());
            assert!(harness.counting(second).is_empty());
        }
        assert!(harness.pass(10, &[]).is_empty(), "what never counted does not end");
        assert!(harness.pass(11, &[(&SLOW, "A")]).is_empty());
        assert!(harness.pass(20, &[(&SLOW, "A")]).is_empty());
        assert_eq!(harness.pass(21, &[(&SLOW, "A")]), ["slow of A begins: at 21"]);
        assert_eq!(harness.counting(22), [("slow", "A".into(), 11, false)]);
    }

    #[test]
    fn what_is_over_as_soon_as_it_has_started_is_no_line() {
        let mut harness = Harness::new();
        harness.conditions = Conditions::new(at(10));
        assert!(harness.pass(10, &[(&LEAK, "A"), (&LEAK, "B")]).is_empty());
        assert_eq!(harness.counting(10).len(), 2, "but it counts");
        assert_eq!(harness.pass(11, &[(&LEAK, "B")]), ["leak of B begins: at 11"]);
        assert_eq!(harness.pass(12, &[]), ["leak of B has ended after 2 s"]);
    }

    #[test]
    fn two_reasons_for_one_subject_are_one_condition() {
        let mut harness = Harness::new();
        assert_eq!(harness.pass(1, &[(&LEAK, "A"), (&LEAK, "A")]), ["leak of A begins: at 1"]);
        assert!(harness.pass(2, &[(&LEAK, "A"), (&LEAK, "A")]).is_empty());
        assert_eq!(harness.counting(2), [("leak", "A".into(), 1, true)]);
    }

    #[test]
    fn settings_act_on_what_holds_already() {
        let mut harness = Harness::new();
        harness.pass(0, &[(&SLOW, "A"), (&LEAK, "A")]);
        harness.settings.set_after(&SLOW, Some(2));
        harness.settings.set_unready(&SLOW, Some(true));
        harness.settings.set_unready(&LEAK, Some(false));
        assert_eq!(harness.pass(2, &[(&SLOW, "A"), (&LEAK, "A")]), ["slow of A begins: at 2"]);
        assert_eq!(harness.counting(2), [("leak", "A".into(), 2, false), ("slow", "A".into(), 2, true)]);
        // What counts goes on counting.
        harness.settings.set_after(&SLOW, Some(60));
        assert!(harness.pass(3, &[(&SLOW, "A"), (&LEAK, "A")]).is_empty());
        assert_eq!(harness.counting(3).len(), 2);
    }

    #[test]
    fn what_its_owner_logs_counts_without_a_line() {
        let mut harness = Harness::new();
        assert!(harness.pass(0, &[(&NOISE, "A")]).is_empty());
        assert_eq!(harness.counting(1), [("noise", "A".into(), 1, false)]);
        assert!(harness.pass(2, &[]).is_empty());
        assert!(harness.counting(2).is_empty());
    }
}
