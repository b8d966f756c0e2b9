//! Commands of the language itself, and the language: every configuration command of every part.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

use std::sync::OnceLock;

use super::{Args, ConfigSpec, EditFn, EditResult, Form, Forms, Mode, Position, Tree, tree::Spec};
use crate::{configuration::Configuration, dfp, machine, slb};

/// The few lines that are accepted and change nothing: where, the line, and why.
pub const INERT: &[(Mode, &str, &str)] =
    &[(Mode::Config, "end", "closes a configuration file; interactively it leaves configuration")];

/// Every configuration command.
///
/// # Panics
/// When a declaration in our own tables makes no sense; a test loads them.
pub fn language() -> &'static Tree<EditFn> {
    static LANGUAGE: OnceLock<Tree<EditFn>> = OnceLock::new();
    LANGUAGE.get_or_init(|| {
        let specs = own().into_iter().chain(machine::commands()).chain(slb::command::commands());
        let specs = specs.chain(dfp::agent::command::commands());
        Tree::new(specs).expect("the tables of commands are checked by a test")
    })
}

fn own() -> Vec<ConfigSpec> {
    vec![
        Spec {
            modes: Mode::CONFIGURATION,
            pattern: "exit",
            help: &[("exit", "Exit from the current mode")],
            forms: Forms::SetOnly,
            run: exit,
        },
        Spec {
            modes: Mode::CONFIGURATION,
            pattern: "end",
            help: &[("end", "Exit from configuration mode")],
            forms: Forms::SetOnly,
            run: end,
        },
    ]
}

fn exit(_: &mut Configuration, position: &mut Position, _: &Args, _: Form) -> EditResult {
    position.leave();
    Ok(Vec::new())
}

fn end(_: &mut Configuration, position: &mut Position, _: &Args, _: Form) -> EditResult {
    position.end();
    Ok(Vec::new())
}

/// What an EXEC command of the language itself does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Configure,
    Copy,
    Disable,
    Enable,
    Exit,
    ShowRunning,
    TerminalLength,
    Write,
}

pub(super) const EXEC: &[Spec<Builtin>] = &[
    Spec {
        modes: &[Mode::Exec],
        pattern: "configure terminal",
        help: &[("configure", "Enter configuration mode"), ("terminal", "Configure from the terminal")],
        forms: Forms::SetOnly,
        run: Builtin::Configure,
    },
    Spec {
        modes: &[Mode::Exec],
        pattern: "copy running-config startup-config",
        help: &[
            ("copy", "Copy from one file to another"),
            ("running-config", "Current system configuration"),
            ("startup-config", "The file that the system started from"),
        ],
        forms: Forms::SetOnly,
        run: Builtin::Copy,
    },
    Spec {
        modes: &[Mode::Exec],
        pattern: "disable",
        help: &[("disable", "Turn off privileged commands")],
        forms: Forms::SetOnly,
        run: Builtin::Disable,
    },
    Spec {
        modes: &[Mode::UserExec],
        pattern: "enable",
        help: &[("enable", "Turn on privileged commands")],
        forms: Forms::SetOnly,
        run: Builtin::Enable,
    },
    Spec {
        modes: &[Mode::UserExec],
        pattern: "{exit|logout|quit}",
        help: &[
            ("exit", "Exit from the EXEC"),
            ("logout", "Exit from the EXEC"),
            ("quit", "Exit from the EXEC"),
        ],
        forms: Forms::SetOnly,
        run: Builtin::Exit,
    },
    Spec {
        modes: &[Mode::Exec],
        pattern: "show running-config",
        help: &[("running-config", "Current operating configuration")],
        forms: Forms::SetOnly,
        run: Builtin::ShowRunning,
    },
    Spec {
        modes: &[Mode::UserExec],
        pattern: "terminal length <lines:0-512>",
        help: &[
            ("terminal", "Set terminal line parameters"),
            ("length", "Set number of lines on a screen"),
            ("<lines>", "Number of lines on screen (0 for no pausing)"),
        ],
        forms: Forms::SetOnly,
        run: Builtin::TerminalLength,
    },
    Spec {
        modes: &[Mode::Exec],
        pattern: "write [memory]",
        help: &[("write", "Write running configuration"), ("memory", "Write to the startup configuration")],
        forms: Forms::SetOnly,
        run: Builtin::Write,
    },
];
