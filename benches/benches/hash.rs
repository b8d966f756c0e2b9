//! Identities of NAIs: the keyed hash over lengths from a short user to a long realm, and a director's tag of a virtual server.
//!
//! `cargo bench -p benches --bench hash`.

use std::hint::black_box;

use benches::throughput::{case::Mode, homeward::snapshot};
use common::{
    id::VserverId,
    slb::{KeySpace, SessionKey, display_hash},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Bytes of a NAI: a home address, one under a block, the usual, one above two blocks, long, the longest.
const LENGTHS: [usize; 6] = [4, 12, 28, 36, 72, 253];

fn identity(criterion: &mut Criterion) {
    let snapshot = snapshot(Mode::Dispatched, 1);
    let vserver = snapshot.vserver(VserverId(0)).expect("there is one");
    let key = SessionKey::new(*b"0123456789abcdef");
    let tag = key.tag(vserver, KeySpace::Nai);
    let mut group = criterion.benchmark_group("hash/identity");
    for length in LENGTHS {
        let nai = vec![b'n'; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| key.identity(tag, black_box(&nai)));
        });
    }
    group.finish();
    criterion.bench_function("hash/tag", |bencher| {
        bencher.iter(|| key.tag(black_box(vserver), KeySpace::Nai));
    });
}

fn display(criterion: &mut Criterion) {
    let nai = [b'n'; 28];
    let mut group = criterion.benchmark_group("hash/display");
    group.throughput(Throughput::Bytes(28));
    group.bench_function("28", |bencher| bencher.iter(|| display_hash(black_box(&nai))));
    group.finish();
}

criterion_group!(benches, identity, display);
criterion_main!(benches);
