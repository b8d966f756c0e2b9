//! Any order of registrations, ends, clears, duplicates, replays and forgeries, beside a map that does the same in the plainest way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use common::{
    config::Hugepages,
    mobile::{BindingRecord, Bindings, MobileTables},
};
use control::home_agent::{
    registrar::{Datagram, Registrar},
    registration::*,
};
use proptest::prelude::*;

use super::harness::*;

/// Most bindings, most of one node, addresses of the pool: all small, so that all are reached.
const MOST: usize = 5;
const SIMULTANEOUS: usize = 2;
const POOL: u8 = 4;
/// Seconds for which a node is remembered.
const REMEMBERED: u64 = 256;

#[derive(Clone, Debug)]
enum Step {
    Register {
        node: usize,
        care_of: u8,
        keep: bool,
        lifetime: u16,
        named: Option<u8>,
    },
    Deregister {
        node: usize,
        care_of: Option<u8>,
    },
    Wait(u64),
    ClearAll(usize),
    ClearNode(usize),
    /// A request that was made, again.
    Again(prop::sample::Index),
    /// With a wrong key.
    Forge {
        node: usize,
        lifetime: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..7_usize;
    let lifetime = || prop_oneof![Just(5_u16), Just(20), Just(600), Just(65_535)];
    let register = (node(), 1..5_u8, any::<bool>(), lifetime(), proptest::option::weighted(0.3, 1..7_u8));
    prop_oneof![
        8 => register.prop_map(|(node, care_of, keep, lifetime, named)| {
            Step::Register { node, care_of, keep, lifetime, named }
        }),
        3 => (node(), proptest::option::of(1..5_u8)).prop_map(|(node, care_of)| Step::Deregister { node, care_of }),
        3 => prop_oneof![4 => 0..8_u64, 1 => 0..700_u64].prop_map(Step::Wait),
        1 => (0..3_usize).prop_map(Step::ClearAll),
        1 => node().prop_map(Step::ClearNode),
        3 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => (node(), prop_oneof![Just(0_u16), Just(60)]).prop_map(|(node, lifetime)| Step::Forge { node, lifetime }),
    ]
}

/// Five nodes with NAI, two without.
fn ask(node: usize) -> Ask {
    if node < 5 { Ask::of(&format!("{node}@b")) } else { Ask::at(home(95 + node as u8)) }
}

#[derive(Clone, Debug)]
struct Bound {
    /// Of the model's clock.
    end: Option<u64>,
    identification: u64,
}

#[derive(Clone, Debug, Default)]
struct Node {
    home: Option<Ipv4Addr>,
    bindings: BTreeMap<Ipv4Addr, Bound>,
    last: Option<Ipv4Addr>,
    /// The last accepted request: its number, its care-of address if it was for a lifetime, its identification.
    accepted: Option<(usize, Option<Ipv4Addr>, u64)>,
    heard: Option<u64>,
}

#[derive(Default)]
struct Model {
    clock: u64,
    nodes: HashMap<usize, Node>,
    accepted: u64,
    repeated: u64,
}

impl Model {
    fn bindings(&self) -> usize {
        self.nodes.values().map(|node| node.bindings.len()).sum()
    }

    fn in_use(&self, home: Ipv4Addr) -> bool {
        self.nodes.values().any(|node| node.home == Some(home))
    }

    /// Ends bindings, and forgets whom nobody could replay.
    fn tidy(&mut self) {
        for node in self.nodes.values_mut() {
            node.bindings.retain(|_, bound| bound.end.is_none_or(|end| end > self.clock));
            if node.bindings.is_empty() {
                node.last = node.home.take().or(node.last);
                if node.heard.is_none_or(|heard| self.clock >= heard + REMEMBERED) {
                    (node.accepted, node.heard) = (None, None);
                }
            }
        }
    }

    fn address(&self, node: usize, named: Option<Ipv4Addr>) -> Result<Ipv4Addr, u8> {
        let known = &self.nodes[&node];
        if node >= 5 {
            return Ok(home(95 + node as u8));
        }
        if let Some(named) = named {
            let allowed = known.home == Some(named) || named.octets()[3] <= POOL && !self.in_use(named);
            return if allowed { Ok(named) } else { Err(129) };
        }
        let last = || known.last.filter(|last| !self.in_use(*last));
        let lowest = || (1..=POOL).map(home).find(|home| !self.in_use(*home));
        known.home.or_else(last).or_else(lowest).ok_or(130)
    }

    fn register(&mut self, step: &Step, number: usize, identification: u64) -> u8 {
        let Step::Register { node, care_of, keep, lifetime, named } = *step else { unreachable!() };
        self.nodes.entry(node).or_default().heard = Some(self.clock);
        let address = match self.address(node, named.map(home)) {
            Ok(address) => address,
            Err(code) => return code,
        };
        let total = self.bindings();
        let known = self.nodes.get_mut(&node).unwrap();
        let care_of = Ipv4Addr::new(15, 1, 1, care_of);
        let mut after = known.bindings.clone();
        after.retain(|other, _| keep && known.home == Some(address) && *other != care_of);
        if total - known.bindings.len() + after.len() >= MOST {
            return 130;
        }
        if after.len() >= SIMULTANEOUS {
            return 135;
        }
        let end = (lifetime < 65_535).then(|| self.clock + u64::from(lifetime));
        after.insert(care_of, Bound { end, identification });
        if known.home != Some(address) {
            known.last = known.home.or(known.last);
        }
        (known.home, known.bindings) = (Some(address), after);
        known.accepted = Some((number, Some(care_of), identification));
        self.accepted += 1;
        0
    }

    fn deregister(&mut self, node: usize, care_of: Option<u8>, number: usize) {
        let known = self.nodes.entry(node).or_default();
        known.heard = Some(self.clock);
        match care_of {
            None => known.bindings.clear(),
            Some(care_of) => drop(known.bindings.remove(&Ipv4Addr::new(15, 1, 1, care_of))),
        }
        known.accepted = Some((number, None, 0));
        self.accepted += 1;
    }

    /// Code of a request that was made before.
    fn again(&mut self, node: usize, number: usize) -> u8 {
        let known = self.nodes.get(&node);
        let repeats = known.is_some_and(|known| match known.accepted {
            Some((last, None, _)) => last == number,
            Some((last, Some(care_of), identification)) => {
                let bound = known.bindings.get(&care_of);
                last == number && bound.is_some_and(|bound| bound.identification == identification)
            }
            None => false,
        });
        self.repeated += u64::from(repeats);
        if repeats { 0 } else { 133 }
    }
}

/// What the dataplane would have after the effects.
#[derive(Default)]
struct Mirror {
    tunnels: BTreeMap<(Ipv4Addr, Ipv4Addr), Tunnel>,
    on: BTreeSet<Ipv4Addr>,
}

impl Mirror {
    fn follow(&mut self, seen: &[Seen]) {
        for one in seen {
            match one {
                Seen::On(home) => assert!(self.on.insert(*home), "twice on"),
                Seen::Installed(tunnel) => {
                    assert!(self.on.contains(&tunnel.home));
                    assert!(self.tunnels.insert((tunnel.home, tunnel.care_of), *tunnel).is_none());
                }
                Seen::Changed(before, after) => {
                    let old = self.tunnels.insert((after.home, after.care_of), *after);
                    assert_eq!(old, Some(*before));
                }
                Seen::Removed(tunnel, _) => {
                    assert_eq!(self.tunnels.remove(&(tunnel.home, tunnel.care_of)), Some(*tunnel));
                }
                Seen::Off(home, _) => {
                    assert!(self.on.remove(home) && self.tunnels.keys().all(|(other, _)| other != home));
                }
                Seen::Violation(_) | Seen::Debug(_) => {}
            }
        }
    }
}

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Reply { code, .. } => code.0,
        Outcome::Discarded(reason) => panic!("{}", reason.word()),
    }
}

struct Both {
    lab: Lab,
    /// The same agent with the table that workers read.
    registrar: Registrar,
    tables: Arc<MobileTables>,
    model: Model,
    mirror: Mirror,
    made: Vec<(usize, Ask, Vec<u8>)>,
}

impl Both {
    fn new() -> Self {
        let mut policy = policy();
        (policy.max_binding, policy.simultaneous) = (MOST as u32, SIMULTANEOUS as u8);
        policy.lifetime = 65_535;
        policy.pools = [("P".into(), Pool { low: home(1), high: home(POOL) })].into();
        let (model, mirror) = (Model::default(), Mirror::default());
        let tables = Arc::new(MobileTables::new(Bindings::new(1024, Hugepages::Off, [7; 16]).unwrap()));
        let mut registrar = Registrar::new(Some(Arc::clone(&tables)));
        registrar.configure(Arc::new(policy.clone()), BTreeSet::new());
        Self { lab: Lab::with(policy), registrar, tables, model, mirror, made: Vec::new() }
    }

    /// To both agents, which must say the same.
    fn send(&mut self, ask: &Ask, payload: &[u8]) -> u8 {
        let outcome = self.lab.send(ask, payload);
        let ends = [ask.source, SocketAddrV4::new(ask.destination, 434)];
        let datagram = Datagram { ends, checksum_ok: true, payload };
        let mut reply = Vec::new();
        assert_eq!(self.registrar.process(&datagram, self.lab.now, &mut reply), outcome);
        assert_eq!(reply, self.lab.reply);
        code(outcome)
    }

    /// What workers have: the tunnels of every binding, and no others.
    fn compare_with_workers(&self) {
        let bindings = &self.tables.bindings;
        assert_eq!(bindings.used(), self.lab.agent.bindings());
        let homes: BTreeSet<_> = (0..=u8::MAX).map(home).collect();
        for home in homes {
            let ends = |tunnel: &Tunnel| (tunnel.local, tunnel.remote, tunnel.reverse);
            let expected: BTreeSet<_> =
                self.mirror.tunnels.values().filter(|tunnel| tunnel.home == home).map(ends).collect();
            let found: BTreeSet<_> = bindings
                .tunnels(home)
                .map(BindingRecord::tunnel)
                .map(|tunnel| (tunnel.local, tunnel.remote, tunnel.reverse))
                .collect();
            assert_eq!(found, expected, "{home}");
        }
    }

    fn make(&mut self, node: usize, ask: Ask) -> (u8, usize, u64) {
        let identification = self.lab.next_identification();
        let bytes = ask.bytes(identification);
        let code = self.send(&ask, &bytes);
        self.made.push((node, ask, bytes));
        (code, self.made.len() - 1, identification)
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Register { node, care_of, keep, lifetime, named } => {
                let mut ask = ask(*node).care_of(*care_of);
                (ask.lifetime, ask.flags) = (*lifetime, if *keep { "S" } else { "" });
                if let Some(named) = named.filter(|_| *node < 5) {
                    ask.home = home(named);
                }
                let (code, number, identification) = self.make(*node, ask);
                assert_eq!(code, self.model.register(step, number, identification));
            }
            Step::Deregister { node, care_of } => {
                let known = self.model.nodes.get(node).and_then(|known| known.home);
                let mut ask = Ask { lifetime: 0, ..ask(*node) };
                ask.care_of = match care_of {
                    Some(care_of) => Ipv4Addr::new(15, 1, 1, *care_of),
                    // A node that is nowhere deregisters nothing.
                    None => known.unwrap_or(ask.care_of),
                };
                let (code, number, _) = self.make(*node, ask);
                assert_eq!(code, 0);
                self.model.deregister(*node, *care_of, number);
            }
            Step::Wait(seconds) => {
                self.model.clock += seconds;
                self.lab.wait(*seconds);
                while !self.registrar.expire(self.lab.now) {}
            }
            Step::ClearAll(most) => {
                let mut homes: Vec<_> = self.model.nodes.values().filter_map(|node| node.home).collect();
                homes.sort_unstable();
                homes.truncate(*most);
                assert_eq!(self.lab.clear(Clear::All, *most), homes.len());
                for home in &homes {
                    self.registrar.clear(Clear::Address(*home), self.lab.now);
                }
                for node in self.model.nodes.values_mut() {
                    if node.home.is_some_and(|home| homes.contains(&home)) {
                        node.bindings.clear();
                    }
                }
            }
            Step::ClearNode(node) => {
                let asked = ask(*node);
                let which = if *node < 5 { Clear::Nai(&asked.nai) } else { Clear::Address(asked.home) };
                self.registrar.clear(which, self.lab.now);
                self.lab.clear(which, 1);
                if let Some(known) = self.model.nodes.get_mut(node) {
                    known.bindings.clear();
                }
            }
            Step::Again(which) => {
                if self.made.is_empty() {
                    return;
                }
                let number = which.index(self.made.len());
                let (node, ask, bytes) = self.made[number].clone();
                assert_eq!(self.send(&ask, &bytes), self.model.again(node, number));
                assert!(self.lab.done().iter().all(|seen| matches!(seen, Seen::Violation(_))));
            }
            Step::Forge { node, lifetime } => {
                let forged = Ask { key: "wrong", lifetime: *lifetime, ..ask(*node) };
                let bytes = forged.bytes(self.lab.next_identification());
                assert_eq!(self.send(&forged, &bytes), 131);
                assert_eq!(self.lab.done(), [Seen::Violation(Reason::BadAuthenticator)]);
            }
        }
    }

    /// Bindings, home addresses, effects and counters agree.
    fn compare(&self) {
        let agent = &self.lab.agent;
        let mut expected = BTreeSet::new();
        for (number, node) in &self.model.nodes {
            for (care_of, bound) in &node.bindings {
                let left = bound.end.map_or(65_535, |end| end - self.model.clock);
                let home = node.home.unwrap();
                expected.insert((home, *care_of, left, bound.identification, *number < 5));
            }
        }
        let all = agent.bindings_from(Ipv4Addr::UNSPECIFIED, self.lab.now);
        let found: BTreeSet<_> = all
            .map(|one| {
                let named = matches!(one.identity, Identity::Nai(_));
                let Tunnel { home, care_of, .. } = one.tunnel;
                assert_eq!(self.mirror.tunnels.get(&(home, care_of)), Some(&one.tunnel));
                (one.home, care_of, u64::from(one.remaining), one.identification, named)
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!((agent.bindings(), self.mirror.tunnels.len()), (expected.len(), expected.len()));
        let mut users = HashMap::new();
        for tunnel in self.mirror.tunnels.values() {
            *users.entry(TunnelEnds::from(tunnel)).or_insert(0_u32) += 1;
        }
        assert_eq!(agent.tunnels().map(|(ends, users)| (*ends, users)).collect::<HashMap<_, _>>(), users);
        assert_eq!(agent.tunnel_count(), users.len());
        let homes: BTreeSet<_> = self.model.nodes.values().filter_map(|node| node.home).collect();
        assert_eq!(self.mirror.on, homes);
        assert_eq!(agent.registered(), homes.len());
        let known = |node: &&Node| node.home.is_some() || node.heard.is_some();
        assert_eq!(agent.known(), self.model.nodes.values().filter(known).count());
        let counters = agent.counters();
        for kind in [Kind::Initial, Kind::Again, Kind::Deregistration] {
            let fates = [Fate::Accepted, Fate::Denied, Fate::Discarded, Fate::Repeated];
            let sum: u64 = fates.into_iter().map(|fate| counters.of(kind, fate)).sum();
            assert_eq!(counters.of(kind, Fate::Received), sum);
        }
        assert_eq!(counters.get(Counter::Accepted), self.model.accepted);
        assert_eq!(counters.get(Counter::Repeated), self.model.repeated);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_agent_does_what_a_plain_map_does(steps in proptest::collection::vec(step(), 1..60)) {
        let mut both = Both::new();
        for step in &steps {
            both.run(step);
            both.mirror.follow(&both.lab.seen);
            both.lab.seen.clear();
            both.model.tidy();
            both.compare();
            // Workers have passed to a later snapshot.
            both.tables.bindings.reclaim(2, 2);
            both.compare_with_workers();
        }
    }
}
