//! run: ci
//! A loop of your own: one host, one owner, no thread, no lock, and time that you make yourself.
//!
//! The program stands at the other end of the link and pings the host.
//!
//! cargo run -p ustack --example host_loop
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use bytes::Bytes;
use std::time::Duration;
use ustack::contract::{Instant, LinkEndpoint, NicId};
use ustack::host::{Host, NicConfig};
use ustack::link::channel::{ChannelConfig, injector};
use ustack::{Icmp, Ipv4, SystemRng};

/// 10.0.0.2 asks 10.0.0.1 for an echo: an IPv4 header, an ICMP header, and four bytes.
const PING: &[u8] = &[
    0x45, 0, 0, 32, 0, 0, 0, 0, 64, 1, 0x66, 0xdb, 10, 0, 0, 2, 10, 0, 0, 1, //
    8, 0, 0x19, 0x27, 0, 7, 0, 1, b'p', b'i', b'n', b'g',
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut host = Host::builder()
        .network(Ipv4::default())
        .transport(Icmp::v4())
        .rng(Box::new(SystemRng::new()?))
        .build()?;
    let (link, port) = injector(ChannelConfig::default());
    let (nic, mut now) = (NicId(1), Instant::ZERO);
    host.add_nic(now, nic, NicConfig::new("wire", link.capabilities()))?;
    host.add_address(now, nic, "10.0.0.1/24".parse()?)?;
    let (mut receive, mut transmit) = Box::new(link).split();

    port.inject_bytes(Bytes::from_static(PING))?;
    let mut batch = Vec::new();
    let reply = loop {
        receive.receive(now, &mut batch)?;
        host.receive(now, nic, &mut batch);
        receive.coalesce(host.coalesces(nic));
        host.poll(now);
        while host.transmit(now, 32) {}
        transmit.transmit(now, host.out(nic).ok_or("the interface is there")?)?;
        if let Some(packet) = port.read() {
            break packet.to_bytes();
        }
        now = host.next_deadline().unwrap_or(now + Duration::from_millis(1));
    };
    println!("{} bytes back at {now} s: {:02x?}", reply.len(), &reply[..]);
    assert_eq!((&reply[12..16], reply[20], &reply[28..]), (&[10, 0, 0, 1][..], 0, &b"ping"[..]));
    Ok(())
}
