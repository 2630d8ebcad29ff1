//! A router with interfaces of its own subnets, and a packet whose source means nothing beyond its link.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};
use ustack::contract::TxPacket;
use ustack::link::channel::{ChannelConfig, ChannelPort, injector};
use ustack::{DropReason, NicConfig, Stack};

/// An IPv6 packet with an empty UDP datagram.
fn packet(src: &str, dst: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let header = [0x60, 0, 0, 0, 0, 8, 17, 64];
    [&header[..], &octets(src), &octets(dst), &[0, 5, 0, 6, 0, 8, 0, 0]].concat()
}

fn next(port: &ChannelPort) -> TxPacket {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(packet) = port.read() {
            return *packet;
        }
        assert!(Instant::now() < deadline, "no packet came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_link_local_source_is_told_that_a_router_leads_beyond_its_scope() {
    let ((one, near), (two, far)) = (injector(ChannelConfig::default()), injector(ChannelConfig::default()));
    let nic = |link, net: &str| NicConfig::new(link).address(net.parse().unwrap()).forwarding(true);
    let stack = Stack::builder()
        .default_protocols()
        .nic(nic(one, "fd00:1::1/64").address("fe80::1/64".parse().unwrap()))
        .nic(nic(two, "fd00:2::1/64"))
        .build()
        .unwrap();
    near.inject_bytes(packet("fe80::9", "fd00:2::9").into()).unwrap();
    let answer = next(&near).to_bytes();
    assert_eq!(answer[24..40], "fe80::9".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(
        (answer[6], &answer[40..42]),
        (58, &[1, 2][..]),
        "RFC 4443 §3.1: beyond scope of source address"
    );
    assert_eq!(stack.counters().drops.of(DropReason::MartianSource), 1);
    near.inject_bytes(packet("fd00:1::9", "fd00:2::9").into()).unwrap();
    assert_eq!(next(&far).to_bytes()[8..24], "fd00:1::9".parse::<Ipv6Addr>().unwrap().octets());
}
