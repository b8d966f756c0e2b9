//! Tunnels of a home agent, and requests to it, through a worker on the simulated backend. It must hold what `frame` says.
#![no_main]

use homeward_fuzz::{frames::Traffic, mutate::mutate, steps::decode};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|input: &[u8]| drop(dataplane::fuzz::home_agent_steps(&decode(input))));

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, Traffic::Tunnels, fuzzer_mutate)
});
