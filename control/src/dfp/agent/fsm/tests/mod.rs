//! Tests of the agent, under a fake clock: the rows of its tables in their order.

mod activity;
mod connection;
mod hello;
mod hostile;
mod password;
mod property;
mod report;

use std::net::SocketAddrV4;

use tracing_subscriber::layer::SubscriberExt as _;

use super::{
    admission::{MAX_PEERS, MAX_PEERS_OF_ADDRESS},
    table::MAX_ROWS,
    *,
};
use crate::{
    dfp::{
        agent::config::AgentName,
        packet::{BindEntry, BindId, BindTable, Load, Message, Protocol, Role, Row, RowKey, tests::key},
        password::DfpPassword,
    },
    manage::log::{LogBook, LogLayer},
    secret::Secret,
};

const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
const PORT: u16 = 500;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn manager(last: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 1, 1, last), port)
}

fn config() -> AgentConfig {
    let name: AgentName = "ipmobile".parse().unwrap();
    AgentConfig { port: Some(PORT), inservice: true, ..AgentConfig::new(name) }
}

#[expect(clippy::unnecessary_wraps, reason = "as the agent takes it")]
fn password(text: &str, timeout: u16) -> Option<DfpPassword> {
    Some(DfpPassword { secret: Secret::clear(text).unwrap(), timeout })
}

fn row(last: u8, weight: u16) -> Row {
    let address = Ipv4Addr::new(10, 1, 1, last);
    Row { key: RowKey { address, protocol: Protocol::UDP, port: 434, bind_id: BindId::ANY }, weight }
}

#[expect(clippy::unnecessary_wraps, reason = "as the agent takes it")]
fn table(rows: &[Row]) -> Option<Table> {
    Some(Table { rows: rows.to_vec(), ..Table::default() })
}

fn bind_table(last: u8) -> BindTable {
    let entry =
        BindEntry { bind_id: BindId::DEFAULT, client: Ipv4Addr::UNSPECIFIED, mask: Ipv4Addr::UNSPECIFIED };
    BindTable {
        server: Ipv4Addr::new(1, 1, 1, last),
        port: 80,
        protocol: Protocol::TCP,
        entries: vec![entry],
    }
}

/// What a connection has to do now.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Wait,
    Write(Vec<u8>),
    Finish,
    Abort,
}

/// An agent and what its managers do.
struct Bench {
    agent: Agent,
    book: LogBook,
    _logs: tracing::subscriber::DefaultGuard,
    connected: u64,
    now: Nanos,
}

impl Bench {
    /// Active, with these rows, listening.
    fn new(rows: &[Row]) -> Self {
        let mut bench = Self::with(config());
        bench.agent.computed(table(rows));
        bench.serve();
        bench
    }

    /// Not asked yet.
    fn with(config: AgentConfig) -> Self {
        let now = Nanos(1_000_000_000);
        let book = LogBook::new(256);
        let subscriber = tracing_subscriber::registry().with(LogLayer(book.clone()));
        let logs = tracing::subscriber::set_default(subscriber);
        Self { agent: Agent::new(config, LOCAL, now), book, _logs: logs, connected: 0, now }
    }

    /// Does what the runner would with the listener.
    fn serve(&mut self) {
        if let Some(port) = self.agent.listen(self.now) {
            self.agent.listening(port);
        }
    }

    fn connect(&mut self, last: u8) -> LinkId {
        let port = u16::try_from(40_000 + self.connected).unwrap();
        self.accept(manager(last, port), LOCAL).expect("accepted")
    }

    fn accept(&mut self, remote: SocketAddrV4, local: Ipv4Addr) -> Option<LinkId> {
        let id = LinkId::Accepted(self.connected + 1);
        let accepted = self.agent.accept(id, remote, local, self.now);
        self.connected += u64::from(accepted);
        accepted.then_some(id)
    }

    /// Connected, and told what there is to tell.
    fn greet(&mut self, last: u8) -> LinkId {
        let id = self.connect(last);
        let greeting = self.read(id);
        assert!(!greeting.is_empty());
        id
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.agent.expire(self.now);
    }

    /// Takes all that the agent has to say to the manager, with the password.
    fn read_with(&mut self, id: LinkId, password: Option<&str>) -> Vec<Message> {
        let keys = Keyring::new(password.map(key));
        let mut messages = Vec::new();
        while let Turn::Write(bytes) = self.turn(id) {
            let decoded = Message::decode(&bytes, Role::Manager, &keys, self.now).unwrap();
            assert_eq!(decoded.proof.is_verified(), password.is_some());
            messages.push(decoded.message);
            self.agent.written(id, self.now);
        }
        messages
    }

    fn read(&mut self, id: LinkId) -> Vec<Message> {
        self.read_with(id, None)
    }

    /// The rows of all reports, one list a report.
    fn reports(&mut self, id: LinkId) -> Vec<Vec<Row>> {
        let rows = |message| match message {
            Message::PreferenceInfo(loads) => loads.iter().flat_map(Load::rows).collect(),
            other => panic!("{other:?}"),
        };
        self.read(id).into_iter().map(rows).collect()
    }

    fn send_with(&mut self, id: LinkId, message: &Message, password: Option<&str>) -> bool {
        let mut bytes = Vec::new();
        message.encode(&mut bytes, password.map(key).as_ref()).unwrap();
        self.agent.input(id, &bytes, self.now)
    }

    fn send(&mut self, id: LinkId, message: &Message) {
        assert!(self.send_with(id, message, None));
    }

    fn keep_alive(&mut self, id: LinkId, seconds: u32) {
        self.send(id, &Message::Parameters { keep_alive: Some(seconds) });
    }

    fn change(&mut self, change: impl FnOnce(&mut AgentConfig)) {
        let mut config = self.agent.config().clone();
        change(&mut config);
        self.agent.configure(config, self.now);
        self.serve();
    }

    /// What was logged since the last call, from the mnemonic on.
    fn logged(&mut self) -> Vec<String> {
        let lines = self.book.view().lines;
        self.book.clear();
        lines.iter().map(|line| line.split_once(": %").unwrap().1.to_owned()).collect()
    }

    /// As the sockets would be told. A connection that has ended in order is told so once.
    fn turn(&mut self, id: LinkId) -> Turn {
        if self.agent.peers.contains_key(&id) {
            return self.agent.next(id, self.now).map_or(Turn::Wait, Turn::Write);
        }
        let finish = SocketOrder::End(id, End::Finish);
        match self.agent.orders.iter().position(|order| *order == finish) {
            Some(at) => {
                self.agent.orders.remove(at);
                Turn::Finish
            }
            None => Turn::Abort,
        }
    }

    fn count(&self, counter: Counter) -> u64 {
        self.agent.counters().get(counter)
    }
}
