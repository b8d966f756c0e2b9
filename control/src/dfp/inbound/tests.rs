//! Tests of the receiving half.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::dfp::packet::{
    BindEntry, BindId, BindTable, Protocol,
    tests::{any_message, hex, key, ring},
};

fn at(millis: u64) -> Nanos {
    Nanos(millis * 1_000_000)
}

fn push(inbound: &mut Inbound, mut bytes: &[u8], keys: &Keyring, now: Nanos) -> Vec<Received> {
    let mut received = Vec::new();
    while let Some(one) = inbound.next(&mut bytes, keys, now) {
        received.push(one);
    }
    assert!(bytes.is_empty());
    received
}

/// What becomes of one message without password.
fn one(inbound: &mut Inbound, bytes: &[u8], now: Nanos) -> Received {
    let mut received = push(inbound, bytes, &Keyring::default(), now);
    assert_eq!(received.len(), 1);
    received.remove(0)
}

fn bytes_of(message: &Message, password: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes, password.map(key).as_ref()).unwrap();
    bytes
}

fn parameters(password: Option<&str>) -> Vec<u8> {
    bytes_of(&Message::Parameters { keep_alive: Some(30) }, password)
}

const MALFORMED: &str = "010003010000000c 01010003";

fn nothing_but(counter: Counter, count: u64) -> Counters {
    let mut counters = Counters::default();
    counters.add(counter, count);
    counters
}

#[test]
fn what_the_framing_refuses_closes() {
    for (bytes, counter) in [
        ("02", Counter::BadVersion),
        ("0100010100000000", Counter::BadLength),
        ("0100010180000000", Counter::BadLength),
    ] {
        let mut agent = Inbound::new(Role::Agent);
        let received = one(&mut agent, &hex(bytes), at(1));
        assert!(
            matches!(received, Received::Closed(close @ Close::Framing(FramingError::Version(_) | FramingError::Length(_))) if close.is_framing())
        );
        assert_eq!(*agent.counters(), nothing_but(counter, 1));
        // Nothing more is heard, and nothing more counted.
        assert_eq!(push(&mut agent, &parameters(None), &Keyring::default(), at(2)), []);
        assert_eq!((agent.finish(), agent.expire(at(99_999))), (None, None));
        assert_eq!(*agent.counters(), nothing_but(counter, 1));
    }
}

#[test]
fn a_message_that_trickles_closes_at_the_deadline() {
    let mut agent = Inbound::new(Role::Agent);
    assert_eq!(push(&mut agent, &parameters(None)[..9], &Keyring::default(), at(5)), []);
    assert_eq!(agent.deadline(), Some(at(10_005)));
    assert_eq!(agent.expire(at(10_004)), None);
    assert_eq!(agent.expire(at(10_005)), Some(Close::Framing(FramingError::Slow)));
    assert_eq!((agent.expire(at(10_006)), agent.finish()), (None, None));
    assert_eq!(*agent.counters(), nothing_but(Counter::SlowClose, 1));
}

#[test]
fn an_end_inside_a_message_has_no_effect_but_a_count() {
    let mut agent = Inbound::new(Role::Agent);
    assert_eq!(push(&mut agent, &parameters(None)[..15], &Keyring::default(), at(5)), []);
    assert_eq!(agent.finish(), Some(Close::Framing(FramingError::Truncated)));
    assert_eq!(*agent.counters(), nothing_but(Counter::BadLength, 1));
    assert_eq!(Inbound::new(Role::Agent).finish(), None);
}

#[test]
fn more_than_the_bucket_holds_closes() {
    let mut agent = Inbound::new(Role::Agent);
    for t in 0..60 {
        let bytes = bytes_of(&Message::Parameters { keep_alive: Some(t) }, None);
        assert!(matches!(one(&mut agent, &bytes, at(1000)), Received::Message(_)));
    }
    assert_eq!(one(&mut agent, &parameters(None), at(1049)), Received::Closed(Close::Rate));
    assert_eq!(*agent.counters(), nothing_but(Counter::RateClose, 1));
}

#[test]
fn twenty_a_second_pass_for_ever_and_discarded_ones_count_too() {
    let mut agent = Inbound::new(Role::Agent);
    let unknown = hex("0100060100000008");
    for index in 0..60 {
        assert!(matches!(one(&mut agent, &unknown, at(0)), Received::Discarded(_)), "{index}");
    }
    for index in 1..=1000 {
        assert!(
            matches!(one(&mut agent, &parameters(None), at(50 * index)), Received::Message(_)),
            "{index}"
        );
    }
    assert_eq!(one(&mut agent, &parameters(None), at(50_000)), Received::Closed(Close::Rate));
}

#[test]
fn the_tenth_malformed_message_within_a_minute_closes() {
    let mut agent = Inbound::new(Role::Agent);
    let error = DecodeError::TlvLength { tlv: 0x0101, length: 3 };
    for index in 0..9 {
        let received = one(&mut agent, &hex(MALFORMED), at(1000 * index));
        assert_eq!(received, Received::Discarded(error));
        // Good ones between do not help.
        assert!(matches!(one(&mut agent, &parameters(None), at(1000 * index)), Received::Message(_)));
    }
    let mut patient = agent.clone();
    assert_eq!(one(&mut agent, &hex(MALFORMED), at(59_999)), Received::Closed(Close::Malformed(error)));
    assert_eq!(*agent.counters(), nothing_but(Counter::Malformed, 10));
    // A minute after the first that one is forgotten.
    assert!(matches!(one(&mut patient, &hex(MALFORMED), at(60_000)), Received::Discarded(_)));
    assert!(matches!(one(&mut patient, &hex(MALFORMED), at(60_001)), Received::Closed(_)));
}

#[test]
fn the_fifth_security_error_in_a_row_closes() {
    let keys = ring("Cookies");
    let mut agent = Inbound::new(Role::Agent);
    let (wrong, none, good) = (parameters(Some("cookies")), parameters(None), parameters(Some("Cookies")));
    for round in 0..3 {
        for bytes in [&wrong, &none, &wrong, &none] {
            let [Received::Discarded(DecodeError::Security(_))] =
                push(&mut agent, bytes, &keys, at(1000 * round))[..]
            else {
                panic!("not discarded")
            };
        }
        assert!(matches!(push(&mut agent, &good, &keys, at(1000 * round))[..], [Received::Message(_)]));
    }
    let five = [&wrong[..], &wrong, &wrong, &wrong, &none, &good].concat();
    let received = push(&mut agent, &five, &keys, at(5000));
    assert_eq!(received.len(), 5);
    assert_eq!(received[4], Received::Closed(Close::Security(SecurityError::Missing)));
    assert!(!Close::Security(SecurityError::Missing).is_framing());
    let counters = agent.counters();
    assert_eq!(counters.get(Counter::SecurityMismatch), 6 + 4);
    assert_eq!(counters.get(Counter::SecurityMissing), 6 + 1);
    assert_eq!(counters.security_errors(), 17);
}

#[test]
fn oddities_are_counted_and_no_errors() {
    let mut agent = Inbound::new(Role::Agent);
    // Reserved byte set, two unknown TLVs.
    let odd = hex("0105030100000010 0200000402010004");
    assert!(matches!(one(&mut agent, &odd, at(1)), Received::Message(_)));
    let mut keyed = parameters(Some("Cookies"));
    keyed[19] = 7;
    assert!(matches!(push(&mut agent, &keyed, &ring("Cookies"), at(1))[..], [Received::Message(_)]));
    let counters = agent.counters();
    let seen = [Counter::ReservedSet, Counter::SkippedTlv, Counter::KeyId].map(|one| counters.get(one));
    assert_eq!((seen, counters.errors()), ([1, 2, 1], 0));
}

#[test]
fn a_reflected_message_is_discarded() {
    let mut manager = Inbound::new(Role::Manager);
    let received = one(&mut manager, &parameters(None), at(1));
    let error = DecodeError::WrongDirection(MessageType::PARAMETERS);
    assert_eq!(received, Received::Discarded(error));
    assert_eq!(*manager.counters(), nothing_but(Counter::WrongDirection, 1));
}

fn table(entries: usize) -> Vec<u8> {
    let entry = BindEntry { bind_id: BindId(1), client: [10, 0, 0, 0].into(), mask: [255; 4].into() };
    let entries = vec![entry; entries];
    let table = BindTable { server: [10, 0, 0, 1].into(), port: 434, protocol: Protocol::UDP, entries };
    bytes_of(&Message::BindIdReport(table), None)
}

fn end() -> Vec<u8> {
    bytes_of(&Message::BindIdReport(BindTable::END), None)
}

#[test]
fn bind_tables_are_taken_only_between_request_and_end() {
    let mut manager = Inbound::new(Role::Manager);
    let unsolicited = Received::Discarded(DecodeError::Unsolicited);
    assert_eq!(one(&mut manager, &table(1), at(1)), unsolicited);
    manager.await_bind_tables();
    // They do not use up the bucket.
    for _ in 0..500 {
        assert!(matches!(one(&mut manager, &table(1), at(1)), Received::Message(_)));
    }
    assert!(matches!(one(&mut manager, &end(), at(1)), Received::Message(_)));
    assert_eq!(one(&mut manager, &table(1), at(1)), unsolicited);
    assert_eq!(*manager.counters(), nothing_but(Counter::Unsolicited, 2));
}

#[test]
fn an_endless_bind_table_closes() {
    let mut manager = Inbound::new(Role::Manager);
    manager.await_bind_tables();
    for _ in 0..16 {
        assert!(matches!(one(&mut manager, &table(4096), at(1)), Received::Message(_)));
    }
    let mut complete = manager.clone();
    assert!(matches!(one(&mut complete, &end(), at(1)), Received::Message(_)));
    assert_eq!(one(&mut manager, &table(1), at(1)), Received::Closed(Close::BindEntries));
    assert_eq!(*manager.counters(), nothing_but(Counter::TableOverflow, 1));
}

#[test]
fn an_endless_answer_of_empty_reports_closes_too() {
    // Tables without entries, and Change Notifies under the type of reports.
    for bytes in [table(0), hex("0100040200000008")] {
        let mut manager = Inbound::new(Role::Manager);
        manager.await_bind_tables();
        let flood = bytes.repeat(65_536);
        let received = push(&mut manager, &flood, &Keyring::default(), at(1));
        assert!(received.iter().all(|one| matches!(one, Received::Message(_))));
        assert_eq!(one(&mut manager, &bytes, at(1)), Received::Closed(Close::BindEntries));
    }
}

proptest! {
    /// Good, broken and wrongly secured messages, cut anyhow: the same outcome.
    #[test]
    fn cuts_do_not_change_what_becomes_of_a_stream(
        parts in vec((any_message(), 0..4_u8), 0..12), cuts in vec(any::<Index>(), 0..30), manager: bool,
    ) {
        let mut whole = Vec::new();
        for (message, kind) in parts {
            match kind {
                0 => whole.extend(bytes_of(&message, None)),
                1 => whole.extend(bytes_of(&message, Some("other"))),
                _ => whole.extend(bytes_of(&message, Some("Cookies"))),
            }
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        cuts.push(whole.len());
        cuts.sort_unstable();
        let keys = ring("Cookies");
        let mut one = Inbound::new(if manager { Role::Manager } else { Role::Agent });
        let mut many = one.clone();
        let expected = push(&mut one, &whole, &keys, at(1));
        let (mut start, mut got) = (0, Vec::new());
        for cut in cuts {
            got.extend(push(&mut many, &whole[start..cut], &keys, at(1)));
            start = cut;
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(many.counters(), one.counters());
    }
}
