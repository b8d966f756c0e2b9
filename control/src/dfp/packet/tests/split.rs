//! What does not fit in one message.

use super::*;

fn row(last: u16, port: u16, weight: u16) -> Row {
    let [high, low] = last.to_be_bytes();
    let key =
        RowKey { address: [10, 0, high, low].into(), protocol: Protocol::UDP, port, bind_id: BindId::ANY };
    Row { key, weight }
}

fn check(rows: &[Row]) -> Vec<Vec<Load>> {
    let messages = reports(rows.iter().copied());
    let back: Vec<Row> = messages.iter().flatten().flat_map(Load::rows).collect();
    assert_eq!(back, rows);
    for loads in &messages {
        let mut bytes = Vec::new();
        Message::PreferenceInfo(loads.clone()).encode(&mut bytes, Some(&key("Cookies"))).unwrap();
        assert!(bytes.len() <= 1400, "{} bytes", bytes.len());
    }
    messages
}

#[test]
fn rows_become_as_few_messages_as_the_limits_allow() {
    assert_eq!(check(&[]), Vec::<Vec<Load>>::new());
    let rows: Vec<Row> = (0..300).map(|at| row(at, 434, at)).collect();
    let counts: Vec<usize> = check(&rows).iter().map(|loads| loads[0].hosts.len()).collect();
    assert_eq!(counts, [128, 128, 44]);
    // Ports that alternate: 20 bytes a row, so 1364 bytes hold 68.
    let rows: Vec<Row> = (0..69).map(|at| row(at, at, 1)).collect();
    assert_eq!(check(&rows).iter().map(Vec::len).collect::<Vec<_>>(), [68, 1]);
    let rows = [row(1, 434, 1), row(2, 434, 2), row(3, 0, 3), row(4, 434, 4)];
    assert_eq!(check(&rows)[0].iter().map(|load| load.hosts.len()).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn what_fits_in_no_message_is_refused_and_leaves_the_buffer_alone() {
    let load = |n| Load { port: 434, protocol: Protocol::UDP, hosts: vec![host([10, 0, 0, 1], 0, 1); n] };
    let table = |n| BindTable {
        entries: vec![
            BindEntry { bind_id: BindId(1), client: [10, 0, 0, 0].into(), mask: [255; 4].into() };
            n
        ],
        ..BindTable::END
    };
    let mut out = vec![7];
    let mut refused = |message: Message| {
        let error = message.encode(&mut out, None).unwrap_err();
        assert_eq!(out, [7]);
        error
    };
    let many = EncodeError::Hosts(129);
    assert_eq!(refused(Message::PreferenceInfo(vec![load(129)])), many);
    assert_eq!(refused(Message::ServerState(vec![load(64), load(65)])), many);
    let entries = BindTable::MAX_ENTRIES + 1;
    assert_eq!(refused(Message::BindIdReport(table(entries))), EncodeError::Entries(entries));
    let empty = refused(Message::PreferenceInfo(vec![load(0); 341]));
    assert_eq!(empty, EncodeError::Length(8 + 12 * 341));

    let longest = Message::BindIdReport(table(BindTable::MAX_ENTRIES));
    longest.encode(&mut out, Some(&key("Cookies"))).unwrap();
    assert_eq!(out.len(), 1 + 8 + 28 + 16 + 12 * 5459);
    let decoded = Message::decode(&out[1..], Role::Manager, &ring("Cookies"), NOW).unwrap();
    assert_eq!(decoded.message, longest);
}

#[test]
fn an_answer_ends_with_the_end_marker() {
    assert_eq!(BindTable::answer(&[]), [BindTable::END]);
    let entry = BindEntry { bind_id: BindId(1), client: [10, 0, 0, 0].into(), mask: [255; 4].into() };
    let table = |n| BindTable {
        server: [10, 0, 0, 1].into(),
        port: 434,
        protocol: Protocol::UDP,
        entries: vec![entry; n],
    };
    let reports = BindTable::answer(&[table(0), BindTable::END, table(5460)]);
    assert_eq!(reports, [table(0), table(5459), table(1), BindTable::END]);
}
