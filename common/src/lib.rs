//! The words that both sides of Homeward share.
//!
//! The dataplane (workers) and the control core never name each other's types. They meet here: wire formats,
//! addresses, time, snapshots, rings, counters and the lock-free tables. Nothing in this crate opens a socket,
//! starts a thread or knows DPDK.

#![forbid(unsafe_code)]

pub mod call_meter;
pub mod config;
pub mod counters;
pub mod event;
pub mod id;
pub mod link;
pub mod mac;
pub mod mobile;
pub mod net;
pub mod port;
pub mod ring;
pub mod ring_wait;
pub mod slb;
pub mod snapshot;
pub mod stats;
pub mod stream;
pub mod table;
pub mod tables;
pub mod time;
pub mod token_bucket;
pub mod verdict;
pub mod wire;
