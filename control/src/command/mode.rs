//! Modes of the command language and where a session stands in them (`Position`).

use serde::Serialize;

/// A mode; each has its prompt and its own commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// `>`: commands that change nothing.
    UserExec,
    /// `#`: every EXEC command.
    Exec,
    /// `(config)`
    Config,
    /// `(config-slb-sfarm)`; key: the farm's name.
    Farm,
    /// `(config-slb-real)` inside [`Mode::Farm`]; key: the real as its `real` line writes it.
    Real,
    /// `(config-slb-vserver)`; key: the virtual server's name.
    Vserver,
    /// `(config-slb-dfp)`
    Dfp,
    /// `(config-dfp)`; key: the agent's name.
    DfpAgent,
    /// `(config-slb-probe)`; key: the probe's name.
    Probe,
    /// `(config-if)`; key: the interface's full name.
    Interface,
    /// `(config-subif)`; key: the subinterface's full name.
    Subinterface,
    /// `(config-dataplane)`
    Dataplane,
    /// `(config-management)`
    Management,
}

impl Mode {
    /// Every mode.
    pub const ALL: &'static [Self] = &[
        Self::UserExec,
        Self::Exec,
        Self::Config,
        Self::Farm,
        Self::Real,
        Self::Vserver,
        Self::Dfp,
        Self::DfpAgent,
        Self::Probe,
        Self::Interface,
        Self::Subinterface,
        Self::Dataplane,
        Self::Management,
    ];

    /// Every mode that edits the configuration.
    pub const CONFIGURATION: &'static [Self] = Self::ALL.split_at(2).1;

    /// What the prompt shows between the host name and `>` or `#`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::UserExec | Self::Exec => "",
            Self::Config => "(config)",
            Self::Farm => "(config-slb-sfarm)",
            Self::Real => "(config-slb-real)",
            Self::Vserver => "(config-slb-vserver)",
            Self::Dfp => "(config-slb-dfp)",
            Self::DfpAgent => "(config-dfp)",
            Self::Probe => "(config-slb-probe)",
            Self::Interface => "(config-if)",
            Self::Subinterface => "(config-subif)",
            Self::Dataplane => "(config-dataplane)",
            Self::Management => "(config-management)",
        }
    }

    /// The whole prompt: `Router(config)#`.
    pub fn prompt(self, hostname: &str) -> String {
        let end = if self == Self::UserExec { '>' } else { '#' };
        format!("{hostname}{}{end}", self.tag())
    }

    /// The mode that `exit` returns to, among the sub-modes of configuration.
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::UserExec | Self::Exec | Self::Config => None,
            Self::Real => Some(Self::Farm),
            Self::Farm
            | Self::Vserver
            | Self::Dfp
            | Self::DfpAgent
            | Self::Probe
            | Self::Interface
            | Self::Subinterface
            | Self::Dataplane
            | Self::Management => Some(Self::Config),
        }
    }
}

/// One sub-mode that a session is in, with the object it edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The sub-mode.
    pub mode: Mode,
    /// Which object: see [`Mode`]; empty where there is only one.
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
    pub fn enter(&mut self, mode: Mode, key: impl Into<String>) {
        if mode.parent().is_none() {
            self.levels.clear();
            return;
        }
        match mode.parent().and_then(|parent| self.levels.iter().position(|level| level.mode == parent)) {
            Some(at) => self.levels.truncate(at + 1),
            None => self.levels.clear(),
        }
        self.levels.push(Level { mode, key: key.into() });
    }

    /// The innermost mode.
    pub fn mode(&self) -> Mode {
        self.levels.last().map_or(Mode::Config, |level| level.mode)
    }

    /// The object that is edited in `mode`, if the session is in it (or below it).
    pub fn key(&self, mode: Mode) -> Option<&str> {
        self.levels.iter().find(|level| level.mode == mode).map(|level| level.key.as_str())
    }

    /// The modes from the innermost to global configuration: the order in which a line is tried.
    pub fn chain(&self) -> Vec<Mode> {
        self.levels.iter().rev().map(|level| level.mode).chain([Mode::Config]).collect()
    }

    /// Goes out to `mode`, one of [`Position::chain`].
    pub fn back_to(&mut self, mode: Mode) {
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

    #[test]
    fn a_real_is_entered_from_its_farm_and_left_to_it() {
        let mut at = Position::default();
        at.enter(Mode::Farm, "F");
        at.enter(Mode::Real, "10.0.0.1");
        at.enter(Mode::Real, "10.0.0.2");
        assert_eq!((at.key(Mode::Farm), at.key(Mode::Real)), (Some("F"), Some("10.0.0.2")));
        assert_eq!(at.chain(), [Mode::Real, Mode::Farm, Mode::Config]);
        at.leave();
        assert_eq!(at.mode(), Mode::Farm);
        at.enter(Mode::Vserver, "V");
        assert_eq!(at.chain(), [Mode::Vserver, Mode::Config]);
        at.leave();
        assert!(!at.has_left());
        at.leave();
        assert!(at.has_left());
    }

    #[test]
    fn prompts_are_those_of_ios() {
        assert_eq!(Mode::UserExec.prompt("Router"), "Router>");
        assert_eq!(Mode::Exec.prompt("Router"), "Router#");
        assert_eq!(Mode::Real.prompt("Router"), "Router(config-slb-real)#");
    }
}
