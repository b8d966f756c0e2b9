//! Any text as a scenario of pktgen: what is taken makes endpoints, and a capture file whose requests are what it says.
#![no_main]

use std::path::Path;

use common::{
    mac::MacAddr,
    wire::{ethernet, ipv4, mobile_ip::Message, udp},
};
use dataplane::backend::sim::pcap;
use pktgen::{check, generate::Generator, respond::Responder, scenario::Scenario};

/// Frames of the capture file.
const FRAMES: u64 = 4;
/// Mobile nodes above which no endpoint is made: each has its account.
const NODES: u32 = 10_000;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(scenario) = Scenario::parse(Path::new("fuzz.toml"), text) else { return };
    let _ = check::measuring(&scenario);
    let _ = Responder::new(&scenario);
    if scenario.nodes.as_ref().is_some_and(|nodes| nodes.count > NODES) {
        return;
    }
    let _ = Generator::new(&scenario, MacAddr([2, 0, 0, 0, 0, 1]), 0);
    let mut file = Vec::new();
    let Ok((frames, bytes)) = pktgen::pcap::write(&scenario, Some(FRAMES), &mut file) else { return };
    assert_eq!((frames, bytes), (FRAMES, file.len() as u64));
    let captured = pcap::read(&file).expect("a capture file");
    assert_eq!(captured.len() as u64, FRAMES);
    for frame in captured {
        let link = ethernet::parse(&frame.bytes).expect("a link header");
        let packet = ipv4::parse(link.payload).expect("an IPv4 packet");
        assert!(packet.checksum_ok);
        let (source, destination) = (packet.header.source(), packet.header.destination());
        let datagram = udp::parse(packet.payload).expect("a UDP datagram");
        assert!(datagram.checksum_ok(source, destination));
        let message = Message::decode(datagram.payload).expect("a Mobile IP message");
        assert!(matches!(message, Message::Request(_)));
    }
});
