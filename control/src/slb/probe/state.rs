//! Who is asked, and what is known of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddrV4,
    sync::Arc,
    time::Duration,
};

use common::{
    id::RealId,
    slb::{Probe, RealLive},
    time::Nanos,
};

use super::{
    Order,
    target::{ProbeState, Target, TargetCounters, TargetId, Terms},
};
use crate::slb::{
    config::{ObjectName, SlbConfig},
    state::{RealKey, SlbState},
};

/// What is known of a server that a probe asks.
#[derive(Debug)]
pub struct Asked {
    /// As the tasks have it.
    pub target: Arc<Target>,
    /// As told last.
    pub state: ProbeState,
    /// Who this server is.
    pub reals: Vec<RealId>,
    /// Times that it failed.
    pub outages: u32,
    /// Since when it has failed, while it has.
    down: Option<Nanos>,
    /// Length of the outages that are over.
    cumulative: Duration,
}

impl Asked {
    /// How long the present outage has lasted.
    pub fn current(&self, now: Nanos) -> Duration {
        self.down.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Length of all outages.
    pub fn cumulative(&self, now: Nanos) -> Duration {
        self.cumulative + self.current(now)
    }

    fn is(&self, wanted: &Wanted) -> bool {
        let reals = wanted.reals.iter().map(|(id, _)| id);
        self.target.terms == wanted.terms && self.reals.iter().eq(reals)
    }

    fn become_state(&mut self, state: ProbeState, now: Nanos) {
        match (std::mem::replace(&mut self.state, state), state) {
            (ProbeState::Operational, ProbeState::Failed | ProbeState::Testing) => {
                self.outages += 1;
                self.down = Some(now);
            }
            (ProbeState::Failed | ProbeState::Testing, ProbeState::Operational) => {
                self.cumulative += self.current(now);
                self.down = None;
            }
            _ => {}
        }
    }
}

/// Servers that are asked, by probe and address; a number of its own for each, another one after each change.
#[derive(Debug, Default)]
pub struct Probes {
    asked: BTreeMap<Key, Asked>,
    by_id: BTreeMap<TargetId, Key>,
    by_real: BTreeMap<RealId, Vec<TargetId>>,
    last: u32,
    /// The tasks tell of every try.
    pub debug: bool,
}

/// A probe and whom it asks.
type Key = (ObjectName, SocketAddrV4);

/// How a server is to be asked, and who it is.
#[derive(Debug)]
struct Wanted {
    terms: Arc<Terms>,
    reals: Vec<(RealId, Arc<RealLive>)>,
}

impl Probes {
    /// Takes over what `config` has asked: the order for the tasks, if anything is different.
    pub fn configure(&mut self, config: &SlbConfig, state: &SlbState) -> Option<Order> {
        let mut before = std::mem::take(&mut self.asked);
        let mut changed = false;
        for (key, wanted) in wanted(config, state) {
            let former = before.remove(&key);
            let asked = match former {
                Some(same) if same.is(&wanted) => same,
                former => {
                    changed = true;
                    self.begin(&key, wanted, former)
                }
            };
            self.asked.insert(key, asked);
        }
        if !changed && before.is_empty() {
            return None;
        }
        let former = std::mem::take(&mut self.by_real);
        self.index();
        let reals: BTreeSet<_> = former.keys().chain(self.by_real.keys()).copied().collect();
        for real in reals {
            self.apply(real, state);
        }
        Some(self.order())
    }

    /// What new tasks are to do, in place of those that died.
    pub fn resume(&mut self) -> Option<Order> {
        for (key, asked) in &mut self.asked {
            let Target { terms, counters, reals, .. } = &*asked.target;
            let (terms, counters, reals) = (Arc::clone(terms), Arc::clone(counters), reals.clone());
            asked.target = target(&mut self.last, key, asked.state, counters, terms, reals);
        }
        self.index();
        (!self.asked.is_empty()).then(|| self.order())
    }

    /// Takes what the tasks tell: whoever it is about, if that is still asked, and how long its outage has lasted.
    pub fn changed(
        &mut self,
        target: TargetId,
        to: ProbeState,
        state: &SlbState,
        now: Nanos,
    ) -> Option<(&Asked, Duration)> {
        let asked = self.asked.get_mut(self.by_id.get(&target)?)?;
        let outage = asked.current(now);
        asked.become_state(to, now);
        let reals = asked.reals.clone();
        for real in reals {
            self.apply(real, state);
        }
        Some((self.get(target)?, outage))
    }

    /// The server that the tasks know by this number.
    pub fn get(&self, target: TargetId) -> Option<&Asked> {
        self.asked.get(self.by_id.get(&target)?)
    }

    /// All, by probe and address.
    pub fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.asked.values()
    }

    fn begin(&mut self, key: &Key, Wanted { terms, reals }: Wanted, former: Option<Asked>) -> Asked {
        let (ids, reals) = reals.into_iter().unzip();
        let (state, counters) = match &former {
            Some(former) => (former.state, Arc::clone(&former.target.counters)),
            None => Default::default(),
        };
        let target = target(&mut self.last, key, state, counters, terms, reals);
        match former {
            Some(former) => Asked { target, reals: ids, ..former },
            None => Asked { target, state, reals: ids, outages: 0, down: None, cumulative: Duration::ZERO },
        }
    }

    fn index(&mut self) {
        self.by_id.clear();
        self.by_real.clear();
        for (key, asked) in &self.asked {
            self.by_id.insert(asked.target.id, key.clone());
            for real in &asked.reals {
                self.by_real.entry(*real).or_default().push(asked.target.id);
            }
        }
    }

    /// Tells workers what all probes together say of a real.
    fn apply(&self, real: RealId, state: &SlbState) {
        let Some((_, entry)) = state.reals.at(usize::from(real.index)).filter(|(_, entry)| entry.id == real)
        else {
            return;
        };
        let targets = self.by_real.get(&real).into_iter().flatten();
        let worst = targets.filter_map(|target| self.get(*target)).map(|asked| asked.state).max();
        entry.live.set_probe(match worst.unwrap_or_default() {
            ProbeState::Operational => Probe::Ok,
            ProbeState::Testing => Probe::Testing,
            ProbeState::Failed => Probe::Failed,
        });
    }

    fn order(&self) -> Order {
        Order::Ask(self.asked.values().map(|asked| Arc::clone(&asked.target)).collect())
    }
}

/// A server with the next number.
fn target(
    last: &mut u32,
    (probe, server): &Key,
    state: ProbeState,
    counters: Arc<TargetCounters>,
    terms: Arc<Terms>,
    reals: Vec<Arc<RealLive>>,
) -> Arc<Target> {
    *last += 1;
    let (id, probe) = (TargetId(*last), probe.clone());
    Arc::new(Target { id, probe, server: *server, terms, state, counters, reals })
}

/// Reals in service of farms in service, with each probe of theirs. Reals that are one server are asked once.
fn wanted(config: &SlbConfig, state: &SlbState) -> BTreeMap<Key, Wanted> {
    let mut wanted = BTreeMap::<Key, Wanted>::new();
    for farm in config.farms.iter().filter(|farm| config.is_farm_in_service(&farm.name)) {
        for probe in farm.probes.iter().filter_map(|name| config.probe(name)) {
            let Some(terms) = Terms::of(probe).map(Arc::new) else { continue };
            for real in farm.reals.iter().filter(|real| real.inservice) {
                let key = RealKey::new(farm, real);
                let (Some(server), Some((_, entry))) =
                    (config.probed(probe, farm, real), state.reals.get(&key))
                else {
                    continue;
                };
                wanted
                    .entry((probe.name.clone(), server))
                    .or_insert_with(|| Wanted { terms: Arc::clone(&terms), reals: Vec::new() })
                    .reals
                    .push((entry.id, Arc::clone(&entry.live)));
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use common::slb::RealState;

    use super::*;
    use crate::slb::config::{FarmChoice, ProbeConfig, ProbeKind, ServiceKind, Transport, VirtualConfig};

    fn name(text: &str) -> ObjectName {
        text.parse().unwrap()
    }

    /// Two farms that share 10.1.1.51; both are pinged, the first also by connections.
    fn config() -> SlbConfig {
        let mut slb = SlbConfig::default();
        slb.probes.push(ProbeConfig::new(name("ECHO"), ProbeKind::Ping));
        slb.probes.push(ProbeConfig::new(name("OPEN"), ProbeKind::Tcp));
        for (farm, reals, probes) in [("A", &[51, 52][..], &["ECHO", "OPEN"][..]), ("B", &[51], &["ECHO"])] {
            let farm = slb.farm_entry(&name(farm));
            farm.probes = probes.iter().map(|probe| name(probe)).collect();
            for last in reals {
                farm.real_entry(Ipv4Addr::new(10, 1, 1, *last), None).inservice = true;
            }
        }
        let vserver = slb.vserver_entry(&name("V"));
        vserver.address = Some(VirtualConfig {
            network: "10.1.1.10/32".parse().unwrap(),
            protocol: Transport::Udp,
            port: 434,
            service: ServiceKind::IpMobile,
        });
        vserver.farm = Some(FarmChoice { primary: name("A"), backup: Some(name("B")) });
        vserver.inservice = true;
        slb
    }

    struct Bench {
        config: SlbConfig,
        state: SlbState,
        probes: Probes,
    }

    impl Bench {
        fn new() -> Self {
            let config = config();
            let mut state = SlbState::new(1);
            state.assign(&config).unwrap();
            for (_, _, entry) in state.reals.iter() {
                entry.live.set_in_service(true);
                entry.live.set_arp_resolved(true);
            }
            Self { config, state, probes: Probes::default() }
        }

        fn configure(&mut self) -> Option<Vec<Arc<Target>>> {
            self.state.assign(&self.config).unwrap();
            match self.probes.configure(&self.config, &self.state)? {
                Order::Ask(targets) => Some(targets.to_vec()),
                Order::Debug(_) => None,
            }
        }

        fn told(&mut self, target: &Target, to: ProbeState, second: u64) {
            let now = Nanos(second * 1_000_000_000);
            assert!(self.probes.changed(target.id, to, &self.state, now).is_some());
        }

        /// States of the reals 51 and 52 of A, and 51 of B.
        fn states(&self) -> [RealState; 3] {
            [("A", 51), ("A", 52), ("B", 51)].map(|(farm, last)| {
                let key = RealKey { farm: name(farm), address: Ipv4Addr::new(10, 1, 1, last), port: None };
                self.state.reals.get(&key).unwrap().1.live.state()
            })
        }
    }

    use RealState::{Operational, ProbeFailed, ProbeTesting};

    #[test]
    fn a_server_of_two_farms_is_asked_once_and_the_worst_answer_counts() {
        let mut bench = Bench::new();
        let targets = bench.configure().unwrap();
        let shown: Vec<_> =
            targets.iter().map(|target| format!("{} {}", target.probe, target.server)).collect();
        assert_eq!(
            shown,
            ["ECHO 10.1.1.51:0", "ECHO 10.1.1.52:0", "OPEN 10.1.1.51:434", "OPEN 10.1.1.52:434"]
        );
        assert!(bench.configure().is_none(), "nothing is new");
        bench.told(&targets[0], ProbeState::Failed, 1);
        assert_eq!(bench.states(), [ProbeFailed, Operational, ProbeFailed]);
        bench.told(&targets[2], ProbeState::Failed, 2);
        bench.told(&targets[0], ProbeState::Testing, 3);
        assert_eq!(bench.states(), [ProbeFailed, Operational, ProbeTesting]);
        bench.told(&targets[0], ProbeState::Operational, 4);
        assert_eq!(bench.states(), [ProbeFailed, Operational, Operational]);
    }

    #[test]
    fn outages_are_counted_and_measured_over_a_change_of_settings() {
        let mut bench = Bench::new();
        let targets = bench.configure().unwrap();
        bench.told(&targets[0], ProbeState::Failed, 10);
        bench.told(&targets[0], ProbeState::Testing, 15);
        bench.told(&targets[0], ProbeState::Failed, 16);
        bench.told(&targets[0], ProbeState::Operational, 20);
        bench.told(&targets[0], ProbeState::Failed, 100);
        bench.config.probes[0].interval = 7;
        let renewed = bench.configure().unwrap();
        assert_eq!(renewed[0].state, ProbeState::Failed, "it is not taken for well by a change");
        assert_ne!(renewed[0].id, targets[0].id);
        assert_eq!(renewed[2].id, targets[2].id, "what did not change goes on");
        assert!(
            bench.probes.changed(targets[0].id, ProbeState::Operational, &bench.state, Nanos(0)).is_none()
        );
        let asked = bench.probes.get(renewed[0].id).unwrap();
        let now = Nanos(103_000_000_000);
        assert_eq!(
            (asked.outages, asked.current(now).as_secs(), asked.cumulative(now).as_secs()),
            (2, 3, 13)
        );
        let Some(Order::Ask(resumed)) = bench.probes.resume() else { panic!() };
        assert_eq!((resumed[0].state, resumed.len()), (ProbeState::Failed, 4));
        assert_ne!(resumed[0].id, renewed[0].id);
    }

    #[test]
    fn who_is_not_asked_any_more_has_not_failed() {
        let mut bench = Bench::new();
        let targets = bench.configure().unwrap();
        bench.told(&targets[0], ProbeState::Failed, 1);
        bench.told(&targets[1], ProbeState::Failed, 1);
        bench.config.farm_entry(&name("A")).probes.clear();
        assert_eq!(bench.configure().unwrap().len(), 1, "B goes on");
        assert_eq!(bench.states(), [Operational, Operational, ProbeFailed]);
        bench.config.vservers[0].inservice = false;
        assert_eq!(bench.configure().unwrap().len(), 0);
        assert_eq!(bench.states(), [Operational; 3]);
    }
}
