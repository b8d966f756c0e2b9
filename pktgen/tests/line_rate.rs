//! `generate` at a share of the line rate: the program itself on a port that takes everything.

#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use serde_json::Value;

const SCENARIO: &str = r#"
[port]
device = "net_null0"
hugepages = "off"
speed_mbps = 1
[[agent]]
address = "10.1.1.1"
[target]
address = "10.1.1.51"
mac = "02:00:00:00:00:01"
[nodes]
nai = "u{n}@r"
count = 10000
[request]
frame_size = 226
[traffic]
rate = 5000
line = 0.2
duration = 1
drain = 0
"#;

fn sent(words: &[&str]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("line.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let pktgen = env!("CARGO_BIN_EXE_pktgen");
    let mut program = Command::new(pktgen);
    let output =
        program.arg("generate").arg(&scenario).args(["--quiet", "--json", "-"]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    result["requests"]["sent"].as_u64().unwrap()
}

#[test]
fn generate_takes_a_share_of_the_line_unless_a_rate_is_told() {
    // 1 Mbit/s hold 500 frames of 226 bytes a second.
    let shared = sent(&[]);
    assert!((90..=101).contains(&shared), "{shared}");
    let told = sent(&["--rate", "300"]);
    assert!((270..=301).contains(&told), "{told}");
}
