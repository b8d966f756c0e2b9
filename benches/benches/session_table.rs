//! The balancer's work for a request: repeats with 10 thousand and with a million sessions, and new sessions.
//!
//! `cargo bench -p benches --bench session_table`. One thread; identities are computed beforehand, as the stage's hash
//! of the NAI is measured on its own.

use std::{hint::black_box, net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    config::Hugepages,
    id::{FarmId, InterfaceId, PortId, RealId, VserverId, WorkerId},
    mac::MacAddr,
    net::Adjacency,
    slb::{
        Balancer, Farm, FarmLive, KeySpace, Outcome, Predictor, Real, RealLive, RealSettings, Request,
        SessionKey, SlbCounter, VirtualServer, VserverLive,
    },
    snapshot::Snapshot,
    time::Tick,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Requests whose lines are asked for ahead of use, as a worker does with a burst.
const BURST: usize = 32;
const NOW: Tick = Tick(1);
const WORKER: WorkerId = WorkerId(0);

fn snapshot(reals: u16) -> Snapshot {
    let mut snapshot = Snapshot { generation: 1, ..Snapshot::default() };
    let ids: Vec<RealId> = (0..reals).map(|index| RealId { index, generation: 1 }).collect();
    for id in &ids {
        let live = RealLive::new(RealSettings::default());
        live.set_in_service(true);
        let adjacency = Adjacency {
            interface: InterfaceId(0),
            port: PortId(0),
            vlan: None,
            source: MacAddr::default(),
            destination: MacAddr::default(),
            mtu: 1500,
        };
        snapshot.slb_mut().reals.push(Some(Real {
            id: *id,
            address: Ipv4Addr::new(10, 1, 1, id.index as u8),
            port: None,
            farm: FarmId(0),
            reassign: None,
            purge: false,
            adjacency: Some(adjacency),
            live: Arc::new(live),
        }));
    }
    snapshot.slb_mut().farms.push(Some(Farm {
        id: FarmId(0),
        name: "HAFARM".into(),
        nat_server: true,
        predictor: Predictor::RoundRobin,
        reals: ids,
        generation: 0,
        departed: Vec::new(),
        live: Arc::new(FarmLive::default()),
    }));
    snapshot.slb_mut().vservers.push(Some(VirtualServer {
        id: VserverId(0),
        name: "MIPSLB".into(),
        v_index: 7,
        address: Ipv4Addr::new(10, 1, 1, 10),
        port: 434,
        farm: FarmId(0),
        backup: None,
        clients: Vec::new(),
        idle: Duration::from_secs(65_535),
        strict_home_agent: false,
        client_rate: None,
        live: Arc::new(VserverLive::new(1)),
    }));
    snapshot
}

fn balancer(capacity: u32) -> Balancer {
    Balancer::new(capacity, Hugepages::Auto, 1, SessionKey::new(*b"0123456789abcdef"))
        .expect("memory for the table")
}

fn nai(user: u32) -> String {
    format!("mwts-mip-np-user{user}@ispxyz.com")
}

fn requests(balancer: &Balancer, snapshot: &Snapshot, count: u32) -> Vec<Request> {
    let vserver = snapshot.vserver(VserverId(0)).expect("there is one");
    let request = |user| {
        let nai = nai(user);
        Request {
            vserver: vserver.id,
            identity: balancer.identity(vserver, KeySpace::Nai, nai.as_bytes()),
            client: Ipv4Addr::new(15, 1, 1, 51),
            client_port: 434,
            deregistration: false,
            home_agent: None,
        }
    };
    let mut requests: Vec<Request> = (0..count).map(request).collect();
    // Order of arrival is not the order of creation.
    requests.sort_unstable_by_key(|request| request.identity);
    requests
}

/// Handles a burst: all lines asked for, then all decisions.
fn burst(balancer: &Balancer, snapshot: &Snapshot, requests: &[Request]) {
    for request in requests {
        balancer.prefetch(request.identity);
    }
    for request in requests {
        let outcome = balancer.handle(snapshot, black_box(request), &|| 7, NOW, WORKER, |_| {});
        assert!(matches!(black_box(outcome), Outcome::Forward { .. }));
    }
}

fn repeats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session_table/repeat");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, sessions, capacity) in [("10k", 10_000, 1_000_000), ("1M", 1_000_000, 1_000_000)] {
        let (snapshot, balancer) = (snapshot(8), balancer(capacity));
        let mut requests = requests(&balancer, &snapshot, sessions);
        for chunk in requests.chunks(BURST) {
            burst(&balancer, &snapshot, chunk);
        }
        let refused = balancer.refused();
        assert!(refused <= u64::from(sessions) / 1000, "{refused} refused");
        requests.retain(|request| balancer.lookup(request.identity, NOW).is_some());
        // Neighbours in the table must not be neighbours in time.
        let stride = 7919;
        let order: Vec<Request> =
            (0..requests.len()).map(|at| requests[at * stride % requests.len()]).collect();
        let created = balancer.stats().raw(SlbCounter::Created);
        let mut bursts = order.chunks_exact(BURST).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| burst(&balancer, &snapshot, bursts.next().expect("it cycles")));
        });
        assert_eq!(balancer.stats().raw(SlbCounter::Created), created, "every request was a repeat");
    }
    group.finish();
}

fn inserts(criterion: &mut Criterion) {
    const CAPACITY: u32 = 200_000;
    let mut group = criterion.benchmark_group("session_table/insert");
    group.throughput(Throughput::Elements(u64::from(CAPACITY)));
    group.sample_size(10);
    let snapshot = snapshot(8);
    let first = balancer(CAPACITY);
    let requests = requests(&first, &snapshot, CAPACITY);
    group.bench_function("200k", |bencher| {
        bencher.iter_batched_ref(
            || balancer(CAPACITY),
            |balancer| {
                for chunk in requests.chunks(BURST) {
                    burst(balancer, &snapshot, chunk);
                }
                assert!(balancer.occupancy() > 199_800);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn identity(criterion: &mut Criterion) {
    let (snapshot, balancer) = (snapshot(1), balancer(1024));
    let vserver = snapshot.vserver(VserverId(0)).expect("there is one");
    let nai = nai(1);
    criterion.bench_function("session_table/identity/28", |bencher| {
        bencher.iter(|| balancer.identity(vserver, KeySpace::Nai, black_box(nai.as_bytes())));
    });
}

criterion_group!(benches, repeats, inserts, identity);
criterion_main!(benches);
