//! What managers are told of weights.

use super::*;
use crate::dfp::packet::MAX_HOSTS;

#[test]
fn a_manager_is_told_everything_at_once() {
    let rows = [row(51, 25), row(52, 0)];
    let mut bench = Bench::new(&rows);
    let id = bench.connect(1);
    assert_eq!(bench.reports(id), [rows.to_vec()]);
    assert_eq!(bench.turn(id), Turn::Wait);
}

#[test]
fn without_rows_the_first_message_is_empty() {
    let mut bench = Bench::new(&[]);
    let id = bench.connect(1);
    assert_eq!(bench.read(id), [Message::PreferenceInfo(vec![])]);
    assert_eq!(bench.read(id), []);
}

#[test]
fn at_the_end_of_an_interval_each_manager_is_told_what_has_changed_for_it() {
    let mut bench = Bench::new(&[row(51, 25), row(52, 25)]);
    let first = bench.greet(1);
    bench.agent.computed(table(&[row(51, 24), row(52, 25)]));
    assert_eq!(bench.reports(first), [vec![row(51, 24)]]);
    let second = bench.greet(2);
    bench.agent.computed(table(&[row(51, 23), row(52, 24)]));
    for id in [first, second] {
        assert_eq!(bench.reports(id), [vec![row(51, 23), row(52, 24)]]);
    }
    bench.agent.computed(table(&[row(51, 23), row(52, 24)]));
    for id in [first, second] {
        assert_eq!(bench.reports(id), [] as [Vec<Row>; 0]);
    }
}

#[test]
fn a_row_that_goes_to_weight_0_or_leaves_it_does_not_wait_for_the_interval() {
    let mut bench = Bench::new(&[row(51, 25), row(52, 25)]);
    let id = bench.greet(1);
    bench.agent.changed(table(&[row(51, 20), row(52, 25)]), false, bench.now);
    assert_eq!(bench.reports(id), [] as [Vec<Row>; 0], "not sudden");
    bench.agent.changed(table(&[row(51, 20), row(52, 0)]), false, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 20), row(52, 0)]]);
    bench.pass(seconds(1));
    bench.agent.changed(table(&[row(51, 20), row(52, 1)]), false, bench.now);
    assert_eq!(bench.reports(id), [vec![row(52, 1)]]);
}

#[test]
fn what_the_subsystem_calls_urgent_does_not_wait_either() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.agent.changed(table(&[row(51, 20)]), true, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 20)]]);
    bench.pass(seconds(2));
    bench.agent.changed(table(&[row(51, 20)]), true, bench.now);
    assert_eq!(bench.read(id), [], "nothing has changed");
}

#[test]
fn early_reports_come_once_a_second_and_tell_the_newest() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.agent.changed(table(&[row(51, 0)]), false, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 0)]]);
    bench.pass(Duration::from_millis(400));
    for weight in [7, 0, 9] {
        bench.agent.changed(table(&[row(51, weight)]), false, bench.now);
        assert_eq!(bench.read(id), []);
    }
    assert_eq!(bench.agent.peers[&id].deadline(), Some(bench.now.after(Duration::from_millis(600))));
    bench.pass(Duration::from_millis(600));
    assert_eq!(bench.reports(id), [vec![row(51, 9)]]);
    bench.pass(seconds(1));
    assert_eq!(bench.read(id), []);
}

#[test]
fn newer_weights_replace_those_that_wait() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.connect(1);
    let Turn::Write(greeting) = bench.turn(id) else { panic!() };
    for weight in 0..1000 {
        bench.agent.computed(table(&[row(51, weight)]));
        assert_eq!(bench.turn(id), Turn::Wait, "one at a time");
    }
    assert!(greeting.ends_with(&[0, 25]));
    bench.agent.written(id, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 999)]]);
}

#[test]
fn weights_that_change_back_while_a_report_is_written_are_told() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.agent.changed(table(&[row(51, 0)]), false, bench.now);
    assert!(matches!(bench.turn(id), Turn::Write(_)));
    bench.agent.changed(table(&[row(51, 25)]), false, bench.now);
    bench.agent.written(id, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 25)]]);
}

#[test]
fn what_a_manager_was_told_counts_only_once_tcp_has_taken_it() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.connect(1);
    assert!(matches!(bench.turn(id), Turn::Write(_)));
    // Had it counted when it was queued, the change back would not be told.
    bench.agent.computed(table(&[row(51, 7)]));
    bench.agent.computed(table(&[row(51, 25)]));
    bench.agent.written(id, bench.now);
    assert_eq!(bench.read(id), [], "it knows 25");
    bench.agent.computed(table(&[row(51, 7)]));
    assert_eq!(bench.reports(id), [vec![row(51, 7)]]);
}

#[test]
fn a_row_that_is_gone_is_told_with_weight_0_once() {
    let mut bench = Bench::new(&[row(51, 25), row(52, 25)]);
    let id = bench.greet(1);
    bench.agent.changed(table(&[row(52, 25)]), false, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 0)]], "at once");
    bench.agent.computed(table(&[row(52, 25)]));
    assert_eq!(bench.read(id), []);
    assert_eq!(bench.agent.peers[&id].told.len(), 1, "forgotten");
    bench.pass(seconds(1));
    bench.agent.changed(table(&[row(51, 3), row(52, 25)]), false, bench.now);
    assert_eq!(bench.reports(id), [vec![row(51, 3)]]);
}

#[test]
fn a_table_of_4096_rows_goes_out_in_messages_of_at_most_128_hosts_and_a_segment() {
    let many: Vec<_> = (0..5000_u32)
        .map(|n| {
            let row = row(0, 1);
            Row { key: RowKey { address: Ipv4Addr::from_bits(n), ..row.key }, ..row }
        })
        .collect();
    let mut bench = Bench::new(&many);
    assert_eq!(bench.count(Counter::TableOverflow), 5000 - MAX_ROWS as u64);
    let id = bench.connect(1);
    let mut told = Vec::new();
    while let Turn::Write(bytes) = bench.turn(id) {
        assert!(bytes.len() <= 1400);
        bench.agent.written(id, bench.now);
        let decoded = Message::decode(&bytes, Role::Manager, &Keyring::default(), bench.now).unwrap().message;
        let Message::PreferenceInfo(loads) = decoded else { panic!() };
        let rows: Vec<_> = loads.iter().flat_map(Load::rows).collect();
        assert!((1..=MAX_HOSTS).contains(&rows.len()));
        told.extend(rows);
    }
    assert_eq!(told, many[..MAX_ROWS]);
    bench.agent.computed(table(&many));
    assert_eq!(bench.count(Counter::TableOverflow), 5000 - MAX_ROWS as u64, "counted once");
}

#[test]
fn of_rows_with_one_key_the_last_counts() {
    let mut bench = Bench::new(&[row(51, 1), row(52, 2), row(51, 3)]);
    let id = bench.connect(1);
    assert_eq!(bench.reports(id), [vec![row(51, 3), row(52, 2)]]);
}

#[test]
fn a_row_for_the_host_itself_has_the_address_that_the_manager_connected_to() {
    let mut bench = Bench::with(config());
    let own = Row { key: RowKey { address: Ipv4Addr::UNSPECIFIED, ..row(0, 0).key }, weight: 25 };
    bench.agent.computed(Some(Table { rows: vec![own], local: true, binds: vec![] }));
    bench.serve();
    for local in [LOCAL, Ipv4Addr::LOCALHOST] {
        let id = bench.accept(manager(1, 4000), local).unwrap();
        let told = Row { key: RowKey { address: local, ..own.key }, weight: 25 };
        assert_eq!(bench.reports(id), [vec![told]]);
    }
    bench.agent.computed(table(&[own]));
    let id = bench.connect(2);
    assert_eq!(bench.reports(id), [vec![own]], "only where it is asked for");
}
