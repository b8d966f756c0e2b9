//! Any bytes as a configuration file, as a command line, before `?` and before Tab.
#![no_main]

use control::{command::fuzz_line, protocols::Configuration};

libfuzzer_sys::fuzz_target!(|text: &[u8]| fuzz_line::<Configuration>(text));
