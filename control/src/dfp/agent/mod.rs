//! The agent: what it is told (`config`, `command`), what it does (`fsm`), what subsystems
//! report (`table`) and what it shows (`view`).

pub mod command;
pub mod config;
pub mod fsm;
pub mod table;
pub mod view;

#[cfg(test)]
mod tests;
