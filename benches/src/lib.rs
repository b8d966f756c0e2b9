//! How fast Homeward is, beside something else in the same run. Benchmarks, not tests: nothing here fails on a slow day.

#![forbid(unsafe_code)]
// Only the benchmarks use it: a line of documentation says what a name does not.
#![allow(missing_docs)]

pub mod budget;
pub mod throughput;
