//! Any bytes as what the command of a weight source prints, and as the kernel's files about the host; a byte 0 ends one.
#![no_main]

use control::dfp::standalone::fuzz_weight_output;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_weight_output(&bytes.split(|byte| *byte == 0).collect::<Vec<_>>());
});
