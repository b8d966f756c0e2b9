//! Any datagrams to a home agent, in any order and time: nothing is installed without a right authenticator, what it says is
//! signed, what it tells the dataplane adds up, and what it keeps is bounded.
//!
//! An input is a list of steps (`fuzz/src/registrations.rs`): requests that are made of parts, signed or not, changed or not, and time.
#![no_main]

use homeward_fuzz::registrations::{decode, mutate, run};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|input: &[u8]| {
    run(&decode(input));
});

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, fuzzer_mutate)
});
