//! Commands of the language itself.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

use super::{
    Args, EditResult, Language, Position,
    mode::{CONFIG, EVERY_CONFIG, EXEC as PRIVILEGED, Mode, USER_EXEC},
    spec::{Edit, Form, Forms, Spec},
    tree::Tree,
};

/// The few lines that are accepted and change nothing: where, the line, and why.
pub const INERT: &[(&Mode, &str, &str)] =
    &[(&CONFIG, "end", "closes a configuration file; interactively it leaves configuration")];

impl<W: 'static> Language<W> {
    /// `specs`, and what every mode of configuration has: `exit` and `end`.
    ///
    /// # Errors
    /// A pattern that makes no sense.
    pub fn from_specs(specs: impl IntoIterator<Item = Spec<Edit<W>>>) -> Result<Self, String> {
        Tree::new(own().into_iter().chain(specs))
    }
}

/// Where `exit` and `end` are.
const EVERYWHERE: &[&Mode] = &[&EVERY_CONFIG];

fn own<W: 'static>() -> [Spec<Edit<W>>; 2] {
    let spec = |pattern, help, run: fn(&mut W, &mut Position, &Args, Form) -> EditResult| Spec {
        modes: EVERYWHERE,
        pattern,
        help,
        forms: Forms::SetOnly,
        run: Edit::new(run),
    };
    [
        spec("exit", &[("exit", "Exit from the current mode")], exit),
        spec("end", &[("end", "Exit from configuration mode")], end),
    ]
}

fn exit<W>(_: &mut W, position: &mut Position, _: &Args, _: Form) -> EditResult {
    position.leave();
    Ok(Vec::new())
}

fn end<W>(_: &mut W, position: &mut Position, _: &Args, _: Form) -> EditResult {
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
        modes: &[&PRIVILEGED],
        pattern: "configure terminal",
        help: &[("configure", "Enter configuration mode"), ("terminal", "Configure from the terminal")],
        forms: Forms::SetOnly,
        run: Builtin::Configure,
    },
    Spec {
        modes: &[&PRIVILEGED],
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
        modes: &[&PRIVILEGED],
        pattern: "disable",
        help: &[("disable", "Turn off privileged commands")],
        forms: Forms::SetOnly,
        run: Builtin::Disable,
    },
    Spec {
        modes: &[&USER_EXEC],
        pattern: "enable",
        help: &[("enable", "Turn on privileged commands")],
        forms: Forms::SetOnly,
        run: Builtin::Enable,
    },
    Spec {
        modes: &[&USER_EXEC],
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
        modes: &[&PRIVILEGED],
        pattern: "show running-config",
        help: &[("running-config", "Current operating configuration")],
        forms: Forms::SetOnly,
        run: Builtin::ShowRunning,
    },
    Spec {
        modes: &[&USER_EXEC],
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
        modes: &[&PRIVILEGED],
        pattern: "write [memory]",
        help: &[("write", "Write running configuration"), ("memory", "Write to the startup configuration")],
        forms: Forms::SetOnly,
        run: Builtin::Write,
    },
];
