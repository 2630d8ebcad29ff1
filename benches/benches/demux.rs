//! Finding the endpoint of a packet among one, a thousand, a hundred thousand and a million flows: a batch of 32
//! packets of random flows through [`Host::receive`], IPv4 included, to a transport that only counts.
//! Budget: 15 ns hot, 60 ns among a million, besides 12 ns for the headers.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use benches::counting::Counting;
use benches::hosts::{LOCAL, NIC, Seeded, host, offloading};
use benches::packets::{self, LOCAL_PORT, peer};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stack_core::{EndpointId, EndpointIdentity, Families, Instant, Rng, RxBatch};
use stack_host::Host;
use stack_packet::{RxArena, SMALL_BLOCK};

const BATCH: u64 = 32;

fn flows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("demux");
    group.throughput(Throughput::Elements(BATCH));
    for count in [1, 1_000, 100_000, 1_000_000] {
        let (mut host, mut arena, mut rng) = (with_flows(count), RxArena::new(SMALL_BLOCK), Seeded(1));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_batched_ref(
                || {
                    let flow = |_| (rng.next_u64() % u64::from(count)) as u32;
                    (0..BATCH).map(flow).map(|flow| packets::counted(&mut arena, flow)).collect::<RxBatch>()
                },
                |batch| host.receive(Instant::ZERO, NIC, batch),
                BatchSize::SmallInput,
            );
        });
        let counting = host.transport_ref::<Counting>().expect("it was registered");
        assert!(counting.packets > 0 && counting.unknown == 0, "{counting:?}");
    }
    group.finish();
}

fn with_flows(count: u32) -> Host {
    let counting = Box::new(Counting::default());
    let mut host = host(vec![counting], LOCAL, offloading(1500)).expect("one transport");
    let (_, mut cx) = host.transport::<Counting>(Instant::ZERO).expect("it was registered");
    for flow in 0..count {
        let (remote, remote_port) = peer(flow);
        let identity = EndpointIdentity {
            nic: None,
            families: Families::V4,
            local: Some(LOCAL.into()),
            local_port: LOCAL_PORT,
            remote: Some(remote.into()),
            remote_port,
            shared: false,
        };
        cx.register(&identity, EndpointId { index: flow, generation: 0 }).expect("all are different");
    }
    host
}

criterion_group! { name = demux; config = common::short(); targets = flows }
criterion_main!(demux);
