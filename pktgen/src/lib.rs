//! Generates and receives Mobile IP registration traffic on any DPDK port.
//!
//! Two machines without clock or port of their own, [`generate::Generator`] (foreign agents) and
//! [`respond::Responder`] (home agents), are driven by [`engine::Engine`] on a port of any backend. [`scenario`] says
//! what they do; [`account`] and [`report`] what came of it. [`run`] is the only module that names DPDK.

#![forbid(unsafe_code)]

pub mod account;
pub mod bundled;
pub mod check;
pub mod control;
pub mod engine;
pub mod generate;
pub mod html;
pub mod line;
pub mod measure;
pub mod nai;
pub mod pace;
pub mod pcap;
pub mod population;
pub mod probe;
pub mod report;
pub mod respond;
pub mod result;
pub mod run;
pub mod scenario;
pub mod station;
pub mod template;
pub mod zipf;
