//! Both roles of DFP on real TCP, on loopback, with the whole core.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use common::{
    config::Hugepages,
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
    time::Nanos,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{PORTS, SYSTEM_LINES, kernel, network};
use crate::{
    command::{self, Secret, Shell},
    core::{Core, CoreLink},
    dfp::testing::{
        BindId, BindTable, ConnectionState, Counter, Header, Host, Key, Keyring, Load, Message, PasswordView,
        PeerView, Protocol as Ip, Role, Row, RowKey, agents, listen_on, manager, server_states,
    },
    launcher::Launcher,
    manage::log::LogBook,
    protocol::{Instance, Io, Member, Messenger, Protocol, Visitor},
    protocols::{All, Configuration},
};

/// Between two polls of the core.
const TICK: Duration = Duration::from_millis(50);

/// How often it is looked whether something has come true.
const POLL: Duration = Duration::from_millis(2);

/// An address of this test's own: every test is a process.
fn address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 78, high, low.max(1))
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("in time")
}

type Clock = Arc<dyn Fn() -> Nanos + Send + Sync>;

/// A core with the tasks of its subsystems, and time that passes.
struct Live {
    core: Arc<Mutex<Core<All>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Starts the tasks of each subsystem.
struct Start<'a> {
    core: &'a Arc<Mutex<Core<All>>>,
    clock: &'a Clock,
    tasks: Vec<JoinHandle<()>>,
}

impl Visitor<All> for Start<'_> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        All: Member<P>,
    {
        let (core, clock) = (Arc::clone(self.core), Arc::clone(self.clock));
        let messenger = Messenger::new(move |message| {
            let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
            core.set_time(clock(), SystemTime::now());
            core.message::<P>(message);
        });
        let io = Io {
            orders: instance.attach(),
            messenger,
            clock: Arc::clone(self.clock),
            launcher: Launcher::default(),
        };
        self.tasks.push(tokio::spawn(P::start(io)));
    }
}

impl Live {
    fn new(text: &str) -> Self {
        let sessions = Balancer::new(1024, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (_, end) = link(1, 1, Tables::new(sessions));
        let (end, _, _) = CoreLink::split(end);
        let start = Instant::now();
        let clock: Clock = Arc::new(move || Nanos(1).after(start.elapsed()));
        let mut core = Core::<All>::new(end, None, LogBook::new(100), clock());
        listen_on(&mut core, address());
        core.ports_changed(&PORTS);
        core.host_changed(&kernel(&network()));
        let loaded = command::load::<Configuration>("test.conf", &format!("{SYSTEM_LINES}{text}"));
        core.apply_loaded(loaded.unwrap_or_else(|errors| panic!("{errors:?}"))).unwrap();
        let core = Arc::new(Mutex::new(core));
        let mut start = Start { core: &core, clock: &clock, tasks: Vec::new() };
        core.lock().unwrap().visit(&mut start);
        let mut tasks = start.tasks;
        let timed = Arc::clone(&core);
        tasks.push(tokio::spawn(async move {
            loop {
                {
                    let mut core = timed.lock().unwrap_or_else(PoisonError::into_inner);
                    core.set_time(clock(), SystemTime::now());
                    core.advance();
                }
                tokio::time::sleep(POLL).await;
            }
        }));
        Self { core, tasks }
    }

    fn core(&self) -> MutexGuard<'_, Core<All>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines of configuration.
    fn configure(&self, lines: &str) {
        let mut shell = Shell::new(Arc::new(Core::commands()), true);
        for line in format!("configure terminal\n{lines}\nend").lines() {
            let reply = self.core().execute(&mut shell, line).finish();
            assert!(reply.error.is_none(), "{}", reply.text);
        }
    }
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; Header::SIZE];
    in_time(stream.read_exact(&mut bytes)).await.unwrap();
    let length = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes.resize(length, 0);
    in_time(stream.read_exact(&mut bytes[Header::SIZE..])).await.unwrap();
    bytes
}

/// A manager of one agent, which listens.
struct Harness {
    live: Live,
    listener: TcpListener,
    port: u16,
}

const FARM: &str = "ip slb serverfarm A\n real 10.1.1.51\n  weight 5\n  inservice\n!\n\
                    ip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm A\n inservice\n!\n";

impl Harness {
    /// `agent` is what follows its port.
    async fn new(dfp: &str, agent: &str) -> Self {
        let listener = TcpListener::bind((address(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let live = Live::new(&format!("{FARM}{dfp}\n agent {} {port} {agent}\n!\n", address()));
        Self { live, listener, port }
    }

    fn configure(&self, lines: &str) {
        self.live.configure(lines);
    }

    fn agent(&self, rest: &str) -> String {
        format!("ip slb dfp\n agent {} {} {rest}", address(), self.port)
    }

    async fn accept(&self) -> TcpStream {
        in_time(self.listener.accept()).await.unwrap().0
    }

    /// The weight that workers see.
    fn weight(&self) -> u32 {
        let snapshot = self.live.core().shared().snapshot();
        snapshot.slb.reals.iter().flatten().next().unwrap().live.weight()
    }

    fn view(&self) -> PeerView {
        manager(&mut self.live.core()).agents.remove(0)
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let reached = async {
            while !wanted(self) {
                tokio::time::sleep(POLL).await;
            }
        };
        in_time(reached).await;
    }
}

async fn receive(stream: &mut TcpStream) -> Message {
    let bytes = read(stream).await;
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
    Load { port: 434, protocol: Ip::UDP, hosts: vec![host] }
}

fn report(weight: u16) -> Message {
    Message::PreferenceInfo(vec![load(weight)])
}

fn parameters(seconds: u32) -> Message {
    Message::Parameters { keep_alive: Some(seconds) }
}

#[tokio::test]
async fn a_report_reaches_the_workers_and_its_end_brings_the_static_weight_back() {
    let harness = Harness::new("ip slb dfp", "").await;
    let mut agent = harness.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
    assert_eq!(harness.weight(), 5);
    send(&mut agent, &report(25), None).await;
    harness.until(|harness| harness.weight() == 25).await;
    assert_eq!(harness.view().state, ConnectionState::Open);
    assert!(harness.view().last_message.is_some());
    // Both in one segment, then one byte at a time.
    let mut bytes = Vec::new();
    report(3).encode(&mut bytes, None).unwrap();
    report(4).encode(&mut bytes, None).unwrap();
    agent.write_all(&bytes).await.unwrap();
    harness.until(|harness| harness.weight() == 4).await;
    agent.set_nodelay(true).unwrap();
    for byte in &bytes {
        agent.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    harness.until(|harness| harness.weight() == 4 && harness.view().counters.errors() == 0).await;
    drop(agent);
    harness.until(|harness| harness.weight() == 5).await;
    // It had delivered: the quick reconnect, within a second.
    harness.accept().await;
}

#[tokio::test]
async fn an_agent_removed_and_added_between_two_looks_is_connected_anew_and_its_weights_are_gone() {
    let harness = Harness::new("ip slb dfp password old 0", "").await;
    let key = |text: &str| Key::new(&Secret::clear(text).unwrap());
    for (lines, password) in
        [("no agent {}\nagent {}", "old"), ("no ip slb dfp\nip slb dfp password new 180\nagent {}", "new")]
    {
        let mut agent = harness.accept().await;
        send(&mut agent, &report(25), Some(&key("old"))).await;
        harness.until(|harness| harness.weight() == 25).await;
        harness.configure(&format!(
            "ip slb dfp\n{}",
            lines.replace("{}", &format!("{} {}", address(), harness.port))
        ));
        assert_eq!(harness.weight(), 5);
        closed(&mut agent).await;
        let mut agent = harness.accept().await;
        send(&mut agent, &report(24), Some(&key(password))).await;
        harness.until(|harness| harness.weight() == 24).await;
        let counters = harness.view().counters;
        assert_eq!(counters.errors(), 0, "{counters:?}");
        // The next one is for whoever comes next.
        harness.configure(&format!("ip slb dfp\n no agent {} {}", address(), harness.port));
        closed(&mut agent).await;
        harness.configure(&harness.agent(""));
    }
}

#[tokio::test]
async fn a_weight_is_with_the_workers_within_10_ms() {
    let harness = Harness::new("ip slb dfp", "").await;
    let snapshot = harness.live.core().shared().snapshot();
    let live = Arc::clone(&snapshot.slb.reals.iter().flatten().next().unwrap().live);
    let mut agent = harness.accept().await;
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
    let harness = Harness::new("ip slb dfp", "").await;
    let mut agent = harness.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
    harness.configure(&harness.agent("30"));
    assert_eq!(receive(&mut agent).await, parameters(30));
    harness.configure("ip slb serverfarm A\n bindid 9");
    assert_eq!(receive(&mut agent).await, Message::BindIdRequest);
    send(&mut agent, &Message::BindIdReport(BindTable::END), None).await;
    send(&mut agent, &report(7), None).await;
    harness.until(|harness| harness.weight() == 7).await;
    // The balancer looks once a tick which of its servers are usable.
    tokio::time::sleep(2 * TICK).await;
    harness.configure("ip slb serverfarm A\n real 10.1.1.51\n no inservice");
    assert_eq!(receive(&mut agent).await, Message::ServerState(vec![load(0)]));
    harness.configure("no ip slb dfp");
    assert_eq!(harness.weight(), 5, "at once");
    closed(&mut agent).await;
    harness.configure(&harness.agent(""));
    let mut agent = harness.accept().await;
    assert_eq!(receive(&mut agent).await, parameters(0));
}

#[tokio::test]
async fn an_agent_made_anew_gets_a_new_connection_after_the_end_of_the_old_one() {
    let harness = Harness::new("ip slb dfp", "").await;
    let mut old = harness.accept().await;
    receive(&mut old).await;
    send(&mut old, &report(25), None).await;
    harness.until(|harness| harness.weight() == 25).await;
    // Both before the daemon looks.
    let again = format!("{}\n no agent {} {}\n agent {1} {2}", "ip slb dfp", address(), harness.port);
    harness.configure(&again);
    assert_eq!(harness.weight(), 5);
    let mut new = harness.accept().await;
    // The FIN of the old one was sent first: nothing is left to wait for.
    closed(&mut old).await;
    assert_eq!(receive(&mut new).await, parameters(0));
    send(&mut new, &report(24), None).await;
    harness.until(|harness| harness.weight() == 24).await;
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_given_up_after_its_retries() {
    let harness = Harness::new("ip slb dfp", "0 1 1").await;
    // Refused from the second attempt on.
    let agent = harness.accept().await;
    let Harness { live, listener, port } = harness;
    drop(listener);
    drop(agent);
    let listener = TcpListener::bind((address(), 0)).await.unwrap();
    let mut harness = Harness { live, listener, port };
    harness.until(|harness| harness.view().state == ConnectionState::Failed).await;
    harness.listener = TcpListener::bind((address(), port)).await.unwrap();
    harness.configure(&harness.agent("0 1 1"));
    harness.accept().await;
}

#[tokio::test]
async fn a_broken_stream_closes_and_shows_failed() {
    let harness = Harness::new("ip slb dfp", "").await;
    let mut agent = harness.accept().await;
    send(&mut agent, &report(25), None).await;
    harness.until(|harness| harness.weight() == 25).await;
    agent.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    closed(&mut agent).await;
    harness.until(|harness| harness.weight() == 5).await;
    assert_eq!(harness.view().counters.get(Counter::BadVersion), 1);
}

#[tokio::test]
async fn a_password_is_asked_of_the_agent() {
    let harness = Harness::new("ip slb dfp password Cookies", "").await;
    let mut agent = harness.accept().await;
    let key = |word: &str| Key::new(&Secret::clear(word).unwrap());
    send(&mut agent, &report(9), None).await;
    send(&mut agent, &report(10), Some(&key("cookies"))).await;
    harness.until(|harness| harness.view().state == ConnectionState::SecurityError).await;
    send(&mut agent, &report(11), Some(&key("Cookies"))).await;
    harness.until(|harness| harness.weight() == 11).await;
    assert_eq!(harness.view().state, ConnectionState::Open);
    assert_eq!(harness.view().counters.security_errors(), 2);
    for _ in 0..5 {
        send(&mut agent, &report(12), None).await;
    }
    closed(&mut agent).await;
    harness.until(|harness| harness.weight() == 5).await;
    assert_eq!(harness.view().state, ConnectionState::Trying);
    assert_eq!(harness.view().counters.security_errors(), 7);
}

#[tokio::test]
async fn an_agent_that_does_not_read_is_closed() {
    let harness = Harness::new("ip slb dfp", "").await;
    let mut agent = harness.accept().await;
    let key =
        |port| RowKey { address: Ipv4Addr::new(10, 1, 1, 51), protocol: Ip::UDP, port, bind_id: BindId::ANY };
    let rows: Vec<_> = (0..4096).map(|port| Row { key: key(port), weight: 0 }).collect();
    let stalled = |harness: &Harness| {
        server_states(&mut harness.live.core(), &rows);
        harness.view().counters.get(Counter::StalledClose) == 1
    };
    harness.until(stalled).await;
    closed(&mut agent).await;
}

const PORT: u16 = 8600;

/// Our own agent.
struct Agent(Live);

impl Agent {
    /// With these lines, listening.
    async fn new(lines: &str) -> Self {
        let agent = Self(Live::new(&format!("ip dfp agent slb\n{lines}\n port {PORT}\n inservice\n!\n")));
        agent.listening().await;
        agent
    }

    async fn listening(&self) {
        in_time(async {
            while !agents(&mut self.0.core()).iter().any(|agent| agent.listening) {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }

    fn configure(&self, lines: &str) {
        self.0.configure(lines);
    }

    fn password(&self) -> PasswordView {
        agents(&mut self.0.core())[0].password
    }
}

/// A manager that was told the first weights, secured with the password.
async fn upstream(password: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect((address(), PORT)).await.unwrap();
    let bytes = read(&mut stream).await;
    let keys = Keyring::new(password.map(|text| Key::new(&Secret::clear(text).unwrap())));
    let decoded = Message::decode(&bytes, Role::Manager, &keys, Nanos(0)).unwrap();
    assert_eq!(decoded.proof.is_verified(), password.is_some());
    stream
}

/// The agent has ended the connection in order.
async fn ended(mut stream: TcpStream) {
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 64])).await;
    assert_eq!(read.expect("it ends").expect("no reset"), 0);
}

#[tokio::test]
async fn an_agent_deleted_and_made_again_is_another_one_with_its_own_password() {
    let agent = Agent::new(" password old 0").await;
    let old = upstream(Some("old")).await;
    agent.configure(&format!(
        "no ip dfp agent slb\nip dfp agent slb\npassword new 180\nport {PORT}\ninservice"
    ));
    ended(old).await;
    agent.listening().await;
    assert_eq!(agent.password(), PasswordView { current: true, pending: false, timeout: 0 });
    upstream(Some("new")).await;
}

#[tokio::test]
async fn out_of_service_or_without_port_for_a_moment_ends_connections_and_others_are_served() {
    let agent = Agent::new(" interval 60").await;
    for lines in ["no inservice\ninservice".to_owned(), format!("no port\nport {PORT}")] {
        let old = upstream(None).await;
        agent.configure(&format!("ip dfp agent slb\n{lines}"));
        ended(old).await;
        agent.listening().await;
        upstream(None).await;
    }
}

#[tokio::test]
async fn a_password_removed_for_a_moment_is_forgotten() {
    let agent = Agent::new(" password old 0").await;
    agent.configure("ip dfp agent slb\nno password\npassword new 180");
    assert_eq!(agent.password(), PasswordView { current: false, pending: true, timeout: 180 });
    upstream(None).await;
    agent.configure("ip dfp agent slb\npassword third 0\npassword fourth 60");
    assert_eq!(agent.password(), PasswordView { current: true, pending: true, timeout: 60 });
    upstream(Some("third")).await;
}

#[tokio::test]
async fn lines_that_change_nothing_leave_connections() {
    let agent = Agent::new(" interval 60").await;
    let mut stays = upstream(None).await;
    agent.configure(&format!("ip dfp agent slb\ninservice\nport {PORT}\ninterval 5\ninterval 60"));
    let read = tokio::time::timeout(4 * TICK, stays.read(&mut [0; 64])).await;
    assert!(read.is_err(), "{read:?}");
    assert_eq!(agents(&mut agent.0.core())[0].managers.len(), 1);
}
