//! The kernel as host stack, judged by `ip -j` and by the kernel's own answers. Each test makes a network namespace
//! of its own for its thread; needs root.

// Helpers outside of `#[test]` functions unwrap too.
#![allow(clippy::unwrap_used)]

mod apply;
mod frames;
mod guard;
mod mirror;
mod resolve;
mod support;
