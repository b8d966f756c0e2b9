//! Measurements: throughput, latency, sessions, soak.

pub mod books;
pub mod config;
pub mod ledger;
#[cfg(test)]
mod tests;
