//! Frames between the kernel and a worker: what the kernel sends by a shadow leaves the port, tagged as the interface is, and
//! what a worker leaves to the kernel comes to it as a frame of that interface.
#![no_main]

use common::id::InterfaceId;
use control::host::{fuzz_from_kernel, fuzz_to_kernel};
use dataplane::harness::{Step, network};
use homeward_fuzz::{frames::Traffic, mutate::mutate, steps::decode};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|input: &[u8]| {
    let interfaces = &network().net.interfaces;
    let vlan = |interface: InterfaceId| interfaces.get(interface.index()).and_then(|found| found.vlan);
    let tagged = |step| match step {
        Step::Host(by, frame) => fuzz_from_kernel(&frame, vlan(by)).map(|frame| Step::Host(by, frame)),
        other => Some(other),
    };
    let steps: Vec<Step> = decode(input).into_iter().filter_map(tagged).collect();
    let outcome = dataplane::fuzz::steps(&steps);
    for (interface, frame) in outcome.punted {
        let given = fuzz_to_kernel(frame.clone(), vlan(interface)).expect("a frame with a header");
        // Workers take tags off, but for those of a priority behind one that the device stripped.
        assert!(given == frame || given.len() + 4 == frame.len());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, Traffic::Host, fuzzer_mutate)
});
