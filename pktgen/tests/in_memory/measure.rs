//! A measurement on simulated ports with a clock of the test's own, and between them a director in ten lines that
//! misbehaves as it is told.

use std::time::Duration;

use common::{
    id::PortId,
    mac::MacAddr,
    wire::{checksum, ethernet},
};
use dataplane::backend::sim::{Sizes, Wire, open};
use pktgen::{
    accounting::port::PortCounters,
    command,
    measure::{
        measurement::{Macs, Measurement},
        plan,
        report::{self, Ports},
        two_port_loop::TwoPortLoop,
    },
    port_loop::Activity,
    result::{Report, Step},
    scenario::{Port, Scenario},
};

use crate::network::{CLOCK, PORT, load};

const TICK: Duration = Duration::from_micros(500);
const AGENTS: [MacAddr; 2] = [MacAddr([2, 0, 10, 1, 1, 51]), MacAddr([2, 0, 10, 1, 1, 52])];
const UDP_CHECKSUM: usize = 14 + 20 + 6;

const BASE: &str = r#"
[[agent]]
address = "15.1.1.51"
[target]
address = "10.1.1.10"
mac = "02:00:00:00:00:01"
[sink]
device = "sim1"
wait = 0
[nodes]
nai = "user{n}@r"
count = 100
[[home_agent]]
name = "ha1"
address = "10.1.1.51"
[[home_agent]]
name = "ha2"
address = "10.1.1.52"
"#;

/// Fates of the frames, by their number.
type Fate = fn(u64, Vec<u8>) -> Vec<(MacAddr, Vec<u8>)>;

/// Where the realm of its NAI begins: behind Ethernet, IPv4, UDP, the fixed part and the extension's type and length.
fn realm(frame: &[u8]) -> usize {
    let nai = 14 + 20 + 8 + 24 + 2;
    nai + usize::from(frame[nai - 1]) - 2
}

/// To the home agent of the node: the last digit of its NAI.
fn home(frame: &[u8]) -> MacAddr {
    let at = realm(frame);
    assert_eq!(&frame[at..at + 2], b"@r");
    AGENTS[usize::from(frame[at - 1]) % 2]
}

fn good(_: u64, frame: Vec<u8>) -> Vec<(MacAddr, Vec<u8>)> {
    vec![(home(&frame), frame)]
}

/// Runs the scenario with frames that meet `fate` `delay` ticks after they were sent.
fn measure(text: &str, fate: Fate, delay: u64) -> Report {
    let scenario: Scenario = load(&format!("{BASE}{text}"));
    let mode = scenario.mode.as_ref().unwrap();
    let nodes = scenario.nodes.as_ref().unwrap();
    let plan = plan::new(mode, nodes, &scenario.traffic).unwrap();
    let macs = Macs { port: PORT, sink: Some(MacAddr([2, 0, 0, 0, 0, 8])) };
    let measurement = Measurement::new(&scenario, plan, macs, CLOCK, 77).unwrap();
    let port = Port::new("sim0".into());
    let config = scenario.dataplane(&port, scenario.sink.as_ref());
    let (mut ports, wire) = open(&config, Sizes::default()).unwrap();
    let mut queues = ports.queues.remove(0).into_iter();
    let (_here, commands) = command::channel();
    let (_there, counters) = std::sync::mpsc::channel();
    let mut ports = TwoPortLoop::new(queues.next().unwrap(), queues.next(), measurement, commands, counters);
    let (mut now, mut ticks, mut number) = (Duration::ZERO, 0, 0);
    let mut held: Vec<(u64, MacAddr, Vec<u8>)> = Vec::new();
    while ports.step(&mut || now) != Activity::Done {
        for frame in wire.sent(PortId(0)) {
            number += 1;
            held.extend(fate(number, frame).into_iter().map(|(to, frame)| (ticks + delay, to, frame)));
        }
        let (due, rest): (Vec<_>, Vec<_>) = held.into_iter().partition(|(at, ..)| *at <= ticks);
        held = rest;
        for (_, to, frame) in due {
            deliver(&wire, to, frame);
        }
        (now, ticks) = (now + TICK, ticks + 1);
        assert!(ticks < 1_000_000, "no end: {}", ports.measurement.doing());
    }
    let seen = Ports { counters: ports.port_counters(), missed: [0; 2] };
    assert_ne!(seen.counters.0, PortCounters::default());
    let setting = report::setting(&scenario, &port, None);
    report::new(mode.kind(), setting, 0, &ports.measurement, &seen).unwrap()
}

fn deliver(wire: &Wire, to: MacAddr, mut frame: Vec<u8>) {
    frame[..6].copy_from_slice(&to.0);
    assert!(wire.feed(PortId(1), 0, &frame));
}

const SOAK: &str = "[traffic]\nrate = 1000\nduration = 2\n[mode.soak]\ninterval = 1\nsettle = 0.2\n";

#[test]
fn a_good_director_passes_and_every_node_keeps_its_home_agent() {
    let report = measure(SOAK, good, 10);
    assert!(report.outcome.passed, "{}", report.outcome.reason);
    let total = report.total;
    assert_eq!((total.sent, total.right, total.new), (2000, 2000, 100));
    let shares: Vec<_> = report.home_agents.iter().map(|it| (it.right, it.wrong, it.nodes)).collect();
    assert_eq!(shares, [(1000, 0, 50), (1000, 0, 50)]);
    assert_eq!(report.steps.len(), 2);
    for step in &report.steps {
        assert_eq!((step.frames.sent, step.seconds, step.passed), (1000, 1.0, Some(true)));
        // Ten ticks, and one until it is looked at.
        let latency = step.latency.as_ref().unwrap();
        assert!((4_990.0..5_510.0).contains(&latency.p50) && (4_990.0..5_510.0).contains(&latency.max));
    }
}

#[test]
fn each_misdeed_has_its_name() {
    let wrong: Fate = |number, frame| {
        let to = home(&frame);
        let other = if to == AGENTS[0] { AGENTS[1] } else { AGENTS[0] };
        vec![(if number == 700 { other } else { to }, frame)]
    };
    let nobody: Fate = |number, frame| {
        let to = if number == 700 { MacAddr([2, 0, 0, 9, 9, 9]) } else { home(&frame) };
        vec![(to, frame)]
    };
    let spoiled: Fate = |number, mut frame| {
        let to = home(&frame);
        if number == 700 {
            // The home address; with its checksum, so that only the frame's own notices.
            frame[14 + 20 + 8 + 6] ^= 1;
            let sum = u16::from_be_bytes([frame[UDP_CHECKSUM], frame[UDP_CHECKSUM + 1]]);
            frame[UDP_CHECKSUM..UDP_CHECKSUM + 2].copy_from_slice(&(sum.wrapping_sub(0x100)).to_be_bytes());
        }
        vec![(to, frame)]
    };
    let twice: Fate = |number, frame| vec![(home(&frame), frame); if number == 700 { 2 } else { 1 }];
    let foreign: Fate = |number, mut frame| {
        let to = home(&frame);
        let at = realm(&frame);
        if number == 700 {
            // The run.
            frame[at + 4 + 3] ^= 1;
        }
        vec![(to, frame)]
    };
    for (fate, reason) in [
        (wrong, "1 frames at a wrong home agent"),
        (nobody, "1 frames at a wrong home agent"),
        (spoiled, "1 frames corrupted"),
        (twice, "1 frames duplicated"),
        (foreign, "1 frames never sent, or beyond reading"),
    ] {
        let report = measure(SOAK, fate, 1);
        assert!(
            !report.outcome.passed && report.outcome.reason == reason,
            "{reason}: {}",
            report.outcome.reason
        );
        let total = report.total;
        assert!((700..720).contains(&total.sent), "{reason}: it goes on after the first one: {total:?}");
        assert_eq!(total.sent, total.right + total.wrong + total.corrupted + total.lost);
    }
}

#[test]
fn what_comes_too_late_is_lost() {
    // 0.2 s are 400 ticks.
    let report = measure(&SOAK.replace("settle", "loss = 1\nsettle"), good, 500);
    assert!(report.total.late > 0 && report.total.right == 0 && report.total.lost == report.total.sent);
    let reason = &report.outcome.reason;
    assert!(!report.outcome.passed && reason.contains("nothing arrived"), "whatever the bound: {reason}");
    // Every tenth.
    let some: Fate = |number, frame| if number % 10 == 0 { Vec::new() } else { good(number, frame) };
    let allowed = measure(&SOAK.replace("settle", "loss = 0.1\nsettle"), some, 1);
    assert!(allowed.outcome.passed && allowed.total.lost == 200, "{}", allowed.outcome.reason);
    let strict = measure(SOAK, some, 1);
    assert!(
        !strict.outcome.passed && strict.outcome.reason.contains("loss of 1.0e-1"),
        "{}",
        strict.outcome.reason
    );
}

#[test]
fn a_node_whose_frames_are_lost_is_no_session_and_a_warm_up_is_not_in_the_latency() {
    let half: Fate = |number, frame| if number.is_multiple_of(2) { Vec::new() } else { good(number, frame) };
    let sessions =
        "[traffic]\nrate = 1000\n[mode.sessions]\ncapacity = 100\ninterval = 1\nsettle = 0.1\nchurn = 0\n";
    let lossy = measure(&sessions.replace("churn", "loss = 0.6\nchurn"), half, 1);
    assert_eq!((lossy.total.new, lossy.total.right, lossy.outcome.sessions), (100, 50, Some(50)));
    let well = measure(sessions, good, 1);
    assert!(well.outcome.passed && well.outcome.sessions == Some(100), "{}", well.outcome.reason);
    assert_eq!((lossy.total.created, well.total.created), (50, 100));
    // A hundred in a tenth of a second, and half of them.
    let rates = (lossy.outcome.rate.unwrap(), well.outcome.rate.unwrap());
    assert!((480.0..510.0).contains(&rates.0) && (970.0..1020.0).contains(&rates.1), "{rates:?}");
    let table = report::table(&well);
    assert!(
        table.contains("new sessions/s until 100 nodes were sent for") && table.contains(" new/s "),
        "{table}"
    );
    let nothing = measure(sessions, |_, _| Vec::new(), 1);
    assert!(!nothing.outcome.passed && nothing.outcome.reason.contains("nothing arrived"));

    let text =
        "[traffic]\nrate = 1000\n[mode.latency]\nloads = [50, 100]\ntrial = 1\nsettle = 0.1\nwarmup = 1\n";
    let latency = measure(text, good, 10);
    let counts: Vec<u64> = latency.steps.iter().map(|step| step.latency.as_ref().unwrap().count).collect();
    assert_eq!((counts, latency.latency.unwrap().count), (vec![500, 500, 1000], 1500));
}

#[test]
fn the_search_finds_what_a_director_carries() {
    // Every fifth frame is lost, whatever the rate: found only if that much is allowed.
    let leaky: Fate = |number, frame| if number % 5 == 0 { Vec::new() } else { good(number, frame) };
    let text = |loss: f64| {
        format!(
            "[traffic]\nrate = 4000\n[mode.throughput]\ntrial = 0.5\nsettle = 0.1\nloss = {loss}\nresolution = 0.1\n"
        )
    };
    let allowed = measure(&text(0.21), leaky, 3);
    assert_eq!((allowed.outcome.rate, allowed.steps.len()), (Some(4000.0), 1));
    assert!((allowed.outcome.loss.unwrap() - 0.2).abs() < 0.001);
    assert_eq!(allowed.steps[0].losses, [("unaccounted".into(), 400)].into());
    let strict = measure(&text(0.1), leaky, 3);
    assert!(!strict.outcome.passed && strict.outcome.rate.is_none());
    let targets: Vec<f64> = strict.steps.iter().filter_map(|step: &Step| step.target).collect();
    assert_eq!(targets, [4000.0, 2000.0, 1000.0, 500.0, 250.0]);
}

#[test]
fn frames_stay_readable_through_headers_that_are_made_anew() {
    // As a director does it: other Ethernet addresses, TTL one less, header checksum to fit.
    let routed: Fate = |_, mut frame| {
        let to = home(&frame);
        let ip = &mut frame[ethernet::LENGTH..ethernet::LENGTH + 20];
        ip[8] -= 1;
        ip[10..12].fill(0);
        let sum = checksum::of(&[ip]);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        vec![(to, frame)]
    };
    assert!(measure(SOAK, routed, 1).outcome.passed);
    let unsummed: Fate = |_, mut frame| {
        frame[ethernet::LENGTH + 8] -= 1;
        vec![(home(&frame), frame)]
    };
    assert!(!measure(SOAK, unsummed, 1).outcome.passed, "the header checksum is wrong");
}
