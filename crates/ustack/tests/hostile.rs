//! A peer that sends whatever it likes to a host that speaks everything: nothing panics, nothing goes on for ever,
//! nothing grows without bound, what is wrong is counted under a reason, and afterwards the host serves as before.
//!
//! `HOSTILE_SEED=n` chooses other packets; a failure names the seed.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use ustack::contract::{
    Cast, Checksum, Families, Instant, LinkAddress, LinkCapabilities, Medium, NicId, Rng, RxPacket,
};
use ustack::host::{Host, NicConfig};
use ustack::{Arp, ArpConfig, ConflictPolicy, DropReason, Icmp, Ipv4, Ipv6, Tcp, TcpConfig, Udp};

const NIC: NicId = NicId(1);
/// Packets of each round; memory must not grow after the first, which fills every table.
const PACKETS: usize = 60_000;
const ROUNDS: usize = 5;
/// Turns of `transmit` that one packet may cause.
const TURNS: usize = 1_000;
/// What the allocator may keep for itself from round to round.
const SLACK: usize = 8 << 20;
const STATION: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

#[derive(Clone)]
struct Dice(u64);

impl Rng for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    }
}

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next_u64() as u8).collect()
    }

    fn word(&mut self) -> [u8; 2] {
        (self.next_u64() as u16).to_be_bytes()
    }
}

fn host(seed: u64) -> Host {
    let mut host = Host::builder()
        .network(Ipv4::default())
        .network(Ipv6::default())
        // Otherwise a second claim to our address takes it away, as RFC 5227 §2.4 (b) wants.
        .network(Arp::new(ArpConfig { conflict: ConflictPolicy::DefendAlways, ..ArpConfig::default() }))
        .transport(Tcp::new(TcpConfig::default()))
        .transport(Udp::default())
        .transport(Icmp::v4())
        .transport(Icmp::v6())
        .rng(Box::new(Dice(seed)))
        .build()
        .unwrap();
    let config = NicConfig::new("wire", LinkCapabilities::plain(Medium::Ethernet, 1500));
    host.add_nic(Instant::ZERO, NIC, NicConfig { link_address: Some(STATION), ..config }).unwrap();
    for net in ["10.0.0.1/24", "fd00::1/64"] {
        host.add_address(Instant::ZERO, NIC, net.parse().unwrap()).unwrap();
    }
    host.set_forwarding(NIC, true).unwrap();
    for (protocol, port) in [(6, 80), (17, 53)] {
        let (sockets, mut cx) = host.endpoints(Instant::ZERO, protocol).unwrap();
        let socket = sockets.create(&mut cx, Families::Dual).unwrap();
        sockets.bind(&mut cx, socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).unwrap();
        if protocol == 6 {
            sockets.listen(&mut cx, socket, 128).unwrap();
        }
    }
    host
}

/// A segment of some transport that the host might take.
fn segment(dice: &mut Dice, v6: bool) -> (u8, Vec<u8>) {
    let (from, noise) = (dice.word(), dice.bytes(8));
    let len = dice.below(60);
    let data = dice.bytes(len);
    match dice.below(6) {
        0 => (17, [&from[..], &[0, 53], &(8 + data.len() as u16).to_be_bytes(), &[0, 0], &data].concat()),
        1 => {
            let flags = [0x02, 0x10, 0x18, 0x04, 0x11, 0x12, 0x29][dice.below(7)];
            let header = [&from[..], &[0, 80], &noise, &[0x50, flags, 0x20, 0, 0, 0, 0, 0]].concat();
            (6, [header, data].concat())
        }
        2 => {
            let options = [2, 4, 5, 180, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3];
            let header = [&from[..], &[0, 80], &noise, &[0x90, 2, 0xff, 0xff, 0, 0, 0, 0], &options].concat();
            (6, header)
        }
        3 => {
            let kind = if v6 {
                [1, 2, 3, 4, 128, 129, 133, 134, 135, 136, 137]
            } else {
                [3, 5, 8, 0, 11, 12, 4, 13, 17, 9, 10]
            };
            let quoted = packet(dice, v6, 2);
            (
                if v6 { 58 } else { 1 },
                [&[kind[dice.below(11)], dice.below(8) as u8, 0, 0], &noise[..4], &quoted].concat(),
            )
        }
        4 => (
            if v6 { 58 } else { 1 },
            [
                &[if v6 { 135 } else { 8 }, 0, 0, 0, 0, 0, 0, 0],
                &Ipv6Addr::LOCALHOST.octets()[..],
                &[1, 1],
                &PEER.0,
            ]
            .concat(),
        ),
        _ => (dice.next_u64() as u8, data),
    }
}

/// A packet with a header that is mostly right; `depth` bounds what ICMP quotes.
fn packet(dice: &mut Dice, v6: bool, depth: usize) -> Vec<u8> {
    let (protocol, payload) = if depth > 1 { (17, dice.bytes(12)) } else { segment(dice, v6) };
    if v6 {
        return packet_v6(dice, protocol, &payload);
    }
    let src = Ipv4Addr::new(10, 0, dice.below(2) as u8, dice.next_u64() as u8);
    let dst = [[10, 0, 0, 1], [10, 0, 0, 1], [10, 0, 0, 255], [224, 0, 0, 1], [10, 0, 9, 9]][dice.below(5)];
    let options = [
        &[][..],
        &[],
        &[],
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[131, 7, 4, 1, 2, 3, 4, 0],
    ][dice.below(6)];
    let fragment =
        if dice.below(4) == 0 { [0x20 | (dice.below(2) as u8), dice.below(16) as u8] } else { [0, 0] };
    let len = (20 + options.len() + payload.len()) as u16;
    let ident = [0, dice.below(4) as u8];
    let mut header = [
        &[0x45 + (options.len() / 4) as u8, 0],
        &len.to_be_bytes()[..],
        &ident,
        &fragment,
        &[dice.below(3) as u8 * 32, protocol, 0, 0],
        &src.octets(),
        &dst,
        options,
    ]
    .concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [header, payload].concat()
}

fn packet_v6(dice: &mut Dice, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let src = [["fd00::9", "fe80::9", "2001:db8::9"][dice.below(3)]]
        .map(|text| text.parse::<Ipv6Addr>().unwrap())[0];
    let dst = [["fd00::1", "fd00::1", "ff02::1", "ff02::1:ff00:1", "2001:db8::1"][dice.below(5)]]
        .map(|text| text.parse::<Ipv6Addr>().unwrap())[0];
    let (next, extension) = match dice.below(5) {
        0 => (0, [&[protocol, 0, 1, 4], &dice.bytes(4)[..]].concat()),
        1 => (44, [&[protocol, 0], &dice.bytes(6)[..]].concat()),
        2 => (60, [&[protocol, dice.below(3) as u8], &dice.bytes(6)[..]].concat()),
        _ => (protocol, Vec::new()),
    };
    let len = ((extension.len() + payload.len()) as u16).to_be_bytes();
    [
        &[0x60, 0, 0, 0],
        &len[..],
        &[next, if dice.below(2) == 0 { 255 } else { 2 }],
        &src.octets(),
        &dst.octets(),
        &extension,
        payload,
    ]
    .concat()
}

fn arp(dice: &mut Dice) -> Vec<u8> {
    let target = [10, 0, 0, [1, 9][dice.below(2)]];
    let sender = [10, 0, 0, dice.next_u64() as u8];
    [&[0, 1, 8, 0, 6, 4, 0, 1 + dice.below(2) as u8], &PEER.0[..], &sender, &STATION.0, &target].concat()
}

fn checksum(header: &[u8]) -> [u8; 2] {
    let words = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
}

/// What a link would bring of it: sometimes damaged, cut or with something behind it.
fn hostile(dice: &mut Dice, now: Instant) -> RxPacket {
    let (ether_type, mut bytes) = match dice.below(9) {
        0 => (ARP, arp(dice)),
        1..=4 => (IPV4, packet(dice, false, 0)),
        5..=7 => (IPV6, packet(dice, true, 0)),
        _ => (dice.next_u64() as u16, dice.bytes(50)),
    };
    for _ in 0..[0, 0, 1, 4][dice.below(4)] {
        let at = dice.below(bytes.len());
        bytes[at] = dice.next_u64() as u8;
    }
    match dice.below(8) {
        0 => bytes.truncate(dice.below(bytes.len() + 1)),
        1 => bytes.extend(dice.bytes(20)),
        _ => {}
    }
    let mut packet = RxPacket::new(Bytes::from(bytes), ether_type, now);
    packet.meta.link_src = PEER;
    packet.meta.checksum = [Checksum::Verified, Checksum::Verified, Checksum::Unverified][dice.below(3)];
    packet.meta.cast = [Cast::Unicast, Cast::Unicast, Cast::Broadcast][dice.below(3)];
    packet.meta.gso_size = if dice.below(16) == 0 { dice.next_u64() as u16 } else { 0 };
    packet
}

/// Lets the host do what is due and throws away what it sends; it comes to an end.
fn drain(host: &mut Host, now: Instant, seed: u64) {
    host.poll(now);
    let mut turns = 0;
    while host.transmit(now, 32) {
        turns += 1;
        assert!(turns < TURNS, "seed {seed}: the host never has enough");
        host.out(NIC).unwrap().clear();
    }
    host.out(NIC).unwrap().clear();
}

/// Memory of this process that is in use, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The host answers a ping of a neighbour that it knows.
fn answers(host: &mut Host, now: Instant) -> bool {
    let echo = [
        &[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1],
        &[8, 0, 0xf7, 0xff, 0, 0, 0, 0][..],
    ]
    .concat();
    let mut echo = echo;
    let sum = checksum(&echo[..20]);
    echo[10..12].copy_from_slice(&sum);
    host.set_static_neighbor(now, NIC, "10.0.0.2".parse().unwrap(), PEER);
    host.receive(now, NIC, &mut vec![RxPacket::new(Bytes::from(echo), IPV4, now)]);
    while host.transmit(now, 32) {}
    let out = host.out(NIC).unwrap();
    std::iter::from_fn(|| out.pop())
        .any(|packet| packet.to_bytes()[20..22] == [0, 0] && packet.ip.protocol == 1)
}

#[test]
fn a_peer_that_sends_whatever_it_likes_does_no_harm() {
    let seed = std::env::var("HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("HOSTILE_SEED={seed}");
    let mut dice = Dice(seed);
    let mut host = host(seed);
    let mut now = Instant::ZERO;
    let mut in_use = Vec::new();
    for _ in 0..ROUNDS {
        for _ in 0..PACKETS {
            now += Duration::from_micros(dice.below(2_000) as u64);
            host.receive(now, NIC, &mut vec![hostile(&mut dice, now)]);
            drain(&mut host, now, seed);
        }
        in_use.push(resident());
    }
    assert!(in_use[ROUNDS - 1] < in_use[0] + SLACK, "seed {seed}: memory grows: {in_use:?}");
    let counters = host.counters();
    assert_eq!(counters.received.packets, (ROUNDS * PACKETS) as u64);
    let reasons: BTreeSet<DropReason> = counters.drops.iter().map(|(reason, _)| reason).collect();
    assert!(reasons.len() > 25, "seed {seed}: the packets were too good: {reasons:?}");
    assert!(counters.delivered > 10_000 && counters.forwarded > 500, "and too bad: {counters:?}");
    now += Duration::from_secs(100);
    drain(&mut host, now, seed);
    assert!(answers(&mut host, now), "seed {seed}: the host is deaf");
}
