//! Frames through workers on simulated ports. Every frame is built and judged by `etherparse`, not by our code.

#![allow(clippy::unwrap_used)]

mod errors;
mod fast_path;
mod forward;
mod frames;
mod hostile;
mod idle;
mod local;
mod mobile_ip;
mod mobile_nodes;
mod parse;
mod ports;
mod reassembly;
mod registrations;
mod rewrite;
mod selection;
mod source_check;
mod tunnels;
mod verdicts;
