//! A core with a fake clock and no dataplane: requests go straight to the director, as a worker's stage sends them.

mod dfp;
mod dfp_agent;
mod golden;
mod language;
mod manager;
mod random;
mod rule;
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
    slb::{Balancer, KeySpace, Outcome, Request, SessionEnd, SessionKey, SlbCounter, display_hash},
    snapshot::{Interface, PortView, Route, Snapshot},
    tables::Tables,
    time::Nanos,
};

use super::{Core, CoreLink, NetworkView};
use crate::{
    command::{Commands, Shell},
    manage::log::LogBook,
};

/// The core, one worker's end, a shell, and the clock.
pub(super) struct Bench {
    pub core: Core,
    pub worker: WorkerEnd,
    pub shell: Shell<Core>,
    pub now: Nanos,
}

/// 10.1.1.0/24 on Ethernet0 with all its neighbours resolved, and 20.0.0.0/8 behind 10.1.1.254.
pub(super) fn network() -> NetworkView {
    let mut view = NetworkView::default();
    view.interfaces.push(Interface {
        id: InterfaceId(0),
        name: "Ethernet0".into(),
        port: PortId(0),
        vlan: None,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        up: true,
        addresses: vec!["10.1.1.1/24".parse().unwrap()],
    });
    view.ports.push(PortView { untagged: Some(InterfaceId(0)), vlans: Vec::new(), link_up: true });
    view.fib.insert("10.1.1.0/24".parse().unwrap(), Route::Connected(InterfaceId(0)));
    view.fib.insert("20.0.0.0/8".parse().unwrap(), Route::Via(InterfaceId(0), Ipv4Addr::new(10, 1, 1, 254)));
    for last in 2..=254 {
        view.neighbours
            .insert((InterfaceId(0), Ipv4Addr::new(10, 1, 1, last)), MacAddr([2, 0, 0, 0, 1, last]));
    }
    view
}

pub(super) const MACHINE: &str =
    "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n";

impl Bench {
    /// A bench that runs `slb`, with Ethernet0 at 10.1.1.1/24.
    pub fn new(slb: &str) -> Self {
        let director = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (mut workers, end) = link(1, 1, Tables::new(director));
        let (core_link, _, _) = CoreLink::split(end);
        let now = Nanos(1_000_000_000);
        let mut core = Core::new(core_link, None, LogBook::new(1000), now);
        core.host_changed(network());
        if let Err(errors) = core.apply_file("test.conf", &format!("{MACHINE}{slb}")) {
            panic!("{}", errors.join("\n"));
        }
        let commands = Arc::new(Commands::new(Core::exec_specs()).unwrap());
        let shell = Core::shell(commands, true);
        Self { core, worker: workers.remove(0), shell, now }
    }

    /// Runs lines; the text they print.
    pub fn run(&mut self, lines: &str) -> String {
        lines.lines().map(|line| self.core.execute(&mut self.shell, line).text).collect()
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
        let Some(vip) = snapshot.vips.get(&Ipv4Addr::from(vip)) else { return Outcome::NoReal };
        let vserver = snapshot.vserver(vip.vservers[0]).unwrap();
        let request = Request {
            vserver: vserver.id,
            identity: self.worker.tables.slb.identity(vserver, KeySpace::Nai, nai.as_bytes()),
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            deregistration,
            wanted: None,
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
            Outcome::Forward { real, .. } => self.core.snapshot().real(real).unwrap().address.octets()[3],
            Outcome::NoReal | Outcome::Stale | Outcome::Shed => 0,
        }
    }

    /// Lets time pass in steps of 50 ms, with the worker alive.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(Duration::from_millis(50)).min(end);
            self.worker.stats.heartbeat.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.core.tick(self.now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_050_938_763));
        }
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The worker takes the newest snapshot, and control ends what waited for that.
    pub fn settle(&mut self) {
        let generation = self.core.snapshot().generation;
        self.worker.stats.generation.store(generation, std::sync::atomic::Ordering::Relaxed);
        for _ in 0..3 {
            self.core.run_purges();
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
    pub fn assert_books(&self) {
        let stats = self.core.director().stats();
        let live = self.core.director().occupancy();
        assert_eq!(stats.raw(SlbCounter::Created), stats.raw(SlbCounter::Destroyed) + live);
        let reals: u64 =
            self.core.snapshot().reals.iter().flatten().map(|real| u64::from(real.live.conns())).sum();
        assert_eq!(reals, live, "sum of conns");
        let vservers: u64 =
            self.core.snapshot().vservers.iter().flatten().map(|vserver| vserver.live.conns()).sum();
        assert_eq!(vservers, live, "sum of the virtual servers' conns");
    }
}
