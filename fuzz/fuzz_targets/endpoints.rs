//! Any frames to both ends of pktgen while they talk to each other: the one that sends requests and reads replies, and the one
//! that plays home agents. What they say of themselves must still add up.
#![no_main]

use std::{path::Path, time::Duration};

use common::mac::MacAddr;
use dataplane::harness::Step;
use homeward_fuzz::{frames::Traffic, mutate::mutate, steps::decode};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pktgen::{generate::Generator, port_loop::Endpoint, respond::Responder, scenario::Scenario};

/// The addresses of the example network, so that frames of its kinds come to both: replies are for 10.1.1.11.
const SCENARIO: &str = r#"
[[agent]]
address = "10.1.1.11"
mac = "0200.0000.0001"
[target]
address = "10.1.1.10"
mac = "0200.0000.0002"
[nodes]
nai = "n{n}@example.com"
count = 5
first = 0
[traffic]
rate = 0
requests = 8
repeat = 0.3
retransmit_after = 3
[[home_agent]]
name = "ha1"
address = "10.1.1.51"
mac = "0200.0000.0002"
pool = "10.9.0.0/28"
[respond]
virtual = ["10.1.1.10"]
"#;

fuzz_target!(|input: &[u8]| {
    let scenario = Scenario::parse(Path::new("fuzz.toml"), SCENARIO).expect("it is ours");
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let mut generator = Generator::new(&scenario, mac, 0xc2b9_f5a0).expect("it sends");
    let mut responder = Responder::new(&scenario).expect("it responds");
    let mut now = Duration::ZERO;
    for step in decode(input) {
        match step {
            Step::Burst(_, burst) => {
                for arrival in burst {
                    let mut out: Vec<Vec<u8>> = Vec::new();
                    responder.receive(now, &arrival.bytes, &mut out);
                    generator.receive(now, &arrival.bytes, &mut out);
                }
            }
            Step::Wait(seconds) => now += Duration::from_secs(seconds),
            Step::Host(..) | Step::Change(_) => talk(&mut generator, &mut responder, now),
        }
    }
    talk(&mut generator, &mut responder, now);
    let _ = (generator.progress(now), responder.progress(now), responder.status(now));
    let nodes: usize = responder.status(now).iter().map(|agent| agent.bindings).sum();
    assert!(nodes <= 13 + input.len(), "more bindings than requests");
});

/// Everything that one end says reaches the other.
fn talk(generator: &mut Generator, responder: &mut Responder, now: Duration) {
    let (mut requests, mut replies): (Vec<Vec<u8>>, Vec<Vec<u8>>) = Default::default();
    // Resolve, begin, send.
    for _ in 0..3 {
        generator.poll(now, &mut requests);
    }
    responder.poll(now, &mut replies);
    for frame in &requests {
        responder.receive(now, frame, &mut replies);
    }
    for frame in &replies {
        generator.receive(now, frame, &mut requests);
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, (size, most), seed, Traffic::Requests, fuzzer_mutate)
});
