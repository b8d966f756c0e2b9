//! The process around the dataplane: command language, protocols, publishing, management.
//!
//! One folder a protocol, each with the same rooms: `packet` (bytes), `fsm` (pure decisions), `config` (settings and
//! their commands), `show` (its output), `io` (sockets and timers). This crate knows workers only through
//! `common`: snapshots, rings and counters.

#![forbid(unsafe_code)]

pub mod command;
pub mod configuration;
pub mod core;
pub mod daemon;
pub mod dfp;
pub mod health;
pub mod host;
pub mod machine;
pub mod manage;
pub mod overload;
pub mod publish;
pub mod secret;
pub mod slb;
