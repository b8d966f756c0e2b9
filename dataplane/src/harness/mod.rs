//! Workers on simulated ports in a small example network, with a clock that stands still: for tests, benches and
//! fuzzing. The daemon does not use it.
//!
//! ```text
//!   foreign agents 15.1.1.0/24        director                      home agents 10.1.1.0/24
//!        15.1.1.51 ---- Ethernet1 (port 1, .1)   Ethernet0 (port 0, .1) ---- .51 .52 .53
//!                       Ethernet1.15 (VLAN 15, 10.15.0.1/24)
//! ```

mod both_ways;
pub mod home_agent;
mod steps;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig},
    id::{FarmId, InterfaceId, PortId, RealId, VserverId},
    link::{ControlEnd, link},
    mac::MacAddr,
    mobile::{Bindings, MobileTables},
    net::{Interface, Neighbours, Network, NextHop, Owner, Owners, PortView, Route, Routes, VirtualAddress},
    slb::{Balancer, Farm, Predictor, Real, RealLive, RealSettings, SessionKey, VirtualServer},
    snapshot::Snapshot,
    tables::Tables,
};
use ipnet::Ipv4Net;

pub use both_ways::both_ways;
pub use steps::{Arrival, Change, Outcome, Step, limit_clients, verify_sources};

use crate::{
    backend::{
        Ports,
        sim::{self, SimQueue, Sizes, Wire},
    },
    clock::FakeClock,
    stage::stages::{StageList, Stages},
    worker::Worker,
};

/// Session capacity.
pub const SESSIONS: u32 = 4096;
/// MAC address of the director's port 0.
pub const MAC0: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// MAC address of the director's port 1.
pub const MAC1: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// MAC address of the foreign agent 15.1.1.51.
pub const AGENT_MAC: MacAddr = MacAddr([2, 0, 0x15, 0, 0, 51]);
/// The foreign agent's address.
pub const AGENT: Ipv4Addr = Ipv4Addr::new(15, 1, 1, 51);
/// Virtual address whose farm is in dispatched mode.
pub const DISPATCHED: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 10);
/// Virtual address whose farm is in directed mode, its real on port 8434.
pub const DIRECTED: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 11);
/// HSRP's virtual MAC address, with which [`DIRECTED`] answers.
pub const VIRTUAL_MAC: MacAddr = MacAddr([0, 0, 0x0c, 7, 0xac, 1]);
/// The port-0 interface, the port-1 interface and its VLAN 15.
pub const INTERFACES: [InterfaceId; 3] = [InterfaceId(0), InterfaceId(1), InterfaceId(2)];

/// MAC address of the home agent 10.1.1.`host`.
pub const fn agent_mac(host: u8) -> MacAddr {
    MacAddr([2, 0, 0x10, 1, 1, host])
}

/// Workers, the wire and control's end.
#[derive(Debug)]
pub struct Harness<S: StageList = Stages> {
    /// The other end of the cables.
    pub wire: Wire,
    /// Polled in turn by [`Harness::run`].
    pub workers: Vec<Worker<SimQueue, FakeClock, S>>,
    /// Control's end of every ring.
    pub control: ControlEnd,
    /// The time that every worker reads.
    pub clock: FakeClock,
    /// Snapshots are prepared for the short way of a request.
    prepared: bool,
}

impl Harness {
    /// `workers` workers in the example network.
    pub fn new(workers: u8) -> Self {
        Self::with(workers, Poll::Always, Sizes::default(), snapshot())
    }

    /// `workers` workers with everything given.
    pub fn with(workers: u8, poll: Poll, sizes: Sizes, snapshot: Snapshot) -> Self {
        let (ports, wire) = sim::open(&config(workers), sizes).expect("no capture file is named");
        Self::on(ports, wire, workers, poll, snapshot)
    }

    /// One worker with few and small buffers and sessions, soon made: for tests that make many.
    pub fn small() -> Self {
        let sizes = Sizes { pool: 128, receive: 64, transmit: 128, ..Sizes::default() };
        let (ports, wire) = sim::open(&config(1), sizes).expect("no capture file is named");
        Self::build(ports, wire, 1, tables(1024, 1), Poll::Always, snapshot())
    }

    /// `workers` workers on ports of the caller's.
    pub fn on(ports: Ports<SimQueue>, wire: Wire, workers: u8, poll: Poll, snapshot: Snapshot) -> Self {
        Self::build(ports, wire, workers, tables(SESSIONS, workers), poll, snapshot)
    }
}

impl<S: StageList> Harness<S> {
    /// `workers` workers with a list of stages of the caller's, in the example network.
    pub fn with_stages(workers: u8) -> Self {
        let (ports, wire) = sim::open(&config(workers), Sizes::default()).expect("no capture file is named");
        let tables = tables(SESSIONS, workers);
        Self::build(ports, wire, workers, tables, Poll::Always, snapshot())
    }

    fn build(
        ports: Ports<SimQueue>,
        wire: Wire,
        workers: u8,
        tables: Tables,
        poll: Poll,
        mut snapshot: Snapshot,
    ) -> Self {
        snapshot.prepare();
        let (ends, control) = link(workers, ports.control.ports().len(), tables);
        control.snapshot.store(Arc::new(snapshot));
        let clock = FakeClock::default();
        clock.advance(Duration::from_secs(1));
        let workers = ends
            .into_iter()
            .zip(ports.queues)
            .map(|(end, queues)| Worker::with_stages(end, queues, poll, clock.clone()))
            .collect();
        Self { wire, workers, control, clock, prepared: true }
    }

    /// From here on nothing is prepared: every packet takes the slow path.
    #[must_use]
    pub fn unprepared(mut self) -> Self {
        self.prepared = false;
        self.change(|_| {});
        self
    }

    /// Publishes a changed snapshot.
    pub fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut next = Snapshot::clone(&self.control.snapshot.load());
        change(&mut next);
        next.generation += 1;
        if self.prepared {
            next.prepare();
        } else {
            next.targets = Arc::default();
        }
        self.control.snapshot.store(Arc::new(next));
    }

    /// Lets every worker take all that waits, and returns what each port sent.
    pub fn run(&mut self) -> [Vec<Vec<u8>>; 2] {
        for worker in &mut self.workers {
            while worker.step(1) > 0 {}
        }
        [self.wire.sent(PortId(0)), self.wire.sent(PortId(1))]
    }

    /// Packets received by all workers, after checking that each has exactly one verdict, and what left one account.
    pub fn received(&self) -> u64 {
        let mut received = 0;
        for stats in &self.control.stats {
            let own = stats.received.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(own, stats.verdict_sum(), "every packet has exactly one verdict");
            assert_eq!(stats.sent(), stats.accounted_sent(), "every frame that left has one account");
            received += own;
        }
        received
    }
}

/// Two simulated ports for `workers` workers.
pub fn config(workers: u8) -> DataplaneConfig {
    let port = |index: u16, mac| PortConfig {
        mac: Some(mac),
        ..PortConfig::new(PortId(index), format!("Ethernet{index}"), format!("sim{index}"))
    };
    DataplaneConfig {
        workers,
        cores: Vec::new(),
        sessions: SESSIONS,
        hugepages: Hugepages::Off,
        memory_mb: None,
        poll: Poll::Always,
        eal: None,
        ports: vec![port(0, MAC0), port(1, MAC1)],
    }
}

fn interface(id: InterfaceId, port: u16, vlan: Option<u16>, mac: MacAddr, address: [u8; 4]) -> Interface {
    Interface {
        id,
        name: format!("Ethernet{port}{}", vlan.map(|vlan| format!(".{vlan}")).unwrap_or_default()),
        port: PortId(port),
        vlan,
        mac,
        virtual_macs: vec![MAC0, VIRTUAL_MAC],
        source_check: None,
        mtu: 1500,
        up: true,
        addresses: vec![net(address, 24)],
    }
}

fn net(address: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(address.into(), length)
}

/// The example network with nobody in its tables: interfaces, routes and neighbours.
pub fn network() -> Snapshot {
    let [inside, outside, tagged] = INTERFACES;
    let interfaces = [
        interface(inside, 0, None, MAC0, [10, 1, 1, 1]),
        interface(outside, 1, None, MAC1, [15, 1, 1, 1]),
        interface(tagged, 1, Some(15), MAC1, [10, 15, 0, 1]),
    ];
    let mut routes = Routes::default();
    let mut owners = Owners::default();
    for interface in &interfaces {
        let own = interface.addresses[0];
        owners.insert(own.addr(), Owner::Host(interface.id));
        routes.insert(own.trunc(), Route::Connected(interface.id));
    }
    let agent = NextHop { interface: outside, address: AGENT };
    routes.insert(net([192, 168, 0, 0], 16), Route::Via(agent));
    routes.insert(net([192, 168, 66, 0], 24), Route::Null);
    routes.insert(net([192, 168, 77, 0], 24), Route::Punt);
    let mut neighbours = Neighbours::default();
    neighbours.insert(agent, AGENT_MAC);
    neighbours.insert(NextHop { interface: tagged, address: [10, 15, 0, 9].into() }, agent_mac(9));
    for host in 51..54 {
        neighbours.insert(NextHop { interface: inside, address: [10, 1, 1, host].into() }, agent_mac(host));
    }
    let network = Network {
        interfaces: Arc::new(interfaces),
        ports: Arc::new([
            PortView { untagged: Some(inside), vlans: Vec::new(), link_up: true },
            PortView { untagged: Some(outside), vlans: vec![(15, tagged)], link_up: true },
        ]),
        owners: Arc::new(owners),
        routes,
        neighbours: Arc::new(neighbours),
    };
    Snapshot { generation: 1, net: Arc::new(network), ..Snapshot::default() }
}

/// The virtual address of a snapshot, to be changed.
///
/// # Panics
/// If there is none.
pub fn virtual_address(snapshot: &mut Snapshot, address: Ipv4Addr) -> &mut VirtualAddress {
    match snapshot.net_mut().owners_mut().get_mut(&address) {
        Some(Owner::Virtual(found)) => found,
        other => panic!("{address} is no virtual address: {other:?}"),
    }
}

/// The example network with two virtual servers: [`DISPATCHED`] over three home agents of weights 3, 1 and 2,
/// and [`DIRECTED`] over one on port 8434 of VLAN 15.
pub fn snapshot() -> Snapshot {
    let mut snapshot = network();
    let [inside, ..] = INTERFACES;
    for (index, (address, mac)) in [(DISPATCHED, MAC0), (DIRECTED, VIRTUAL_MAC)].into_iter().enumerate() {
        let (vserver, farm) = (VserverId(index as u16), FarmId(index as u16));
        let claimed = VirtualAddress { interface: Some(inside), mac, vservers: vec![vserver] };
        snapshot.net_mut().owners_mut().insert(address, Owner::Virtual(claimed));
        snapshot.slb_mut().vservers.push(Some(VirtualServer {
            id: vserver,
            name: format!("MIPSLB{index}"),
            v_index: index as u32 + 7,
            address,
            port: 434,
            farm,
            backup: None,
            clients: Vec::new(),
            idle: Duration::from_secs(10),
            strict_home_agent: false,
            client_rate: None,
            live: Arc::default(),
        }));
    }
    add_farm(&mut snapshot, FarmId(0), false, &[(51, 3), (52, 1), (53, 2)]);
    add_farm(&mut snapshot, FarmId(1), true, &[(9, 1)]);
    snapshot
}

fn tables(sessions: u32, workers: u8) -> Tables {
    let key = SessionKey::new(*b"0123456789abcdef");
    let slb = Balancer::new(sessions, Hugepages::Off, workers, key).expect("4096 sessions are 4 MB");
    let mobile = Bindings::new(1024, Hugepages::Off, [7; 16]).expect("1024 bindings are 128 KB");
    Tables::new(slb).with_mobile(MobileTables::new(mobile))
}

/// Gives the snapshot a farm of home agents `10.1.1.HOST` with their weights (in directed mode: `10.15.0.HOST`).
fn add_farm(snapshot: &mut Snapshot, id: FarmId, nat_server: bool, members: &[(u8, u8)]) {
    let [inside, _, tagged] = INTERFACES;
    let mut reals = Vec::new();
    for (host, weight) in members {
        let live = RealLive::new(RealSettings { weight: u32::from(*weight), ..RealSettings::default() });
        live.set_in_service(true);
        let real = RealId { index: snapshot.slb.reals.len() as u16, generation: 1 };
        let (interface, subnet) = if nat_server { (tagged, [10, 15, 0]) } else { (inside, [10, 1, 1]) };
        let adjacency = snapshot.net.interfaces[interface.index()].adjacency(agent_mac(*host));
        let [a, b, c] = subnet;
        snapshot.slb_mut().reals.push(Some(Real {
            id: real,
            address: Ipv4Addr::new(a, b, c, *host),
            port: nat_server.then_some(8434),
            farm: id,
            reassign: Some(3),
            purge: false,
            adjacency: Some(adjacency),
            live: Arc::new(live),
        }));
        reals.push(real);
    }
    snapshot.slb_mut().farms.push(Some(Farm {
        id,
        name: format!("FARM{id}"),
        nat_server,
        predictor: Predictor::RoundRobin,
        reals,
        generation: 0,
        departed: Vec::new(),
        live: Arc::default(),
    }));
}
