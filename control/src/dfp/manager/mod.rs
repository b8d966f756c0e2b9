//! The manager: the connection to an agent (`fsm`), the weight table (`weights`), TCP (`io`), what is shown of it (`view`, `show`).

pub mod commands;
pub mod config;
pub mod fsm;
pub mod io;
pub mod show;
pub mod view;
pub mod weights;
