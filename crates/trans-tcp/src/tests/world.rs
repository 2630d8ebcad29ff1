//! Two hosts and a wire between them that delays, loses, doubles and reorders, all from one seed.

use super::host::{Node, turn};
use crate::{State, TcpConfig};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{EndpointId, Error, Families, Instant, RxPacket};
use stack_wire::tcp::Tcp as TcpView;

/// What the wire does; chances in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) loss: u64,
    pub(super) duplicate: u64,
    /// Of what is ECN-capable.
    pub(super) mark: u64,
    /// Larger IP packets vanish; a super-packet does if the segments that it stands for are too large.
    pub(super) limit: u32,
}

impl Wire {
    pub(super) const GOOD: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: 0,
        duplicate: 0,
        mark: 0,
        limit: u32::MAX,
    };
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nodes: [Node; 2],
    pub(super) wire: Wire,
    flying: BinaryHeap<Reverse<(Instant, u64)>>,
    packets: alloc::collections::BTreeMap<u64, (usize, RxPacket)>,
    serial: u64,
    seed: u64,
    pub(super) sent: [usize; 2],
    /// Packets of the first host that are lost, counted from 1.
    pub(super) lost: Vec<usize>,
}

impl World {
    pub(super) fn new(seed: u64, wire: Wire, config: TcpConfig) -> Self {
        let mut nodes = [Node::new("10.0.0.1", config.clone()), Node::new("10.0.0.2", config)];
        nodes[0].services.seed = seed;
        nodes[1].services.seed = !seed;
        Self {
            now: Instant::from_secs(100),
            nodes,
            wire,
            flying: BinaryHeap::new(),
            packets: Default::default(),
            serial: 0,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            sent: [0; 2],
            lost: Vec::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below.max(1)
    }

    /// Listens on port 80 of the second host.
    pub(super) fn listen(&mut self, backlog: usize) -> EndpointId {
        self.nodes[1].with(|tcp, cx| {
            let id = tcp.create(cx, Families::V4).unwrap();
            tcp.bind(cx, id, "0.0.0.0:80".parse().unwrap()).unwrap();
            tcp.listen(cx, id, backlog).unwrap();
            id
        })
    }

    /// Connects the first host to it.
    pub(super) fn connect(&mut self) -> EndpointId {
        self.nodes[0].with(|tcp, cx| {
            let id = tcp.create(cx, Families::V4).unwrap();
            let to: SocketAddr = "10.0.0.2:80".parse().unwrap();
            assert_eq!(tcp.connect(cx, id, to), Err(Error::ConnectStarted));
            id
        })
    }

    pub(super) fn accept(&mut self, listener: EndpointId) -> Option<EndpointId> {
        self.nodes[1].with(|tcp, cx| tcp.accept(cx, listener)).ok().map(|(id, _)| id)
    }

    /// Both hosts send what they have.
    pub(super) fn flush(&mut self) {
        for from in 0..2 {
            self.nodes[from].now = self.now;
            for packet in self.nodes[from].transmit(32) {
                self.sent[from] += 1;
                if from == 0 && self.lost.contains(&self.sent[0]) {
                    continue;
                }
                self.launch(1 - from, turn(packet, self.now));
            }
        }
    }

    fn launch(&mut self, to: usize, mut packet: RxPacket) {
        if matches!(packet.ip.ecn(), 1 | 2) && self.random(1000) < self.wire.mark {
            packet.ip.traffic_class |= 3;
        }
        if self.random(1000) < self.wire.loss || packet_size(&packet) > self.wire.limit {
            return;
        }
        let copies = if self.random(1000) < self.wire.duplicate { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = self.random(self.wire.jitter.as_nanos() as u64 + 1);
            let at = self.now + self.wire.delay + Duration::from_nanos(jitter);
            self.serial += 1;
            self.flying.push(Reverse((at, self.serial)));
            self.packets.insert(self.serial, (to, packet.clone()));
        }
    }

    /// Goes to the next event and lets it happen; `false` if there is none before `until`.
    pub(super) fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let arrival = self.flying.peek().map(|Reverse((at, _))| *at);
        let timer = self.nodes.iter().filter_map(Node::deadline).min();
        let Some(next) = [arrival, timer].into_iter().flatten().min().filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        for node in &mut self.nodes {
            node.now = self.now;
        }
        while let Some(Reverse((at, serial))) = self.flying.peek().copied() {
            if at > self.now {
                break;
            }
            self.flying.pop();
            let (to, packet) = self.packets.remove(&serial).unwrap();
            self.nodes[to].receive(packet);
        }
        self.nodes.iter_mut().for_each(Node::run_timers);
        true
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    pub(super) fn state(&self, node: usize, id: EndpointId) -> State {
        self.nodes[node].tcp.state(id).unwrap_or_default()
    }
}

/// Octets of the IP packet that a segment makes, or of those that a super-packet stands for.
fn packet_size(packet: &RxPacket) -> u32 {
    let header = TcpView::parse(packet.transport()).map_or(0, |tcp| tcp.header_len());
    let text = match usize::from(packet.meta.gso_size) {
        0 => packet.len().saturating_sub(header),
        size => size,
    };
    (20 + header + text) as u32
}

/// A stream that both ends can compute.
pub(super) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| ((i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// One end of a transfer: writes a stream, reads another, closes when both are done.
pub(super) struct Application {
    pub(super) node: usize,
    pub(super) id: EndpointId,
    to_write: Vec<u8>,
    written: usize,
    pub(super) got: Vec<u8>,
    shut: bool,
    pub(super) ended: bool,
}

impl Application {
    pub(super) fn new(node: usize, id: EndpointId, to_write: Vec<u8>) -> Self {
        Self { node, id, to_write, written: 0, got: Vec::new(), shut: false, ended: false }
    }

    /// Does what it can; returns whether it is through.
    pub(super) fn run(&mut self, world: &mut World) -> bool {
        let node = &mut world.nodes[self.node];
        node.now = world.now;
        node.with(|tcp, cx| {
            while self.written < self.to_write.len() {
                match tcp.write(cx, self.id, &self.to_write[self.written..]) {
                    Ok(len) => self.written += len,
                    Err(Error::WouldBlock) => break,
                    Err(error) => panic!("write: {error}"),
                }
            }
            if self.written == self.to_write.len() && !self.shut {
                self.shut = true;
                tcp.shutdown(cx, self.id, stack_core::Shutdown::Write).unwrap();
            }
            let mut buffer = [0; 10_000];
            while !self.ended {
                match tcp.read(cx, self.id, &mut buffer) {
                    Ok(0) => self.ended = true,
                    Ok(len) => self.got.extend_from_slice(&buffer[..len]),
                    Err(Error::WouldBlock) => break,
                    Err(error) => panic!("read: {error}"),
                }
            }
        });
        self.ended && self.shut
    }
}
