//! Access lists, as IOS has them: which addresses, or packets, are permitted. Who configures them tells them to all
//! ([`Fact::AccessLists`](crate::bus::Fact::AccessLists)); who asks one finds it there by its name.

mod list;
mod name;
mod rule;

pub use list::{AccessList, AccessLists};
pub use name::{Kind, Name};
pub use rule::{Action, Addresses, Entry, Match, PROTOCOLS, Ports, Rule};
