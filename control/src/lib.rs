//! The process around the dataplane: command language, subsystems, publishing, management.
//!
//! A subsystem is a folder (`system`, `slb`, `dfp`) and a line in [`mod@protocols`]. It stands on `protocol`, `bus`, `command` and
//! `host`; `core` and `daemon` are generic over the list. This crate knows workers only through `common`: snapshots,
//! rings and counters.

#![forbid(unsafe_code)]

pub mod access_list;
pub mod bus;
pub mod command;
pub mod core;
pub mod daemon;
pub mod dfp;
pub mod health;
pub mod home_agent;
pub mod host;
pub mod launcher;
pub mod manage;
pub mod protocol;
pub mod protocols;
pub mod publish;
pub mod secret;
pub mod slb;
pub mod system;

#[cfg(test)]
mod tests;
