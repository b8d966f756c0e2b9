//! Publications after one change of the network, with few and with many routes in the table.
//!
//! `cargo bench -p benches --bench publication`. From the kernel's news, as the mirror gives it, to the snapshot that workers
//! see; the change itself, the balancer's next hops and the old snapshot's end included.

use std::{net::Ipv4Addr, sync::Arc};

use common::{
    config::Hugepages,
    id::InterfaceId,
    link::link,
    mac::MacAddr,
    net::{NextHop, Route},
    slb::{Balancer, SessionKey},
    tables::Tables,
    time::Nanos,
};
use control::{
    command::load,
    core::{Core, CoreLink},
    host::{
        HostState, PortState,
        view::{KernelAddress, ShadowLink},
    },
    manage::log::LogBook,
    protocols::{All, Configuration},
};
use criterion::{Criterion, criterion_group, criterion_main};
use ipnet::Ipv4Net;

const CONFIGURATION: &str = "\
interface Ethernet0
 device net_null0
 ip address 10.1.1.1 255.255.255.0
 no shutdown
!
ip slb serverfarm HAFARM
 real 10.1.1.51
  inservice
 real 10.1.1.52
  inservice
 real 10.1.1.53
  inservice
 real 10.1.1.54
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 inservice
!
";

fn neighbour(last: u8) -> NextHop {
    NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(10, 1, 1, last) }
}

/// The n-th prefix: /24s from 32.0.0.0 on.
fn prefix(n: u32) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_bits(0x2000_0000 + (n << 8)), 24)
}

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// The kernel with one shadow, all its neighbours, and that many routes.
fn kernel(routes: u32) -> HostState {
    let shadow = ShadowLink { device: "Et0".into(), index: 10, up: true, running: true, mtu: 1500, mac: MAC };
    let address = KernelAddress {
        device: "Et0".into(),
        interface: Some(InterfaceId(0)),
        net: Ipv4Net::new_assert([10, 1, 1, 1].into(), 24),
        secondary: false,
    };
    HostState {
        generation: 1,
        links: [(InterfaceId(0), shadow)].into(),
        addresses: vec![address],
        routes: (0..routes).map(|n| (prefix(n), Route::Via(neighbour((n % 4) as u8 + 2)))).collect(),
        neighbours: Arc::new(
            (2..=254).map(|last| (neighbour(last), MacAddr([2, 0, 0, 0, 1, last]))).collect(),
        ),
        ..HostState::default()
    }
}

/// A core that runs the configuration on that kernel; its workers' ends stand by.
fn core(kernel: &HostState) -> Core<All> {
    let balancer =
        Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).expect("4096 sessions are 4 MB");
    let (_workers, end) = link(1, 1, Tables::new(balancer));
    let (link, _, _) = CoreLink::split(end);
    let mut core = Core::new(link, None, LogBook::new(100), Nanos(1_000_000_000));
    core.ports_changed(&[PortState { mac: MAC, mtu: 1500, link_up: true }]);
    core.host_changed(kernel);
    let loaded = load::<Configuration>("bench", CONFIGURATION).expect("it is sound");
    core.apply_loaded(loaded).expect("it is sound");
    assert!(core.shared().snapshot().net.interfaces[0].up, "the network is there");
    core
}

fn publication(criterion: &mut Criterion) {
    for routes in [10, 1_000_000] {
        let mut group = criterion.benchmark_group(format!("publication/{routes} routes"));
        let mut kernel = kernel(routes);
        let mut core = core(&kernel);
        let mut round = 0_u32;
        group.bench_function("one neighbour", |bencher| {
            bencher.iter(|| {
                round += 1;
                let [.., high, low] = round.to_be_bytes();
                Arc::make_mut(&mut kernel.neighbours)
                    .insert(neighbour(200), MacAddr([2, 0, 0, 1, high, low]));
                core.host_changed(&kernel);
            });
        });
        group.bench_function("the neighbour that a real is", |bencher| {
            bencher.iter(|| {
                round += 1;
                let [.., high, low] = round.to_be_bytes();
                Arc::make_mut(&mut kernel.neighbours).insert(neighbour(51), MacAddr([2, 0, 0, 1, high, low]));
                core.host_changed(&kernel);
            });
        });
        group.bench_function("one route", |bencher| {
            bencher.iter(|| {
                round += 1;
                let changed = prefix(round.wrapping_mul(7919) % routes);
                kernel.routes.insert(changed, Route::Via(neighbour((round % 4) as u8 + 6)));
                core.host_changed(&kernel);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, publication);
criterion_main!(benches);
