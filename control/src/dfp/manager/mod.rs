//! The manager: the connection to an agent (`fsm`), what is shown of it (`view`, `show`).

pub mod fsm;
pub mod show;
pub mod view;
