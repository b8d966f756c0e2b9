//! `make bench`: the worker beside `dpdk-testpmd` on the same capture, alternating.
//!
//! A round counts only if the harness itself has checked it: everything received was sent, the sessions are those of
//! the capture, no counter tells another story. Both programs poll `net_pcap` with `infinite_rx` on huge pages, with the
//! same descriptors, burst and buffer size, on CPU 1.

pub mod capture;
pub mod case;
pub mod director;
pub mod measure;
pub mod pages;
pub mod report;
pub mod testpmd;

/// Bytes of a packet buffer, headroom included: what both programs use.
pub const ROOM: u16 = 2176;

/// Packet buffers for a capture of `frames`: those that `infinite_rx` keeps, and those in flight.
pub fn pool_size(frames: u32) -> u32 {
    frames + 16_384
}
