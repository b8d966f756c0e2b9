//! Measurements: throughput, latency, sessions, soak.

pub mod books;
pub mod config;
pub mod latency;
pub mod ledger;
pub mod plan;
pub mod search;
pub mod sessions;
pub mod soak;
#[cfg(test)]
mod tests;
