//! The agent: what it is told (`config`, `command`), what it does (`fsm`, on TCP `io`) and what it shows (`show`).

pub mod calls;
pub mod capacity;
pub mod command;
pub mod config;
pub mod figures;
pub mod fsm;
pub mod io;
pub mod show;
pub mod source;
pub mod view;
pub mod weight;

#[cfg(test)]
mod tests;
