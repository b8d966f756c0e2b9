//! The manager: what it shows (`view`, `show`).

pub mod view;
