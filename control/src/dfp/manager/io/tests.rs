//! The manager on real TCP, on loopback, with scripted agents.

use std::{
    net::Ipv4Addr,
    sync::Mutex,
    time::{Duration, Instant},
};

use common::{
    config::Hugepages,
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    command::Commands,
    core::{Core, CoreLink},
    dfp::{
        manager::view::{AgentView, ConnectionState, View},
        packet::{BindId, BindTable, Header, Host, Message, Protocol, Role, RowKey},
        security::{Key, Keyring},
    },
    manage::log::LogBook,
    secret::Secret,
};

/// An address of this test's own: every test is a process.
fn address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 78, high, low.max(1))
}

struct Rig {
    core: Shared<Director>,
    manager: Manager,
    listener: TcpListener,
    port: u16,
}

const FARM: &str = "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n\
                    ip slb serverfarm A\n real 10.1.1.51\n  weight 5\n  inservice\n!\n\
                    ip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm A\n inservice\n!\n";

impl Rig {
    /// A manager of one agent, which listens already; `agent` is what follows its port.
    async fn new(dfp: &str, agent: &str) -> Self {
        let listener = TcpListener::bind((address(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sessions = Balancer::new(1024, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (_, end) = link(1, 1, Tables::new(sessions));
        let (end, _, _) = CoreLink::split(end);
        let start = Instant::now();
        let clock: Clock = Arc::new(move || Nanos(1).after(start.elapsed()));
        let mut core = Core::new(end, None, LogBook::new(100), clock());
        core.apply_file("test.conf", &format!("{FARM}{dfp}\n agent {} {port} {agent}\n!\n", address()))
            .unwrap();
        let commands = Arc::new(Commands::new(Core::exec_specs()).unwrap());
        let core: Shared<Director> = Arc::new(Mutex::new(Director::new(core, commands)));
        let mut manager = Manager::new(Arc::clone(&core), clock);
        manager.configure();
        Self { core, manager, listener, port }
    }

    /// Lines of configuration, and what the daemon does about them.
    fn configure(&mut self, lines: &str) {
        let commands = Arc::new(Commands::new(Core::exec_specs()).unwrap());
        let mut shell = Core::shell(commands, true);
        for line in format!("configure terminal\n{lines}\nend").lines() {
            let reply = lock(&self.core).core_mut().execute(&mut shell, line);
            assert!(reply.error.is_none(), "{}", reply.text);
        }
        if lock(&self.core).core_mut().take_effects().dfp_changed {
            self.manager.configure();
        }
    }

    fn agent(&self, rest: &str) -> String {
        format!("ip slb dfp\n agent {} {} {rest}", address(), self.port)
    }

    async fn accept(&self) -> TcpStream {
        in_time(self.listener.accept()).await.unwrap().0
    }

    /// The weight that workers see.
    fn weight(&self) -> u32 {
        let snapshot = lock(&self.core).core_mut().snapshot();
        snapshot.reals.iter().flatten().next().unwrap().live.weight()
    }

    fn view(&self) -> AgentView {
        let View { mut agents, .. } = lock(&self.core).core_mut().dfp_manager_view();
        agents.remove(0)
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let reached = async {
            while !wanted(self) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        in_time(reached).await;
    }
}

/// How often it is looked whether something has come true.
const GLANCE: Duration = Duration::from_millis(2);

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("in time")
}

async fn receive(stream: &mut TcpStream) -> Message {
    let mut bytes = vec![0; Header::SIZE];
    in_time(stream.read_exact(&mut bytes)).await.unwrap();
    let length = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes.resize(length, 0);
    in_time(stream.read_exact(&mut bytes[Header::SIZE..])).await.unwrap();
    Message::decode(&bytes, Role::Agent, &Keyring::default(), Nanos(0)).unwrap().message
}

async fn send(stream: &mut TcpStream, message: &Message, key: Option<&Key>) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes, key).unwrap();
    stream.write_all(&bytes).await.unwrap();
}

/// Waits for the end of the connection; what comes before is dropped.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    while in_time(stream.read(&mut buffer)).await.is_ok_and(|length| length > 0) {}
}

fn load(weight: u16) -> Load {
    let host = Host { address: Ipv4Addr::new(10, 1, 1, 51), bind_id: BindId::ANY, weight };
    Load { port: 434, protocol: Protocol::UDP, hosts: vec![host] }
}

fn report(weight: u16) -> Message {
    Message::PreferenceInfo(vec![load(weight)])
}

fn parameters(seconds: u32) -> Message {
    Message::Parameters { keep_alive: Some(seconds) }
}

#[tokio::test]
async fn a_report_reaches_the_workers_and_its_end_brings_the_static_weight_back() {
    let rig = Rig::new("ip slb dfp", "").await;
    let mut agent = rig.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
    assert_eq!(rig.weight(), 5);
    send(&mut agent, &report(25), None).await;
    rig.until(|rig| rig.weight() == 25).await;
    assert_eq!(rig.view().state, ConnectionState::Open);
    assert!(rig.view().last_message.is_some());
    // Both in one segment, then one byte at a time.
    let mut bytes = Vec::new();
    report(3).encode(&mut bytes, None).unwrap();
    report(4).encode(&mut bytes, None).unwrap();
    agent.write_all(&bytes).await.unwrap();
    rig.until(|rig| rig.weight() == 4).await;
    agent.set_nodelay(true).unwrap();
    for byte in &bytes {
        agent.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    rig.until(|rig| rig.weight() == 4 && rig.view().counters.errors() == 0).await;
    drop(agent);
    rig.until(|rig| rig.weight() == 5).await;
    // It had delivered: the quick reconnect, within a second.
    rig.accept().await;
}

#[tokio::test]
async fn an_agent_removed_and_added_between_two_looks_is_connected_anew_and_its_weights_are_gone() {
    let mut rig = Rig::new("ip slb dfp password old 0", "").await;
    let key = |text: &str| Key::new(&Secret::clear(text).unwrap());
    for (lines, password) in
        [("no agent {}\nagent {}", "old"), ("no ip slb dfp\nip slb dfp password new 180\nagent {}", "new")]
    {
        let mut agent = rig.accept().await;
        send(&mut agent, &report(25), Some(&key("old"))).await;
        rig.until(|rig| rig.weight() == 25).await;
        rig.configure(&format!(
            "ip slb dfp\n{}",
            lines.replace("{}", &format!("{} {}", address(), rig.port))
        ));
        assert_eq!(rig.weight(), 5);
        closed(&mut agent).await;
        let mut agent = rig.accept().await;
        send(&mut agent, &report(24), Some(&key(password))).await;
        rig.until(|rig| rig.weight() == 24).await;
        let counters = rig.view().counters;
        assert_eq!(counters.errors(), 0, "{counters:?}");
        // The next one is for whoever comes next.
        rig.configure(&format!("ip slb dfp\n no agent {} {}", address(), rig.port));
        closed(&mut agent).await;
        rig.configure(&rig.agent(""));
    }
}

#[tokio::test]
async fn a_weight_is_with_the_workers_within_10_ms() {
    let rig = Rig::new("ip slb dfp", "").await;
    let live = Arc::clone(&lock(&rig.core).core_mut().snapshot().reals.iter().flatten().next().unwrap().live);
    let mut agent = rig.accept().await;
    let mut best = Duration::MAX;
    for weight in 100..140_u16 {
        let sent = Instant::now();
        send(&mut agent, &report(weight), None).await;
        in_time(async {
            while live.weight() != u32::from(weight) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        best = best.min(sent.elapsed());
        // As many a second as an agent may send.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The best of many: the machine may be busy with something else, the path is the same each time.
    assert!(best < Duration::from_millis(10), "{best:?}");
}

#[tokio::test]
async fn what_is_configured_live_is_done() {
    let mut rig = Rig::new("ip slb dfp", "").await;
    let mut agent = rig.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
    rig.configure(&rig.agent("30"));
    assert_eq!(receive(&mut agent).await, parameters(30));
    rig.configure("ip slb serverfarm A\n bindid 9");
    assert_eq!(receive(&mut agent).await, Message::BindIdRequest);
    send(&mut agent, &Message::BindIdReport(BindTable::END), None).await;
    send(&mut agent, &report(7), None).await;
    rig.until(|rig| rig.weight() == 7).await;
    rig.manager.tell(vec![(lock(&rig.core).core_mut().dfp_wanted()[0].id.address, load(0).rows().collect())]);
    assert_eq!(receive(&mut agent).await, Message::ServerState(vec![load(0)]));
    rig.configure("no ip slb dfp");
    assert_eq!(rig.weight(), 5, "at once");
    closed(&mut agent).await;
    rig.configure(&rig.agent(""));
    let mut agent = rig.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
}

#[tokio::test]
async fn an_agent_made_anew_gets_a_new_connection_after_the_end_of_the_old_one() {
    let mut rig = Rig::new("ip slb dfp", "").await;
    let mut old = rig.accept().await;
    receive(&mut old).await;
    send(&mut old, &report(25), None).await;
    rig.until(|rig| rig.weight() == 25).await;
    // Both before the daemon looks.
    let again = format!("{}\n no agent {} {}\n agent {1} {2}", "ip slb dfp", address(), rig.port);
    rig.configure(&again);
    assert_eq!(rig.weight(), 5);
    let mut new = rig.accept().await;
    // The FIN of the old one was sent first: nothing is left to wait for.
    closed(&mut old).await;
    assert_eq!(receive(&mut new).await, parameters(0));
    send(&mut new, &report(24), None).await;
    rig.until(|rig| rig.weight() == 24).await;
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_given_up_after_its_retries() {
    let rig = Rig::new("ip slb dfp", "0 1 1").await;
    // Refused from the second attempt on.
    let agent = rig.accept().await;
    let Rig { core, manager, listener, port } = rig;
    drop(listener);
    drop(agent);
    let listener = TcpListener::bind((address(), 0)).await.unwrap();
    let mut rig = Rig { core, manager, listener, port };
    rig.until(|rig| rig.view().state == ConnectionState::Failed).await;
    rig.listener = TcpListener::bind((address(), port)).await.unwrap();
    rig.configure(&rig.agent("0 1 1"));
    rig.accept().await;
}

#[tokio::test]
async fn a_broken_stream_closes_and_shows_failed() {
    let rig = Rig::new("ip slb dfp", "").await;
    let mut agent = rig.accept().await;
    send(&mut agent, &report(25), None).await;
    rig.until(|rig| rig.weight() == 25).await;
    agent.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    closed(&mut agent).await;
    rig.until(|rig| rig.weight() == 5).await;
    assert_eq!(rig.view().counters.get(crate::dfp::counter::Counter::BadVersion), 1);
}

#[tokio::test]
async fn a_password_is_asked_of_the_agent() {
    let rig = Rig::new("ip slb dfp password Cookies", "").await;
    let mut agent = rig.accept().await;
    let key = |word: &str| Key::new(&Secret::clear(word).unwrap());
    send(&mut agent, &report(9), None).await;
    send(&mut agent, &report(10), Some(&key("cookies"))).await;
    rig.until(|rig| rig.view().state == ConnectionState::SecurityError).await;
    send(&mut agent, &report(11), Some(&key("Cookies"))).await;
    rig.until(|rig| rig.weight() == 11).await;
    assert_eq!(rig.view().state, ConnectionState::Open);
    assert_eq!(rig.view().counters.security_errors(), 2);
    for _ in 0..5 {
        send(&mut agent, &report(12), None).await;
    }
    closed(&mut agent).await;
    rig.until(|rig| rig.weight() == 5).await;
    assert_eq!(rig.view().state, ConnectionState::Trying);
    assert_eq!(rig.view().counters.security_errors(), 7);
}

#[tokio::test]
async fn an_agent_that_does_not_read_is_closed() {
    let rig = Rig::new("ip slb dfp", "").await;
    let mut agent = rig.accept().await;
    let address = lock(&rig.core).core_mut().dfp_wanted()[0].id.address;
    let key = |port| RowKey {
        address: Ipv4Addr::new(10, 1, 1, 51),
        protocol: Protocol::UDP,
        port,
        bind_id: BindId::ANY,
    };
    let rows: Vec<_> = (0..20_000).map(|port| Row { key: key(port), weight: 0 }).collect();
    let stalled = |rig: &Rig| {
        rig.manager.tell(vec![(address, rows.clone())]);
        rig.view().counters.get(crate::dfp::counter::Counter::StalledClose) == 1
    };
    rig.until(stalled).await;
    closed(&mut agent).await;
}
