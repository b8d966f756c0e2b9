//! Registrations at the home agent: recorded messages, each row of the decision tables, strangers, and a model.

#![allow(clippy::unwrap_used)]

mod fields;
mod harness;
mod home_addresses;
mod hostile;
mod model;
mod processing;
mod tunnels;
mod updates;
mod vectors;
