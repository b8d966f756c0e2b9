//! Every recorded request through the walk: the action, the key and the reason must be those of the record.

use std::net::Ipv4Addr;

use common::wire::mobile_ip::{NodeKey, WalkError, walk};
use proptest::prelude::*;
use serde_json::Value;

fn records() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../data/mobile_ip_requests.json")).unwrap();
    file["requests"].as_array().unwrap().clone()
}

fn payload(record: &Value) -> Vec<u8> {
    let hex = record["payload_hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn reason(error: WalkError) -> &'static str {
    match error {
        WalkError::TooShort => "too-short",
        WalkError::NotRrq => "not-rrq",
        WalkError::ExtTruncated => "ext-truncated",
        WalkError::ExtOverrun => "ext-overrun",
        WalkError::NaiEmpty => "nai-empty",
        WalkError::NaiDuplicate => "nai-duplicate",
    }
}

#[test]
fn every_record_is_decided_as_recorded() {
    let records = records();
    assert_eq!(records.len(), 34);
    for record in records {
        let (id, bytes, want) = (&record["id"], payload(&record), &record["expect_lb"]);
        let got = walk(&bytes);
        let key = got.as_ref().ok().and_then(common::wire::mobile_ip::Rrq::key);
        match key {
            Some(NodeKey::Nai(nai)) => {
                assert_eq!(want["key_type"], "nai", "{id}");
                assert_eq!(want["key"].as_str().unwrap().as_bytes(), nai, "{id}");
            }
            Some(NodeKey::HomeAddress(octets)) => {
                assert_eq!(want["key_type"], "home-address", "{id}");
                assert_eq!(want["key"], Ipv4Addr::from(octets).to_string(), "{id}");
            }
            None => assert_eq!(want["reason"], got.map_or_else(reason, |_| "no-identity"), "{id}"),
        }
        let unknown = got.map_or(0, |rrq| rrq.unknown_nonskippable);
        assert_eq!(want["counter"] == "ext_unknown_nonskippable", unknown > 0, "{id}");
    }
}

#[test]
fn every_field_is_read_at_its_place() {
    let bytes: Vec<u8> = std::iter::once(1).chain(0x81..0x98).collect();
    let rrq = walk(&bytes).unwrap();
    assert_eq!((rrq.flags, rrq.lifetime), (0x81, 0x8283));
    assert_eq!(rrq.home_address, Ipv4Addr::new(0x84, 0x85, 0x86, 0x87));
    assert_eq!(rrq.home_agent, Ipv4Addr::new(0x88, 0x89, 0x8a, 0x8b));
    assert_eq!(rrq.care_of, Ipv4Addr::new(0x8c, 0x8d, 0x8e, 0x8f));
    assert_eq!(rrq.identification, 0x9091_9293_9495_9697);
}

#[test]
fn no_truncation_of_a_record_invents_a_key() {
    for record in records() {
        let bytes = payload(&record);
        let whole = walk(&bytes).ok().and_then(|rrq| rrq.nai.map(<[u8]>::to_vec));
        for length in 0..bytes.len() {
            if let Ok(rrq) = walk(&bytes[..length]) {
                assert!(rrq.nai.is_none_or(|nai| whole.as_ref().is_none_or(|whole| whole == nai)));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_walked_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..1500), rrq: bool) {
        if rrq && let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(rrq) = walk(&bytes) {
            prop_assert!(bytes.len() >= 24);
            prop_assert!(rrq.nai.is_none_or(|nai| (1..=255).contains(&nai.len())));
        }
    }
}
