//! The command language: one declaration of each command serves the configuration file, the interactive shell, `?`
//! help, completion, abbreviations, the `no` and `default` forms, and errors with a caret.
//!
//! It owns the grammar and a session's place in it. It runs on whatever thread a session runs on; it never touches a
//! socket, a file or the dataplane: configuration commands edit plain data, EXEC commands get a [`Runtime`].
//!
//! It knows no subsystem: a subsystem declares its modes ([`Mode`]), its configuration commands ([`ConfigSpec`]) on
//! its own part of the configuration, and its EXEC commands ([`ExecSpec`]); what holds all parts implements
//! [`Configuration`].
//!
//! ```
//! use control::command::{Args, CONFIG, ConfigSpec, EditResult, Form, Forms, Mode, Position, need};
//!
//! #[derive(Default)]
//! struct Lamp {
//!     watts: u16,
//! }
//!
//! static LAMP: Mode = Mode { name: "lamp", tag: "(config-lamp)", parent: Some(&CONFIG) };
//!
//! fn power(lamp: &mut Lamp, _: &mut Position, args: &Args, form: Form) -> EditResult {
//!     lamp.watts = if form.clears() { 0 } else { need(args.int("watts"))? };
//!     Ok(Vec::new())
//! }
//!
//! const POWER: ConfigSpec<Lamp> = ConfigSpec {
//!     modes: &[&LAMP],
//!     pattern: "power ~ <watts:1-100>",
//!     help: &[("power", "How bright it is"), ("<watts>", "Watts")],
//!     forms: Forms::All,
//!     run: power,
//! };
//!
//! struct Whole {
//!     lamp: Lamp,
//! }
//!
//! let power = POWER.within(|whole: &mut Whole| &mut whole.lamp);
//! ```

use std::fmt;

mod builtin;
mod entered;
mod error;
mod file;
mod fuzz;
mod help;
mod interface_name;
mod mask;
mod mode;
mod output;
mod pattern;
mod pipe;
mod shell;
mod spec;
mod tree;
mod value;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::secret::{Secret, Secrets};
pub use builtin::INERT;
pub use entered::{Given, given};
pub use error::{ConfigError, ErrorId, ExecError, Failure, FileError, Problem};
pub use file::{FILE_LIMIT, FILE_LINES, Loaded, load};
pub use fuzz::fuzz_line;
pub use help::Choice;
pub use interface_name::{InterfaceKind, InterfaceName, ParseInterfaceError};
pub use mode::{CONFIG, EXEC, Level, Mode, Position, SHOW, USER_EXEC};
pub use output::Output;
pub use shell::{Answer, Commands, Completion, Idle, Reply, Runtime, Shell};
pub use spec::{ConfigSpec, Edit, EditFn, Exec, ExecSpec, Form, Forms, Spec};
pub use tree::{LINE_LIMIT, Match, Tree};
pub use value::{Args, Kind, Missing, NAME_LENGTH, PORT_NAMES, Value, need, print_cpus};
pub use writer::{ConfigWriter, rank};

/// The compiled configuration commands of everything that `W` holds; made by [`Language::from_specs`].
pub type Language<W> = Tree<Edit<W>>;

/// What the language edits: the configuration of all subsystems, as plain data.
pub trait Configuration: Clone + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The configuration commands of every part.
    fn language() -> &'static Language<Self>;

    /// What no single line can see: every reason for which this configuration as a whole is refused, and, when there
    /// is none, what the operator should know.
    ///
    /// # Errors
    /// Every refusal.
    fn check(&self) -> Result<Vec<String>, Vec<ConfigError>>;

    /// The text of all parts: only what differs from the defaults. Unless secrets are hidden, it loads to an equal
    /// configuration.
    fn text(&self, secrets: Secrets) -> String;

    /// What a prompt begins with.
    fn hostname(&self) -> &str;

    /// True if secrets are saved in type 7 notation.
    fn password_encryption(&self) -> bool;

    /// The text of `show running-config`. Every secret is in type 7 notation: what is shown is looked at, copied and
    /// sent.
    fn running_config(&self) -> String {
        self.text(Secrets::Type7)
    }

    /// The same as it is saved: secrets are in clear text unless [`Configuration::password_encryption`] says otherwise.
    fn startup_config(&self) -> String {
        self.text(if self.password_encryption() { Secrets::Type7 } else { Secrets::Clear })
    }
}

/// What a configuration command returns: warnings, or why it is refused (then nothing has changed).
pub type EditResult = Result<Vec<String>, ConfigError>;

/// What an EXEC command returns.
pub type ExecResult = Result<Output, ExecError>;
