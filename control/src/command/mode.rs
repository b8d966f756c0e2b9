//! Modes of the command language and where a session stands in them (`Position`).

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use serde::{Serialize, Serializer};

/// A mode, with its prompt and its own commands: a `static` beside the commands that belong to it.
#[derive(Debug)]
pub struct Mode {
    /// What it is called in JSON, in snake_case; no two modes share a name.
    pub name: &'static str,
    /// What the prompt shows between the host name and `>` or `#`: `(config-if)`.
    pub tag: &'static str,
    /// The mode that `exit` returns to, among the modes of configuration.
    pub parent: Option<&'static Mode>,
}

/// `>`: commands that change nothing.
pub static USER_EXEC: Mode = Mode { name: "user_exec", tag: "", parent: None };

/// `#`: every EXEC command.
pub static EXEC: Mode = Mode { name: "exec", tag: "", parent: None };

/// The modes of commands that only show.
pub const SHOW: &[&Mode] = &[&USER_EXEC, &EXEC];

/// Global configuration.
pub static CONFIG: Mode = Mode { name: "config", tag: "(config)", parent: None };

/// Among the modes of a command: it belongs to every mode of configuration. No session stands in it.
pub(super) static EVERY_CONFIG: Mode = Mode { name: "every_config", tag: "", parent: None };

impl Mode {
    /// The whole prompt: `Router(config)#`.
    pub fn prompt(&self, hostname: &str) -> String {
        let end = if *self == USER_EXEC { '>' } else { '#' };
        format!("{hostname}{}{end}", self.tag)
    }

    /// True for global configuration and every mode below it.
    pub fn is_configuration(&self) -> bool {
        *self == CONFIG || self.parent.is_some()
    }
}

impl PartialEq for Mode {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Mode {}

impl PartialOrd for Mode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mode {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for Mode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// One sub-mode that a session is in, with the object it edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The sub-mode.
    pub mode: &'static Mode,
    /// Which object, as the owner of the mode names it; empty where there is only one.
    pub key: String,
}

/// Where a configuration session stands: the sub-modes from outermost to innermost; none is global configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    levels: Vec<Level>,
    left: bool,
}

impl Position {
    /// Enters `mode` for the object `key`, from its parent mode.
    pub fn enter(&mut self, mode: &'static Mode, key: impl Into<String>) {
        let Some(parent) = mode.parent else {
            self.levels.clear();
            return;
        };
        match self.levels.iter().position(|level| level.mode == parent) {
            Some(at) => self.levels.truncate(at + 1),
            None => self.levels.clear(),
        }
        self.levels.push(Level { mode, key: key.into() });
    }

    /// The innermost mode.
    pub fn mode(&self) -> &'static Mode {
        self.levels.last().map_or(&CONFIG, |level| level.mode)
    }

    /// The object that is edited in `mode`, if the session is in it (or below it).
    pub fn key(&self, mode: &Mode) -> Option<&str> {
        self.levels.iter().find(|level| level.mode == mode).map(|level| level.key.as_str())
    }

    /// The modes from the innermost to global configuration: the order in which a line is tried.
    pub fn chain(&self) -> Vec<&'static Mode> {
        self.levels.iter().rev().map(|level| level.mode).chain([&CONFIG]).collect()
    }

    /// Goes out to `mode`, one of [`Position::chain`].
    pub fn back_to(&mut self, mode: &Mode) {
        match self.levels.iter().position(|level| level.mode == mode) {
            Some(at) => self.levels.truncate(at + 1),
            None => self.levels.clear(),
        }
    }

    /// `exit`: one mode out; out of global configuration it leaves.
    pub fn leave(&mut self) {
        self.left = self.levels.pop().is_none();
    }

    /// `end`: leaves configuration altogether.
    pub fn end(&mut self) {
        self.levels.clear();
        self.left = true;
    }

    /// True after `end`, or `exit` from global configuration.
    pub fn has_left(&self) -> bool {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHELF: Mode = Mode { name: "shelf", tag: "(config-shelf)", parent: Some(&CONFIG) };
    static BOOK: Mode = Mode { name: "book", tag: "(config-shelf-book)", parent: Some(&SHELF) };
    static DOOR: Mode = Mode { name: "door", tag: "(config-door)", parent: Some(&CONFIG) };

    #[test]
    fn an_inner_mode_is_entered_from_its_parent_and_left_to_it() {
        let mut at = Position::default();
        at.enter(&SHELF, "F");
        at.enter(&BOOK, "10.0.0.1");
        at.enter(&BOOK, "10.0.0.2");
        assert_eq!((at.key(&SHELF), at.key(&BOOK)), (Some("F"), Some("10.0.0.2")));
        assert_eq!(at.chain(), [&BOOK, &SHELF, &CONFIG]);
        at.leave();
        assert_eq!(at.mode(), &SHELF);
        at.enter(&DOOR, "V");
        assert_eq!(at.chain(), [&DOOR, &CONFIG]);
        at.leave();
        assert!(!at.has_left());
        at.leave();
        assert!(at.has_left());
    }

    #[test]
    fn prompts_are_those_of_ios() {
        assert_eq!(USER_EXEC.prompt("Router"), "Router>");
        assert_eq!(EXEC.prompt("Router"), "Router#");
        assert_eq!(BOOK.prompt("Router"), "Router(config-shelf-book)#");
        assert!(BOOK.is_configuration() && CONFIG.is_configuration() && !EXEC.is_configuration());
    }

    #[test]
    fn json_has_the_name() {
        assert_eq!(serde_json::to_value(&SHELF).unwrap(), "shelf");
    }
}
