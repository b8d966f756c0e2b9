//! Commands of the machine part.

#![allow(clippy::unnecessary_wraps, reason = "every command has the signature of its table")]

mod access_list;
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

/// `(config-std-nacl)`; key: the list's name.
pub static STANDARD_LIST: Mode =
    Mode { name: "standard_access_list", tag: "(config-std-nacl)", parent: Some(&CONFIG) };

/// `(config-ext-nacl)`; key: the list's name.
pub static EXTENDED_LIST: Mode =
    Mode { name: "extended_access_list", tag: "(config-ext-nacl)", parent: Some(&CONFIG) };

/// Every configuration command of the machine part.
pub fn commands() -> impl Iterator<Item = ConfigSpec<SystemConfig>> {
    [global::SPECS, access_list::SPECS, dataplane::SPECS, interface::SPECS, management::SPECS]
        .into_iter()
        .flatten()
        .copied()
}
