//! The program itself at both ends of a veth pair in a network namespace of the test's own: `net_af_packet`, no huge
//! pages. Needs root.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

const PKTGEN: &str = env!("CARGO_BIN_EXE_pktgen");
const DEADLINE: Duration = Duration::from_mins(1);
const SCENARIO: &str = r#"
[port]
device = "set on the command line"
hugepages = "off"

[[agent]]
address = "10.1.1.1"

[[agent]]
address = "10.1.1.2"

[target]
address = "10.1.1.51"

[nodes]
nai = "mwts-mip-np-user{n}@ispxyz.com"
count = 60

[traffic]
rate = 400
retransmit_after = 0.2
retransmissions = 200
drain = 30
resolve = 30

[[home_agent]]
name = "ha1"
address = "10.1.1.51"
deaf = true

[authentication]
spi = 0x100
key_ascii = "1234567812345678"
"#;

/// A namespace with a veth pair, removed with everything in it.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let name = format!("pktgen{}", std::process::id());
        ip(&["netns", "add", &name]);
        let made = Self(name);
        let name = made.0.as_str();
        ip(&["-n", name, "link", "add", "left", "type", "veth", "peer", "name", "right"]);
        for device in ["left", "right"] {
            ip(&["-n", name, "link", "set", device, "addrgenmode", "none"]);
            ip(&["-n", name, "link", "set", device, "up"]);
        }
        made
    }

    fn pktgen(&self, arguments: &[&str]) -> Child {
        Command::new("ip")
            .args(["netns", "exec", &self.0, PKTGEN])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || thread::panicking(), "ip {arguments:?}: {said}");
}

/// A process of the test, killed with it.
struct Process(Option<Child>);

impl Process {
    fn output(mut self) -> Output {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn json(self) -> Value {
        serde_json::from_slice(&self.output().stdout).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks a socket, which may not be there yet.
fn ask(path: &Path, line: &str) -> String {
    let from = Instant::now();
    loop {
        if let Ok(mut stream) = UnixStream::connect(path) {
            // The status is written without being asked for, and the socket may be closed by now.
            if !line.is_empty() {
                writeln!(stream, "{line}").unwrap();
            }
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            return answer;
        }
        assert!(from.elapsed() < DEADLINE, "{} does not answer", path.display());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nodes_register_with_a_home_agent_that_was_deaf_and_hears_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| -> (PathBuf, String) {
        let path = directory.path().join(name);
        (path.clone(), path.to_str().unwrap().into())
    };
    let ((scenario, scenario_name), (control, control_name), (status, status_name)) =
        (file("both.toml"), file("control"), file("status"));
    let (ledger, ledger_name) = file("ledger");
    fs::write(&scenario, SCENARIO).unwrap();
    let namespace = Namespace::new();
    let right = "net_af_packet0,iface=right";
    let sockets = ["--control", &control_name, "--status-socket", &status_name];
    let respond = [&["respond", &scenario_name, "--device", right, "--json", "-"][..], &sockets].concat();
    let home_agents = Process(Some(namespace.pktgen(&respond)));
    assert!(ask(&control, "listen").starts_with("error: expected deaf NAME"));
    let left = "net_af_packet0,iface=left";
    let agents = Process(Some(namespace.pktgen(&[
        "generate",
        &scenario_name,
        "--device",
        left,
        "--json",
        "-",
        "--ledger",
        &ledger_name,
        "--expect-all",
    ])));
    let from = Instant::now();
    let home_agent = || {
        let answer: Value = serde_json::from_str(&ask(&status, "")).unwrap();
        answer["home_agents"][0].clone()
    };
    while home_agent()["unheard"].as_u64().unwrap() < 80 {
        assert!(from.elapsed() < DEADLINE, "no requests come");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(home_agent()["bindings"], 0);
    assert_eq!(ask(&control, "hear ha1"), "ok\n");

    let sent = agents.json();
    assert_eq!(sent["nodes"]["registered"], 60, "{sent}");
    assert_eq!(home_agent()["bindings"], 60);
    assert_eq!(ask(&control, "stop"), "ok\n");
    let heard = home_agents.json();
    let heard = &heard["home_agents"][0];
    // Both sides tell the same story: what was not heard is what was lost.
    assert_eq!(sent["requests"]["lost"], heard["unheard"]);
    assert_eq!(sent["requests"]["answered"], heard["accepted"]);
    assert_eq!(sent["home_agents"][0]["address"], "10.1.1.51");
    assert_eq!((&sent["requests"]["duplicates"], &sent["wrong"]), (&0.into(), &serde_json::json!({})));
    assert_eq!(fs::read_to_string(ledger).unwrap().lines().count(), 60);
    assert!(!control.exists() && !status.exists(), "sockets stay behind");
}
