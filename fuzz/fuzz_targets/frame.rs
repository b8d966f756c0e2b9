//! Registration requests, and what else happens, to a worker on the simulated backend: each frame ends in one verdict, every
//! buffer comes back, and what is sent is sound.
#![no_main]

use homeward_fuzz::{frames::Traffic, mutate::mutate, steps::decode};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|input: &[u8]| drop(dataplane::fuzz::steps(&decode(input))));

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, Traffic::Requests, fuzzer_mutate)
});
