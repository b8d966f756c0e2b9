//! The language as an operator meets it.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

mod access_lists;
mod errors;
mod file;
mod forms;
mod help;
mod mobile;
mod property;
mod session;

use std::sync::Arc;

use crate::command::{Configuration as _, *};
use crate::protocols::Configuration;

/// A privileged session, and what it acts on.
pub(super) struct Harness {
    pub(super) shell: Shell<Idle<Configuration>>,
    pub(super) runtime: Idle<Configuration>,
}

fn show_lines(_: &mut Idle<Configuration>, _: &Args, _: Form) -> ExecResult {
    Ok(Output::named("lines", 2, |_| "one 1\ntwo 2\n".to_owned()))
}

fn debug(_: &mut Idle<Configuration>, _: &Args, form: Form) -> ExecResult {
    if form.clears() { Ok(Output::text("off\n")) } else { Err(ExecError::new("cannot be done")) }
}

const ANYBODY: &[&Mode] = &[&USER_EXEC];
const PRIVILEGED: &[&Mode] = &[&EXEC];

fn exec() -> [ExecSpec<Idle<Configuration>>; 3] {
    [
        ExecSpec {
            modes: ANYBODY,
            pattern: "show lines [detail]",
            help: &[("lines", "Two lines")],
            forms: Forms::SetOnly,
            run: Exec::new(show_lines),
        },
        ExecSpec {
            modes: PRIVILEGED,
            pattern: "show logging",
            help: &[("logging", "What was logged")],
            forms: Forms::SetOnly,
            run: Exec::new(show_lines),
        },
        ExecSpec {
            modes: PRIVILEGED,
            pattern: "debug lines",
            help: &[("lines", "Lines")],
            forms: Forms::SetNo,
            run: Exec::new(debug),
        },
    ]
}

impl Harness {
    /// In privileged EXEC mode.
    pub(super) fn new() -> Self {
        let commands = Arc::new(Commands::new(exec()).unwrap());
        Self { shell: Shell::new(commands, true), runtime: Idle::default() }
    }

    /// In configuration mode, after `lines`, which must all be accepted.
    pub(super) fn configuring(lines: &[&str]) -> Self {
        let mut harness = Self::new();
        harness.run("configure terminal");
        for line in lines {
            let reply = harness.run(line);
            assert_eq!(reply.error, None, "{line}: {}", reply.text);
        }
        harness
    }

    pub(super) fn run(&mut self, line: &str) -> Reply {
        self.shell.execute(line, &mut self.runtime)
    }

    pub(super) fn text(&self) -> String {
        self.runtime.configuration().running_config()
    }
}

#[test]
fn every_declaration_compiles_and_has_help() {
    assert_eq!(Configuration::language().without_help(), Vec::<String>::new());
    assert_eq!(Commands::<Idle<Configuration>>::new([]).unwrap().without_help(), Vec::<String>::new());
}

#[test]
fn inert_lines_are_accepted_and_change_nothing() {
    for (mode, line, why) in INERT {
        assert_eq!(*mode, &CONFIG);
        assert!(!why.is_empty());
        assert_eq!(load::<Configuration>("f", line).unwrap(), Loaded::default(), "{line}");
    }
}
