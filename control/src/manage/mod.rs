//! Management: the socket that shells talk to, HTTP for machines, and the log that both can read.
//!
//! Runs on the control runtime; never on a worker's core, and never holds the core's lock while it waits.

pub mod connections;
mod fuzz;
pub mod http;
pub mod http_access;
pub mod log;
pub mod operator;
pub mod protocol;
pub mod server;
mod shells;

#[cfg(test)]
mod tests;

pub use fuzz::{fuzz_http, fuzz_shell};
