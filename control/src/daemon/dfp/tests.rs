//! What lines do to a running agent, on real TCP on loopback: several of them before the daemon looks.

use std::sync::Arc;

use common::{
    config::Hugepages,
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
    time::Nanos,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::*;
use crate::{
    command::{Commands, Shell},
    core::{CoreLink, TICK},
    dfp::{
        packet::{Header, Message, Role},
        security::{Key, Keyring},
        view::PasswordView,
    },
    manage::log::LogBook,
    secret::Secret,
};

const PORT: u16 = 8600;
const MACHINE: &str =
    "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n";

/// An address of this test's own: every test is a process.
fn address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 79, high, low.max(1))
}

struct Rig {
    core: Core,
    shell: Shell<Core>,
    agents: Agents,
}

impl Rig {
    /// An agent with these lines, listening.
    async fn new(lines: &str) -> Self {
        let sessions = Balancer::new(1024, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (_, end) = link(1, 1, Tables::new(sessions));
        let (end, _, _) = CoreLink::split(end);
        let mut core = Core::new(end, None, LogBook::new(100), Nanos(1));
        let agent = format!("{MACHINE}ip dfp agent slb\n{lines}\n port {PORT}\n inservice\n!\n");
        core.apply_file("test.conf", &agent).unwrap();
        let shell = Core::shell(Arc::new(Commands::new(Core::exec_specs()).unwrap()), true);
        let mut rig = Self { core, shell, agents: Agents::new(address()) };
        rig.listening().await;
        rig
    }

    /// Looks again and again, as the daemon does, until the agent listens.
    async fn listening(&mut self) {
        let reached = async {
            loop {
                self.agents.tick(&mut self.core);
                if self.core.dfp().agents.iter().any(|agent| agent.listening) {
                    return;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("it listens");
    }

    /// Lines of configuration, between two looks.
    fn configure(&mut self, lines: &str) {
        for line in format!("configure terminal\n{lines}\nend").lines() {
            let reply = self.core.execute(&mut self.shell, line);
            assert!(reply.error.is_none(), "{}", reply.text);
        }
    }

    fn password(&self) -> PasswordView {
        self.core.dfp().agents[0].password
    }
}

/// A manager that was told the first weights, secured with the password.
async fn manager(password: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect((address(), PORT)).await.unwrap();
    let mut bytes = vec![0; Header::SIZE];
    stream.read_exact(&mut bytes).await.unwrap();
    let length = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes.resize(length, 0);
    stream.read_exact(&mut bytes[Header::SIZE..]).await.unwrap();
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
    let mut rig = Rig::new(" password old 0").await;
    let old = manager(Some("old")).await;
    rig.configure(&format!(
        "no ip dfp agent slb\nip dfp agent slb\npassword new 180\nport {PORT}\ninservice"
    ));
    rig.agents.tick(&mut rig.core);
    ended(old).await;
    rig.listening().await;
    assert_eq!(rig.password(), PasswordView { current: true, pending: false, timeout: 0 });
    manager(Some("new")).await;
}

#[tokio::test]
async fn out_of_service_or_without_port_for_a_moment_ends_connections_and_others_are_served() {
    let mut rig = Rig::new(" interval 60").await;
    for lines in ["no inservice\ninservice".to_owned(), format!("no port\nport {PORT}")] {
        let old = manager(None).await;
        rig.configure(&format!("ip dfp agent slb\n{lines}"));
        rig.agents.tick(&mut rig.core);
        ended(old).await;
        rig.listening().await;
        manager(None).await;
    }
}

#[tokio::test]
async fn a_password_removed_for_a_moment_is_forgotten() {
    let mut rig = Rig::new(" password old 0").await;
    rig.configure("ip dfp agent slb\nno password\npassword new 180");
    rig.agents.tick(&mut rig.core);
    assert_eq!(rig.password(), PasswordView { current: false, pending: true, timeout: 180 });
    manager(None).await;
    rig.configure("ip dfp agent slb\npassword third 0\npassword fourth 60");
    rig.agents.tick(&mut rig.core);
    assert_eq!(rig.password(), PasswordView { current: true, pending: true, timeout: 60 });
    manager(Some("third")).await;
}

#[tokio::test]
async fn lines_that_change_nothing_leave_connections() {
    let mut rig = Rig::new(" interval 60").await;
    let mut stays = manager(None).await;
    rig.configure(&format!("ip dfp agent slb\ninservice\nport {PORT}\ninterval 5\ninterval 60"));
    rig.agents.tick(&mut rig.core);
    let read = tokio::time::timeout(4 * TICK, stays.read(&mut [0; 64])).await;
    assert!(read.is_err(), "{read:?}");
    assert_eq!(rig.agents.running[0].server.ask(|agent, _| agent.managers()), 1);
}
