//! Every recorded authenticator holds, is made again byte for byte, and covers every byte before it.

use common::wire::mobile_ip::{
    AuthKind, Extension, Extensions, RRP_FIXED, RRQ_FIXED,
    auth::{Algorithm, Association, AuthError, Key, KeyError, spi_of},
};
use proptest::prelude::*;
use serde_json::Value;

use super::vector::{association, bytes, find, messages, payload};

/// Wrong on purpose.
const WRONG: &str = "RRQ-19";

fn fixed(message: &[u8]) -> usize {
    if message[0] == 1 { RRQ_FIXED } else { RRP_FIXED }
}

fn check(key: &Value, message: &[u8]) -> Result<(), AuthError> {
    let association = association(key);
    match key["ext"].as_u64().unwrap() {
        32 => association.verify(AuthKind::MobileHome, message, fixed(message)),
        34 => association.verify(AuthKind::ForeignHome, message, fixed(message)),
        36 => association.verify_aaa(message, fixed(message)),
        other => panic!("extension {other}"),
    }
}

fn signed() -> impl Iterator<Item = (Value, Value, Vec<u8>)> {
    messages().into_iter().flat_map(|record| {
        let keys = record["keys"].as_array().cloned().unwrap_or_default();
        keys.into_iter().map(move |key| (record.clone(), key, payload(&record)))
    })
}

#[test]
fn every_recorded_authenticator_is_judged_as_recorded() {
    let mut seen = 0;
    for (record, key, message) in signed() {
        // The walk of a whole message ends at a type that forbids skipping; the authenticator behind it is not read.
        let want = match record["id"].as_str().unwrap() {
            WRONG => Err(AuthError::Mismatch),
            "RRQ-11" => continue,
            _ => Ok(()),
        };
        assert_eq!(check(&key, &message), want, "{} {}", record["id"], key["ext"]);
        seen += 1;
    }
    assert_eq!(seen, 38);
}

#[test]
fn signing_makes_the_recorded_bytes() {
    for (record, key, message) in signed() {
        if [WRONG, "RRQ-11"].contains(&record["id"].as_str().unwrap()) {
            continue;
        }
        let kind = key["ext"].as_u64().unwrap() as u8;
        let located =
            Extensions::new(&message, fixed(&message)).flatten().find(|found| found.kind == kind).unwrap();
        let mut made = message[..located.offset].to_vec();
        let association = association(&key);
        match kind {
            32 => association.sign(AuthKind::MobileHome, &mut made),
            34 => association.sign(AuthKind::ForeignHome, &mut made),
            _ => association.sign_aaa(&bytes(&key["challenge_hex"]), &mut made),
        }
        assert_eq!(made, message[..made.len()], "{} {kind}", record["id"]);
    }
}

#[test]
fn an_authenticator_covers_every_byte_before_it() {
    let (_, key, message) = signed().find(|(record, _, _)| record["id"] == "RRQ-01").unwrap();
    for at in 1..message.len() {
        let mut spoilt = message.clone();
        spoilt[at] ^= 0x40;
        assert!(check(&key, &spoilt).is_err(), "byte {at}");
    }
}

#[test]
fn what_does_not_fit_is_told_apart() {
    let (_, key, message) = signed().find(|(record, _, _)| record["id"] == "RRQ-01").unwrap();
    let ours = association(&key);
    let at = message.len() - 22;
    assert_eq!(ours.verify(AuthKind::ForeignHome, &message, RRQ_FIXED), Err(AuthError::Missing { kind: 34 }));
    let other = Association { spi: 0x300, ..ours.clone() };
    assert_eq!(other.verify(AuthKind::MobileHome, &message, RRQ_FIXED), Err(AuthError::Spi { spi: 0x100 }));
    let mut short = message.clone();
    short.pop();
    short[at + 1] = 19;
    assert_eq!(ours.verify(AuthKind::MobileHome, &short, RRQ_FIXED), Err(AuthError::Length { length: 19 }));
    let key = Key::from_ascii("another").unwrap();
    let wrong = Association { key, ..ours };
    assert_eq!(wrong.verify(AuthKind::MobileHome, &message, RRQ_FIXED), Err(AuthError::Mismatch));
}

#[test]
fn chap_needs_its_challenge_and_hashes_its_end() {
    let secret = Association { spi: 2, algorithm: Algorithm::HmacMd5, key: Key::from_bytes(b"aaa-secret") };
    let mut bare = find("BAD-11");
    secret.sign_aaa(b"", &mut bare);
    assert_eq!(secret.verify_aaa(&bare, RRQ_FIXED), Err(AuthError::Missing { kind: 132 }));
    // Bytes 1 to 12 of a challenge of 250 are not hashed: only the first byte and the last 237 are.
    let made = |challenge: &[u8]| {
        let mut message = find("BAD-11");
        secret.sign_aaa(challenge, &mut message);
        message
    };
    let mut challenge = [7_u8; 250];
    let whole = made(&challenge);
    challenge[12] = 8;
    assert_eq!(made(&challenge), whole);
    challenge[13] = 8;
    assert_ne!(made(&challenge), whole);
}

#[test]
fn only_chap_needs_a_challenge() {
    let secret =
        Association { spi: 0x100, algorithm: Algorithm::HmacMd5, key: Key::from_bytes(b"aaa-secret") };
    let mut bare = find("BAD-11");
    secret.sign_aaa(b"", &mut bare);
    assert_eq!(secret.verify_aaa(&bare, RRQ_FIXED), Ok(()));
}

#[test]
fn an_spi_is_that_of_the_kind_asked_for() {
    let auth = |kind, spi| Extension::Auth { kind, spi, authenticator: vec![0; 16] };
    let both = [Extension::Pad, auth(AuthKind::ForeignHome, 0x200), auth(AuthKind::MobileHome, 0x100)];
    assert_eq!(spi_of(&both, AuthKind::MobileHome), Some(0x100));
    assert_eq!(spi_of(&both, AuthKind::ForeignHome), Some(0x200));
    assert_eq!(spi_of(&both, AuthKind::MobileForeign), None);
}

#[test]
fn keys_are_read_by_the_rules_and_never_shown() {
    assert_eq!(Key::from_hex("31323334353637383132333435363738"), Ok(Key::from_bytes(b"1234567812345678")));
    assert_eq!(Key::from_hex("3132"), Err(KeyError::Hex));
    assert_eq!(Key::from_hex("g1323334353637383132333435363738"), Err(KeyError::Hex));
    assert_eq!(Key::from_ascii(""), Err(KeyError::Ascii));
    assert_eq!(Key::from_ascii("12345678123456789"), Err(KeyError::Ascii));
    let key = Key::from_ascii("cisco").unwrap();
    let shown = format!("{:?}", Association { spi: 256, algorithm: Algorithm::HmacMd5, key });
    assert_eq!(shown, "Association { spi: 256, algorithm: HmacMd5, key: Key }");
}

proptest! {
    #[test]
    fn no_bytes_are_authentic_by_chance(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        let association =
            Association { spi: 0x100, algorithm: Algorithm::HmacMd5, key: Key::from_bytes(b"secret") };
        prop_assert!(association.verify(AuthKind::MobileHome, &message, RRQ_FIXED).is_err());
        prop_assert!(association.verify_aaa(&message, RRP_FIXED).is_err());
    }
}
