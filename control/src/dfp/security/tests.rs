//! Tests of digests and of the change-over.

use std::time::Duration;

use common::time::Nanos;

use super::*;
use crate::dfp::packet::{
    Message,
    tests::{hex, key},
};

const MINUTE: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

/// A BindID Request made with a password, or without.
fn request(password: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::BindIdRequest.encode(&mut bytes, password.map(key).as_ref()).unwrap();
    bytes
}

fn check(keys: &Keyring, password: Option<&str>, now: u64) -> Result<Proof, SecurityError> {
    keys.check(&request(password), at(now))
}

#[test]
fn the_fill_of_a_short_key() {
    let filled = [b"Cookies".to_vec(), fill(b"Cookies")].concat();
    let expected = format!("436f6f6b69657380{}3800000000000000", "00".repeat(48));
    assert_eq!(filled, hex(&expected));
}

#[test]
fn the_fill_ends_at_a_block_that_has_room_for_the_length() {
    for length in 1..=64 {
        let whole = length + fill(&vec![b'k'; length]).len();
        assert_eq!(whole, if length < 56 { 64 } else { 128 }, "{length}");
    }
}

#[test]
fn three_ways_to_fill() {
    let message = hex("01000101000000380001001c000000010000000000000000000000000000000000000000\
         0002001401b21100000100000a010133ffff0019");
    let no_fill: fn(&[u8]) -> Vec<u8> = |_| Vec::new();
    let zeros: fn(&[u8]) -> Vec<u8> = |key| vec![0; 64_usize.saturating_sub(key.len())];
    for (fill, digest) in [
        (fill as fn(&[u8]) -> Vec<u8>, "de14f97cbcdb82439c7a770e54628e95"),
        (no_fill, "2ac947c22faa7b06710c55788dce0a4c"),
        (zeros, "2c30a1ac929fe235cb0de65c58567517"),
    ] {
        let key = Key::with_fill(&Secret::clear("Cookies").unwrap(), fill);
        assert_eq!(key.digest(&message).to_vec(), hex(digest));
    }
    let key = Key::new(&Secret::clear("Cookies").unwrap());
    assert_eq!(key.digest(&message).to_vec(), hex("de14f97cbcdb82439c7a770e54628e95"), "the first is used");
}

#[test]
fn without_a_password_everything_passes() {
    let keys = Keyring::default();
    assert_eq!(check(&keys, None, 1), Ok(Proof::NoPassword));
    assert_eq!(check(&keys, Some("any"), 1), Ok(Proof::NoPassword));
    assert_eq!(keys.sending(at(1)), None);
}

#[test]
fn with_a_password_only_its_digest_at_its_place_passes() {
    let keys = Keyring::new(Some(key("old")));
    assert_eq!(check(&keys, Some("old"), 1), Ok(Proof::Current));
    assert_eq!(check(&keys, Some("Old"), 1), Err(SecurityError::Mismatch));
    assert_eq!(check(&keys, None, 1), Err(SecurityError::Missing));
    assert_eq!(keys.sending(at(1)), Some(&key("old")));
    // Behind another TLV.
    let mut behind = request(Some("old"));
    behind.splice(8..8, hex("02000004"));
    assert_eq!(keys.check(&behind, at(1)), Err(SecurityError::Missing));
    // Too short to hold one.
    let short = hex("0100040100000020 0001001c 00000001 00000000 000000000000000000000000");
    assert_eq!(keys.check(&short, at(1)), Err(SecurityError::Missing));
}

#[test]
fn another_algorithm_or_length_is_its_own_error() {
    let keys = Keyring::new(Some(key("old")));
    for (offset, value) in [(11, 0x1d), (10, 1), (11, 0), (15, 2), (12, 0x80)] {
        let mut bytes = request(Some("old"));
        bytes[offset] = value;
        assert_eq!(keys.check(&bytes, at(1)), Err(SecurityError::Algorithm), "offset {offset}");
    }
}

#[test]
fn both_passwords_pass_until_the_deadline_and_the_old_one_is_sent() {
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), MINUTE, at(10));
    assert_eq!((keys.deadline(), keys.remaining(at(30))), (Some(at(70)), Duration::from_secs(40)));
    for now in [10, 69] {
        assert_eq!(check(&keys, Some("old"), now), Ok(Proof::Current));
        assert_eq!(check(&keys, Some("new"), now), Ok(Proof::Pending));
        assert_eq!(check(&keys, Some("third"), now), Err(SecurityError::Mismatch));
        assert_eq!(check(&keys, None, now), Err(SecurityError::Missing));
        assert_eq!(keys.sending(at(now)), Some(&key("old")));
        assert!(keys.has_pending(at(now)));
    }
    // The answers are those of the new password at the deadline, whether or not anybody has turned the page.
    for advance in [false, true] {
        assert_eq!(check(&keys, Some("new"), 70), Ok(Proof::Current));
        assert_eq!(check(&keys, Some("old"), 70), Err(SecurityError::Mismatch));
        assert_eq!(keys.sending(at(70)), Some(&key("new")));
        assert!(!keys.has_pending(at(70)));
        assert_eq!(keys.remaining(at(70)), Duration::ZERO);
        if !advance {
            assert!(!keys.advance(at(69)));
            assert!(keys.advance(at(70)));
            assert!(!keys.advance(at(71)));
        }
    }
    assert_eq!(keys.deadline(), None);
}

#[test]
fn before_a_first_password_messages_without_it_pass() {
    let mut keys = Keyring::default();
    keys.change(key("new"), MINUTE, at(10));
    assert_eq!(check(&keys, None, 69), Ok(Proof::Unsecured));
    assert_eq!(check(&keys, Some("new"), 69), Ok(Proof::Pending));
    assert_eq!(check(&keys, Some("other"), 69), Err(SecurityError::Mismatch));
    assert_eq!(keys.sending(at(69)), None);
    let mut bytes = request(Some("new"));
    bytes[15] = 2;
    assert_eq!(keys.check(&bytes, at(69)), Err(SecurityError::Algorithm));
    assert_eq!(keys.check(&bytes[..35], at(69)), Err(SecurityError::Algorithm));
    assert_eq!(check(&keys, None, 70), Err(SecurityError::Missing));
    assert_eq!(check(&keys, Some("new"), 70), Ok(Proof::Current));
}

#[test]
fn a_second_change_replaces_the_first() {
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), MINUTE, at(10));
    keys.change(key("newer"), MINUTE, at(20));
    assert_eq!(check(&keys, Some("new"), 21), Err(SecurityError::Mismatch));
    assert_eq!(check(&keys, Some("old"), 79), Ok(Proof::Current));
    assert_eq!(check(&keys, Some("newer"), 80), Ok(Proof::Current));
    // But after the deadline of the first it is what the second change starts from.
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), MINUTE, at(10));
    keys.change(key("newer"), MINUTE, at(70));
    assert_eq!(keys.sending(at(71)), Some(&key("new")));
    assert_eq!(check(&keys, Some("old"), 71), Err(SecurityError::Mismatch));
}

#[test]
fn a_change_without_time_is_at_once() {
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), Duration::ZERO, at(10));
    assert_eq!((keys.sending(at(10)), keys.has_pending(at(10))), (Some(&key("new")), false));
}

#[test]
fn the_password_in_use_again_cancels_a_change() {
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), MINUTE, at(10));
    keys.change(key("old"), MINUTE, at(20));
    assert_eq!((keys.sending(at(20)), keys.has_pending(at(20))), (Some(&key("old")), false));
}

#[test]
fn no_password_ends_everything() {
    let mut keys = Keyring::new(Some(key("old")));
    keys.change(key("new"), MINUTE, at(10));
    keys.configure(None, true, at(0));
    assert_eq!(check(&keys, Some("whatever"), 11), Ok(Proof::NoPassword));
    assert_eq!((keys.sending(at(11)), keys.deadline()), (None, None));
}

#[test]
fn keys_are_not_shown() {
    let mut keys = Keyring::new(Some(key("hidden1")));
    keys.change(key("hidden2"), MINUTE, at(1));
    assert!(!format!("{keys:?}").contains("hidden"));
    assert_eq!(format!("{:?}", key("hidden1")), "Key(..)");
}
