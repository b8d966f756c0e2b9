//! Replies: what is a duplicate, what is lost, what leaves the ring.

use std::{net::Ipv4Addr, time::Duration};

use common::wire::mobile_ip::Code;
use pktgen::accounting::registrations::{Due, Registrations, ReplyError, ReplySummary};

const MS: Duration = Duration::from_millis(1);
const HA: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);

fn answer(serial: u32, node: u32) -> ReplySummary {
    ReplySummary { serial, node: Some(node), code: Code::ACCEPTED, home_agent: HA }
}

#[test]
fn a_request_that_leaves_the_ring_is_lost_and_its_answer_unknown() {
    let mut registrations = Registrations::new(1, 10);
    let first = registrations.next_serial();
    for _ in 0..4097 {
        registrations.sent(MS, 0, 0);
    }
    assert_eq!((registrations.waiting(), registrations.requests.lost), (4096, 4097));
    assert!(!registrations.answer(MS, answer(first, 0)));
    assert_eq!(registrations.wrong[&ReplyError::Identification], 1);
    assert!(registrations.answer(MS, answer(first + 4096, 0)));
    assert_eq!((registrations.waiting(), registrations.requests.lost), (4095, 4096));
}

#[test]
fn a_late_answer_to_a_request_that_was_sent_again_counts() {
    let mut registrations = Registrations::new(2, 10);
    registrations.sent(Duration::ZERO, 1, 0);
    assert_eq!(registrations.due(9 * MS, 10 * MS, 1), None);
    assert_eq!(registrations.due(10 * MS, 10 * MS, 1), Some(Due { node: 1, attempt: 0, serial: 1 }));
    registrations.sent(10 * MS, 1, 1);
    assert!(registrations.answer(11 * MS, answer(1, 1)));
    assert!(registrations.answer(12 * MS, answer(2, 1)));
    assert!(!registrations.answer(13 * MS, answer(2, 1)));
    assert_eq!(
        (
            registrations.requests.answered,
            registrations.requests.duplicates,
            registrations.requests.retransmitted,
            registrations.waiting()
        ),
        (2, 1, 1, 0)
    );
    // 11 ms and 2 ms.
    assert!((10_900_000..11_200_000).contains(&registrations.latency().max()));
    assert!((1_990_000..2_010_000).contains(&registrations.latency().min()));
}

#[test]
fn what_cannot_be_sent_again_at_once_is_due_again() {
    let mut registrations = Registrations::new(2, 10);
    registrations.sent(Duration::ZERO, 0, 0);
    registrations.sent(Duration::ZERO, 1, 0);
    let due = registrations.due(10 * MS, 5 * MS, 1);
    assert_eq!((due, registrations.waiting()), (Some(Due { node: 0, attempt: 0, serial: 1 }), 1));
    registrations.postpone(due.unwrap());
    assert_eq!(registrations.waiting(), 2);
    assert_eq!(registrations.due(10 * MS, 5 * MS, 1), due);
    assert_eq!(registrations.due(10 * MS, 5 * MS, 1), Some(Due { node: 1, attempt: 0, serial: 2 }));
    assert_eq!((registrations.due(10 * MS, 5 * MS, 1), registrations.waiting()), (None, 0));
}

#[test]
fn the_last_attempt_is_given_up() {
    let mut registrations = Registrations::new(1, 10);
    registrations.sent(Duration::ZERO, 0, 3);
    assert_eq!(registrations.due(10 * MS, 5 * MS, 3), None);
    assert_eq!((registrations.requests.given_up, registrations.waiting()), (1, 0));
}
