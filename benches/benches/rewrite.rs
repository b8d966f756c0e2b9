//! What changes a packet on its way: Ethernet addresses and time to live of a dispatched one, addresses and checksums of a
//! directed one, as the fast path does with plain headers and as everything else does.
//!
//! `cargo bench -p benches --bench rewrite`.

use std::{hint::black_box, net::Ipv4Addr};

use benches::throughput::{capture, source::Source};
use common::{mac::MacAddr, wire::ipv4};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dataplane::{
    backend::sim::{HEADROOM, Pool},
    batch::Packet,
    rewrite::{HEADERS, L2Rewrite, Rewrite, Ttl, destination_nat, rewrite, set_next_hop},
};

const REAL: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
const REAL_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 51]);

fn frame() -> Vec<u8> {
    capture::frames(&Source::nodes(1)).expect("the bundled scenario").remove(0)
}

fn short(criterion: &mut Criterion) {
    let frame = frame();
    let mut head: [u8; HEADERS] = *frame.first_chunk().expect("118 bytes");
    let mut link = [0; 12];
    link[..6].copy_from_slice(&REAL_MAC.0);
    link[6..].copy_from_slice(&capture::DIRECTOR_MAC.0);
    let mut group = criterion.benchmark_group("rewrite/plain");
    group.throughput(Throughput::Elements(1));
    group.bench_function("dispatched", |bencher| {
        bencher.iter(|| set_next_hop(black_box(&mut head), black_box(link)));
    });
    group.bench_function("directed", |bencher| {
        bencher.iter(|| {
            destination_nat(black_box(&mut head), black_box(REAL), Some(8434));
            set_next_hop(&mut head, black_box(link));
        });
    });
    group.finish();
}

fn general(criterion: &mut Criterion) {
    let bytes = frame();
    let pool = Pool::new(1, HEADROOM + 512);
    let mut frame = pool.frame(&bytes).expect("it has room");
    let packet = Packet {
        header: ipv4::LENGTH as u16,
        length: (bytes.len() - 14) as u16,
        ethertype: 0x0800,
        ttl: 64,
        protocol: 17,
        source: capture::AGENT,
        destination: capture::VIP,
        ..Packet::EMPTY
    };
    let link = L2Rewrite { source: capture::DIRECTOR_MAC, destination: REAL_MAC, vlan: None };
    let dispatched =
        Rewrite { source: None, destination: None, destination_port: None, ttl: Ttl::Decrement, link };
    let directed = Rewrite { destination: Some(REAL), destination_port: Some(8434), ..dispatched };
    let mut group = criterion.benchmark_group("rewrite/general");
    group.throughput(Throughput::Elements(1));
    for (name, change) in [("dispatched", dispatched), ("directed", directed)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut packet = packet;
                rewrite(&mut frame, &mut packet, black_box(&change)).expect("no tag needs room");
                black_box(packet)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, short, general);
criterion_main!(benches);
