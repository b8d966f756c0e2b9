//! Picks by weighted round robin: farms of several sizes, weights, and reals that are passed over.
//!
//! `cargo bench -p benches --bench wrr`. Picks for one packet: the turn moves as for a session, no connection is counted.

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use common::{
    id::{FarmId, InterfaceId, PortId, RealId},
    mac::MacAddr,
    net::Adjacency,
    slb::{Farm, FarmLive, Predictor, Purpose, Real, RealLive, RealSettings},
    snapshot::Snapshot,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A farm of reals in service but for each `failed`-th, weights from 1 up to `weights` in turn.
fn snapshot(reals: u16, weights: u16, failed: Option<u16>) -> Snapshot {
    let mut snapshot = Snapshot { generation: 1, ..Snapshot::default() };
    let ids: Vec<RealId> = (0..reals).map(|index| RealId { index, generation: 1 }).collect();
    for id in &ids {
        let weight = u32::from(id.index % weights) + 1;
        let live = RealLive::new(RealSettings { weight, ..RealSettings::default() });
        live.set_in_service(failed.is_none_or(|every| (id.index + 1) % every != 0));
        live.set_arp_resolved(true);
        snapshot.slb_mut().reals.push(Some(Real {
            id: *id,
            address: Ipv4Addr::from(0x0a01_0000 + u32::from(id.index)),
            port: None,
            farm: FarmId(0),
            reassign: None,
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
    }
    snapshot.slb_mut().farms.push(Some(Farm {
        id: FarmId(0),
        name: "HAFARM".into(),
        nat_server: false,
        predictor: Predictor::RoundRobin,
        reals: ids,
        generation: 0,
        departed: Vec::new(),
        live: Arc::new(FarmLive::default()),
    }));
    snapshot
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wrr/pick");
    group.throughput(Throughput::Elements(1));
    let farms = [
        ("1 real", snapshot(1, 1, None)),
        ("4 reals of weight 1", snapshot(4, 1, None)),
        ("4 reals of weights 1 to 4", snapshot(4, 4, None)),
        ("64 reals of weights 1 to 4", snapshot(64, 4, None)),
        ("64 reals, each second out of service", snapshot(64, 4, Some(2))),
    ];
    for (name, snapshot) in &farms {
        let farm = snapshot.slb.farms[0].as_ref().expect("there is one");
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let picked = farm.live.pick(black_box(farm), snapshot, None, Purpose::Packet);
                black_box(picked.expect("some real is in service"))
            });
        });
    }
    // A session that leaves its real: the pick looks ahead of the cursor.
    let (name, snapshot) = &farms[2];
    let farm = snapshot.slb.farms[0].as_ref().expect("there is one");
    let leaves = Some(farm.reals[0]);
    group.bench_function(format!("{name}, one excluded"), |bencher| {
        bencher.iter(|| {
            let picked = farm.live.pick(black_box(farm), snapshot, leaves, Purpose::Packet);
            black_box(picked.expect("three are left"))
        });
    });
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
