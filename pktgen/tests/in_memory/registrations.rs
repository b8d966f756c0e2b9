//! The account: what is a duplicate, what is lost, what leaves the ring.

use std::{net::Ipv4Addr, time::Duration};

use common::wire::mobile_ip::Code;
use pktgen::account::{Account, Answer, Due, Wrong};

const MS: Duration = Duration::from_millis(1);
const HA: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);

fn answer(serial: u32, node: u32) -> Answer {
    Answer { serial, node: Some(node), code: Code::ACCEPTED, home_agent: HA }
}

#[test]
fn a_request_that_leaves_the_ring_is_lost_and_its_answer_unknown() {
    let mut account = Account::new(1, 10);
    let first = account.next_serial();
    for _ in 0..1025 {
        account.sent(MS, 0, 0);
    }
    assert_eq!((account.waiting(), account.unanswered()), (1024, 1025));
    assert!(!account.answer(MS, answer(first, 0)));
    assert_eq!(account.wrong[&Wrong::Identification], 1);
    assert!(account.answer(MS, answer(first + 1024, 0)));
    assert_eq!((account.waiting(), account.unanswered()), (1023, 1024));
}

#[test]
fn a_late_answer_to_a_request_that_was_sent_again_counts() {
    let mut account = Account::new(2, 10);
    account.sent(Duration::ZERO, 1, 0);
    assert_eq!(account.due(9 * MS, 10 * MS, 1), None);
    assert_eq!(account.due(10 * MS, 10 * MS, 1), Some(Due { node: 1, attempt: 0 }));
    account.sent(10 * MS, 1, 1);
    assert!(account.answer(11 * MS, answer(1, 1)));
    assert!(account.answer(12 * MS, answer(2, 1)));
    assert!(!account.answer(13 * MS, answer(2, 1)));
    assert_eq!(
        (account.answered, account.duplicates, account.retransmitted, account.waiting()),
        (2, 1, 1, 0)
    );
    // 11 ms and 2 ms.
    assert!((10_900..11_200).contains(&account.latency().max()));
    assert!((1_990..2_010).contains(&account.latency().min()));
}

#[test]
fn what_cannot_be_sent_again_at_once_is_due_again() {
    let mut account = Account::new(2, 10);
    account.sent(Duration::ZERO, 0, 0);
    account.sent(Duration::ZERO, 1, 0);
    let due = account.due(10 * MS, 5 * MS, 1);
    assert_eq!((due, account.waiting()), (Some(Due { node: 0, attempt: 0 }), 1));
    account.postpone();
    assert_eq!(account.waiting(), 2);
    assert_eq!(account.due(10 * MS, 5 * MS, 1), due);
    assert_eq!(account.due(10 * MS, 5 * MS, 1), Some(Due { node: 1, attempt: 0 }));
    assert_eq!((account.due(10 * MS, 5 * MS, 1), account.waiting()), (None, 0));
}

#[test]
fn the_last_attempt_is_given_up() {
    let mut account = Account::new(1, 10);
    account.sent(Duration::ZERO, 0, 3);
    assert_eq!(account.due(10 * MS, 5 * MS, 3), None);
    assert_eq!((account.given_up, account.waiting()), (1, 0));
}
