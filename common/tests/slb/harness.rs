//! One virtual server over farms of home agents A, B, C..., and mobile nodes 1, 2, 3...

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    config::Hugepages,
    event::SessionChange,
    id::{FarmId, InterfaceId, PortId, RealId, VserverId, WorkerId},
    mac::MacAddr,
    net::Adjacency,
    slb::{
        Balancer, Farm, FarmLive, KeySpace, Outcome, Predictor, Real, RealLive, RealSettings, RealState,
        Request, SessionEnd, SessionKey, SlbCounter, VirtualServer, VserverCounter, VserverLive,
    },
    snapshot::Snapshot,
    time::{Nanos, Tick},
};

pub const WORKER: WorkerId = WorkerId(0);
const VSERVER: VserverId = VserverId(0);

pub struct Harness {
    pub balancer: Balancer,
    pub snapshot: Snapshot,
    pub now: Nanos,
    pub ends: Vec<SessionEnd>,
}

impl Harness {
    /// One farm with these weights, reassign 3, idle 10 s.
    pub fn new(weights: &[u32]) -> Self {
        Self::with_backup(weights, &[])
    }

    /// A primary and, unless empty, a backup farm; the letters go on.
    pub fn with_backup(primary: &[u32], backup: &[u32]) -> Self {
        Self::sized(4096, primary, backup)
    }

    pub fn sized(capacity: u32, primary: &[u32], backup: &[u32]) -> Self {
        let mut snapshot = Snapshot { generation: 1, ..Snapshot::default() };
        for (slot, weights) in [primary, backup].into_iter().enumerate() {
            if !weights.is_empty() {
                add_farm(&mut snapshot, FarmId(slot as u16), weights);
            }
        }
        snapshot.slb_mut().vservers.push(Some(VirtualServer {
            id: VSERVER,
            name: "MIPSLB".into(),
            v_index: 7,
            address: Ipv4Addr::new(10, 1, 1, 10),
            port: 434,
            farm: FarmId(0),
            backup: (!backup.is_empty()).then_some(FarmId(1)),
            clients: Vec::new(),
            idle: Duration::from_secs(10),
            strict_home_agent: false,
            client_rate: None,
            live: Arc::new(VserverLive::new(4)),
        }));
        let balancer =
            Balancer::new(capacity, Hugepages::Off, 4, SessionKey::new(*b"0123456789abcdef")).unwrap();
        Self { balancer, snapshot, now: Nanos(1), ends: Vec::new() }
    }

    pub fn tick(&self) -> Tick {
        self.now.tick()
    }

    pub fn advance(&mut self, seconds: f64) {
        self.now = self.now.after(Duration::from_secs_f64(seconds));
    }

    pub fn request(&self, user: u32) -> Request {
        let nai = format!("mwts-mip-np-user{user}@ispxyz.com");
        Request {
            vserver: VSERVER,
            identity: self.balancer.identity(self.vserver(), KeySpace::Nai, nai.as_bytes()),
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            deregistration: false,
            home_agent: None,
        }
    }

    pub fn handle(&mut self, request: &Request) -> Outcome {
        let ends = &mut self.ends;
        self.balancer.handle(
            &self.snapshot,
            request,
            &display_hash_of(request),
            self.now.tick(),
            WORKER,
            |end| ends.push(end),
        )
    }

    /// Sends a request of `user`: the home agent's letter, or `-`.
    pub fn send(&mut self, user: u32) -> char {
        letter(self.handle(&self.request(user)))
    }

    /// Sends a request each of `users`.
    pub fn send_all(&mut self, users: impl IntoIterator<Item = u32>) -> String {
        users.into_iter().map(|user| self.send(user)).collect()
    }

    /// The same as one burst: what begins together does, the rest one by one in its place.
    pub fn send_burst(&mut self, users: impl IntoIterator<Item = u32>) -> String {
        let requests: Vec<((), Request)> = users.into_iter().map(|user| ((), self.request(user))).collect();
        let ends = &mut self.ends;
        let now = self.now.tick();
        in_batch(&self.balancer, &self.snapshot, &requests, now, WORKER, |end| ends.push(end))
            .into_iter()
            .map(letter)
            .collect()
    }

    /// The same, and what happened to the session.
    pub fn change(&mut self, user: u32) -> (char, Option<SessionChange>) {
        let outcome = self.handle(&self.request(user));
        let change = match outcome {
            Outcome::Forward { change, .. } => change,
            _ => None,
        };
        (letter(outcome), change)
    }

    pub fn sweep(&mut self) -> usize {
        let (lines, now) = (self.balancer.lines(), self.tick());
        let ends = &mut self.ends;
        self.balancer.sweep(&self.snapshot, now, lines, |end| ends.push(end))
    }

    pub fn has(&self, user: u32) -> bool {
        self.balancer.lookup(self.request(user).identity, self.tick()).is_some()
    }

    pub fn vserver(&self) -> &VirtualServer {
        self.snapshot.vserver(VSERVER).unwrap()
    }

    pub fn vserver_mut(&mut self) -> &mut VirtualServer {
        self.snapshot.slb_mut().vservers[0].as_mut().unwrap()
    }

    pub fn farm(&self) -> &Farm {
        self.snapshot.farm(FarmId(0)).unwrap()
    }

    pub fn real(&self, name: char) -> &RealLive {
        &self.snapshot.slb.reals[index(name)].as_ref().unwrap().live
    }

    pub fn real_mut(&mut self, name: char) -> &mut Real {
        self.snapshot.slb_mut().reals[index(name)].as_mut().unwrap()
    }

    pub fn state(&self, name: char) -> RealState {
        self.real(name).state()
    }

    pub fn stat(&self, counter: SlbCounter) -> u64 {
        self.balancer.stats().total(counter)
    }

    pub fn vstat(&self, counter: VserverCounter) -> u64 {
        self.vserver().live.total(counter)
    }

    /// Asks until the retry limit is passed: the home agents that saw it.
    pub fn fail_over(&mut self, user: u32) -> String {
        (0..5).map(|_| self.send(user)).collect()
    }

    /// created = destroyed + live, and the reals' connections are the live sessions.
    pub fn check_accounts(&self) {
        let mut live = 0u64;
        let mut seen = std::collections::HashSet::new();
        // Expired sessions that nobody has touched count as live, so look at them at a time when all are.
        let whole = self.balancer.sessions(Tick(0), 0, u32::MAX, |_| {});
        assert_eq!(whole, None);
        for now in [self.tick(), Tick(self.tick().0.wrapping_sub(1 << 20) & Tick::MASK)] {
            self.balancer.sessions(now, 0, u32::MAX, |view| {
                if seen.insert(view.identity) {
                    live += 1;
                }
            });
        }
        let stats = self.balancer.stats();
        let (created, destroyed) = (stats.raw(SlbCounter::Created), stats.raw(SlbCounter::Destroyed));
        assert_eq!(created, destroyed + live, "created = destroyed + live");
        assert_eq!(self.balancer.occupancy(), live);
        assert_eq!(self.vserver().live.conns(), live);
        let conns: u64 =
            self.snapshot.slb.reals.iter().flatten().map(|real| u64::from(real.live.conns())).sum();
        assert_eq!(conns, live, "sum of conns = live");
    }
}

/// Handles requests as a worker does those of a burst that may be new.
pub fn in_batch(
    balancer: &Balancer,
    snapshot: &Snapshot,
    requests: &[((), Request)],
    now: Tick,
    worker: WorkerId,
    mut ended: impl FnMut(SessionEnd),
) -> Vec<Outcome> {
    let display_hash_of: Vec<u32> = requests.iter().map(|((), request)| display_hash_of(request)()).collect();
    let mut outcomes = Vec::new();
    let mut alone = |request: &Request| {
        balancer.handle(snapshot, request, &self::display_hash_of(request), now, worker, &mut ended)
    };
    while let Some(((), next)) = requests.get(outcomes.len()) {
        let from = outcomes.len();
        let begun = balancer.create_batch(snapshot, &requests[from..], &display_hash_of[from..], now, worker);
        if begun.is_empty() {
            outcomes.push(alone(next));
        }
        for real in begun {
            let created = |real| Outcome::Forward { real, change: Some(SessionChange::Created) };
            outcomes.push(real.map_or_else(|| alone(&requests[outcomes.len()].1), created));
        }
    }
    outcomes
}

pub fn index(name: char) -> usize {
    usize::from(name as u8 - b'A')
}

pub fn name(real: RealId) -> char {
    char::from(b'A' + real.index as u8)
}

pub fn id(name: char) -> RealId {
    RealId { index: index(name) as u16, generation: 1 }
}

pub fn letter(outcome: Outcome) -> char {
    match outcome {
        Outcome::Forward { real, .. } => name(real),
        Outcome::NoReal => '-',
        Outcome::Shed => '!',
        Outcome::OverRate => '>',
        Outcome::Stale => '?',
    }
}

pub fn add_farm(snapshot: &mut Snapshot, farm: FarmId, weights: &[u32]) {
    let reals = weights.iter().map(|weight| add_real(snapshot, farm, *weight)).collect();
    snapshot.slb_mut().farms.push(Some(Farm {
        id: farm,
        name: format!("FARM{farm}"),
        nat_server: true,
        predictor: Predictor::RoundRobin,
        reals,
        generation: 0,
        departed: Vec::new(),
        live: Arc::new(FarmLive::default()),
    }));
}

pub fn add_real(snapshot: &mut Snapshot, farm: FarmId, weight: u32) -> RealId {
    let id = RealId { index: snapshot.slb.reals.len() as u16, generation: 1 };
    let live = RealLive::new(RealSettings { weight, ..RealSettings::default() });
    live.set_in_service(true);
    snapshot.slb_mut().reals.push(Some(Real {
        id,
        address: Ipv4Addr::new(10, 1, 1, 51 + id.index as u8),
        port: None,
        farm,
        reassign: Some(3),
        purge: false,
        adjacency: Some(Adjacency {
            interface: InterfaceId(0),
            port: PortId(0),
            vlan: None,
            source: MacAddr::default(),
            destination: MacAddr::default(),
            mtu: 1500,
        }),
        live: Arc::new(live),
    }));
    id
}

/// Stands for the hash that is display_hash_of: the table only keeps it.
pub fn display_hash_of(request: &Request) -> impl Fn() -> u32 {
    let value = request.identity.bits() as u32;
    move || value
}
