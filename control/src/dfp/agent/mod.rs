//! The agent: what it is told (`config`, `command`), what it does (`fsm`, with its sockets `service`), what subsystems
//! report (`table`) and what it shows (`view`).

pub mod command;
pub mod config;
pub mod fsm;
pub mod service;
pub mod table;
pub mod view;

#[cfg(test)]
mod tests;
