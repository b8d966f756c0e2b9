//! Tests of framing.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::dfp::packet::tests::{any_message, hex};

fn at(millis: u64) -> Nanos {
    Nanos(millis * 1_000_000)
}

/// Gives the stream one piece and collects the messages.
fn push(stream: &mut Stream, mut piece: &[u8], now: Nanos) -> Result<Vec<Vec<u8>>, FramingError> {
    let mut messages = Vec::new();
    while let Some(message) = stream.next(&mut piece, now)? {
        messages.push(message.to_vec());
    }
    assert!(piece.is_empty());
    Ok(messages)
}

const REPORT: &str = "010001010000001c0002001401b21100000100000a010133ffff0019";

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages(messages in vec(any_message(), 0..6), cuts in vec(any::<Index>(), 0..40)) {
        let mut expected = Vec::new();
        for message in &messages {
            let mut bytes = Vec::new();
            message.encode(&mut bytes, None).unwrap();
            expected.push(bytes);
        }
        let whole = expected.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        cuts.push(whole.len());
        cuts.sort_unstable();
        let mut stream = Stream::new(Role::Manager);
        let (mut start, mut got) = (0, Vec::new());
        for cut in cuts {
            got.extend(push(&mut stream, &whole[start..cut], at(1)).unwrap());
            start = cut;
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(stream.finish(), Ok(()));
    }

    #[test]
    fn any_bytes_end_in_messages_or_an_error_and_memory_stays_small(bytes in vec(prop_oneof![Just(0), Just(1), Just(4), any::<u8>()], 0..300)) {
        let mut stream = Stream::new(Role::Agent);
        for piece in bytes.chunks(3) {
            let failed = push(&mut stream, piece, at(1)).is_err();
            prop_assert!(stream.held() <= Header::LONG);
            prop_assert_eq!(failed, stream.expire(at(1)).is_err());
        }
    }
}

#[test]
fn every_single_cut_and_every_single_byte() {
    let report = hex(REPORT);
    for cut in 0..=report.len() {
        let mut stream = Stream::new(Role::Manager);
        let mut got = push(&mut stream, &report[..cut], at(1)).unwrap();
        got.extend(push(&mut stream, &report[cut..], at(2)).unwrap());
        assert_eq!(got, std::slice::from_ref(&report));
    }
    let mut stream = Stream::new(Role::Manager);
    let got: Vec<_> =
        report.repeat(2).chunks(1).flat_map(|byte| push(&mut stream, byte, at(1)).unwrap()).collect();
    assert_eq!(got, [report.clone(), report]);
}

#[test]
fn the_deadline_counts_from_the_first_byte_and_does_not_move() {
    let report = hex(REPORT);
    let mut stream = Stream::new(Role::Manager);
    assert_eq!(stream.deadline(), None);
    for (index, byte) in report[..20].chunks(1).enumerate() {
        assert_eq!(push(&mut stream, byte, at(1000 + 500 * index as u64)), Ok(vec![]));
        assert_eq!(stream.deadline(), Some(at(11_000)));
    }
    assert_eq!(stream.expire(at(10_999)), Ok(()));
    // Too late, even if it is the rest of the message.
    assert_eq!(push(&mut stream, &report[20..], at(11_000)), Err(FramingError::Slow));
    assert_eq!(stream.expire(at(11_001)), Err(FramingError::Slow));
    assert_eq!(stream.deadline(), None);
}

#[test]
fn between_messages_there_is_no_deadline_and_the_next_has_its_own() {
    let report = hex(REPORT);
    let mut stream = Stream::new(Role::Manager);
    let piece = [&report[..], &report[..1]].concat();
    assert_eq!(push(&mut stream, &piece, at(0)).unwrap().len(), 1);
    assert_eq!(stream.deadline(), Some(at(10_000)));
    assert_eq!(push(&mut stream, &report[1..], at(9_999)).unwrap().len(), 1);
    assert_eq!(stream.deadline(), None);
    assert_eq!(stream.expire(at(1_000_000)), Ok(()));
    assert_eq!(push(&mut stream, &report[..1], at(2_000_000)), Ok(vec![]));
    assert_eq!(stream.deadline(), Some(at(2_010_000)));
}

#[test]
fn a_bad_header_ends_the_stream_for_good() {
    for (bytes, error) in [
        ("16", FramingError::Version(0x16)),
        ("4745", FramingError::Version(0x47)),
        ("0100010100000007", FramingError::Length(7)),
        ("0100010100001001", FramingError::Length(4097)),
        ("01000101ffffffff", FramingError::Length(u32::MAX)),
    ] {
        let mut stream = Stream::new(Role::Manager);
        let expected = Err(error);
        assert_eq!(push(&mut stream, &hex(bytes), at(1)), expected);
        assert_eq!(stream.held(), 0);
        // Sound messages after it are not trusted.
        assert_eq!(push(&mut stream, &hex(REPORT), at(2)), expected);
        assert_eq!(stream.finish().map(|()| vec![]), expected);
    }
}

#[test]
fn messages_before_a_bad_header_count() {
    let bytes = hex(&format!("{REPORT} 02"));
    let mut input = &bytes[..];
    let mut stream = Stream::new(Role::Manager);
    assert_eq!(stream.next(&mut input, at(1)), Ok(Some(&hex(REPORT)[..])));
    assert_eq!(stream.next(&mut input, at(1)), Err(FramingError::Version(2)));
}

#[test]
fn an_end_inside_a_message_is_an_error() {
    let report = hex(REPORT);
    for cut in 1..report.len() {
        let mut stream = Stream::new(Role::Manager);
        assert_eq!(push(&mut stream, &report[..cut], at(1)), Ok(vec![]));
        assert_eq!(stream.finish(), Err(FramingError::Truncated));
        assert_eq!(stream.finish(), Err(FramingError::Truncated));
    }
    let mut stream = Stream::new(Role::Manager);
    assert_eq!(stream.finish(), Ok(()));
}

#[test]
fn memory_follows_the_bytes_that_came_and_never_passes_the_limit() {
    let mut stream = Stream::new(Role::Manager);
    assert!(stream.held() <= Header::SIZE);
    assert_eq!(push(&mut stream, &hex("01000402 0001"), at(1)), Ok(vec![]));
    assert!(stream.held() <= Header::SIZE);
    // 65 600 bytes announced, few sent.
    assert_eq!(push(&mut stream, &hex("0040 00"), at(1)), Ok(vec![]));
    assert!(stream.held() <= 2 * Header::SIZE, "{}", stream.held());
    let mut left = 65_600 - 9;
    while left > 0 {
        let piece = vec![0; left.min(777)];
        left -= piece.len();
        assert_eq!(push(&mut stream, &piece, at(1)).unwrap().len(), usize::from(left == 0));
        assert!(stream.held() <= Header::LONGEST, "{}", stream.held());
    }
    // A long message is not kept.
    assert_eq!(push(&mut stream, &[], at(1)), Ok(vec![]));
    assert!(stream.held() <= Header::LONG);
}
