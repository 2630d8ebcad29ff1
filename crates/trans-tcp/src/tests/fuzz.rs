//! A peer that sends anything: no panic, no loop, no memory without bound, and the variables keep their order.

use super::host::Node;
use crate::accurate_ecn::ace_flags;
use crate::tcp::Socket;
use crate::{State, TcpConfig};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use stack_core::{
    Checksum, DeliveryError, EcnPolicy, EndpointId, ErrorKind, ErrorOrigin, Families, IpMeta, RxPacket,
    Shutdown, SocketOption, TransportProtocol,
};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Emit, Flags};

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    /// Mostly near `base`, sometimes anywhere.
    fn near(&mut self, base: SeqNum) -> SeqNum {
        match self.below(10) {
            0 => SeqNum(self.below(1 << 32) as u32),
            1 => base + self.below(200_000) as u32,
            2 => base - self.below(200_000) as u32,
            3..=5 => base + self.below(3000) as u32,
            6 => base - self.below(3) as u32,
            _ => base,
        }
    }
}

/// What a well-informed attacker knows of the connections.
fn numbers(node: &Node, chance: &mut Chance) -> (SeqNum, SeqNum, u16, u16) {
    let mut known = Vec::new();
    for (_, socket) in node.tcp.sockets.iter() {
        if let Socket::Connection(c) = socket {
            let ack = if chance.below(2) == 0 { c.snd.nxt } else { c.snd.una };
            known.push((c.rcv.nxt, ack, c.tuple.remote_port, c.tuple.local_port));
        }
    }
    for (_, record) in node.tcp.half_open.iter() {
        known.push((record.irs + 1, record.iss + 1, record.tuple.remote_port, record.tuple.local_port));
    }
    for (_, record) in node.tcp.time_wait.iter() {
        known.push((SeqNum(0), record.snd_nxt, record.tuple.remote_port, record.tuple.local_port));
    }
    let port = 1 + chance.below(12) as u16;
    match known.len() as u64 {
        0 => (SeqNum(0), SeqNum(0), port, 80),
        _ if chance.below(6) == 0 => (SeqNum(0), SeqNum(0), port, 80),
        n => known[chance.below(n) as usize],
    }
}

fn segment(node: &Node, chance: &mut Chance) -> RxPacket {
    let (seq, ack, src_port, dst_port) = numbers(node, chance);
    let usual = [Flags::ACK, Flags::ACK | Flags::PSH, Flags::SYN, Flags::ACK | Flags::FIN];
    let flags = match chance.below(8) {
        0 => Flags::from_bits(chance.below(512) as u16),
        1 if chance.below(10) == 0 => Flags::RST,
        i => {
            usual[(i % 4) as usize]
                | if chance.below(2) == 0 { ace_flags(chance.below(8) as u8) } else { Flags::NONE }
        }
    };
    let len = [0, 1, 10, 536, 1460, 20_000][chance.below(6) as usize];
    let options: Vec<u8> = match chance.below(7) {
        6 => {
            let mut counts = alloc::vec![[172, 174][chance.below(2) as usize], 11];
            counts.extend((0..9).map(|_| [0, 0, 1, chance.below(256) as u8][chance.below(4) as usize]));
            counts.push(0);
            counts
        }
        0 => (0..chance.below(41)).map(|_| chance.below(256) as u8).collect(),
        1 => [2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 0, 0].into(),
        3 | 4 => blocks(chance, ack),
        2 => {
            let mut ts = alloc::vec![1, 1, 8, 10];
            ts.extend((chance.below(1 << 20) as u32).to_be_bytes());
            ts.extend((chance.below(1 << 32) as u32).to_be_bytes());
            ts
        }
        _ => Vec::new(),
    };
    let emit = Emit {
        src_port,
        dst_port,
        seq: chance.near(seq),
        ack: chance.near(ack),
        flags,
        window: [0, 1, 500, 65_535, chance.below(65_536) as u16][chance.below(5) as usize],
        urgent: chance.below(65_536) as u16,
        options: &options,
    };
    let mut bytes = alloc::vec![0; emit.header_len()];
    emit.write_partial(&mut bytes, Default::default());
    bytes.extend((0..len).map(|i| i as u8));
    if chance.below(50) == 0 {
        bytes.truncate(chance.below(60) as usize);
    }
    let mut packet = RxPacket::new(Bytes::from(bytes), 0x0800, node.now);
    packet.meta.checksum = Checksum::Verified;
    packet.meta.gso_size = if len > 1460 { 1460 } else { 0 };
    packet.ip = IpMeta {
        src: "10.0.0.2".parse().unwrap(),
        dst: node.services.address,
        protocol: 6,
        traffic_class: chance.below(256) as u8,
        ..IpMeta::default()
    };
    packet
}

/// SACK blocks: sensible ones, and lies.
fn blocks(chance: &mut Chance, base: SeqNum) -> Vec<u8> {
    let count = 1 + chance.below(4) as u8;
    let mut option = alloc::vec![1, 1, 5, 2 + 8 * count];
    for _ in 0..count {
        let left = chance.near(base);
        let right = if chance.below(8) == 0 { chance.near(base) } else { left + chance.below(4000) as u32 };
        option.extend(left.0.to_be_bytes());
        option.extend(right.0.to_be_bytes());
    }
    option
}

/// The application does something, too.
fn act(node: &mut Node, chance: &mut Chance, sockets: &mut Vec<EndpointId>, listener: EndpointId) {
    let pick = chance.below(sockets.len().max(1) as u64) as usize;
    let id = sockets.get(pick).copied();
    let choice = chance.below(12);
    let mut icmp = None;
    node.with(|tcp, cx| match (choice, id) {
        (0 | 1, _) => sockets.extend(tcp.accept(cx, listener).map(|(id, _)| id)),
        (2, _) if sockets.len() < 8 => {
            let id = tcp.create(cx, Families::V4).unwrap();
            let to = SocketAddr::new("10.0.0.2".parse().unwrap(), 1 + sockets.len() as u16);
            let _ = tcp.connect(cx, id, to);
            sockets.push(id);
        }
        (3 | 4, Some(id)) => drop(tcp.write(cx, id, &[7; 5000])),
        (5 | 6, Some(id)) => drop(tcp.read(cx, id, &mut [0; 9000])),
        (7, Some(id)) => drop(tcp.shutdown(cx, id, Shutdown::Write)),
        (8, Some(id)) => {
            tcp.close(cx, id);
            sockets.swap_remove(pick);
        }
        (9, Some(id)) => drop(tcp.set_option(cx, id, SocketOption::NoDelay(true))),
        (10, Some(id)) => drop(tcp.set_option(cx, id, SocketOption::KeepAlive(true))),
        (_, Some(id)) => icmp = Some(id),
        _ => {}
    });
    if let Some(id) = icmp {
        let quoted = Bytes::from(alloc::vec![chance.below(256) as u8; chance.below(12) as usize]);
        let remote: IpAddr = "10.0.0.2".parse().unwrap();
        let kind = match chance.below(3) {
            0 => ErrorKind::PacketTooBig { mtu: chance.below(2000) as u32 },
            1 => ErrorKind::PortUnreachable,
            _ => ErrorKind::HostUnreachable,
        };
        let origin =
            if chance.below(2) == 0 { ErrorOrigin::Local } else { ErrorOrigin::Icmp { from: remote } };
        let local = node.services.address;
        let error = DeliveryError { kind, origin, nic: None, protocol: 6, local, remote, quoted };
        node.with(|tcp, cx| tcp.receive_error(cx, id, &error));
    }
}

fn check(node: &Node) {
    let (sockets, half_open, time_wait) = node.tcp.table_sizes();
    assert!(sockets < 100 && half_open <= 6 && time_wait <= 20, "{sockets} {half_open} {time_wait}");
    let mut established = 0;
    for (id, socket) in node.tcp.sockets.iter() {
        let Socket::Connection(c) = socket else { continue };
        assert!(c.snd.una.before_eq(c.snd.nxt), "SND.UNA is beyond SND.NXT");
        if matches!(c.state, State::Closed) {
            continue;
        }
        established += u64::from(matches!(c.state, State::Established | State::CloseWait));
        let end = c.snd.text_end() + u32::from(c.snd.has_fin());
        assert!(c.snd.nxt.before_eq(end.max(c.snd.una + 1)), "SND.NXT is beyond what there is to send");
        assert!(c.rcv.memory() <= c.rcv.buffer * 3 + 65_536, "{} bytes held", c.rcv.memory());
        assert!(c.snd.buffered() <= c.settings.send_buffer);
        assert!(c.pipe() <= c.snd.outstanding());
        check_flight(c);
        assert!(c.mss >= 36);
        assert!(
            !c.state.is_synchronized() || c.window.cwnd >= u32::from(c.mss),
            "less than a segment may go"
        );
        if c.state != State::TimeWait && (c.snd.outstanding() > 0 || c.snd.unsent() > 0) {
            assert!(node.timers.contains_key(&id), "data waits and no timer runs: {c:?}");
        }
    }
    assert_eq!(node.tcp.counters().curr_estab, established);
    assert!(node.tcp.shared.control.len() <= 1024);
}

/// The scoreboard covers what is outstanding, and is there only then.
fn check_flight(c: &crate::connection::Connection) {
    let is_due = c.state.is_synchronized() && c.snd.outstanding() > 0;
    assert_eq!(c.recovery.flight.is_some(), is_due, "{:?}", c.state);
    let Some(flight) = &c.recovery.flight else { return };
    let (first, last) = (flight.board.first().unwrap(), flight.board.last().unwrap());
    assert_eq!((first.start, last.end), (c.snd.una, c.snd.nxt));
    assert!(c.sack || flight.board.sacked() == 0);
}

fn fuzz(seed: u64, rounds: usize) {
    let config = TcpConfig {
        receive_buffer: 65_536,
        send_buffer: 65_536,
        receive_buffer_max: 1 << 20,
        max_time_wait: 20,
        max_sockets: 99,
        ecn: EcnPolicy::of_number((seed >> 40) as u8 % 6).unwrap(),
        ..TcpConfig::default()
    };
    let mut node = Node::new("10.0.0.1", config);
    node.services.max_gso = 65_535;
    let mut chance = Chance(seed | 1);
    let mut sockets = Vec::new();
    let listener = node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::V4).unwrap();
        tcp.bind(cx, id, "0.0.0.0:80".parse().unwrap()).unwrap();
        tcp.listen(cx, id, 5).unwrap();
        id
    });
    for _ in 0..rounds {
        let packet = segment(&node, &mut chance);
        node.receive(packet);
        if chance.below(4) == 0 {
            act(&mut node, &mut chance, &mut sockets, listener);
        }
        if chance.below(3) == 0 {
            node.transmit(1 + chance.below(40) as usize);
            check(&node);
        }
        if chance.below(20) == 0 {
            node.now += core::time::Duration::from_millis(chance.below(3000));
            node.run_timers();
        }
        node.drops.clear();
        node.wakes.clear();
    }
    for id in sockets.into_iter().chain([listener]) {
        node.with(|tcp, cx| tcp.close(cx, id));
    }
    for _ in 0..100_000 {
        node.transmit(100);
        let Some(next) = node.deadline() else { break };
        node.now = node.now.max(next);
        node.run_timers();
    }
    assert_eq!(node.tcp.table_sizes(), (0, 0, 0), "{:?}", node.tcp.connections().next());
    assert!(node.timers.is_empty() && node.services.table.is_empty() && node.services.ports.is_empty());
}

#[test]
fn a_hundred_thousand_random_segments() {
    for seed in 1..=20u64 {
        fuzz(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 5_000);
    }
}
