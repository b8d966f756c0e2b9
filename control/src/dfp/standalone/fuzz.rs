//! The entry of the fuzz target.

use common::time::Nanos;

use super::{
    source::Limits,
    weight_source::{home_agent, parse_reading, parse_weight},
};
use common::call_meter::CallMeter;

use crate::dfp::host_load::{fuzz_host_files, weight::weight};

/// Feeds arbitrary bytes as what a command printed that knows a weight, or bindings and registrations, again and again, and
/// as the files that tell how busy the host is.
///
/// # Panics
/// When the weight is more than the home agent's largest.
pub fn fuzz_weight_output(outputs: &[&[u8]]) {
    let limits = Limits { max_bindings: 2000, max_calls: Some(10), max_weight: 60_000 };
    let mut meter = CallMeter::default();
    let mut before = String::new();
    for (number, output) in outputs.iter().enumerate() {
        let _ = parse_weight(output);
        let _ = parse_reading(Limits { max_calls: None, ..limits }, output);
        let text = String::from_utf8_lossy(output).into_owned();
        let host = fuzz_host_files(&before, &text);
        before = text;
        let Ok((bindings, registrations)) = parse_reading(limits, output) else { continue };
        if let Some(total) = registrations {
            meter.read(Nanos(number as u64 * 10_000_000_000), total);
        }
        assert!(weight(&home_agent(limits, bindings, &meter), host) <= limits.max_weight);
    }
}
