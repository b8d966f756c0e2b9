//! The agent: what it is told (`config`, `command`) and what it shows (`show`).

pub mod command;
pub mod config;
pub mod show;
pub mod view;

#[cfg(test)]
mod tests;
