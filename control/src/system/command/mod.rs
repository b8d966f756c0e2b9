//! Commands of the machine part.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

mod dataplane;
mod global;
mod interface;
mod management;

use super::SystemConfig;
use crate::command::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need};
pub use crate::protocol::MANAGEMENT;

/// `(config-if)`; key: the interface's full name.
pub static INTERFACE: Mode = Mode { name: "interface", tag: "(config-if)", parent: Some(&CONFIG) };

/// `(config-subif)`; key: the subinterface's full name.
pub static SUBINTERFACE: Mode = Mode { name: "subinterface", tag: "(config-subif)", parent: Some(&CONFIG) };

/// `(config-dataplane)`
pub static DATAPLANE: Mode = Mode { name: "dataplane", tag: "(config-dataplane)", parent: Some(&CONFIG) };

/// Every configuration command of the machine part.
pub fn commands() -> impl Iterator<Item = ConfigSpec<SystemConfig>> {
    [global::SPECS, dataplane::SPECS, interface::SPECS, management::SPECS].into_iter().flatten().copied()
}
