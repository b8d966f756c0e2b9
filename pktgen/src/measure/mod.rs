//! Measurements: throughput, latency, sessions, soak.

pub mod config;
pub mod director_counters;
pub mod host_info;
pub mod latency;
pub mod measurement;
pub mod plan;
pub mod receiver;
pub mod report;
#[cfg(feature = "dpdk")]
pub mod run;
pub mod search;
pub mod sessions;
pub mod soak;
pub mod step;
#[cfg(test)]
mod tests;
pub mod two_port_loop;
