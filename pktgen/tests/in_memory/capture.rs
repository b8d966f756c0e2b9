//! Capture files, and frames as an independent dissector sees them.

use std::{fs, path::Path, process::Command};

use common::wire::mobile_ip::{AuthKind, RRQ_FIXED, walk};
use pktgen::{bundled, pcap, scenario::Scenario};

use crate::network::{Network, PORT, SMALL, datagram, load};

fn bundled_capture() -> Scenario {
    Scenario::parse(Path::new("capture"), bundled::find("capture").unwrap()).unwrap()
}

fn write(scenario: &Scenario, requests: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let (frames, bytes) = pcap::write(scenario, Some(requests), &mut file).unwrap();
    assert_eq!((frames, bytes), (requests, file.len() as u64));
    file
}

/// The fields that tshark sees, one list a frame.
fn dissect(file: &[u8], fields: &[&str]) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("frames.pcap");
    fs::write(&path, file).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|"]);
    command.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is needed to judge frames");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('|').map(Into::into).collect()).collect()
}

/// Frames as a capture file.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    dataplane::backend::sim::pcap::write(frames.iter().map(|frame| (0, frame.as_slice())))
}

#[test]
fn a_capture_has_distinct_nodes_and_frames_of_the_asked_size() {
    let file = write(&bundled_capture(), 200);
    assert_eq!(file.len(), 24 + 200 * (16 + 118));
    let seen = dissect(
        &file,
        &[
            "frame.len",
            "ip.checksum.status",
            "mip.nai",
            "mip.type",
            "eth.dst",
            "mip.auth.spi",
            "_ws.malformed",
        ],
    );
    assert_eq!(seen.len(), 200);
    for (index, fields) in seen.iter().enumerate() {
        let nai = format!("mip-user{index:09}@ispxyz.com");
        assert_eq!(fields[..], ["118", "1", &nai, "1", "02:00:00:00:00:01", "0x00000100", ""]);
    }
}

#[test]
fn the_same_scenario_gives_the_same_bytes_and_another_seed_another_order() {
    let mut scenario = bundled_capture();
    scenario.nodes.as_mut().unwrap().count = 500;
    scenario.traffic.shuffle = true;
    let (first, again) = (write(&scenario, 300), write(&scenario, 300));
    assert!(first == again);
    scenario.seed += 1;
    assert!(first != write(&scenario, 300));
}

#[test]
fn a_capture_needs_the_next_hops_address() {
    let mut scenario = bundled_capture();
    scenario.target.as_mut().unwrap().mac = None;
    let error = pcap::write(&scenario, None, &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "target.mac: is needed: nobody answers ARP when a file is written");
}

#[test]
fn tshark_finds_requests_and_replies_whole_and_their_checksums_good() {
    let mut network = Network::new(SMALL);
    network.run();
    let frames = [network.sent.clone(), network.answered.clone()].concat();
    let fields = [
        "mip.type",
        "ip.checksum.status",
        "udp.checksum.status",
        "mip.nai",
        "mip.auth.spi",
        "mip.code",
        "mip.homeaddr",
        "mip.haaddr",
        "mip.coa",
        "mip.life",
        "arp.opcode",
        "_ws.malformed",
    ];
    let seen = dissect(&capture(&frames), &fields);
    let (mut requests, mut replies, mut arps) = (0, 0, 0);
    for fields in &seen {
        assert_eq!(fields[11], "", "malformed");
        match fields[0].as_str() {
            "" => {
                assert!(["1", "2"].contains(&fields[10].as_str()));
                arps += 1;
                continue;
            }
            "1" => {
                requests += 1;
                assert_eq!(fields[3], format!("user{requests}@r"));
                assert_eq!(fields[6], "0.0.0.0");
                assert!(fields[8].starts_with("10.1.1."));
            }
            "3" => {
                replies += 1;
                assert_eq!(fields[3], format!("user{replies}@r"));
                assert_eq!((fields[5].as_str(), fields[6].as_str()), ("0", &*format!("10.9.0.{replies}")));
                assert_eq!(fields[7], "10.1.1.51");
            }
            other => panic!("message type {other}"),
        }
        // 1: good.
        assert_eq!((fields[1].as_str(), fields[2].as_str()), ("1", "1"));
        assert_eq!((fields[4].as_str(), fields[9].as_str()), ("0x00000100", "1800"));
    }
    assert_eq!((requests, replies, arps), (20, 20, 2));
}

#[test]
fn every_size_is_met_exactly_and_can_be_walked() {
    for size in 98..=700_u16 {
        let mut scenario =
            load(&SMALL.replace("[nodes]", &format!("[request]\nframe_size = {size}\n[nodes]")));
        scenario.target.as_mut().unwrap().mac = Some(PORT);
        let file = write(&scenario, 1);
        let frame = &file[40..];
        let (_, _, datagram) = datagram(frame).unwrap();
        let association = scenario.association().unwrap();
        association.verify(AuthKind::MobileHome, datagram.payload, RRQ_FIXED).unwrap();
        assert_eq!((frame.len(), walk(datagram.payload).unwrap().nai), (size.into(), Some(&b"user1@r"[..])));
    }
}

#[test]
fn a_padded_request_is_still_authentic_to_the_home_agent() {
    let text = SMALL.replace("[nodes]", "[request]\nframe_size = 200\n[nodes]");
    let mut network = Network::new(&text);
    network.run();
    assert!(
        network.sent.iter().filter(|frame| frame[12] == 8 && frame[13] == 0).all(|frame| frame.len() == 200)
    );
    assert_eq!(network.generator.registrations().codes.get(&0), Some(&20));
    assert!(load(&text).association().is_some());
}
