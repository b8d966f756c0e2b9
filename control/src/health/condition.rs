//! What can be wrong, as its owner declares it, and what is set of it under `management`.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Something that can be wrong with the director or around it: a `static` in its owner's folder, made by
/// `condition!`. The language makes the lines of its settings, the core watches it.
#[derive(Debug)]
pub struct Condition {
    /// In lines, JSON, metrics and the log; no two share one.
    pub name: &'static str,
    /// The lines of its settings.
    pub lines: Lines,
    /// Help for the words of these lines.
    pub help: &'static [(&'static str, &'static str)],
    /// Seconds for which it must last until it counts, unless the configuration says otherwise.
    pub after: u32,
    /// The share in percent above which it is so; `None`: it has none.
    pub above: Option<u8>,
    /// Whether it makes the director not ready.
    pub unready: bool,
    /// Its owner has lines of its own in the log.
    pub quiet: bool,
}

/// The patterns of a condition's settings.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// `health NAME after SECONDS`
    pub after: &'static str,
    /// `health NAME above PERCENT`
    pub above: &'static str,
    /// `health NAME unready`
    pub unready: &'static str,
}

impl Condition {
    /// The same, of which its owner logs beginning and end.
    #[must_use]
    pub const fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }
}

/// A [`Condition`]: its name, what it is, and its settings unless configured otherwise: `after` in seconds, `above` in
/// percent (or `none`), `unready`.
#[macro_export]
#[doc(hidden)]
macro_rules! __condition {
    ($name:literal, $help:literal, after: $after:literal, above: $above:tt, unready: $unready:literal) => {
        $crate::health::Condition {
            name: $name,
            lines: $crate::health::Lines {
                after: concat!("health ", $name, " after ~ <seconds:0-86400>"),
                above: concat!("health ", $name, " above ~ <percent:1-99>"),
                unready: concat!("health ", $name, " unready"),
            },
            help: &[
                ("health", "What makes the director degraded, and not ready"),
                ($name, $help),
                ("after", "Only once it has lasted for a while"),
                ("<seconds>", concat!("Seconds (default ", $after, ")")),
                ("above", "Only above a share"),
                ("<percent>", concat!("Percent (default ", stringify!($above), ")")),
                ("unready", concat!("Not ready while it lasts (default ", $unready, ")")),
            ],
            after: $after,
            above: $crate::health::condition!(@above $above),
            unready: $unready,
            quiet: false,
        }
    };
    (@above none) => { None };
    (@above $percent:literal) => { Some($percent) };
}
pub use __condition as condition;

/// A condition that is so now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub condition: &'static Condition,
    /// Of what: the name of an interface, a virtual server, a real.
    pub subject: String,
    /// In words; may change while it lasts.
    pub reason: String,
}

impl Found {
    /// `condition` holds of `subject`, because of `reason`.
    pub fn new(condition: &'static Condition, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { condition, subject: subject.into(), reason: reason.into() }
    }
}

/// What the configuration says of conditions, where it is not what their owners say: equal settings print the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthSettings(BTreeMap<&'static str, Changed>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changed {
    after: Option<u32>,
    above: Option<u8>,
    unready: Option<bool>,
}

impl HealthSettings {
    /// How long a condition must last until it counts.
    pub fn after(&self, condition: &Condition) -> Duration {
        Duration::from_secs(self.of(condition).after.unwrap_or(condition.after).into())
    }

    /// The share in percent above which it is so; without one 100, which nothing is above.
    pub fn above(&self, condition: &Condition) -> u8 {
        self.of(condition).above.or(condition.above).unwrap_or(100)
    }

    /// Whether it makes the director not ready.
    pub fn is_unready(&self, condition: &Condition) -> bool {
        self.of(condition).unready.unwrap_or(condition.unready)
    }

    /// `health NAME after`; `None` returns to the default.
    pub fn set_after(&mut self, condition: &'static Condition, seconds: Option<u32>) {
        self.change(condition, |changed| changed.after = seconds.filter(|s| *s != condition.after));
    }

    /// `health NAME above`; `None` returns to the default.
    pub fn set_above(&mut self, condition: &'static Condition, percent: Option<u8>) {
        self.change(condition, |changed| changed.above = percent.filter(|p| Some(*p) != condition.above));
    }

    /// `health NAME unready`; `None` returns to the default.
    pub fn set_unready(&mut self, condition: &'static Condition, unready: Option<bool>) {
        self.change(condition, |changed| changed.unready = unready.filter(|u| *u != condition.unready));
    }

    /// Writes the lines under `management` that make it out of the defaults.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for (name, changed) in &self.0 {
            if let Some(seconds) = changed.after {
                writeln!(out, " health {name} after {seconds}")?;
            }
            if let Some(percent) = changed.above {
                writeln!(out, " health {name} above {percent}")?;
            }
            if let Some(unready) = changed.unready {
                writeln!(out, " {}health {name} unready", if unready { "" } else { "no " })?;
            }
        }
        Ok(())
    }

    fn of(&self, condition: &Condition) -> Changed {
        self.0.get(condition.name).copied().unwrap_or_default()
    }

    fn change(&mut self, condition: &'static Condition, change: impl FnOnce(&mut Changed)) {
        let entry = self.0.entry(condition.name).or_default();
        change(entry);
        if *entry == Changed::default() {
            self.0.remove(condition.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEAK: Condition = condition!("leak", "A pipe that leaks", after: 5, above: 10, unready: true);
    static NOISE: Condition =
        condition!("noise", "A pipe that sings", after: 0, above: none, unready: false).quiet();

    fn printed(settings: &HealthSettings) -> String {
        let mut text = String::new();
        settings.print(&mut text).unwrap();
        text
    }

    #[test]
    fn what_is_not_set_is_as_its_owner_says_and_what_is_set_back_is_not_printed() {
        let mut settings = HealthSettings::default();
        assert_eq!((settings.after(&LEAK), settings.above(&LEAK)), (Duration::from_secs(5), 10));
        assert!(settings.is_unready(&LEAK) && !settings.is_unready(&NOISE));
        assert_eq!((settings.above(&NOISE), LEAK.quiet, NOISE.quiet), (100, false, true));
        settings.set_after(&LEAK, Some(0));
        settings.set_above(&LEAK, Some(50));
        settings.set_unready(&LEAK, Some(false));
        settings.set_unready(&NOISE, Some(true));
        assert_eq!(
            printed(&settings),
            " health leak after 0\n health leak above 50\n no health leak unready\n health noise unready\n"
        );
        assert_eq!((settings.after(&LEAK), settings.above(&LEAK)), (Duration::ZERO, 50));
        settings.set_after(&LEAK, None);
        settings.set_above(&LEAK, Some(10));
        settings.set_unready(&LEAK, Some(true));
        settings.set_unready(&NOISE, None);
        assert_eq!((printed(&settings).as_str(), settings), ("", HealthSettings::default()));
    }
}
