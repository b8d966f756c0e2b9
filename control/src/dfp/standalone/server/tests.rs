//! The agent on real TCP, on loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::dfp::{
    agent::{config::AgentConfig, fsm::Table},
    counter::Counter,
    packet::{BindId, Header, Load, Message, Protocol as Ip, Role, Row, RowKey},
    security::Keyring,
    standalone::Source,
    stream::PATIENCE,
};

const PORT: u16 = 8500;
const HELLO: Message = Message::PreferenceInfo(Vec::new());

/// An address of this test's own: every test is a process.
fn address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low.max(1))
}

fn settings() -> Settings {
    let (listen, key) = (SocketAddrV4::new(address(), PORT), row(0).key);
    Settings { listen, source: Source::Static(25), password: None, interval: 10, key }
}

fn row(weight: u16) -> Row {
    let address = Ipv4Addr::new(10, 1, 1, 51);
    Row { key: RowKey { address, protocol: Ip::UDP, port: 434, bind_id: BindId::ANY }, weight }
}

#[expect(clippy::unnecessary_wraps, reason = "as the agent takes it")]
fn table(weight: u16) -> Option<Table> {
    Some(Table { rows: vec![row(weight)], ..Table::default() })
}

/// Waits until the agent is as `wanted` says.
async fn until(server: &mut Standalone, wanted: impl Fn(&Agent) -> bool) {
    let reached = async {
        while !wanted(&server.agent) {
            server.serve_until(sleep(GRAIN)).await;
        }
    };
    timeout(Duration::from_secs(20), reached).await.expect("in time");
}

async fn start() -> Standalone {
    let mut server = Standalone::new(settings());
    server.agent.computed(table(25));
    until(&mut server, |agent| agent.view(Nanos(0)).listening).await;
    server
}

async fn connect() -> TcpStream {
    TcpStream::connect((address(), PORT)).await.unwrap()
}

async fn receive(stream: &mut TcpStream) -> Message {
    let mut bytes = vec![0; Header::SIZE];
    stream.read_exact(&mut bytes).await.unwrap();
    let length = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes.resize(length, 0);
    stream.read_exact(&mut bytes[Header::SIZE..]).await.unwrap();
    Message::decode(&bytes, Role::Manager, &Keyring::default(), Nanos(0)).unwrap().message
}

async fn weight(stream: &mut TcpStream) -> u16 {
    let Message::PreferenceInfo(loads) = receive(stream).await else { panic!() };
    let rows: Vec<_> = loads.iter().flat_map(Load::rows).collect();
    assert_eq!(rows.len(), 1);
    rows[0].weight
}

async fn send(stream: &mut TcpStream, message: &Message) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes, None).unwrap();
    stream.write_all(&bytes).await.unwrap();
}

/// The connection is over, in order or by a reset.
async fn ended(stream: &mut TcpStream) -> Result<(), io::ErrorKind> {
    let mut buffer = [0; 64];
    match stream.read(&mut buffer).await {
        Ok(0) => Ok(()),
        Ok(_) => panic!("more to read"),
        Err(error) => Err(error.kind()),
    }
}

#[tokio::test]
async fn two_managers_are_told_at_once_and_of_changes() {
    let mut server = start().await;
    let mut managers = [connect().await, connect().await];
    for manager in &mut managers {
        assert_eq!(server.serve_until(weight(manager)).await, 25);
    }
    server.agent.computed(table(24));
    for manager in &mut managers {
        assert_eq!(server.serve_until(weight(manager)).await, 24);
    }
    server.end().await;
    for manager in &mut managers {
        assert_eq!(ended(manager).await, Ok(()), "in order");
    }
}

#[tokio::test]
async fn hellos_come_by_the_clock() {
    let mut server = start().await;
    let mut manager = connect().await;
    assert_eq!(server.serve_until(weight(&mut manager)).await, 25);
    let since = Instant::now();
    send(&mut manager, &Message::Parameters { keep_alive: Some(3) }).await;
    for _ in 0..2 {
        assert_eq!(server.serve_until(receive(&mut manager)).await, HELLO);
    }
    let passed = since.elapsed();
    assert!((Duration::from_millis(5900)..Duration::from_secs(12)).contains(&passed), "{passed:?}");
    drop(server);
}

#[tokio::test]
async fn a_port_in_use_is_told_and_another_port_ends_connections() {
    let other = std::net::TcpListener::bind((address(), PORT + 1)).unwrap();
    let mut server = start().await;
    let mut manager = connect().await;
    assert_eq!(server.serve_until(weight(&mut manager)).await, 25);
    let port = |server: &mut Standalone, port| {
        let now = server.now();
        server.agent.configure(AgentConfig { port: Some(port), ..settings().config() }, now);
    };
    port(&mut server, PORT + 1);
    assert_eq!(server.serve_until(ended(&mut manager)).await, Ok(()));
    until(&mut server, |agent| agent.view(Nanos(0)).listen_error.is_some()).await;
    assert!(TcpStream::connect((address(), PORT)).await.is_err(), "the old port is closed");
    drop(other);
    port(&mut server, PORT + 2);
    until(&mut server, |agent| agent.view(Nanos(0)).listening).await;
    let mut manager = TcpStream::connect((address(), PORT + 2)).await.unwrap();
    assert_eq!(server.serve_until(weight(&mut manager)).await, 25);
}

#[tokio::test]
async fn bytes_that_are_no_dfp_close_and_others_go_on() {
    let mut server = start().await;
    let (mut good, mut bad) = (connect().await, connect().await);
    send(&mut good, &Message::Parameters { keep_alive: Some(0) }).await;
    assert_eq!(
        (server.serve_until(weight(&mut good)).await, server.serve_until(weight(&mut bad)).await),
        (25, 25)
    );
    bad.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let _ = server.serve_until(ended(&mut bad)).await;
    until(&mut server, |agent| agent.view(Nanos(0)).managers.len() == 1).await;
    assert_eq!(server.agent.counters().get(Counter::BadVersion), 1);
    server.agent.computed(table(7));
    assert_eq!(server.serve_until(weight(&mut good)).await, 7);
}

#[tokio::test]
async fn a_manager_that_closes_is_forgotten() {
    let mut server = start().await;
    let mut manager = connect().await;
    assert_eq!(server.serve_until(weight(&mut manager)).await, 25);
    drop(manager);
    until(&mut server, |agent| agent.view(Nanos(0)).managers.is_empty()).await;
    assert_eq!(server.agent.counters().errors(), 0);
}

/// A connection whose receiver takes little.
async fn connect_narrow() -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect((address(), PORT).into()).await.unwrap()
}

#[tokio::test]
async fn a_manager_that_does_not_read_does_not_stop_the_others_and_then_gets_the_newest() {
    const FIRST: u16 = 101;
    const LAST: u16 = 200;
    let mut server = start().await;
    let (mut reader, mut lazy) = (connect().await, connect_narrow().await);
    send(&mut reader, &Message::Parameters { keep_alive: Some(0) }).await;
    assert_eq!(server.serve_until(weight(&mut reader)).await, 25);
    let rows = |weight: u16| {
        let key = |n: u32| RowKey { address: Ipv4Addr::from_bits(n), ..row(0).key };
        let rows = (1..=4096).map(|n| Row { key: key(n), weight }).collect();
        Some(Table { rows, ..Table::default() })
    };
    for round in FIRST..=LAST {
        server.agent.computed(rows(round));
        let mut told = 0;
        while told < 4096 {
            let Message::PreferenceInfo(loads) = server.serve_until(receive(&mut reader)).await else {
                panic!()
            };
            told += loads.iter().flat_map(Load::rows).filter(|row| row.weight == round).count();
        }
    }
    let (mut known, mut all) = (0, 0);
    while known < 4096 {
        let Message::PreferenceInfo(loads) = server.serve_until(receive(&mut lazy)).await else { panic!() };
        for row in loads.iter().flat_map(Load::rows) {
            all += 1;
            known += usize::from(row.weight == LAST);
        }
    }
    assert!(all < 4096 * 90, "{all} rows: old weights were queued");
    assert_eq!(server.agent.view(Nanos(0)).managers.len(), 2);
}

#[tokio::test]
async fn a_flood_of_connections_is_survived_and_counted() {
    let mut server = start().await;
    let mut manager = connect().await;
    send(&mut manager, &Message::Parameters { keep_alive: Some(0) }).await;
    assert_eq!(server.serve_until(weight(&mut manager)).await, 25);
    until(&mut server, |agent| agent.view(Nanos(0)).managers.len() == 1).await;
    for _ in 0..1000 {
        drop(server.serve_until(connect()).await);
    }
    server.agent.computed(table(24));
    assert_eq!(server.serve_until(weight(&mut manager)).await, 24);
    until(&mut server, |agent| agent.view(Nanos(0)).managers.len() == 1).await;
}

#[tokio::test]
async fn the_weights_are_asked_for_at_once_and_each_interval() {
    let mut server = Standalone::new(settings());
    server.weights_wanted().await;
    let now = server.now();
    assert!(!server.agent.wants_weights(now));
    server.agent.configure(AgentConfig { interval: 5, ..settings().config() }, now);
    let since = Instant::now();
    server.weights_wanted().await;
    assert!(since.elapsed() > Duration::from_millis(4900));
}

#[tokio::test]
async fn a_manager_that_never_rests_does_not_stop_the_clock_for_others() {
    let mut server = start().await;
    let (mut slow, mut busy) = (connect().await, connect().await);
    for manager in [&mut slow, &mut busy] {
        assert_eq!(server.serve_until(weight(manager)).await, 25);
    }
    slow.write_all(&[Header::VERSION]).await.unwrap();
    busy.set_nodelay(true).unwrap();
    let dribble = async {
        let mut message = vec![0; Header::LONG];
        message[..Header::SIZE].copy_from_slice(&[1, 0, 6, 1, 0, 0, 0x10, 0]);
        loop {
            for byte in &message {
                busy.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let both = async {
        tokio::select! {
            end = ended(&mut slow) => end,
            () = dribble => unreachable!(),
        }
    };
    let end = timeout(PATIENCE + Duration::from_secs(5), server.serve_until(both)).await;
    assert_eq!(end.expect("in time"), Err(io::ErrorKind::ConnectionReset));
    assert_eq!(server.agent.counters().get(Counter::SlowClose), 1);
}
