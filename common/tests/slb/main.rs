//! The director's rules, on a fake clock and with any number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

mod health;
mod invariants;
mod rig;
mod rules;
mod threads;
mod together;
mod turns;
