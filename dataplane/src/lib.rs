//! What a worker does with a burst.
//!
//! `backend` owns ports (DPDK or simulated), `worker` the loop, `stage` one step a file over a vector of frames,
//! `rewrite` the one routine that changes addresses, TTL and checksums.

#![deny(unsafe_code)]

mod arp_claims;
pub mod backend;
pub mod batch;
pub mod clock;
pub mod counts;
mod encapsulate;
pub mod fuzz;
pub mod harness;
pub mod limit;
mod outer;
pub mod reassembly;
pub mod rewrite;
pub mod stage;
pub mod worker;
