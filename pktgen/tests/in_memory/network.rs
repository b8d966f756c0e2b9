//! A wire between foreign agents and home agents, with a clock.

use std::{path::Path, time::Duration};

use common::{
    mac::MacAddr,
    wire::{ethernet, ipv4, mobile_ip::Reply, udp},
};
use pktgen::{
    generate::Generator,
    port_loop::{Activity, Endpoint},
    respond::Responder,
    scenario::{Scenario, ScenarioError},
};

pub const PORT: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
pub const STEP: Duration = Duration::from_millis(10);
pub const CLOCK: u32 = 0xc2b9_f5a0;

/// Two foreign agents, one home agent on the same wire, 20 nodes.
pub const SMALL: &str = r#"
[[agent]]
address = "10.1.1.1"
[[agent]]
address = "10.1.1.2"
[target]
address = "10.1.1.51"
[nodes]
nai = "user{n}@r"
count = 20
[[home_agent]]
name = "ha1"
address = "10.1.1.51"
[[home_agent]]
name = "ha2"
address = "10.1.1.52"
pool = "10.8.0.0/29"
[respond]
virtual = ["10.1.1.10"]
[authentication]
spi = 0x100
key_ascii = "secret"
"#;

pub fn load(text: &str) -> Scenario {
    try_load(text).unwrap()
}

pub fn try_load(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(Path::new("test.toml"), text)
}

/// A wire: what one side sends the other receives.
pub struct Network {
    pub generator: Generator,
    pub responder: Responder,
    pub now: Duration,
    /// Frames from the foreign agents to the home agents, all of them.
    pub sent: Vec<Vec<u8>>,
    /// Frames back.
    pub answered: Vec<Vec<u8>>,
    /// What the wire does to a frame back: how often it is delivered.
    pub deliver: fn(usize) -> usize,
}

impl Network {
    pub fn new(text: &str) -> Self {
        let scenario = load(text);
        Self {
            generator: Generator::new(&scenario, PORT, CLOCK).unwrap(),
            responder: Responder::new(&scenario).unwrap(),
            now: Duration::ZERO,
            sent: Vec::new(),
            answered: Vec::new(),
            deliver: |_| 1,
        }
    }

    /// One step of both sides; true until the foreign agents are done.
    pub fn step(&mut self) -> bool {
        let mut there = Vec::new();
        let flow = self.generator.poll(self.now, &mut there);
        self.carry(there);
        self.now += STEP;
        flow != Activity::Done
    }

    pub fn carry(&mut self, there: Vec<Vec<u8>>) {
        let mut back = Vec::new();
        self.responder.poll(self.now, &mut back);
        for frame in &there {
            self.responder.receive(self.now, frame, &mut back);
        }
        self.sent.extend(there);
        let mut replies = Vec::new();
        for frame in back {
            for _ in 0..(self.deliver)(self.answered.len()) {
                self.generator.receive(self.now, &frame, &mut replies);
            }
            self.answered.push(frame);
        }
        // An ARP reply of the foreign agents, say.
        for frame in &replies {
            self.responder.receive(self.now, frame, &mut Vec::new());
        }
    }

    /// Runs to the end; a run that has none is a failure.
    pub fn run(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "no end: {}", self.generator.progress(self.now));
        }
    }
}

/// Source and message of a frame that is a UDP datagram.
pub fn datagram(frame: &[u8]) -> Option<(MacAddr, ipv4::Parsed<'_>, udp::Parsed<'_>)> {
    let frame = ethernet::parse(frame).unwrap();
    if frame.ethertype != ethernet::IPV4 {
        return None;
    }
    let ip = ipv4::parse(frame.payload).unwrap();
    let datagram = udp::parse(ip.payload).unwrap();
    assert!(ip.checksum_ok && datagram.checksum_ok(ip.header.source(), ip.header.destination()));
    Some((frame.destination, ip, datagram))
}

pub fn replies(frames: &[Vec<u8>]) -> Vec<Reply> {
    frames.iter().filter_map(|frame| datagram(frame)).map(|it| Reply::decode(it.2.payload).unwrap()).collect()
}
