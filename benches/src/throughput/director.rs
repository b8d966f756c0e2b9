//! Homeward's worker on the same capture: one virtual server, four reals, in a process of its own because EAL starts
//! once a process.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig, RssFields},
    id::{FarmId, InterfaceId, PortId, RealId, VserverId},
    link::{ControlEnd, WorkerEnd, link},
    mac::MacAddr,
    slb::{Director, RealLive, RealSettings, SessionKey, SlbCounter},
    snapshot::{Adjacency, Farm, Interface, PortView, Predictor, Real, Snapshot, Vip, VirtualServer},
    stats::WorkerStats,
    verdict::Verdict,
};
use dataplane::{backend::dpdk, clock::TscClock, worker::Worker};

use super::{
    ROOM,
    capture::{DIRECTOR_MAC, VIP},
    case::{Case, Mode},
    measure::Measured,
    pool_size,
};

/// Rounds of the worker's loop between two looks at whether to stop.
const ROUNDS: usize = 64;
/// Longest wait for every node to have its session.
const WARM_UP: Duration = Duration::from_mins(1);

/// Runs the case for `seconds` after every node has its session; void unless all that came was sent to a real as the
/// case says, and the sessions are those of the capture.
pub fn run(case: Case, capture: &Path, seconds: u32) -> anyhow::Result<Measured> {
    let config = config(case, capture);
    let started = dpdk::start(&config)?;
    // Half as much again as the nodes of the capture: a table at its stated fill.
    let capacity = case.sessions.max(1024) + case.sessions / 2;
    let director = Director::new(capacity, Hugepages::Auto, 1, SessionKey::random())?;
    let (workers, control) = link(1, 1, director);
    control.snapshot.store(Arc::new(snapshot(case.mode)));
    let stop = Arc::new(AtomicBool::new(false));
    let watch = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let outcome = watch(&control, case, seconds);
            stop.store(true, Relaxed);
            outcome
        })
    };
    let clock = TscClock::calibrate();
    let ends = Mutex::new(workers.into_iter().map(Some).collect::<Vec<Option<WorkerEnd>>>());
    started.run(stop, move |id, queues| {
        let end = ends.lock().ok().and_then(|mut ends| ends[id.index()].take());
        let mut worker = end.map(|end| Worker::new(end, queues, Poll::Always, clock));
        Box::new(move || {
            if let Some(worker) = &mut worker {
                worker.step(ROUNDS);
            }
        })
    })?;
    watch.join().map_err(|_| anyhow!("the watching thread failed"))?
}

/// Waits until all sessions exist, samples the rate once a second, then checks the books.
fn watch(control: &ControlEnd, case: Case, seconds: u32) -> anyhow::Result<Measured> {
    let stats = &control.stats[0];
    let received = |stats: &WorkerStats| stats.received.load(Relaxed);
    let from = Instant::now();
    while control.director.occupancy() < u64::from(case.sessions)
        || received(stats) < u64::from(case.sessions) * 2
    {
        ensure!(
            from.elapsed() < WARM_UP,
            "void: {} of {} sessions after {} packets",
            control.director.occupancy(),
            case.sessions,
            received(stats)
        );
        thread::sleep(Duration::from_millis(10));
    }
    let mut rates = Vec::new();
    let (mut at, mut seen) = (Instant::now(), received(stats));
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let (now, count) = (Instant::now(), received(stats));
        rates.push((count - seen) as f64 / (now - at).as_secs_f64());
        (at, seen) = (now, count);
    }
    let (received, sent) = books(control, case)?;
    Ok(Measured::of(rates, received, sent))
}

/// The counters must tell the story of the case, all of it; packets received and sent.
fn books(control: &ControlEnd, case: Case) -> anyhow::Result<(u64, u64)> {
    let stats = &control.stats[0];
    let slb = control.director.stats();
    let expected = match case.mode {
        Mode::Dispatched => Verdict::SlbDispatched,
        Mode::Directed => Verdict::SlbDirected,
    };
    for verdict in Verdict::ALL {
        let count = stats.verdict(*verdict);
        ensure!(*verdict == expected || count == 0, "void: {count} packets ended as {}", verdict.name());
    }
    let created = slb.total(SlbCounter::Created);
    ensure!(created == u64::from(case.sessions), "void: {created} sessions of {}", case.sessions);
    ensure!(control.director.refused() == 0, "void: the table refused sessions");
    let port = &stats.ports[0];
    ensure!(port.tx_full.load(Relaxed) == 0, "void: the device refused packets");
    // The worker goes on while this reads: sent is read first and may lag, never lead.
    let sent = port.tx_packets.load(Relaxed);
    let received = stats.received.load(Relaxed);
    ensure!(sent <= received && sent > 0, "void: {received} received, {sent} sent");
    Ok((received, sent))
}

fn config(case: Case, capture: &Path) -> DataplaneConfig {
    let buffer = u64::from(ROOM) + 256;
    DataplaneConfig {
        workers: 1,
        cores: vec![1],
        sessions: case.sessions,
        hugepages: Hugepages::Required,
        memory_mb: Some((u64::from(pool_size(case.sessions)) * buffer).div_ceil(1 << 20) as u32 + 64),
        poll: Poll::Always,
        eal: None,
        ports: vec![PortConfig {
            id: PortId(0),
            name: "Ethernet0".into(),
            device: format!("net_pcap0,rx_pcap={},infinite_rx=1", capture.display()),
            mac: Some(DIRECTOR_MAC),
            mtu: 1500,
            rx_queues: Some(1),
            tx_queues: Some(1),
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            rss_key: None,
            rss: RssFields::Udp,
            promiscuous: true,
        }],
    }
}

/// One virtual server and four reals behind one port.
pub fn snapshot(mode: Mode) -> Snapshot {
    let interface = InterfaceId(0);
    let mut snapshot = Snapshot {
        generation: 1,
        interfaces: vec![Interface {
            id: interface,
            name: "Ethernet0".into(),
            port: PortId(0),
            vlan: None,
            mac: DIRECTOR_MAC,
            mtu: 1500,
            up: true,
            addresses: Vec::new(),
        }],
        ports: vec![PortView { untagged: Some(interface), vlans: Vec::new(), link_up: true }],
        ..Snapshot::default()
    };
    let reals = (0..4_u16).map(|index| RealId { index, generation: 1 });
    for id in reals.clone() {
        // Repeats must not move sessions: no failure detection, no reassignment.
        let live = RealLive::new(RealSettings { weight: 1, inband: false, ..RealSettings::default() });
        live.set_in_service(true);
        live.set_arp_resolved(true);
        let host = id.index as u8 + 51;
        snapshot.reals.push(Some(Real {
            id,
            address: Ipv4Addr::new(10, 1, 1, host),
            port: None,
            farm: FarmId(0),
            reassign: None,
            purge: false,
            adjacency: Some(Adjacency {
                interface,
                port: PortId(0),
                vlan: None,
                source: DIRECTOR_MAC,
                destination: MacAddr([2, 0, 0, 0, 1, host]),
                mtu: 1500,
            }),
            live: Arc::new(live),
        }));
    }
    snapshot.farms.push(Some(Farm {
        id: FarmId(0),
        name: "HAFARM".into(),
        nat_server: mode == Mode::Directed,
        predictor: Predictor::RoundRobin,
        reals: reals.collect(),
        generation: 0,
        departed: Vec::new(),
        live: Arc::default(),
    }));
    let vserver = VserverId(0);
    snapshot.vips.insert(VIP, Vip { interface: Some(interface), mac: DIRECTOR_MAC, vservers: vec![vserver] });
    snapshot.vservers.push(Some(VirtualServer {
        id: vserver,
        name: "MIPSLB".into(),
        v_index: 7,
        address: VIP,
        port: 434,
        farm: FarmId(0),
        backup: None,
        clients: Vec::new(),
        idle: Duration::from_hours(1),
        strict_home_agent: false,
        live: Arc::default(),
    }));
    snapshot.prepare();
    snapshot
}

/// Runs the case in a child process.
pub fn in_child(case: Case, capture: &Path, seconds: u32) -> anyhow::Result<Measured> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["--child", &serde_json::to_string(&case)?, "--seconds", &seconds.to_string()])
        .arg("--capture")
        .arg(capture)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .with_context(|| format!("{case}: {said}{}", String::from_utf8_lossy(&output.stderr)))
}
