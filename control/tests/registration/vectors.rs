//! The recorded requests and replies.

use std::{net::SocketAddrV4, sync::Arc};

use common::wire::mobile_ip::{
    Request,
    auth::{Algorithm, Key},
};
use control::home_agent::registration::*;
use serde_json::Value;

use super::harness::*;

fn file() -> Value {
    serde_json::from_str(include_str!("registrations.json")).unwrap()
}

fn payload(record: &Value) -> Vec<u8> {
    let hex = record["payload_hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn nai(user: u8) -> String {
    format!("mwts-mip-np-user{user}@ispxyz.com")
}

/// The sample configuration with what a record says that it needs.
fn lab(id: &str) -> Lab {
    let network = Arc::new(Network::Virtual("10.9.0.0/16".parse().unwrap()));
    let mut policy = Policy {
        own: [OWN].into(),
        virtual_addresses: vec![VIRTUAL],
        dynamic_address: Some(OWN),
        pools: [("P".into(), Pool { low: home(1), high: home(200) })].into(),
        nat_traversal: Some(NatTraversal { keepalive: 110, forced: false }),
        virtual_networks: vec![Arc::clone(&network)],
        ..Policy::default()
    };
    let host = Host { address: AddressSource::Pool("P".into()), ..Host::new(Arc::clone(&network)) };
    policy.hosts.insert_nai(b"@ispxyz.com", Arc::new(host));
    // The addresses that the recorded replies give them.
    for (user, last) in [(4, 4), (7, 9)] {
        let host = Host { address: AddressSource::Fixed(home(last)), ..Host::new(Arc::clone(&network)) };
        policy.hosts.insert_nai(nai(user).as_bytes(), Arc::new(host));
    }
    let nodes = [PeerName::Nai(b"@ispxyz.com"), PeerName::Hosts(home(0), home(255))];
    for name in nodes {
        policy.associations.insert(name, association(0x100, KEY)).unwrap();
    }
    if id == "RRQ-18" {
        let key = Key::from_ascii("cisco").unwrap();
        let association = SecurityAssociation::new(0x101, 0x101, Algorithm::Md5PrefixSuffix, key, None);
        policy.associations.insert(PeerName::Nai(nai(7).as_bytes()), association).unwrap();
    }
    if id == "RRQ-07" {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let association = SecurityAssociation::new(0x200, 0x200, Algorithm::HmacMd5, key, None);
        policy.associations.insert(PeerName::ForeignAgent(AGENT), association).unwrap();
    }
    let mut lab = Lab::with(policy);
    if ["RRQ-15", "RRQ-16", "RRQ-22"].contains(&id) {
        // The binding that its effect is about.
        lab.now.ntp -= SECOND;
        assert_eq!(lab.code(&Ask::of(&nai(1))), 0);
        lab.now.ntp += SECOND;
    }
    lab
}

fn play(record: &Value) -> (Lab, Outcome) {
    let id = record["id"].as_str().unwrap();
    let mut lab = lab(id);
    let end = |end: &str, port: &str| {
        let port = record["udp"][port].as_u64().unwrap() as u16;
        SocketAddrV4::new(record["ip"][end].as_str().unwrap().parse().unwrap(), port)
    };
    let payload = payload(record);
    if let Ok(request) = Request::decode(&payload)
        && id != "RRQ-20"
    {
        // Some are made a minute later.
        lab.now.ntp = lab.now.ntp.max(request.identification);
    }
    let outcome = lab.receive(&Received {
        source: end("src", "sport"),
        destination: end("dst", "dport"),
        destination_is_broadcast: false,
        checksum_ok: true,
        payload: &payload,
    });
    (lab, outcome)
}

#[test]
fn every_request_gets_what_is_recorded() {
    let mut seen = 0;
    for record in file()["requests"].as_array().unwrap() {
        let (expected, id) = (&record["expect_ha"], &record["id"]);
        let (lab, outcome) = play(record);
        match (outcome, expected["result"].as_str()) {
            (Outcome::Reply { code, .. }, Some("accept" | "deny")) => {
                assert_eq!(u64::from(code.0), expected["code"].as_u64().unwrap(), "{id}");
            }
            (Outcome::Discarded(reason), Some("silent-discard")) => {
                if let Some(word) = expected["reason"].as_str() {
                    assert_eq!(reason.word(), word, "{id}");
                }
            }
            (Outcome::Discarded(Discard::NotRequest), None) => {}
            (outcome, expected) => panic!("{id}: {outcome:?}, {expected:?}"),
        }
        if let Some(count) = expected["bindings_after"].as_u64() {
            assert_eq!(lab.agent.bindings() as u64, count, "{id}");
        }
        seen += 1;
    }
    assert_eq!(seen, 39);
}

#[test]
fn what_is_recorded_beside_the_code_holds() {
    let file = file();
    let play = |id: &str| {
        play(file["requests"].as_array().unwrap().iter().find(|record| record["id"] == id).unwrap())
    };
    for id in ["RRQ-15", "RRQ-16"] {
        assert!(play(id).0.bindings().is_empty(), "{id}");
    }
    let gre =
        |id| play(id).0.agent.bindings_from(home(0), Lab::new().now).next().unwrap().tunnel.encapsulation;
    assert_eq!(gre("RRQ-04"), Encapsulation::Gre);
    let udp = Encapsulation::Udp { port: 51_000, next_header: NextHeader::Ip, learn_port: false };
    assert_eq!(gre("RRQ-17"), udp);
    assert_eq!(play("RRQ-19").0.violations(), [Reason::BadAuthenticator]);
    assert_eq!(play("RRQ-08").0.agent.counters().get(Counter::NormalVendorMobile), 1);
    assert_eq!(play("RRQ-07").0.agent.counters().get(Counter::AaaUnverified), 1);
}

#[test]
fn the_recorded_replies_are_made_byte_for_byte() {
    let file = file();
    let mut seen = 0;
    for recorded in file["replies"].as_array().unwrap() {
        let requests = file["requests"].as_array().unwrap();
        let request = requests.iter().find(|record| record["id"] == recorded["answers"]).unwrap();
        // Redirection to another home agent is not offered.
        if recorded["id"] == "RRP-04" {
            continue;
        }
        let (lab, outcome) = play(request);
        assert_eq!(lab.reply, payload(recorded), "{}", recorded["id"]);
        let Outcome::Reply { from, to, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(from.ip().to_string(), recorded["ip"]["src"].as_str().unwrap());
        assert_eq!(to.ip().to_string(), recorded["ip"]["dst"].as_str().unwrap());
        assert_eq!(u64::from(to.port()), recorded["udp"]["dport"].as_u64().unwrap());
        assert_eq!(from.port(), 434);
        seen += 1;
    }
    assert_eq!(seen, 7);
}
