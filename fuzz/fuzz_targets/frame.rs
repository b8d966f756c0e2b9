//! One frame through a worker on the simulated backend: it must end in exactly one verdict.
#![no_main]

libfuzzer_sys::fuzz_target!(|frame: &[u8]| dataplane::fuzz::frame(frame));
