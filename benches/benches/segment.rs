//! What TCP costs a segment, through the host and IPv4: receiving text, receiving acknowledgements, sending text.
//! Budgets, per packet of 1500 bytes without checksums: 80 ns to receive, 80 ns for a pure ACK, 70 ns to send, each
//! besides 27 ns for headers and demultiplexing; 0.5 µs for a super-packet of 64 KiB in all.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use benches::connected::Connected;
use benches::hosts::{checksumming, offloading};
use bytes::Bytes;
use common::time;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stack_core::{LinkCapabilities, Medium, RxBatch};
use stack_packet::{BIG_BLOCK, RxArena};
use std::time::Duration;

/// Text of a segment with timestamps in a packet of 1500 bytes.
const TEXT: usize = 1448;
/// Text of the largest super-packet of whole segments.
const SUPER_TEXT: usize = (65_535 - 52) / TEXT * TEXT;
/// Packets of a batch.
const SEGMENTS: usize = 32;
const SUPER_PACKETS: usize = 4;

/// A kind of link, and how much text makes how many packets of a batch on it.
struct Case {
    name: &'static str,
    link: LinkCapabilities,
    text: Bytes,
    packets: usize,
}

fn cases() -> [Case; 3] {
    let case = |name, link, packets, text| Case { name, link, text: vec![1; packets * text].into(), packets };
    [
        case("1500 B", checksumming(1500), SEGMENTS, TEXT),
        case("1500 B, checksums in software", LinkCapabilities::plain(Medium::Ip, 1500), SEGMENTS, TEXT),
        case("64 KiB", offloading(1500), SUPER_PACKETS, SUPER_TEXT),
    ]
}

/// A connection in the middle of a transfer from the client to the server.
struct Transfer {
    pair: Connected,
    arena: RxArena,
}

impl Transfer {
    /// With a congestion window that has room for whole batches.
    fn under_way(case: &Case) -> Self {
        let pair = Connected::between_two(&case.link);
        let mut transfer = Self { pair, arena: RxArena::new(BIG_BLOCK) };
        for _ in 0..200 {
            transfer.pair.write_bytes(transfer.pair.client, &mut case.text.clone());
            transfer.pass();
        }
        while transfer.pass() > 0 {}
        transfer
    }

    /// Lets what is written arrive, and its acknowledgement too; how many packets that took.
    fn pass(&mut self) -> usize {
        let mut batch = self.on_the_wire();
        let packets = batch.len();
        if packets > 0 {
            self.deliver(&mut batch);
        }
        self.acknowledge();
        packets
    }

    fn write(&mut self, text: &Bytes) {
        let written = self.pair.write_bytes(self.pair.client, &mut text.clone());
        assert_eq!(written, text.len(), "the send buffer has room");
    }

    fn on_the_wire(&mut self) -> RxBatch {
        self.pair.sent(self.pair.client, &mut self.arena)
    }

    fn deliver(&mut self, batch: &mut RxBatch) {
        let server = self.pair.server;
        self.pair.receive(server, batch);
        assert!(self.pair.read_bytes(server) > 0);
    }

    /// Brings the client what the server has to say.
    fn acknowledge(&mut self) {
        let mut acks = self.acks();
        self.pair.receive(self.pair.client, &mut acks);
    }

    fn acks(&mut self) -> RxBatch {
        self.pair.sent(self.pair.server, &mut self.arena)
    }
}

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment/receive and read");
    for case in cases() {
        let mut transfer = Transfer::under_way(&case);
        group.throughput(Throughput::Elements(case.packets as u64));
        group.bench_function(BenchmarkId::from_parameter(case.name), |b| {
            b.iter_custom(|iterations| {
                (0..iterations).fold(Duration::ZERO, |total, _| {
                    transfer.write(&case.text);
                    let mut batch = transfer.on_the_wire();
                    assert_eq!(batch.len(), case.packets);
                    let spent = time(|| transfer.deliver(&mut batch));
                    transfer.acknowledge();
                    total + spent
                })
            });
        });
    }
    group.finish();
}

fn transmit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment/write and transmit");
    for case in cases() {
        let mut transfer = Transfer::under_way(&case);
        group.throughput(Throughput::Elements(case.packets as u64));
        group.bench_function(BenchmarkId::from_parameter(case.name), |b| {
            b.iter_custom(|iterations| {
                (0..iterations).fold(Duration::ZERO, |total, _| {
                    let spent = time(|| {
                        transfer.write(&case.text);
                        transfer.pair.transmit(transfer.pair.client);
                    });
                    assert_eq!(transfer.pass(), case.packets);
                    total + spent
                })
            });
        });
    }
    group.finish();
}

fn acknowledgements(criterion: &mut Criterion) {
    let [case, ..] = cases();
    let mut transfer = Transfer::under_way(&case);
    let mut group = criterion.benchmark_group("segment/receive pure ACKs");
    // One for every second segment.
    group.throughput(Throughput::Elements(SEGMENTS as u64 / 2));
    group.bench_function(BenchmarkId::from_parameter("40 B"), |b| {
        b.iter_custom(|iterations| {
            (0..iterations).fold(Duration::ZERO, |total, _| {
                transfer.write(&case.text);
                let mut acks = RxBatch::new();
                let mut text = transfer.on_the_wire();
                while !text.is_empty() {
                    transfer.deliver(&mut text.drain(..2).collect());
                    acks.append(&mut transfer.acks());
                }
                assert_eq!(acks.len(), SEGMENTS / 2);
                let client = transfer.pair.client;
                total + time(|| transfer.pair.receive(client, &mut acks))
            })
        });
    });
    group.finish();
}

criterion_group! { name = segment; config = common::short(); targets = receive, transmit, acknowledgements }
criterion_main!(segment);
