//! Scenarios: the bundled ones, and what is wrong with others, by file and field.

use std::path::Path;

use common::wire::mobile_ip::auth::Algorithm;
use pktgen::{bundled, check, scenario::Scenario};

use crate::network::{SMALL, load, try_load};

#[test]
fn the_bundled_scenarios_are_read_by_name_and_fit_their_use() {
    for (name, _) in bundled::ALL {
        let scenario = Scenario::load(Path::new(name)).unwrap();
        assert_eq!(scenario.name, *name);
        if scenario.home_agents.is_empty() {
            check::sending(&scenario).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        } else {
            check::responding(&scenario).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        }
    }
    let missing = Scenario::load(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/x.toml: "), "{missing}");
}

#[test]
fn a_wrong_value_is_told_by_file_and_field() {
    for (from, to, want) in [
        ("count = 20", "count = 0", "nodes.count: expected 1 to 64000000"),
        ("count = 20", "count = 2\nfirst = 4294967295", "nodes.first: the last node's number"),
        ("10.1.1.2\"", "10.1.1.1\"", "agent[1].address: 10.1.1.1 is that of agent[0].address"),
        ("10.1.1.2\"", "224.0.0.1\"", "agent[1].address: 224.0.0.1 is not the address of a host"),
        ("\"ha2\"", "\"ha1\"", "home_agent[1].name: is that of home_agent[0]"),
        ("\"ha2\"", "\"all\"", "home_agent[1].name: expected one word other than all"),
        ("10.1.1.10", "10.1.1.52", "respond.virtual: 10.1.1.52 is the real address of ha2"),
        ("pool =", "mac = \"02:00:0a:01:01:33\"\npool =", "home_agent[1].mac: is that of home_agent[0]"),
        ("[nodes]", "[traffic]\nrate = -1\n[nodes]", "traffic.rate: expected requests a second"),
        ("[nodes]", "[traffic]\nrepeat = 1.5\n[nodes]", "traffic.repeat: expected a share, 0 to 1"),
        (
            "[nodes]",
            "[request]\nframe_size = 90\n[nodes]",
            "request.frame_size: the longest request has 98 bytes",
        ),
        (
            "[nodes]",
            "[request]\nframe_size = 1515\n[nodes]",
            "request.frame_size: the port takes at most 1514",
        ),
        (
            "[nodes]",
            "[port]\ndevice = \"x\"\ndescriptors = 1\n[nodes]",
            "port.descriptors: expected 64 to 8192",
        ),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = try_load(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("test.toml: {want}")), "{error}");
    }
}

#[test]
fn frames_fit_a_port_of_any_mtu() {
    let frames = "[port]\ndevice = \"x\"\nmtu = 65535\n[request]\nframe_size = 65535\n[nodes]";
    try_load(&SMALL.replacen("[nodes]", frames, 1)).unwrap();
}

#[test]
fn wrong_text_is_told_by_line() {
    for (from, to, want) in [
        ("count = 20", "count = 20\ncuont = 3", "unknown field `cuont`"),
        ("user{n}@r", "user@r", "expected one {n}"),
        ("\"secret\"", "\"\"", "1 to 16 printable characters"),
        ("spi = 0x100", "spi = 0xff", "spi: 0 to 0xff are reserved"),
        ("key_ascii", "key_hex", "exactly 32 digits"),
        ("[nodes]", "[request]\nflags = \"TQ\"\n[nodes]", "expected letters out of"),
        ("[nodes]", "[traffic]\ndrain = -1\n[nodes]", "expected seconds"),
        ("10.8.0.0/29", "10.8.0.0/33", "pool"),
        ("address = \"10.1.1.2\"", "address = \"10.1.1\"", "address"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        // As the program prints it: once, with all causes.
        let error = format!("{:#}", anyhow::Error::from(try_load(&SMALL.replacen(from, to, 1)).unwrap_err()));
        assert!(error.starts_with("test.toml: TOML parse error at line ") && error.contains(want), "{error}");
        assert_eq!(error.matches("TOML parse error").count(), 1, "{error}");
    }
}

#[test]
fn what_a_use_needs_is_asked_for_by_name() {
    let without = |what: &str| {
        let mut scenario = load(SMALL);
        match what {
            "agent" => scenario.agents.clear(),
            "target" => scenario.target = None,
            "nodes" => scenario.nodes = None,
            _ => scenario.home_agents.clear(),
        }
        scenario
    };
    for what in ["agent", "target", "nodes"] {
        assert_eq!(check::sending(&without(what)).err().unwrap().field, what);
    }
    assert_eq!(check::responding(&without("home_agent")).unwrap_err().field, "home_agent");
    assert_eq!(check::port(&load(SMALL)).unwrap_err().field, "port");
}

#[test]
fn the_key_is_not_shown() {
    let scenario = load(&SMALL.replace("spi = 0x100", "algorithm = \"md5-prefix-suffix\"\nspi = 0x100"));
    assert_eq!(scenario.association().unwrap().algorithm, Algorithm::Md5PrefixSuffix);
    assert!(!format!("{scenario:?}").contains("secret"));
}
