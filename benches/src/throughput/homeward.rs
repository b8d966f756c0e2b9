//! Homeward's worker on the same capture: one virtual server, four reals, in a process of its own because EAL starts
//! once a process.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig},
    id::{FarmId, InterfaceId, PortId, RealId, VserverId},
    link::{ControlEnd, WorkerEnd, link},
    mac::MacAddr,
    net::{Adjacency, Interface, Network, Owner, PortView, VirtualAddress},
    slb::{
        Balancer, Farm, KeySpace, Predictor, Real, RealLive, RealSettings, Request, SessionKey, SlbCounter,
        SlbPart, VirtualServer, VserverLive,
    },
    snapshot::Snapshot,
    tables::Tables,
    time::Tick,
    verdict::Verdict,
};
use control::publish::Publisher;
use dataplane::{backend::dpdk, clock::TscClock, worker::Worker};

use super::{
    capture::{self, DIRECTOR_MAC, VIP},
    case::{Case, Mode, Traffic},
    data,
    measure::{Measured, Table, median},
    single_pass::{self, PassTime, PassTimer, StartBarrier},
};

/// Rounds of the worker's loop between two checks whether to stop.
const ROUNDS: usize = 64;
/// Longest wait for every node to have its session.
const WARM_UP: Duration = Duration::from_mins(1);
/// Of the snapshots that a case wants published, the share that must have been.
const PUNCTUAL: f64 = 0.98;

/// Runs the case, for `seconds` after every node has its session or for one pass over the capture; void unless all that
/// came was sent to a real as the case says, and the sessions are those of the capture.
pub fn run(case: Case, capture: &Path, seconds: u32) -> anyhow::Result<Measured> {
    let config = config(case, capture);
    let started = dpdk::start(&config)?;
    // Single passes fill the table that they are measured with; repeats have one in which every node found room.
    let capacity = match case.traffic {
        Traffic::Repeats => case.sessions.max(1024) + case.sessions / 2,
        Traffic::New | Traffic::Mixed => case.sessions.max(1024),
        Traffic::IpInIp | Traffic::Gre => 1024,
    };
    let director = Balancer::new(capacity, Hugepages::Auto, case.workers, SessionKey::random())?;
    let mut tables = Tables::new(director);
    let snapshot = if case.is_data() {
        tables = tables.with_mobile(data::tables(case.sessions, case.traffic == Traffic::Gre)?);
        data::snapshot()
    } else {
        snapshot(case.mode, config.ports.len() as u16)
    };
    let (workers, control) = link(case.workers, config.ports.len(), tables);
    let clock = TscClock::calibrate();
    create_sessions(&control.tables.slb, &snapshot, case.source().known(), clock.now().tick());
    control.snapshot.store(Arc::new(snapshot));
    let stop = Arc::new(AtomicBool::new(false));
    let (report, times) = mpsc::channel();
    let watch = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let publisher = publish(&control, case.publications, &stop);
            let rate = watch(&control, case, seconds, &times);
            stop.store(true, Relaxed);
            let published = publisher.join().map_err(|_| anyhow!("the publishing thread failed"))?;
            let wanted = f64::from(case.publications);
            ensure!(published >= wanted * PUNCTUAL, "void: only {published:.0} snapshots a second");
            Ok((rate?, control))
        })
    };
    let ends = Mutex::new(workers.into_iter().map(Some).collect::<Vec<Option<WorkerEnd>>>());
    let timed = matches!(case.traffic, Traffic::New | Traffic::Mixed);
    let barrier = StartBarrier::new(case.workers);
    started.run(stop, move |id, queues| {
        let end = ends.lock().ok().and_then(|mut ends| ends[id.index()].take());
        let mut worker = end.map(|end| Worker::new(end, queues, Poll::Always, clock));
        let workers = u32::from(case.workers);
        let share = u64::from((case.sessions - id.index() as u32).div_ceil(workers));
        let bursts = if timed { PassTimer::bursts(share, ROUNDS) } else { ROUNDS };
        let (mut timer, mut barrier) = (PassTimer::new(share, report.clone()), barrier.clone());
        Box::new(move || {
            let Some(worker) = worker.as_mut().filter(|_| barrier.all()) else { return };
            let received = worker.step(bursts);
            if timed {
                timer.sample(received, Instant::now());
            }
        })
    })?;
    let (rate, control) = watch.join().map_err(|_| anyhow!("the watching thread failed"))??;
    // The workers have ended: what they count is final.
    let (received, sent) = check_counters(&control, case)?;
    if case.is_data() {
        return Ok(Measured { mpps: rate / 1e6, received, sent, table: None });
    }
    let table = Table {
        bytes_per_session: control.tables.slb.bytes() as f64 / f64::from(control.tables.slb.capacity()),
        refused_percent: missing(&control, case)? as f64 / f64::from(case.sessions) * 100.0,
    };
    Ok(Measured { mpps: rate / 1e6, received, sent, table: Some(table) })
}

/// Gives the first `nodes` nodes their sessions.
pub fn create_sessions(director: &Balancer, snapshot: &Snapshot, nodes: u32, now: Tick) {
    let Some(vserver) = snapshot.vserver(VserverId(0)) else { return };
    let tag = director.tag(vserver, KeySpace::Nai);
    for node in 0..nodes {
        let request = Request {
            vserver: vserver.id,
            identity: director.tagged_identity(tag, capture::nai(node).as_bytes()),
            client: capture::AGENT,
            client_port: 434,
            deregistration: false,
            home_agent: None,
        };
        director.handle(snapshot, &request, &|| 0, now, Balancer::CONTROL, |_| {});
    }
}

/// Publishes the same snapshot again and again, `rate` times a second, until `stop`; how often a second it was.
fn publish(control: &ControlEnd, rate: u32, stop: &Arc<AtomicBool>) -> thread::JoinHandle<f64> {
    let (cell, stop) = (Arc::clone(&control.snapshot), Arc::clone(stop));
    thread::spawn(move || {
        let Some(period) = Duration::from_secs(1).checked_div(rate) else { return 0.0 };
        let mut publisher = Publisher::new(Arc::clone(&cell));
        let start = Instant::now();
        let mut published = 0_u32;
        while !stop.load(Relaxed) {
            publisher.publish(Snapshot::clone(&cell.load()));
            published += 1;
            // By the clock, not after a pause: what publishing and waking take would make it fewer.
            thread::sleep((period * published).saturating_sub(start.elapsed()));
        }
        f64::from(published) / start.elapsed().as_secs_f64()
    })
}

/// Packets a second.
fn watch(control: &ControlEnd, case: Case, seconds: u32, times: &Receiver<PassTime>) -> anyhow::Result<f64> {
    let received = || control.stats.iter().map(|stats| stats.received.load(Relaxed)).sum::<u64>();
    match case.traffic {
        Traffic::Repeats | Traffic::IpInIp | Traffic::Gre => steady(control, case, seconds, received),
        Traffic::New | Traffic::Mixed => one_pass(case, times, received),
    }
}

/// Waits until all sessions exist, then takes the median of the rates once a second.
fn steady(control: &ControlEnd, case: Case, seconds: u32, received: impl Fn() -> u64) -> anyhow::Result<f64> {
    let from = Instant::now();
    // By chance a node may find both its lines full.
    let nearly_all = u64::from(case.sessions - case.sessions / 10_000);
    while !case.is_data() && control.tables.slb.occupancy() < nearly_all
        || received() < u64::from(case.sessions) * 2
    {
        ensure!(
            from.elapsed() < WARM_UP,
            "void: {} of {} sessions after {} packets",
            control.tables.slb.occupancy(),
            case.sessions,
            received()
        );
        thread::sleep(Duration::from_millis(10));
    }
    let mut rates = Vec::new();
    let (mut at, mut seen) = (Instant::now(), received());
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let (now, count) = (Instant::now(), received());
        rates.push((count - seen) as f64 / (now - at).as_secs_f64());
        (at, seen) = (now, count);
    }
    Ok(median(&mut rates))
}

/// The rate over the first pass, as the workers timed it.
fn one_pass(case: Case, times: &Receiver<PassTime>, received: impl Fn() -> u64) -> anyhow::Result<f64> {
    let from = Instant::now();
    let lap = |_| {
        let left = WARM_UP.saturating_sub(from.elapsed());
        times.recv_timeout(left).map_err(|_| anyhow!("void: {} frames in a minute", received()))
    };
    let times: Vec<PassTime> = (0..case.workers).map(lap).collect::<anyhow::Result<_>>()?;
    single_pass::rate(&times, case.sessions.into())
}

/// Nodes without a session.
fn missing(control: &ControlEnd, case: Case) -> anyhow::Result<u64> {
    let created = control.tables.slb.stats().total(SlbCounter::Created);
    let missing = u64::from(case.sessions).checked_sub(created);
    missing.with_context(|| format!("void: {created} sessions of {} nodes", case.sessions))
}

/// The counters must tell the story of the case, all of it; packets received and sent.
fn check_counters(control: &ControlEnd, case: Case) -> anyhow::Result<(u64, u64)> {
    let expected = match case.mode {
        _ if case.is_data() => Verdict::TUNNELLED,
        Mode::Dispatched => Verdict::SLB_DISPATCHED,
        Mode::Directed => Verdict::SLB_DIRECTED,
    };
    let (mut received, mut sent) = (0, 0);
    for stats in &control.stats {
        for verdict in Verdict::ALL {
            let count = stats.verdict(*verdict);
            ensure!(*verdict == expected || count == 0, "void: {count} packets ended as {}", verdict.name());
        }
        for port in &stats.ports {
            ensure!(port.tx_full.load(Relaxed) == 0, "void: the device refused packets");
            sent += port.tx_packets.load(Relaxed);
        }
        received += stats.received.load(Relaxed);
    }
    ensure!(sent == received && sent > 0, "void: {received} received, {sent} sent");
    if case.is_data() {
        return Ok((received, sent));
    }
    // A full pair of lines refuses a session: of a table at its stated capacity fewer than one in a thousand.
    let (missing, refused) = (missing(control, case)?, control.tables.slb.refused());
    ensure!(refused <= received / 1000, "void: the table refused {refused} times in {received}");
    ensure!(
        missing <= u64::from(case.sessions) / 1000,
        "void: {missing} of {} sessions missing",
        case.sessions
    );
    Ok((received, sent))
}

fn config(case: Case, capture: &Path) -> DataplaneConfig {
    let buffer = u64::from(case.source().buffer_size()) + 256;
    let port = |index: u16, device: String, tx_queues: u8| PortConfig {
        mac: Some(DIRECTOR_MAC),
        // The smallest buffers for the frames, or the usual ones.
        mtu: if case.source().buffer_size() == 384 { 230 } else { 1500 },
        rx_queues: Some(1),
        tx_queues: Some(tx_queues.into()),
        promiscuous: true,
        ..PortConfig::new(PortId(index), format!("Ethernet{index}"), device)
    };
    let source = |index: u8| {
        let file = capture::of_source(capture, index);
        format!("net_pcap{index},rx_pcap={},infinite_rx=1", file.display())
    };
    let mut ports: Vec<PortConfig> =
        (0..case.workers).map(|index| port(index.into(), source(index), 1)).collect();
    if case.workers > 1 {
        // A file has one transmit queue; on a device that drops each worker has its own, as on a NIC.
        ports.push(port(case.workers.into(), "net_null0,no-rx=1".into(), case.workers));
    }
    DataplaneConfig {
        workers: case.workers,
        cores: if case.workers == 1 { vec![1] } else { vec![0, 1] },
        sessions: case.sessions,
        hugepages: Hugepages::Required,
        memory_mb: Some((u64::from(case.source().buffers()) * buffer).div_ceil(1 << 20) as u32 + 64),
        poll: Poll::Always,
        eal: None,
        ports,
    }
}

/// One virtual server and four reals; requests come by any of `ports` ports and leave by the last.
pub fn snapshot(mode: Mode, ports: u16) -> Snapshot {
    let way_out = ports - 1;
    let vserver = VserverId(0);
    let vip = VirtualAddress { interface: Some(InterfaceId(0)), mac: DIRECTOR_MAC, vservers: vec![vserver] };
    let net = Network {
        interfaces: (0..ports)
            .map(|index| Interface {
                id: InterfaceId(index),
                name: format!("Ethernet{index}"),
                port: PortId(index),
                vlan: None,
                mac: DIRECTOR_MAC,
                virtual_macs: Vec::new(),
                source_check: None,
                mtu: 1500,
                up: true,
                addresses: Vec::new(),
            })
            .collect(),
        ports: (0..ports)
            .map(|index| PortView { untagged: Some(InterfaceId(index)), vlans: Vec::new(), link_up: true })
            .collect(),
        owners: Arc::new([(VIP, Owner::Virtual(vip))].into_iter().collect()),
        ..Network::default()
    };
    let mut slb = SlbPart::default();
    let reals = (0..4_u16).map(|index| RealId { index, generation: 1 });
    for id in reals.clone() {
        // Repeats must not move sessions: no failure detection, no reassignment.
        let live = RealLive::new(RealSettings { weight: 1, inband: false, ..RealSettings::default() });
        live.set_in_service(true);
        live.set_arp_resolved(true);
        let host = id.index as u8 + 51;
        slb.reals.push(Some(Real {
            id,
            address: Ipv4Addr::new(10, 1, 1, host),
            port: None,
            farm: FarmId(0),
            reassign: None,
            purge: false,
            adjacency: Some(Adjacency {
                interface: InterfaceId(way_out),
                port: PortId(way_out),
                vlan: None,
                source: DIRECTOR_MAC,
                destination: MacAddr([2, 0, 0, 0, 1, host]),
                mtu: 1500,
            }),
            live: Arc::new(live),
        }));
    }
    slb.farms.push(Some(Farm {
        id: FarmId(0),
        name: "HAFARM".into(),
        nat_server: mode == Mode::Directed,
        predictor: Predictor::RoundRobin,
        reals: reals.collect(),
        generation: 0,
        departed: Vec::new(),
        live: Arc::default(),
    }));
    slb.vservers.push(Some(VirtualServer {
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
        client_rate: None,
        live: Arc::new(VserverLive::new(2)),
    }));
    let targets = slb.targets(&net);
    Snapshot { generation: 1, net: Arc::new(net), slb: Arc::new(slb), targets, ..Snapshot::default() }
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
