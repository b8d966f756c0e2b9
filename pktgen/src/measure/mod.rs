//! Measurements: throughput, latency, sessions, soak.

pub mod books;
pub mod config;
pub mod counters;
pub mod duo;
pub mod latency;
pub mod ledger;
pub mod machine;
pub mod meter;
pub mod plan;
pub mod receiver;
pub mod report;
pub mod run;
pub mod search;
pub mod sessions;
pub mod soak;
pub mod step;
#[cfg(test)]
mod tests;
