//! What can be debugged: a `static` in its owner's folder. The core makes the lines `debug`, `undebug` and `show
//! debugging` of all of them.

use std::collections::BTreeSet;

use crate::command::Mode;

/// The patterns of `debug WORDS` (and `no debug WORDS`) and of `undebug WORDS`.
pub type Lines = [&'static str; 2];

/// The [`Lines`] of these words.
macro_rules! debug_lines {
    ($words:literal) => {
        [concat!("debug ", $words), concat!("undebug ", $words)]
    };
}
pub(crate) use debug_lines;

/// Switches that stand together: groups are told apart by their title, so that several subsystems can share one.
#[derive(Debug)]
pub struct SwitchGroup {
    /// Its heading in `show debugging`.
    pub title: &'static str,
    /// The lines that turn every switch of the group; none: there are none.
    pub all: Option<Lines>,
    /// Help for the words of these lines.
    pub help: &'static [(&'static str, &'static str)],
}

/// One `debug` switch.
#[derive(Debug)]
pub struct Switch {
    /// Where it stands.
    pub group: &'static SwitchGroup,
    /// The lines that turn it.
    pub lines: Lines,
    /// In JSON.
    pub name: &'static str,
    /// What is said before `debugging is on`.
    pub title: &'static str,
    /// The modes that may turn it.
    pub modes: &'static [&'static Mode],
    /// Help for the words of its pattern.
    pub help: &'static [(&'static str, &'static str)],
}

impl Switch {
    /// `IP SLB Session debugging is on`, as IOS prints it.
    pub fn line(&self, on: bool) -> String {
        format!("{} debugging is {}\n", self.title, if on { "on" } else { "off" })
    }
}

/// Which switches are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches(BTreeSet<&'static str>);

impl Switches {
    /// True if its lines are wanted.
    pub fn is_on(&self, switch: &Switch) -> bool {
        self.0.contains(switch.name)
    }

    /// Turns it; true if it was the other way before.
    pub fn turn(&mut self, switch: &Switch, on: bool) -> bool {
        if on { self.0.insert(switch.name) } else { self.0.remove(switch.name) }
    }
}
