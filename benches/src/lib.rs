//! How fast Homeward is, beside something else in the same run. Benchmarks, not tests: nothing here fails on a slow day.

#![forbid(unsafe_code)]

pub mod budget;
pub mod throughput;
