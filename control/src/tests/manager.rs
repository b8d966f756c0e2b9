//! Any order of events at the manager, its agents and the operator: never two connections to one agent, and the weight of
//! a real is the last report that was accepted or the static one.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddrV4,
    time::Duration,
};

use proptest::prelude::*;

use super::{
    Harness,
    record::{Tape, play},
};
use crate::{
    command::Secret,
    core::{End, Recording},
    dfp::{
        Dfp,
        testing::{
            BindId, Host, Key, LinkId, Load, Message, Protocol, SocketEvent, SocketOrder,
            is_between_messages, link, manager, orders, peer, tell,
        },
    },
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
    /// The tasks die, and all sockets with them.
    TasksDied,
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
        1 => Just(Step::TasksDied),
    ]
}

struct Model {
    harness: Harness,
    /// Attempts and connections, as the sockets hold them.
    links: HashMap<LinkId, SocketAddrV4>,
    /// Which of them are connections.
    open: HashSet<LinkId>,
    agents: HashSet<SocketAddrV4>,
    /// What each real's weight must be, and whose word that is.
    table: HashMap<usize, (u16, SocketAddrV4)>,
    password: bool,
}

fn address(agent: usize) -> SocketAddrV4 {
    SocketAddrV4::new([10, 1, 1, 51 + agent as u8].into(), 500)
}

impl Model {
    fn new(recording: Option<Recording>) -> Self {
        let real = |(at, weight)| format!(" real 10.1.1.{}\n  weight {weight}\n  inservice\n", 51 + at);
        let reals: String = STATIC.iter().enumerate().map(real).collect();
        let text = format!(
            "ip slb serverfarm A\n{reals}!\nip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n \
             serverfarm A\n inservice\n!\n"
        );
        Self {
            harness: Harness::recorded(&text, recording),
            links: HashMap::new(),
            open: HashSet::new(),
            agents: HashSet::new(),
            table: HashMap::new(),
            password: false,
        }
    }

    /// Does what the sockets were ordered to do.
    fn perform(&mut self) {
        for order in orders(&mut self.harness.core) {
            match order {
                SocketOrder::Connect(link, agent) => {
                    assert!(!self.links.values().any(|other| *other == agent), "a second connection");
                    assert!(self.agents.contains(&agent), "nobody wants it");
                    self.links.insert(link, agent);
                }
                SocketOrder::Write(link, _) => assert!(self.open.contains(&link), "sent to nobody"),
                SocketOrder::End(link, _) => self.gone(link),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A connection is gone: so is the word of its agent.
    fn gone(&mut self, link: LinkId) {
        self.open.remove(&link);
        if let Some(agent) = self.links.remove(&link) {
            self.table.retain(|_, (_, by)| *by != agent);
        }
    }

    fn link(&self, agent: SocketAddrV4) -> Option<LinkId> {
        self.links.iter().find(|(_, of)| **of == agent).map(|(link, _)| *link)
    }

    fn opened(&self, agent: SocketAddrV4) -> Option<LinkId> {
        self.link(agent).filter(|link| self.open.contains(link))
    }

    fn configure(&mut self, lines: &str) {
        self.harness.configure(lines);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Answer(agent, up) => {
                let attempt = self.link(address(agent)).filter(|link| !self.open.contains(link));
                let Some(link) = attempt else { return };
                if up {
                    self.open.insert(link);
                    tell(&mut self.harness.core, SocketEvent::Connected(link));
                } else {
                    self.gone(link);
                    tell(&mut self.harness.core, SocketEvent::Failed(link, "refused".into()));
                }
            }
            Step::Report(agent, rows, cut, right) => self.report(address(agent), &rows, cut, right),
            Step::Hello(agent) => self.report(address(agent), &[], 3, true),
            Step::Junk(agent, bytes) => {
                let Some(link) = self.opened(address(agent)) else { return };
                tell(&mut self.harness.core, SocketEvent::Input(link, bytes));
            }
            Step::End(agent) => {
                let Some(link) = self.opened(address(agent)) else { return };
                self.gone(link);
                tell(&mut self.harness.core, SocketEvent::Finished(link));
            }
            Step::Pass(time) => self.pass(Duration::from_millis(time)),
            Step::Agent(agent, timeout, retries) => {
                self.agents.insert(address(agent));
                let line = format!("agent {} 500 {timeout} {retries} 5", address(agent).ip());
                self.configure(&format!("ip slb dfp\n{line}"));
            }
            Step::NoAgent(agent) => {
                if self.agents.remove(&address(agent)) {
                    self.configure(&format!("ip slb dfp\nno agent {} 500", address(agent).ip()));
                }
            }
            Step::NoDfp => {
                self.agents.clear();
                self.password = false;
                self.configure("no ip slb dfp");
                self.perform();
                assert!(self.links.is_empty() && self.table.is_empty(), "left behind");
            }
            Step::Password(set) => {
                let line =
                    if set { "ip slb dfp password Cookies 0" } else { "ip slb dfp\nno ip slb dfp password" };
                self.configure(line);
                self.password = set;
            }
            Step::TasksDied => {
                self.harness.core.tasks_died::<Dfp>();
                for link in self.links.keys().copied().collect::<Vec<_>>() {
                    self.gone(link);
                }
            }
        }
        self.perform();
    }

    fn report(&mut self, agent: SocketAddrV4, rows: &[(usize, u16)], cut: usize, right: bool) {
        let Some(link) = self.opened(agent) else { return };
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
        let clean = is_between_messages(&mut self.harness.core, agent);
        let errors = peer(&mut self.harness.core, agent).counters.errors();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        for piece in [first, second] {
            tell(&mut self.harness.core, SocketEvent::Input(link, piece.to_vec()));
        }
        // The oracle: a sound report on an open connection of an agent that is still wanted.
        if clean && (right || !self.password) {
            let now = peer(&mut self.harness.core, agent).counters.errors();
            assert_eq!(now, errors, "a sound report is refused");
            self.table.extend(rows.iter().map(|(real, weight)| (*real, (*weight, agent))));
        }
    }

    /// Time passes; every timer is served when it is due.
    fn pass(&mut self, time: Duration) {
        let end = self.harness.now.after(time);
        while self.harness.now < end {
            self.harness.pass(Duration::from_millis(50));
            self.perform();
        }
    }

    fn check(&mut self) {
        let snapshot = self.harness.snapshot();
        for (real, (live, fixed)) in snapshot.slb.reals.iter().flatten().zip(STATIC).enumerate() {
            let weight = self.table.get(&real).map_or(fixed, |(weight, _)| (*weight).into());
            assert_eq!(live.live.weight(), weight, "real {real}");
            let throttled = live.live.state() == common::slb::RealState::DfpThrottled;
            assert_eq!(throttled, weight == 0, "real {real}");
        }
        for agent in (0..COUNT).map(address) {
            assert_eq!(link(&mut self.harness.core, agent), self.link(agent));
        }
        let shown = manager(&mut self.harness.core).weights;
        assert_eq!(shown.len(), self.table.len());
        for (real, (weight, agent)) in &self.table {
            let row = shown.iter().find(|row| row.real == *address(*real).ip()).unwrap();
            assert_eq!((row.weight, row.agent, row.agent_port), (*weight, *agent.ip(), 500));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn one_connection_and_the_last_accepted_report(steps in proptest::collection::vec(step(), 1..120)) {
        let mut model = Model::new(None);
        for agent in 0..COUNT {
            model.step(Step::Agent(agent, 5, 0));
        }
        for agent in 0..COUNT {
            model.step(Step::Answer(agent, true));
        }
        for step in steps {
            model.step(step);
            // Slower than the bucket of messages empties.
            model.pass(Duration::from_millis(100));
            model.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_is_done_again_by_a_replay(steps in proptest::collection::vec(step(), 1..60)) {
        let (tape, recording) = Tape::new();
        let mut model = Model::new(Some(recording));
        for agent in 0..COUNT {
            model.step(Step::Agent(agent, 5, 0));
            model.step(Step::Answer(agent, true));
        }
        for step in steps {
            model.step(step);
            model.pass(Duration::from_millis(100));
        }
        let text = tape.finish(&mut model.harness.core);
        prop_assert!(!text.contains("Cookies"));
        match play(&text) {
            Ok(summary) => prop_assert_eq!(summary.end, End::Stopped),
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }
}
