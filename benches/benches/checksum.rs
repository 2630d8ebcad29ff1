//! The Internet checksum over a header, a segment and a super-packet.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stack_wire::checksum::Sum;
use std::hint::black_box;

fn sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [20, 1460, 65_000] {
        let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &bytes, |b, bytes| {
            b.iter(|| Sum::new().add_bytes(black_box(bytes)).finish());
        });
    }
    group.finish();
}

criterion_group! { name = checksum; config = common::short(); targets = sizes }
criterion_main!(checksum);
