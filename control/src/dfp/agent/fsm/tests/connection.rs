//! Connections: who gets one, and messages other than weights.

use super::*;

#[test]
fn the_third_connection_of_an_address_takes_the_place_of_the_oldest_that_never_spoke() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let (spoke, silent) = (bench.greet(1), bench.greet(1));
    let other = bench.greet(2);
    bench.keep_alive(spoke, 0);
    let third = bench.greet(1);
    assert_eq!(bench.turn(silent), Turn::Abort);
    assert_eq!(bench.agent.peers.len(), 3);
    bench.keep_alive(third, 0);
    let fourth = bench.greet(1);
    assert_eq!(bench.turn(spoke), Turn::Abort, "else the oldest of the address");
    for id in [other, third, fourth] {
        assert_eq!(bench.turn(id), Turn::Wait);
    }
    assert_eq!((bench.count(Counter::Evicted), bench.count(Counter::Refused)), (2, 0));
}

#[test]
fn the_seventeenth_connection_takes_the_place_of_the_oldest_that_never_spoke_or_of_its_own_address() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let peers: Vec<_> = (1..=16).map(|last| bench.greet(last)).collect();
    for id in [0, 1, 2, 4, 5] {
        bench.keep_alive(peers[id], 0);
    }
    let next = bench.greet(100);
    assert_eq!(bench.turn(peers[3]), Turn::Abort);
    bench.keep_alive(next, 0);
    for id in peers[6..].iter().copied() {
        bench.keep_alive(id, 0);
    }
    assert!(bench.accept(manager(101, 4000), LOCAL).is_none(), "all have spoken");
    assert_eq!(bench.count(Counter::Refused), 1);
    let again = bench.greet(6);
    assert_eq!(bench.turn(peers[5]), Turn::Abort);
    assert_eq!(bench.turn(again), Turn::Wait);
    assert_eq!(bench.agent.peers.len(), MAX_PEERS);
}

#[test]
fn a_server_state_is_logged_and_changes_nothing() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    let before = bench.agent.view(bench.now).weights;
    let zero = crate::dfp::packet::reports([row(51, 0)]).remove(0);
    bench.send(id, &Message::ServerState(zero.clone()));
    assert_eq!(bench.logged(), ["DFP-6-SRV_STATE: manager 10.1.1.1 reports 10.1.1.51 UDP 434 weight 0"]);
    bench.send(id, &Message::ServerState(zero));
    assert_eq!(bench.logged(), [] as [String; 0], "not more than a line in ten seconds");
    assert_eq!(bench.agent.view(bench.now).weights, before);
    assert_eq!(bench.read(id), []);
}

#[test]
fn a_bindid_request_is_answered_at_most_once_a_second() {
    let mut bench = Bench::with(config());
    let binds = vec![bind_table(1), bind_table(2)];
    bench.agent.computed(Some(Table { rows: vec![row(51, 1)], local: false, binds: binds.clone() }));
    bench.serve();
    let id = bench.greet(1);
    let answer = [binds[0].clone(), binds[1].clone(), BindTable::END].map(Message::BindIdReport);
    for (after, expected) in [(0, &answer[..]), (999, &[]), (1, &answer)] {
        bench.pass(Duration::from_millis(after));
        bench.send(id, &Message::BindIdRequest);
        bench.send(id, &Message::BindIdRequest);
        assert_eq!(bench.read(id), expected);
    }
}

#[test]
fn without_bindid_tables_the_answer_is_the_end_marker() {
    let mut bench = Bench::new(&[row(51, 1)]);
    let id = bench.greet(1);
    bench.send(id, &Message::BindIdRequest);
    assert_eq!(bench.read(id), [Message::BindIdReport(BindTable::END)]);
}

#[test]
fn new_bindid_tables_are_notified_to_every_manager() {
    let mut bench = Bench::new(&[row(51, 1)]);
    let peers = [bench.greet(1), bench.greet(2)];
    let with = |binds| Some(Table { rows: vec![row(51, 1)], local: false, binds });
    bench.agent.computed(with(vec![bind_table(1)]));
    for id in peers {
        assert_eq!(bench.read(id), [Message::BindIdChangeNotify]);
    }
    bench.agent.computed(with(vec![bind_table(1)]));
    assert_eq!(bench.read(peers[0]), []);
}

#[test]
fn messages_that_managers_do_not_send_are_discarded() {
    let mut bench = Bench::new(&[row(51, 1)]);
    let id = bench.greet(1);
    let reports = crate::dfp::packet::reports([row(51, 9)]).remove(0);
    let wrong =
        [Message::PreferenceInfo(reports), Message::BindIdReport(bind_table(1)), Message::BindIdChangeNotify];
    for message in wrong {
        bench.send(id, &message);
    }
    assert_eq!(bench.count(Counter::WrongDirection), 3);
    assert_eq!((bench.read(id), bench.agent.peers.len()), (vec![], 1));
    assert!(!bench.agent.peers[&id].proven);
}

#[test]
fn parameters_without_keep_alive_change_nothing() {
    let mut bench = Bench::new(&[row(51, 1)]);
    let id = bench.greet(1);
    bench.keep_alive(id, 30);
    bench.send(id, &Message::Parameters { keep_alive: None });
    assert_eq!(bench.agent.view(bench.now).managers[0].timeout, 30);
}

#[test]
fn a_manager_that_leaves_is_forgotten_and_its_errors_are_not() {
    let mut bench = Bench::new(&[row(51, 1)]);
    let peers = [1, 2, 3, 4].map(|last| bench.greet(last));
    let [left, lost, _, _] = peers;
    for cut in [left, lost] {
        bench.agent.input(cut, &[1, 0], bench.now);
    }
    for (id, ends) in peers.into_iter().zip([Agent::finished, Agent::lost, Agent::finished, Agent::lost]) {
        ends(&mut bench.agent, id, bench.now);
    }
    assert_eq!((bench.agent.peers.len(), bench.count(Counter::BadLength)), (0, 2));
    assert_eq!(bench.agent.counters().errors(), 2, "whole messages, and none, are no error");
    assert_eq!(bench.turn(lost), Turn::Abort);
}

#[test]
fn managers_are_shown_with_address_and_timeout_and_debugged() {
    let mut bench = Bench::new(&[row(51, 24)]);
    bench.agent.set_debug(true);
    let id = bench.greet(1);
    bench.keep_alive(id, 30);
    let managers = bench.agent.view(bench.now).managers;
    let facts: Vec<_> = managers.iter().map(|manager| (manager.address, manager.timeout)).collect();
    assert_eq!(facts, [(Ipv4Addr::new(10, 1, 1, 1), 30)]);
    bench.agent.finished(id, bench.now);
    assert_eq!(
        bench.agent.take_lines(),
        [
            "DFP: 10.1.1.1:40000 tx PREFERENCE_INFO len 28 udp/434 10.1.1.51 bind 65535 weight 24",
            "DFP: 10.1.1.1:40000 rx DFP_PARAMETERS len 16 keepalive 30",
            "DFP: 10.1.1.1:40000 connection closed (by the manager)",
        ]
    );
}
