//! Instructions a packet: a fixed run of the production worker over frames in plain memory, counted by callgrind.
//!
//! Valgrind carries no DPDK port, so the driver's share is missing; everything else a worker does is in it. The figure
//! does not depend on the machine's load, so a change that exceeds the kept budget is seen at once.

pub mod count;
pub mod memory_port;
pub mod run;
