//! Any bytes on the management socket, to a core with all subsystems: each line is answered once.
#![no_main]

use homeward_fuzz::core::{log, operated};

libfuzzer_sys::fuzz_target!(|lines: &[u8]| drop(control::manage::fuzz_shell(&operated(), &log(), lines)));
