//! The command language: one declaration of each command serves the configuration file, the interactive shell, `?`
//! help, completion, abbreviations, the `no` and `default` forms, and errors with a caret.
//!
//! It owns the grammar and a session's place in it. It runs on whatever thread a session runs on; it never touches a
//! socket, a file or the dataplane: configuration commands edit plain data, EXEC commands get a [`Runtime`].
//!
//! A protocol declares its commands as [`ConfigSpec`]s and [`ExecSpec`]s:
//!
//! ```
//! use control::command::{Args, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need};
//! use control::configuration::Configuration;
//!
//! fn hostname(c: &mut Configuration, _: &mut Position, args: &Args, form: Form) -> EditResult {
//!     c.machine.hostname = if form.clears() { "homeward".into() } else { need(args.text("name"))?.into() };
//!     Ok(Vec::new())
//! }
//!
//! const HOSTNAME: ConfigSpec = ConfigSpec {
//!     modes: &[Mode::Config],
//!     pattern: "hostname ~ <name:host>",
//!     help: &[("hostname", "Set system's network name"), ("<name>", "This system's network name")],
//!     forms: Forms::All,
//!     run: hostname,
//! };
//! ```

mod builtin;
mod error;
mod file;
mod fuzz;
mod help;
mod interface_name;
mod mode;
mod pattern;
mod pipe;
mod shell;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use builtin::{INERT, language};
pub use error::{ConfigError, ErrorId, ExecError, Failure, FileError, Problem};
pub use file::{FILE_LIMIT, FILE_LINES, Loaded, load};
pub use fuzz::fuzz_line;
pub use help::Choice;
pub use interface_name::{InterfaceKind, InterfaceName, ParseInterfaceError};
pub use mode::{Level, Mode, Position};
pub use shell::{Commands, Completion, Idle, Reply, Runtime, Shell};
pub use tree::{Form, Forms, LINE_LIMIT, Match, Spec, Tree};
pub use value::{Args, Kind, Missing, NAME_LENGTH, PORT_NAMES, Value, need, print_cpus};

use crate::configuration::Configuration;

/// What a configuration command returns: warnings, or why it is refused (then nothing has changed).
pub type EditResult = Result<Vec<String>, ConfigError>;

/// A configuration command: a pure edit of the configuration and of the session's position.
pub type EditFn = fn(&mut Configuration, &mut Position, &Args, Form) -> EditResult;

/// A configuration command's declaration.
pub type ConfigSpec = Spec<EditFn>;

/// What an EXEC command returns.
pub type ExecResult = Result<Output, ExecError>;

/// An EXEC command; `Form::No` for `no debug ...`.
pub type ExecFn<X> = fn(&mut X, &Args, Form) -> ExecResult;

/// An EXEC command's declaration.
pub type ExecSpec<X> = Spec<ExecFn<X>>;

/// What an EXEC command says, as text and as the same facts in JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Lines, each with its end.
    pub text: String,
    /// The facts; keys in snake_case.
    pub json: serde_json::Value,
}

impl Output {
    /// Text and facts.
    pub fn new(text: impl Into<String>, json: serde_json::Value) -> Self {
        Self { text: text.into(), json }
    }

    /// Text only; as JSON it is `{"text": ...}`.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { json: serde_json::json!({ "text": text }), text }
    }
}
