//! The manager: what it shows (`view`, `show`).

pub mod show;
pub mod view;
