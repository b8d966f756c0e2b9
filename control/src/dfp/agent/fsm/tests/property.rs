//! Any order of events leaves the agent within its limits and its managers with the truth.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Connect(u8),
    KeepAlive(usize, u32),
    Junk(usize, Vec<u8>),
    Leave(usize),
    /// The manager reads so many messages.
    Read(usize, u8),
    /// TCP takes a message but is slow to say so.
    Block(usize),
    Computed(Vec<u16>),
    Changed(Vec<u16>, bool),
    Inactive,
    Port(u16),
    InService(bool),
    Password(Option<u16>),
    BindRequest(usize),
    Pass(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let peer = 0..20_usize;
    let weights = || proptest::collection::vec(0..3_u16, 0..6);
    prop_oneof![
        4 => (0..10_u8).prop_map(Event::Connect),
        2 => (peer.clone(), 0..20_u32).prop_map(|(peer, time)| Event::KeepAlive(peer, time)),
        1 => (peer.clone(), proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(p, b)| Event::Junk(p, b)),
        1 => peer.clone().prop_map(Event::Leave),
        4 => (peer.clone(), 1..4_u8).prop_map(|(peer, count)| Event::Read(peer, count)),
        2 => peer.clone().prop_map(Event::Block),
        4 => weights().prop_map(Event::Computed),
        4 => (weights(), any::<bool>()).prop_map(|(weights, urgent)| Event::Changed(weights, urgent)),
        1 => Just(Event::Inactive),
        1 => (500..503_u16).prop_map(Event::Port),
        1 => any::<bool>().prop_map(Event::InService),
        1 => proptest::option::of(0..5_u16).prop_map(Event::Password),
        1 => peer.prop_map(Event::BindRequest),
        6 => (1..4000_u16).prop_map(Event::Pass),
    ]
}

/// What a manager knows, from the bytes alone.
#[derive(Default)]
struct Known {
    rows: HashMap<RowKey, u16>,
    blocked: Option<Vec<u8>>,
    time: u32,
    heard: Nanos,
}

struct World {
    bench: Bench,
    known: HashMap<LinkId, Known>,
}

impl World {
    fn peer(&self, at: usize) -> Option<LinkId> {
        let ids: Vec<_> = self.bench.agent.peers.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[at % ids.len()])
    }

    fn rows(weights: &[u16]) -> Option<Table> {
        table(&weights.iter().zip(50..).map(|(weight, last)| row(last, *weight)).collect::<Vec<_>>())
    }

    fn take(&mut self, id: LinkId, bytes: &[u8]) {
        let now = self.bench.now;
        // Without a key a manager ignores the digest.
        let decoded = Message::decode(bytes, Role::Manager, &Keyring::default(), now).unwrap();
        let known = self.known.get_mut(&id).unwrap();
        known.heard = now;
        if let Message::PreferenceInfo(loads) = decoded.message {
            known.rows.extend(loads.iter().flat_map(Load::rows).map(|row| (row.key, row.weight)));
        }
    }

    fn unblock(&mut self, id: LinkId) {
        if let Some(bytes) = self.known.get_mut(&id).and_then(|known| known.blocked.take()) {
            self.take(id, &bytes);
            self.bench.agent.written(id, self.bench.now);
        }
    }

    /// Reads up to `count` messages.
    fn read(&mut self, id: LinkId, count: usize) {
        self.unblock(id);
        for _ in 0..count {
            let Turn::Write(bytes) = self.bench.turn(id) else { return };
            self.take(id, &bytes);
            self.bench.agent.written(id, self.bench.now);
        }
    }

    /// Lets the manager say something, as the keys of the moment want it.
    fn say(&mut self, id: LinkId, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes, self.bench.agent.keys.sending(self.bench.now)).unwrap();
        let lives = self.bench.agent.input(id, &bytes, self.bench.now);
        if let (true, Message::Parameters { keep_alive: Some(time) }, Some(known)) =
            (lives, message, self.known.get_mut(&id))
        {
            known.time = *time;
        }
    }

    fn play(&mut self, event: Event) {
        match event {
            Event::Connect(last) => {
                let remote = manager(last, 4000);
                if let Some(id) = self.bench.accept(remote, LOCAL) {
                    self.known.insert(id, Known { heard: self.bench.now, ..Known::default() });
                }
            }
            Event::KeepAlive(at, time) => {
                if let Some(id) = self.peer(at) {
                    // A stream that junk has cut in two does not hear it.
                    if self.bench.agent.peers[&id].inbound.deadline().is_none() {
                        self.say(id, &Message::Parameters { keep_alive: Some(time) });
                    }
                }
            }
            Event::BindRequest(at) => {
                if let Some(id) = self.peer(at) {
                    self.say(id, &Message::BindIdRequest);
                }
            }
            Event::Junk(at, bytes) => {
                if let Some(id) = self.peer(at) {
                    self.bench.agent.input(id, &bytes, self.bench.now);
                }
            }
            Event::Leave(at) => {
                if let Some(id) = self.peer(at) {
                    self.bench.agent.finished(id, self.bench.now);
                }
            }
            Event::Read(at, count) => {
                if let Some(id) = self.peer(at) {
                    self.read(id, count.into());
                }
            }
            Event::Block(at) => {
                if let Some(id) = self.peer(at) {
                    let blocked = &mut self.known.get_mut(&id).unwrap().blocked;
                    if let Turn::Write(bytes) = self.bench.turn(id) {
                        assert!(blocked.replace(bytes).is_none(), "two messages at once");
                    }
                }
            }
            Event::Computed(weights) => self.bench.agent.computed(Self::rows(&weights)),
            Event::Changed(weights, urgent) => {
                self.bench.agent.changed(Self::rows(&weights), urgent, self.bench.now);
            }
            Event::Inactive => self.bench.agent.computed(None),
            Event::Port(port) => self.bench.change(|config| config.port = Some(port)),
            Event::InService(inservice) => self.bench.change(|config| config.inservice = inservice),
            Event::Password(timeout) => {
                self.bench.change(|config| config.password = timeout.and_then(|time| password("new", time)));
            }
            Event::Pass(millis) => self.bench.pass(Duration::from_millis(millis.into())),
        }
        self.bench.serve();
    }

    fn check(&self) {
        let agent = &self.bench.agent;
        assert!(agent.is_active() || agent.peers.is_empty());
        assert!(agent.peers.len() <= MAX_PEERS);
        let mut of_address: HashMap<Ipv4Addr, usize> = HashMap::new();
        for peer in agent.peers.values() {
            *of_address.entry(*peer.remote.ip()).or_default() += 1;
        }
        assert!(of_address.values().all(|count| *count <= MAX_PEERS_OF_ADDRESS));
        assert!(agent.deadline().is_none_or(|at| !agent.peers.is_empty() || at >= Nanos(1_000_000_000)));
    }

    /// Everybody reads all there is; then all know the table.
    fn settle(&mut self) {
        let rows = self.bench.agent.table.as_ref().map_or_else(Vec::new, |table| table.rows.clone());
        self.bench.agent.computed(Some(Table { rows: rows.clone(), ..Table::default() }));
        for id in self.bench.agent.peers.keys().copied().collect::<Vec<_>>() {
            self.read(id, 100);
            assert_eq!(self.bench.turn(id), Turn::Wait);
            let known = &self.known[&id].rows;
            for row in &rows {
                assert_eq!(known.get(&row.key), Some(&row.weight));
            }
            let listed = |key: &RowKey| rows.iter().any(|row| row.key == *key);
            assert!(known.iter().all(|(key, weight)| *weight == 0 || listed(key)), "{known:?}");
        }
    }

    /// Time passes, everybody reads: hellos come within the manager's time.
    fn listen(&mut self) {
        for _ in 0..70 {
            self.bench.pass(seconds(1));
            for id in self.bench.agent.peers.keys().copied().collect::<Vec<_>>() {
                self.read(id, 100);
                let known = &self.known[&id];
                let silent = self.bench.now.since(known.heard);
                assert!(known.time == 0 || silent <= seconds(known.time.max(3).into()), "{silent:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_events_keeps_the_limits_and_ends_in_the_truth(
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut world = World { bench: Bench::new(&[row(50, 1)]), known: HashMap::new() };
        for event in events {
            world.play(event);
            world.check();
        }
        world.settle();
        world.listen();
    }
}
