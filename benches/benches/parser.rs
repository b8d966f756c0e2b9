//! Reading a registration request: the usual one in few steps, any one by the walk, headers, the UDP checksum.
//!
//! `cargo bench -p benches --bench parser`. Frames are those of the throughput harness.

use std::hint::black_box;

use benches::throughput::{capture, source::Source};
use common::wire::{checksum, ethernet, ipv4, mobile_ip, udp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Where the registration request begins in a frame, behind Ethernet, IPv4 and UDP.
const PAYLOAD: usize = 14 + 20 + 8;
/// Frames in turn, so that nothing is learnt from one NAI; they stay in the nearest cache.
const FRAMES: u32 = 64;

fn frames() -> Vec<Vec<u8>> {
    capture::frames(&Source::nodes(FRAMES)).expect("the bundled scenario")
}

fn request(criterion: &mut Criterion) {
    let frames = frames();
    let mut group = criterion.benchmark_group("parser/request");
    group.throughput(Throughput::Elements(1));
    let mut turn = frames.iter().cycle();
    let mut next = || &turn.next().expect("it cycles")[PAYLOAD..];
    group.bench_function("plain", |bencher| {
        bencher.iter(|| black_box(mobile_ip::plain(black_box(next())).expect("a usual request")).nai.len());
    });
    group.bench_function("walk", |bencher| {
        bencher
            .iter(|| black_box(mobile_ip::walk(black_box(next())).expect("a sound request")).nai.is_some());
    });
    group.finish();
}

fn headers(criterion: &mut Criterion) {
    let frames = frames();
    let mut group = criterion.benchmark_group("parser/headers");
    group.throughput(Throughput::Elements(1));
    let mut turn = frames.iter().cycle();
    let mut next = || turn.next().expect("it cycles").as_slice();
    group.bench_function("ethernet, ipv4, udp", |bencher| {
        bencher.iter(|| {
            let frame = black_box(next());
            let link = ethernet::parse(frame).expect("Ethernet");
            let network = ipv4::parse(&frame[14..]).expect("IPv4");
            let transport = udp::parse(&frame[34..]).expect("UDP");
            black_box((link, network, transport));
        });
    });
    let (source, destination) = (capture::AGENT, capture::VIP);
    group.bench_function("udp checksum", |bencher| {
        bencher.iter(|| checksum::verify_udp(source, destination, black_box(&next()[34..])));
    });
    group.finish();
}

criterion_group!(benches, request, headers);
criterion_main!(benches);
