//! What flow queueing is for: latency of sparse flows, fairness, marks, limits.

use super::*;
use crate::{Fifo, TokenBucket};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use stack_wire::ip::{ecn, protocol};
use stack_wire::ipv4;

/// A packet of `len` bytes between port `port` and 80, with these ECN bits.
fn packet(port: u16, len: usize, tos: u8) -> Box<TxPacket> {
    let mut packet = Box::new(TxPacket::new());
    let (src, dst) = ([10, 0, 0, 1], [192, 0, 2, 1]);
    let mut segment = alloc::vec![0; len - 20];
    segment[..2].copy_from_slice(&port.to_be_bytes());
    segment[3] = 80;
    packet.push(Bytes::from(segment)).unwrap();
    let emit = ipv4::Emit { tos, ..ipv4::Emit::new(src.into(), dst.into(), protocol::UDP, len - 20) };
    emit.write(packet.prepend(20).unwrap());
    packet.ip.src = IpAddr::from(src);
    packet.ip.dst = IpAddr::from(dst);
    packet.ip.protocol = protocol::UDP;
    packet.mark = port.into();
    packet
}

/// A flow that sends a packet of `len` bytes every `every`.
#[derive(Clone, Copy)]
struct Source {
    port: u16,
    len: usize,
    every: Duration,
    tos: u8,
}

/// What came out of one flow.
#[derive(Clone, Copy, Default)]
struct Sink {
    bytes: usize,
    packets: u32,
    marked: u32,
    worst: Duration,
    total: Duration,
}

const BULK: u16 = 1;
const SPARSE: u16 = 2;

/// Runs sources through a line of 10 Mbit/s for ten seconds.
fn run(inner: impl Discipline, sources: &[Source]) -> Vec<Sink> {
    let mut line = TokenBucket::new(1_250_000, 3028, inner);
    let mut sinks = alloc::vec![Sink::default(); sources.len()];
    let mut next: Vec<Instant> = sources.iter().map(|_| Instant::ZERO).collect();
    let (mut now, end) = (Instant::ZERO, Instant::from_secs(10));
    while now < end {
        for (source, next) in sources.iter().zip(&mut next) {
            while *next <= now {
                let mut packet = packet(source.port, source.len, source.tos);
                // When it was sent, in microseconds.
                packet.hash = next.as_micros() as u32;
                line.enqueue(now, packet);
                *next += source.every;
            }
        }
        while let Some(mut packet) = line.dequeue(now) {
            let index = sources.iter().position(|source| u32::from(source.port) == packet.mark).unwrap();
            let sink = &mut sinks[index];
            let wait = now - Instant::from_micros(packet.hash.into());
            sink.bytes += packet.len();
            sink.packets += 1;
            sink.worst = sink.worst.max(wait);
            sink.total += wait;
            let header = ipv4::Header::from_bytes_mut(packet.header_mut()).unwrap();
            sink.marked += u32::from(header.ecn() == ecn::CE);
        }
        let arrivals = next.iter().copied().min().unwrap();
        now = line.next_due().map_or(arrivals, |due| due.min(arrivals)).max(now + Duration::from_micros(1));
    }
    sinks
}

fn bulk(tos: u8) -> Source {
    Source { port: BULK, len: 1500, every: Duration::from_micros(600), tos }
}

fn sparse() -> Source {
    Source { port: SPARSE, len: 200, every: Duration::from_millis(20), tos: 0 }
}

#[test]
fn a_sparse_flow_does_not_wait_behind_a_bulk_flow() {
    let fair = run(FqCodel::new(FqCodelConfig::default(), 1), &[bulk(0), sparse()]);
    // Two packets of the bulk flow at most are in front of it.
    assert!(fair[1].worst < Duration::from_micros(3700), "{:?}", fair[1].worst);
    assert_eq!(fair[1].packets, 500);
    let unfair = run(Fifo::default(), &[bulk(0), sparse()]);
    assert!(unfair[1].total / unfair[1].packets > Duration::from_millis(500), "the contrast");
}

#[test]
fn flows_share_in_bytes_whatever_their_packets() {
    let small = Source { port: 3, len: 300, every: Duration::from_micros(100), tos: 0 };
    let sinks = run(FqCodel::new(FqCodelConfig::default(), 1), &[bulk(0), small]);
    let ratio = sinks[0].bytes as f64 / sinks[1].bytes as f64;
    assert!((0.95..1.05).contains(&ratio), "{ratio}");
    let total = sinks.iter().map(|sink| sink.bytes).sum::<usize>() as f64;
    assert!((total / 12_500_000.0 - 1.0).abs() < 0.01, "the line is full: {total}");
}

#[test]
fn a_flow_that_understands_it_is_marked_and_not_dropped() {
    let discipline = FqCodel::new(FqCodelConfig::default(), 1);
    let counters = discipline.counters();
    let sinks = run(discipline, &[bulk(ecn::ECT_0)]);
    let counts = counters.statistics();
    // One that was marked may still wait for its tokens.
    assert!(counts.managed == 0 && counts.marked - u64::from(sinks[0].marked) <= 1, "{counts:?}");
    assert!(counts.marked > 50);
    for (config, tos) in [
        (FqCodelConfig { ecn: false, ..FqCodelConfig::default() }, ecn::ECT_0),
        (FqCodelConfig::default(), 0),
    ] {
        let discipline = FqCodel::new(config, 1);
        let counters = discipline.counters();
        run(discipline, &[bulk(tos)]);
        let counts = counters.statistics();
        assert!(counts.marked == 0 && counts.managed > 50, "{counts:?}");
    }
}

#[test]
fn at_the_limit_the_fattest_flow_pays() {
    let config = FqCodelConfig { limit: 1000, ..FqCodelConfig::default() };
    let mut discipline = FqCodel::new(config, 1);
    for _ in 0..10 {
        discipline.enqueue(Instant::ZERO, packet(SPARSE, 200, 0));
    }
    for _ in 0..5000 {
        discipline.enqueue(Instant::ZERO, packet(BULK, 1500, 0));
        assert!(discipline.len() <= 1000);
    }
    let dropped = discipline.counters().statistics().overflowed as usize;
    let out: Vec<u32> = core::iter::from_fn(|| discipline.dequeue(Instant::ZERO)).map(|p| p.mark).collect();
    assert_eq!((out.len() + dropped, discipline.bytes), (5010, 0));
    assert_eq!(out.iter().filter(|mark| **mark == u32::from(SPARSE)).count(), 10);
}

#[test]
fn memory_is_bounded_too_and_a_flow_begins_anew_when_all_is_gone() {
    let config = FqCodelConfig { memory_limit: 10_000, ..FqCodelConfig::default() };
    let mut discipline = FqCodel::new(config, 1);
    for round in 0..3 {
        for port in 0..100 {
            discipline.enqueue(Instant::from_secs(round), packet(port, 1500, 0));
            assert!(discipline.bytes <= 10_000);
        }
        while discipline.dequeue(Instant::from_secs(round)).is_some() {}
        assert!(discipline.flows.iter().all(|flow| !flow.listed && flow.bytes == 0));
        assert_eq!((discipline.len(), discipline.next_due()), (0, None));
    }
}
