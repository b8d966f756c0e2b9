//! Managers that are none.

use super::*;
use crate::dfp::packet::tests::hex;

/// Sends bytes to an agent with this password; what is counted, and whether the connection lives.
fn sent(text: &str, secret: Option<&str>) -> (Bench, LinkId, bool) {
    let mut bench =
        Bench::with(AgentConfig { password: secret.and_then(|text| password(text, 0)), ..config() });
    bench.agent.computed(table(&[row(51, 25)]));
    bench.serve();
    let id = bench.connect(1);
    let lives = bench.agent.input(id, &hex(text), bench.now);
    assert_eq!(lives, bench.agent.peers.len() == 1);
    (bench, id, lives)
}

#[test]
fn what_breaks_the_framing_closes_the_connection() {
    for (text, counter, why) in [
        ("02", Counter::BadVersion, "version 2"),
        ("16", Counter::BadVersion, "version 22"),
        ("0100030100000007", Counter::BadLength, "length 7"),
        ("0100030100001001", Counter::BadLength, "length 4097"),
        ("01000301ffffffff", Counter::BadLength, "length 4294967295"),
    ] {
        let (mut bench, id, lives) = sent(text, None);
        assert!(!lives);
        assert_eq!((bench.count(counter), bench.agent.counters().errors()), (1, 1), "{text}");
        assert_eq!(bench.turn(id), Turn::Abort);
        let logged = bench.logged();
        assert!(
            logged[0].starts_with("DFP-4-CLOSED: connection with 10.1.1.1:40000 closed ("),
            "{why}: {logged:?}"
        );
    }
}

#[test]
fn what_is_bad_within_a_message_discards_it() {
    for (text, counter) in [
        ("010003010000000b 010100", Counter::Malformed),
        ("0100030100000010 0101000000000003", Counter::Malformed),
        ("0100030100000010 0101000900000003", Counter::Malformed),
        ("0100060100000008", Counter::UnknownType),
        ("0100010100000008", Counter::WrongDirection),
    ] {
        let (bench, _, lives) = sent(text, None);
        assert!(lives);
        assert_eq!((bench.count(counter), bench.agent.counters().errors()), (1, 1), "{text}");
        assert_eq!(bench.agent.view(bench.now).managers[0].timeout, 0);
    }
}

#[test]
fn the_fifth_security_error_in_a_row_closes() {
    for (text, counter) in [
        ("01000301000000100101000800000003", Counter::SecurityMissing),
        (
            "010003010000002c0001001c000000010000000000000000000000000000000000000000010100080000001e",
            Counter::SecurityMismatch,
        ),
        (
            "010003010000002c0001001c000000020000000000000000000000000000000000000000010100080000001e",
            Counter::SecurityAlgorithm,
        ),
    ] {
        let (mut bench, id, _) = sent(text, Some("Cookies"));
        for _ in 0..3 {
            assert!(bench.agent.input(id, &hex(text), bench.now));
        }
        assert!(!bench.agent.input(id, &hex(text), bench.now));
        assert_eq!((bench.count(counter), bench.agent.counters().security_errors()), (5, 5));
        assert_eq!(bench.agent.view(bench.now).managers.len(), 0);
        let logged = bench.logged();
        assert!(logged.len() == 2 && logged[0].starts_with("DFP-4-BAD_SEC"), "{logged:?}");
    }
}

#[test]
fn a_message_that_trickles_closes_after_ten_seconds() {
    let (mut bench, id, _) = sent("01", None);
    for byte in [0, 3, 1, 0, 0, 0, 16, 1, 1] {
        bench.pass(seconds(1));
        assert!(bench.agent.input(id, &[byte], bench.now));
    }
    assert_eq!(bench.agent.peers[&id].deadline(), Some(bench.now.after(seconds(1))));
    bench.pass(seconds(1));
    assert_eq!((bench.count(Counter::SlowClose), bench.agent.peers.len()), (1, 0));
}

#[test]
fn a_flood_of_messages_closes() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    let mut flood = Vec::new();
    for seconds in 0..100 {
        Message::Parameters { keep_alive: Some(seconds) }.encode(&mut flood, None).unwrap();
    }
    assert!(!bench.agent.input(id, &flood, bench.now));
    assert_eq!((bench.count(Counter::RateClose), bench.agent.peers.len()), (1, 0));
}

#[test]
fn a_manager_that_does_not_read_is_closed_after_the_greater_of_its_time_and_30_seconds() {
    for (time, patience) in [(0, 30), (5, 30), (100, 100)] {
        let mut bench = Bench::new(&[row(51, 25)]);
        let id = bench.connect(1);
        bench.keep_alive(id, time);
        assert!(matches!(bench.turn(id), Turn::Write(_)));
        assert_eq!(bench.agent.peers[&id].deadline(), Some(bench.now.after(seconds(patience))));
        bench.pass(seconds(patience - 1));
        assert_eq!(bench.turn(id), Turn::Wait);
        bench.pass(seconds(1));
        assert_eq!((bench.count(Counter::StalledClose), bench.agent.peers.len()), (1, 0));
        assert_eq!(bench.turn(id), Turn::Abort);
    }
}

#[test]
fn a_flood_of_connections_leaves_those_that_have_spoken() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let (near, far) = (bench.greet(1), bench.greet(2));
    bench.keep_alive(near, 0);
    bench.keep_alive(far, 0);
    for _ in 0..10_000 {
        bench.connect(1);
        assert_eq!(bench.agent.peers.len(), 3);
    }
    assert_eq!(bench.count(Counter::Evicted), 9_999);
    bench.agent.computed(table(&[row(51, 24)]));
    for id in [near, far] {
        assert_eq!(bench.reports(id), [vec![row(51, 24)]]);
    }
}

#[test]
fn an_old_message_that_is_sent_again_has_only_its_old_effect() {
    let mut bench = Bench::with(AgentConfig { password: password("Cookies", 0), ..config() });
    bench.agent.computed(table(&[row(51, 25)]));
    bench.serve();
    let mut recorded = Vec::new();
    Message::Parameters { keep_alive: Some(30) }.encode(&mut recorded, Some(&key("Cookies"))).unwrap();
    let id = bench.connect(1);
    assert_eq!(bench.read_with(id, Some("Cookies")).len(), 1);
    for _ in 0..3 {
        assert!(bench.agent.input(id, &recorded, bench.now));
    }
    let view = bench.agent.view(bench.now);
    assert_eq!((view.managers[0].timeout, view.counters.errors()), (30, 0));
    assert_eq!(bench.read_with(id, Some("Cookies")), []);
}

#[test]
fn the_lines_that_wait_are_bounded() {
    let mut bench = Bench::new(&[]);
    bench.agent.set_debug(true);
    for _ in 0..1000 {
        bench.connect(1);
    }
    assert_eq!(bench.agent.take_lines().len(), MOST_LINES);
}
