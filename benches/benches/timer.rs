//! One deadline for each of many endpoints, through the host: set, moved, and passed.
//! Budget: 3 ns to move one.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use benches::counting::Counting;
use benches::hosts::{LOCAL, Seeded, host, offloading};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stack_core::{EndpointId, Instant, Rng};
use stack_host::Host;
use std::time::Duration;

const ENDPOINTS: u32 = 1_000;
/// A retransmission timeout of a short path.
const RTO: Duration = Duration::from_millis(200);

fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer");
    group.throughput(Throughput::Elements(ENDPOINTS.into()));
    group.bench_function("arm", |b| {
        b.iter_batched_ref(
            new_host,
            |host| arm_all(host, Instant::ZERO, Duration::from_micros(100)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("re-arm later", |b| {
        let (mut host, mut now) = (new_host(), Instant::ZERO);
        b.iter(|| {
            now += Duration::from_micros(10);
            arm_all(&mut host, now, Duration::ZERO);
        });
    });
    group.bench_function("expire", |b| {
        b.iter_batched_ref(
            || {
                let mut host = new_host();
                arm_all(&mut host, Instant::ZERO, Duration::from_micros(100));
                host
            },
            |host| host.poll(Instant::from_secs(1)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Asks for a deadline for each endpoint, `spread` apart at random, and lets the host take them up.
fn arm_all(host: &mut Host, now: Instant, spread: Duration) {
    let mut rng = Seeded(3);
    let (_, mut cx) = host.transport::<Counting>(now).expect("it was registered");
    for index in 0..ENDPOINTS {
        let late = if spread.is_zero() { 0 } else { (rng.next_u64() % u64::from(ENDPOINTS)) as u32 };
        cx.arm(EndpointId { index, generation: 0 }, now + RTO + spread * late);
    }
    host.transmit(now, 0);
}

fn new_host() -> Host {
    host(vec![Box::new(Counting::default())], LOCAL, offloading(1500)).expect("one transport")
}

criterion_group! { name = timer; config = common::short(); targets = timers }
criterion_main!(timer);
