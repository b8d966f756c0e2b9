//! All subsystems in one core, with a fake clock and no dataplane: requests go straight to the director, as a worker's stage
//! sends them, and the kernel says what the test wants.

mod configuration;
mod desired_host;
mod dfp;
mod dfp_agent;
mod dfp_tcp;
mod duplicates;
mod ecmp;
mod golden;
mod health;
mod language;
mod manager;
mod random;
mod record;
mod rule;
mod secrets;
mod sharing;
mod source_check;
mod weight;

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::{
    config::Hugepages,
    id::{InterfaceId, PortId, WorkerId},
    link::{WorkerEnd, link},
    mac::MacAddr,
    net::{Interface, Network, NextHop, Owner, PortView, Route, Routes},
    slb::{Balancer, KeySpace, Outcome, Request, SessionEnd, SessionKey, SlbCounter, display_hash},
    snapshot::Snapshot,
    tables::Tables,
    time::Nanos,
};

use crate::{
    command::{self, Shell},
    core::{Core, CoreLink, Recording},
    host::{
        HostState, PortState,
        view::{KernelAddress, ShadowLink},
    },
    manage::log::LogBook,
    protocol::{Effect, Holds as _},
    protocols::{All, Configuration},
    slb::Slb,
};

/// The core, one worker's end, a shell, and the clock.
pub(super) struct Harness {
    pub core: Core<All>,
    pub worker: WorkerEnd,
    pub shell: Shell<Core<All>>,
    pub now: Nanos,
}

/// 10.1.1.0/24 on Ethernet0 with all its neighbours resolved, and 20.0.0.0/8 behind 10.1.1.254.
pub(super) fn network() -> Network {
    let interface = Interface {
        id: InterfaceId(0),
        name: "Ethernet0".into(),
        port: PortId(0),
        vlan: None,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        virtual_macs: Vec::new(),
        source_check: None,
        mtu: 1500,
        up: true,
        addresses: vec!["10.1.1.1/24".parse().unwrap()],
    };
    let mut routes = Routes::default();
    routes.insert("10.1.1.0/24".parse().unwrap(), Route::Connected(InterfaceId(0)));
    routes.insert("20.0.0.0/8".parse().unwrap(), Route::Via(neighbour(254)));
    Network {
        interfaces: Arc::new([interface]),
        ports: Arc::new([PortView { untagged: Some(InterfaceId(0)), vlans: Vec::new(), link_up: true }]),
        routes,
        neighbours: Arc::new(
            (2..=254).map(|last| (neighbour(last), MacAddr([2, 0, 0, 0, 1, last]))).collect(),
        ),
        ..Network::default()
    }
}

/// Port 0, which carries Ethernet0.
const PORTS: [PortState; 1] = [PortState { mac: MacAddr([2, 0, 0, 0, 0, 1]), mtu: 1500, link_up: true }];

/// The kernel's state that makes `network` of a configuration with its interfaces.
fn kernel(network: &Network) -> HostState {
    let mut host = HostState {
        generation: 1,
        routes: network.routes.clone(),
        neighbours: Arc::clone(&network.neighbours),
        ..HostState::default()
    };
    for interface in network.interfaces.iter() {
        let device = format!("Et{}", interface.id.0);
        host.links.insert(
            interface.id,
            ShadowLink {
                device: device.clone(),
                index: 10 + u32::from(interface.id.0),
                up: interface.up,
                running: interface.up,
                mtu: interface.mtu.into(),
                mac: interface.mac,
            },
        );
        host.addresses.extend(interface.addresses.iter().map(|net| KernelAddress {
            device: device.clone(),
            interface: Some(interface.id),
            net: *net,
            secondary: false,
        }));
    }
    host
}

/// 10.1.1.`last` on Ethernet0.
pub(super) fn neighbour(last: u8) -> NextHop {
    NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(10, 1, 1, last) }
}

pub(super) const SYSTEM_LINES: &str =
    "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n";

impl Harness {
    /// A harness that runs `slb`, with Ethernet0 at 10.1.1.1/24.
    pub fn new(slb: &str) -> Self {
        Self::recorded(slb, None)
    }

    /// The same; everything is recorded.
    pub fn recorded(slb: &str, recording: Option<Recording>) -> Self {
        let director = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (mut workers, end) = link(1, 1, Tables::new(director));
        let (core_link, _, _) = CoreLink::split(end);
        let now = Nanos(1_000_000_000);
        let mut core = Core::new(core_link, None, LogBook::new(1000), now);
        if let Some(recording) = recording {
            core.record(recording).unwrap();
        }
        core.ports_changed(&PORTS);
        core.host_changed(&kernel(&network()));
        let shell = Core::shell(Arc::new(Core::commands()), true);
        let mut harness = Self { core, worker: workers.remove(0), shell, now };
        if let Err(errors) = harness.apply_file("test.conf", &format!("{SYSTEM_LINES}{slb}")) {
            panic!("{}", errors.join("\n"));
        }
        harness
    }

    /// Loads a file; all lines or none.
    pub fn apply_file(&mut self, file: &str, text: &str) -> Result<Vec<String>, Vec<String>> {
        let loaded = command::load::<Configuration>(file, text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        self.core.apply_loaded(loaded).map_err(|error| vec![format!("{file}: {error}")])
    }

    /// The kernel and the port make this network of the configuration.
    pub fn network(&mut self, network: &Network) {
        let link_up = network.ports[0].link_up;
        self.core.ports_changed(&[PortState { link_up, ..PORTS[0] }]);
        self.core.host_changed(&kernel(network));
    }

    /// What workers read.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.core.shared().snapshot()
    }

    pub fn director(&self) -> Arc<Balancer> {
        Arc::clone(&self.core.shared().tables.slb)
    }

    pub fn metrics(&mut self) -> String {
        self.core.report().text()
    }

    pub fn log_lines(&self) -> Vec<String> {
        self.core.shared().log.view().lines.iter().map(ToString::to_string).collect()
    }

    /// Addresses of the gratuitous ARPs sent since the last call.
    pub fn announced(&mut self) -> Vec<Ipv4Addr> {
        let due = self.core.deadline();
        self.pass(due.since(self.now));
        let effects = self.core.take_effects().into_iter();
        let sender = |effect| match effect {
            Effect::Send(_, frame) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&frame[28..32]).unwrap())),
            _ => None,
        };
        effects.filter_map(sender).collect()
    }

    /// How many virtual addresses there are.
    pub fn virtual_addresses(&self) -> usize {
        self.snapshot().net.owners.values().filter_map(Owner::as_virtual).count()
    }

    /// Runs lines; the text they print.
    pub fn run(&mut self, lines: &str) -> String {
        lines.lines().map(|line| self.core.execute(&mut self.shell, line).finish().text).collect()
    }

    /// Runs lines in configuration mode; the text they print.
    pub fn configure(&mut self, lines: &str) -> String {
        self.run("configure terminal");
        self.run(&format!("{lines}\nend"))
    }

    /// A request of a mobile node at the first virtual server of `vip`.
    pub fn request(&mut self, vip: [u8; 4], nai: &str) -> Outcome {
        self.send(vip, nai, false)
    }

    pub fn send(&mut self, vip: [u8; 4], nai: &str, deregistration: bool) -> Outcome {
        let snapshot = self.worker.snapshot.load_full();
        self.worker.stats.generation.store(snapshot.generation, std::sync::atomic::Ordering::Relaxed);
        self.send_by(&snapshot, vip, nai, deregistration)
    }

    /// As a worker that still runs `snapshot` does.
    pub fn send_by(&mut self, snapshot: &Snapshot, vip: [u8; 4], nai: &str, deregistration: bool) -> Outcome {
        let owner = snapshot.net.owners.get(&Ipv4Addr::from(vip));
        let Some(vip) = owner.and_then(Owner::as_virtual) else { return Outcome::NoReal };
        let vserver = snapshot.vserver(vip.vservers[0]).unwrap();
        let request = Request {
            vserver: vserver.id,
            identity: self.worker.tables.slb.identity(vserver, KeySpace::Nai, nai.as_bytes()),
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            deregistration,
            home_agent: None,
        };
        let events = &mut self.worker.events;
        let ended = |end: SessionEnd| {
            let _ = events.push(common::event::Event::Session(end.into()));
        };
        self.worker.tables.slb.handle(
            snapshot,
            &request,
            &|| display_hash(nai.as_bytes()),
            self.now.tick(),
            WorkerId(0),
            ended,
        )
    }

    /// Last octet of the real that a request of `nai` to 10.1.1.10 goes to; 0: nobody.
    pub fn goes_to(&mut self, nai: &str) -> u8 {
        match self.request([10, 1, 1, 10], nai) {
            Outcome::Forward { real, .. } => self.snapshot().real(real).unwrap().address.octets()[3],
            Outcome::NoReal | Outcome::Stale | Outcome::Shed | Outcome::OverRate => 0,
        }
    }

    /// Lets time pass in steps of 50 ms, with the worker alive.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(Duration::from_millis(50)).min(end);
            self.worker.stats.heartbeat.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.core.set_time(self.now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_050_938_763));
            self.core.advance();
        }
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The worker takes the newest snapshot, and control ends what waited for that.
    pub fn settle(&mut self) {
        let generation = self.snapshot().generation;
        self.worker.stats.generation.store(generation, std::sync::atomic::Ordering::Relaxed);
        for _ in 0..3 {
            self.core.with::<Slb, _>(|slb, cx| slb.run_purges(cx));
        }
    }

    /// State, and sessions, of a real as `show ip slb reals | json` says.
    pub fn real(&mut self, last: u8) -> (String, u64) {
        let text = self.run("show ip slb reals | json");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let reals = json["reals"].as_array().unwrap();
        let real =
            reals.iter().find(|real| real["real"].as_str().unwrap().ends_with(&format!(".{last}"))).unwrap();
        (real["state"].as_str().unwrap().to_owned(), real["conns"].as_u64().unwrap())
    }

    /// created = destroyed + live, and the sum of the reals' sessions = live.
    pub fn assert_counters_balance(&self) {
        let director = self.director();
        let (stats, live) = (director.stats(), director.occupancy());
        assert_eq!(stats.raw(SlbCounter::Created), stats.raw(SlbCounter::Destroyed) + live);
        let reals: u64 =
            self.snapshot().slb.reals.iter().flatten().map(|real| u64::from(real.live.conns())).sum();
        assert_eq!(reals, live, "sum of conns");
        let vservers: u64 =
            self.snapshot().slb.vservers.iter().flatten().map(|vserver| vserver.live.conns()).sum();
        assert_eq!(vservers, live, "sum of the virtual servers' conns");
    }
}
