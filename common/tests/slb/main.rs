//! The balancer's rules, on a fake clock and with any number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

mod batch;
mod forged;
mod harness;
mod health;
mod invariants;
mod repeat;
mod round_robin;
mod rules;
mod threads;
