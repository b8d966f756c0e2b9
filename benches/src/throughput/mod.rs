//! `make bench`: the worker beside `dpdk-testpmd` on the same capture, alternating.
//!
//! A round counts only if the harness itself has checked it: everything received was sent, the sessions are those of
//! the capture, no counter tells another story. Both programs poll `net_pcap` with `infinite_rx` on huge pages, with the
//! same descriptors, burst and buffer size, on the same CPUs.

pub mod capture;
pub mod case;
pub mod chart;
pub mod data;
pub mod derived_metrics;
pub mod homeward;
pub mod hugepages;
pub mod measure;
pub mod plan;
pub mod report;
pub mod rounds;
pub mod row;
pub mod single_pass;
pub mod source;
pub mod testpmd;
