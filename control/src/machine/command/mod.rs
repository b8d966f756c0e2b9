//! Commands of the machine part.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

mod dataplane;
mod global;
mod interface;
mod management;

use crate::command::{Args, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need};

/// Every configuration command of the machine part.
pub fn commands() -> impl Iterator<Item = ConfigSpec> {
    [global::SPECS, dataplane::SPECS, interface::SPECS, management::SPECS].into_iter().flatten().copied()
}
