//! TCP in one process and on one core: bulk by reference and by copying, and request and response, between two hosts
//! whose batches are carried by hand and of one host with itself.
//! Goals: 100 Gbit/s by reference and 50 copying with packets of 64 KiB, 40 with packets of 1500 bytes.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use benches::connected::Connected;
use benches::hosts::{checksumming, offloading};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stack_core::{LinkCapabilities, Medium};

/// Bytes that are moved in one iteration.
const MOVED: usize = 4 << 20;
/// Bytes of one write, and of the buffer of one read.
const BLOCK: usize = 256 << 10;

fn arrangements() -> [(&'static str, Connected); 4] {
    let plain = LinkCapabilities::plain(Medium::Ip, 1500);
    [
        ("two hosts, 64 KiB", Connected::between_two(&offloading(1500))),
        ("two hosts, 1500 B", Connected::between_two(&checksumming(1500))),
        ("two hosts, 1500 B, checksums in software", Connected::between_two(&plain)),
        ("one host with itself", Connected::with_itself()),
    ]
}

fn by_reference(criterion: &mut Criterion) {
    let block = Bytes::from(vec![1; BLOCK]);
    let mut group = criterion.benchmark_group("loopback/bulk by reference");
    group.throughput(Throughput::Bytes(MOVED as u64));
    for (name, mut pair) in arrangements() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut moved = 0;
                while moved < MOVED {
                    pair.write_bytes(pair.client, &mut block.clone());
                    pair.step();
                    moved += pair.read_bytes(pair.server);
                }
            });
        });
    }
    group.finish();
}

fn copying(criterion: &mut Criterion) {
    let (block, mut buffer) = (vec![1; BLOCK], vec![0; BLOCK]);
    let mut group = criterion.benchmark_group("loopback/bulk copying");
    group.throughput(Throughput::Bytes(MOVED as u64));
    for (name, mut pair) in arrangements() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut moved = 0;
                while moved < MOVED {
                    pair.write(pair.client, &block);
                    pair.step();
                    moved += pair.read(pair.server, &mut buffer);
                }
            });
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loopback/request and response of 1 B");
    group.throughput(Throughput::Elements(1));
    for (name, mut pair) in arrangements() {
        let mut buffer = [0; 16];
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                pair.write(pair.client, b"?");
                while pair.read(pair.server, &mut buffer) == 0 {
                    pair.step();
                }
                pair.write(pair.server, b"!");
                while pair.read(pair.client, &mut buffer) == 0 {
                    pair.step();
                }
            });
        });
    }
    group.finish();
}

criterion_group! { name = loopback; config = common::short(); targets = by_reference, copying, requests }
criterion_main!(loopback);
