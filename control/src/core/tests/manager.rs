//! Any order of events at the manager, its agents and the operator: never two connections to one agent, and the weight of
//! a real is the last report that was accepted or the static one.

use std::{collections::HashMap, net::SocketAddrV4, time::Duration, time::SystemTime};

use proptest::prelude::*;

use super::Bench;
use crate::{
    core::{AgentId, Wanted},
    dfp::{
        inbound::{Inbound, Received},
        manager::fsm::{Action, Connection, Event},
        packet::{BindId, Host, Load, Message, Protocol, Role},
        security::Key,
    },
    secret::Secret,
};

/// Agents, and reals: agent N is on the host of real N, and may report on others.
const COUNT: usize = 3;
const STATIC: [u32; COUNT] = [5, 6, 7];

#[derive(Clone, Debug)]
enum Step {
    /// The TCP attempt to an agent succeeds, or does not.
    Answer(usize, bool),
    /// A report of (real, weight), cut after so many bytes, by the right password or a wrong one.
    Report(usize, Vec<(usize, u16)>, usize, bool),
    Hello(usize),
    Junk(usize, Vec<u8>),
    /// The agent closes, or resets.
    End(usize),
    /// Milliseconds pass.
    Pass(u64),
    /// `agent`, with this timeout and so many retries.
    Agent(usize, u16, u16),
    NoAgent(usize),
    NoDfp,
    Password(bool),
    /// The daemon looks what is wanted.
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0..COUNT;
    let rows = proptest::collection::vec((0..COUNT, 0..9_u16), 0..4);
    prop_oneof![
        6 => (agent.clone(), proptest::bool::weighted(0.8)).prop_map(|(agent, up)| Step::Answer(agent, up)),
        8 => (agent.clone(), rows, 0..60_usize, proptest::bool::weighted(0.9))
            .prop_map(|(agent, rows, cut, right)| Step::Report(agent, rows, cut, right)),
        2 => agent.clone().prop_map(Step::Hello),
        1 => (agent.clone(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(a, b)| Step::Junk(a, b)),
        1 => agent.clone().prop_map(Step::End),
        6 => (100..20_000_u64).prop_map(Step::Pass),
        3 => (agent.clone(), 0..20_u16, 0..3_u16).prop_map(|(agent, time, retries)| Step::Agent(agent, time, retries)),
        2 => agent.prop_map(Step::NoAgent),
        1 => Just(Step::NoDfp),
        1 => any::<bool>().prop_map(Step::Password),
        6 => Just(Step::Look),
    ]
}

/// TCP, as the test sees it.
enum Tcp {
    None,
    Attempt,
    Open(Box<Inbound>),
}

struct Link {
    wanted: Wanted,
    connection: Connection,
    tcp: Tcp,
}

struct World {
    bench: Bench,
    links: HashMap<SocketAddrV4, Link>,
    /// What each real's weight must be, and whose word that is.
    table: HashMap<usize, (u16, SocketAddrV4)>,
    password: bool,
}

fn address(agent: usize) -> SocketAddrV4 {
    SocketAddrV4::new([10, 1, 1, 51 + agent as u8].into(), 500)
}

impl World {
    fn new() -> Self {
        let real = |(at, weight)| format!(" real 10.1.1.{}\n  weight {weight}\n  inservice\n", 51 + at);
        let reals: String = STATIC.iter().enumerate().map(real).collect();
        let text = format!(
            "ip slb serverfarm A\n{reals}!\nip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n \
             serverfarm A\n inservice\n!\n"
        );
        Self { bench: Bench::new(&text), links: HashMap::new(), table: HashMap::new(), password: false }
    }

    fn wanted(&self) -> HashMap<SocketAddrV4, Wanted> {
        self.bench.core.dfp_wanted().into_iter().map(|wanted| (wanted.id.address, wanted)).collect()
    }

    /// Gives the state machine of an agent an event and does what it says.
    fn event(&mut self, agent: SocketAddrV4, event: Event) {
        let now = self.bench.now;
        let Some(link) = self.links.get_mut(&agent) else { return };
        let id = link.wanted.id;
        for action in link.connection.handle(event, now) {
            match action {
                Action::Connect => {
                    assert!(matches!(link.tcp, Tcp::None), "a second connection");
                    link.tcp = Tcp::Attempt;
                }
                Action::Close => {
                    assert!(!matches!(link.tcp, Tcp::None), "nothing to close");
                    link.tcp = Tcp::None;
                }
                Action::Weights(loads) => {
                    assert_eq!(self.bench.core.dfp_report(id, &loads, SystemTime::UNIX_EPOCH), 0);
                }
                Action::WeightsLost => self.bench.core.dfp_lost(id),
                Action::Send(_) => assert!(matches!(link.tcp, Tcp::Open(_)), "sent to nobody"),
                Action::State { .. } | Action::Opened | Action::Lost(_) | Action::GaveUp { .. } => {}
            }
        }
        if matches!(self.links[&agent].tcp, Tcp::None | Tcp::Attempt) && self.is_current(id) {
            self.forget(agent);
        }
    }

    fn is_current(&self, id: AgentId) -> bool {
        self.wanted().get(&id.address).is_some_and(|wanted| wanted.id == id)
    }

    /// The connection of an agent is gone: so is its word.
    fn forget(&mut self, agent: SocketAddrV4) {
        self.table.retain(|_, (_, by)| *by != agent);
    }

    /// Bytes from an agent, if it is connected; true if all of them were taken as messages that count.
    fn bytes(&mut self, agent: SocketAddrV4, bytes: &[u8]) -> bool {
        let keys = self.bench.core.dfp_keys().load_full();
        let now = self.bench.now;
        let mut events = Vec::new();
        match self.links.get_mut(&agent).map(|link| &mut link.tcp) {
            Some(Tcp::Open(inbound)) => {
                let mut input = bytes;
                while let Some(received) = inbound.next(&mut input, &keys, now) {
                    events.push(received);
                }
            }
            _ => return false,
        }
        let taken = events.iter().all(|received| matches!(received, Received::Message(_)));
        for received in events {
            self.event(agent, Event::Received(received));
        }
        taken
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Answer(agent, up) => {
                let agent = address(agent);
                let Some(link) = self.links.get_mut(&agent) else { return };
                if matches!(link.tcp, Tcp::Attempt) {
                    link.tcp = if up { Tcp::Open(Box::new(Inbound::new(Role::Manager))) } else { Tcp::None };
                    self.event(agent, if up { Event::Connected } else { Event::ConnectFailed });
                }
            }
            Step::Report(agent, rows, cut, right) => self.report(address(agent), &rows, cut, right),
            Step::Hello(agent) => self.report(address(agent), &[], 3, true),
            Step::Junk(agent, bytes) => drop(self.bytes(address(agent), &bytes)),
            Step::End(agent) => {
                let agent = address(agent);
                let Some(Tcp::Open(inbound)) = self.links.get_mut(&agent).map(|link| &mut link.tcp) else {
                    return;
                };
                let cut = inbound.finish();
                self.event(agent, cut.map_or(Event::Ended, |close| Event::Received(Received::Closed(close))));
            }
            Step::Pass(time) => self.pass(Duration::from_millis(time)),
            Step::Agent(agent, timeout, retries) => {
                let line = format!("agent {} 500 {timeout} {retries} 5", address(agent).ip());
                self.bench.configure(&format!("ip slb dfp\n{line}"));
            }
            Step::NoAgent(agent) => {
                let agent = address(agent);
                if self.wanted().contains_key(&agent) {
                    self.bench.configure(&format!("ip slb dfp\nno agent {} 500", agent.ip()));
                    self.forget(agent);
                }
            }
            Step::NoDfp => {
                self.bench.configure("no ip slb dfp");
                self.table.clear();
                self.password = false;
            }
            Step::Password(set) => {
                let line =
                    if set { "ip slb dfp password Cookies 0" } else { "ip slb dfp\nno ip slb dfp password" };
                self.bench.configure(line);
                self.password = set;
            }
            Step::Look => self.look(),
        }
    }

    fn report(&mut self, agent: SocketAddrV4, rows: &[(usize, u16)], cut: usize, right: bool) {
        let word = if right { "Cookies" } else { "cookies" };
        let key = self.password.then(|| Key::new(&Secret::clear(word).unwrap()));
        let host = |(real, weight): &(usize, u16)| Host {
            address: *address(*real).ip(),
            bind_id: BindId::ANY,
            weight: *weight,
        };
        let hosts: Vec<Host> = rows.iter().map(host).collect();
        let load = Load { port: 434, protocol: Protocol::UDP, hosts };
        let loads = if rows.is_empty() { vec![] } else { vec![load] };
        let mut bytes = Vec::new();
        Message::PreferenceInfo(loads).encode(&mut bytes, key.as_ref()).unwrap();
        // What junk has left behind the last boundary makes it another message.
        let clean = match self.links.get(&agent).map(|link| &link.tcp) {
            Some(Tcp::Open(inbound)) => inbound.deadline().is_none(),
            _ => false,
        };
        let Some(id) = self.links.get(&agent).map(|link| link.wanted.id) else { return };
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let taken = self.bytes(agent, first) & self.bytes(agent, second);
        // The oracle: a sound report on an open connection of an agent that is still wanted.
        let accepted = clean && (right || !self.password) && self.is_current(id);
        assert!(!accepted || taken, "a sound report is refused");
        if accepted {
            self.table.extend(rows.iter().map(|(real, weight)| (*real, (*weight, agent))));
        }
    }

    /// Time passes; every timer is served when it is due.
    fn pass(&mut self, time: Duration) {
        let end = self.bench.now.after(time);
        while self.bench.now < end {
            self.bench.pass(Duration::from_millis(50));
            let now = self.bench.now;
            let agents: Vec<_> = self.links.keys().copied().collect();
            for agent in agents {
                let link = self.links.get_mut(&agent).unwrap();
                let slow = match &mut link.tcp {
                    Tcp::Open(inbound) => inbound.expire(now),
                    _ => None,
                };
                if let Some(close) = slow {
                    self.event(agent, Event::Received(Received::Closed(close)));
                }
                self.event(agent, Event::Tick);
            }
        }
    }

    /// As the daemon does: ends what is not wanted any more, starts what is new, changes what is changed.
    fn look(&mut self) {
        let wanted = self.wanted();
        let gone = self.links.iter().filter(|(_, link)| !self.is_current(link.wanted.id));
        let gone: Vec<_> = gone.map(|(agent, _)| *agent).collect();
        for agent in gone {
            self.event(agent, Event::Removed);
            let link = self.links.remove(&agent).unwrap();
            assert!(matches!(link.tcp, Tcp::None) && link.connection.deadline().is_none(), "left behind");
        }
        for (agent, wanted) in wanted {
            let fresh = || Link {
                wanted,
                connection: Connection::new(wanted.config, Duration::from_millis(300)),
                tcp: Tcp::None,
            };
            let new = !self.links.contains_key(&agent);
            let link = self.links.entry(agent).or_insert_with(fresh);
            let old = std::mem::replace(&mut link.wanted, wanted);
            if new || old != wanted {
                self.event(agent, Event::Entered(wanted.config));
            }
        }
    }

    fn check(&self) {
        let snapshot = self.bench.core.snapshot();
        for (real, (live, fixed)) in snapshot.reals.iter().flatten().zip(STATIC).enumerate() {
            let weight = self.table.get(&real).map_or(fixed, |(weight, _)| (*weight).into());
            assert_eq!(live.live.weight(), weight, "real {real}");
            let throttled = live.live.state() == common::slb::RealState::DfpThrottled;
            assert_eq!(throttled, weight == 0, "real {real}");
        }
        let shown = self.bench.core.dfp_manager_view().weights;
        assert_eq!(shown.len(), self.table.len());
        for (real, (weight, agent)) in &self.table {
            let address = *address(*real).ip();
            let row = shown.iter().find(|row| row.row.key.address == address).unwrap();
            assert_eq!((row.row.weight, row.agent, row.agent_port), (*weight, *agent.ip(), 500));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn one_connection_and_the_last_accepted_report(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for agent in 0..COUNT {
            world.step(Step::Agent(agent, 5, 0));
        }
        world.look();
        for agent in 0..COUNT {
            world.step(Step::Answer(agent, true));
        }
        for step in steps {
            world.step(step);
            // Slower than the bucket of messages empties.
            world.pass(Duration::from_millis(100));
            world.check();
        }
    }
}
