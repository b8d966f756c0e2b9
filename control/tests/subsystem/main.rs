//! A subsystem that joins by its folder and one line, driven through the core with a fake clock.

#![allow(missing_docs, reason = "a list is public where it is used")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

#[path = "../counter/mod.rs"]
mod counter;

mod daemon;
mod daemon_harness;
mod facts;
mod fragile;
mod harness;
mod kernel;
mod lines;
mod operation;
mod page;
mod publication;

use control::{dfp::Dfp, slb::Slb, system::System};

control::protocols! {
    /// The product's subsystems and one more.
    TestList, TestConfiguration:
    system: System,
    slb: Slb,
    dfp: Dfp,
    counter: counter::Counter,
}
