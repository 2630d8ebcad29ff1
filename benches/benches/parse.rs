//! Reading the headers of a packet, beside the decoder that the tests use as their second opinion.
//! Budget: 12 ns from the IP header to the TCP options.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

mod common;

use benches::packets::{tcp_over_ipv4, tcp_over_ipv6, udp_over_ipv4};
use criterion::{Criterion, criterion_group, criterion_main};
use etherparse::{SlicedPacket, TransportSlice};
use stack_wire::ipv4::Ipv4;
use stack_wire::ipv6::Ipv6;
use stack_wire::tcp::Tcp;
use stack_wire::tcp_options::TcpOptions;
use stack_wire::udp::Udp;
use std::hint::black_box;

fn tcp_ipv4(criterion: &mut Criterion) {
    let packet = tcp_over_ipv4(1448);
    let mut group = criterion.benchmark_group("parse/IPv4 TCP options");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let ip = Ipv4::parse(black_box(&packet)).ok()?;
            let tcp = Tcp::parse(ip.payload()).ok()?;
            let options = TcpOptions::parse(tcp.options_bytes());
            Some(black_box((ip.src(), tcp.seq(), options.timestamps)))
        });
    });
    group.bench_function("ours, IP checksum verified", |b| {
        b.iter(|| {
            let ip = Ipv4::parse(black_box(&packet)).ok().filter(Ipv4::verify_checksum)?;
            let tcp = Tcp::parse(ip.payload()).ok()?;
            let options = TcpOptions::parse(tcp.options_bytes());
            Some(black_box((ip.src(), tcp.seq(), options.timestamps)))
        });
    });
    group.bench_function("etherparse", |b| b.iter(|| sliced_tcp(black_box(&packet))));
    group.finish();
}

fn tcp_ipv6(criterion: &mut Criterion) {
    let packet = tcp_over_ipv6(1428);
    let mut group = criterion.benchmark_group("parse/IPv6 TCP options");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let ip = Ipv6::parse(black_box(&packet)).ok()?;
            let tcp = Tcp::parse(ip.payload()).ok()?;
            let options = TcpOptions::parse(tcp.options_bytes());
            Some(black_box((ip.src(), tcp.seq(), options.timestamps)))
        });
    });
    group.bench_function("etherparse", |b| b.iter(|| sliced_tcp(black_box(&packet))));
    group.finish();
}

fn udp_ipv4(criterion: &mut Criterion) {
    let packet = udp_over_ipv4(64);
    let mut group = criterion.benchmark_group("parse/IPv4 UDP");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let ip = Ipv4::parse(black_box(&packet)).ok()?;
            let udp = Udp::parse(ip.payload()).ok()?;
            Some(black_box((ip.src(), udp.dst_port(), udp.payload().len())))
        });
    });
    group.bench_function("etherparse", |b| {
        b.iter(|| match SlicedPacket::from_ip(black_box(&packet)).ok()?.transport? {
            TransportSlice::Udp(udp) => Some(black_box((udp.destination_port(), udp.payload().len()))),
            _ => None,
        });
    });
    group.finish();
}

fn sliced_tcp(packet: &[u8]) -> Option<(u32, usize)> {
    match SlicedPacket::from_ip(packet).ok()?.transport? {
        TransportSlice::Tcp(tcp) => {
            Some(black_box((tcp.sequence_number(), tcp.options_iterator().filter(Result::is_ok).count())))
        }
        _ => None,
    }
}

criterion_group! { name = parse; config = common::short(); targets = tcp_ipv4, tcp_ipv6, udp_ipv4 }
criterion_main!(parse);
