//! Any bytes as a capture file: what is read is written and read again.
#![no_main]

use dataplane::backend::sim::pcap;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let Ok(captured) = pcap::read(file) else { return };
    let written = pcap::write(captured.iter().map(|frame| (frame.nanos, frame.bytes.as_slice())));
    let again = pcap::read(&written).expect("our own file");
    // Seconds of 32 bits and a part of some more have no place in a file of ours.
    let fits = |nanos: u64| nanos / 1_000_000_000 <= u32::MAX.into();
    assert_eq!(again.len(), captured.len());
    for (again, frame) in again.iter().zip(&captured) {
        assert_eq!(again.bytes, frame.bytes);
        assert!(again.nanos == frame.nanos || !fits(frame.nanos));
    }
});
