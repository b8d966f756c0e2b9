//! Foreign agents and home agents in memory, with a clock of the test's own; frames judged by tshark; the same on
//! simulated ports.

#![allow(clippy::unwrap_used)]

mod capture;
mod generator;
mod html;
mod measure;
mod network;
mod port_loop;
mod registrations;
mod responder;
mod scenario;
