//! Generates and receives Mobile IP registration traffic on any DPDK port.
//!
//! Two endpoints without clock or port of their own, [`generate::Generator`] (foreign agents) and
//! [`respond::Responder`] (home agents), are driven by [`port_loop::PortLoop`] on a port of any backend. [`scenario`] says
//! what they do; [`accounting`] and [`report`] what came of it. [`run`] and [`measure::run`] alone name DPDK.

#![forbid(unsafe_code)]
// Only the program, its tests and the benchmarks use it: a line of documentation says what a name does not.
#![allow(missing_docs)]

pub mod accounting;
pub mod bundled;
pub mod check;
pub mod command;
pub mod generate;
pub mod host_stack;
pub mod html;
#[cfg(feature = "dpdk")]
mod idle_backoff;
pub mod line_rate;
pub mod measure;
pub mod nai;
pub mod pcap;
pub mod population;
pub mod port_loop;
pub mod rate_schedule;
pub mod report;
pub mod respond;
pub mod result;
#[cfg(feature = "dpdk")]
pub mod run;
pub mod scenario;
pub mod template;
pub mod test_payload;
pub mod zipf;
