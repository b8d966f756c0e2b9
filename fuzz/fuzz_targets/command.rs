//! Any bytes as a configuration file, as a command line, before `?` and before Tab.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| control::command::fuzz_line(text));
