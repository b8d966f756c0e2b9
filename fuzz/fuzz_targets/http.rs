//! Any bytes on the HTTP port of a core with all subsystems: what is answered is HTTP, never that the server failed, and
//! never a secret that was not asked with.
#![no_main]

use homeward_fuzz::core::{operated, secrets};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let answer = control::manage::fuzz_http(&operated(), bytes);
    let has = |bytes: &[u8], secret: &str| bytes.windows(secret.len()).any(|text| text == secret.as_bytes());
    for secret in secrets() {
        assert!(!has(&answer, &secret) || has(bytes, &secret), "a secret leaves by HTTP");
    }
});
