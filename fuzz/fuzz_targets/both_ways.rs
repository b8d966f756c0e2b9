//! The short way and the long way of a request: two workers to which the same happens, one of which has nothing prepared for
//! the short way, must send the same bytes and be left with the same sessions and counters.
#![no_main]

use homeward_fuzz::{frames::Traffic, mutate::mutate, steps::decode};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|input: &[u8]| drop(dataplane::harness::both_ways(&decode(input))));

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, Traffic::Requests, fuzzer_mutate)
});
