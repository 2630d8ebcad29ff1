//! A connection that is warm allocates nothing per segment: two TCPs exchange megabytes, and what they allocate while they
//! are called is counted. What the program and the wire allocate is not.

use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;
use core::time::Duration;
use stack_core::{
    CachedRoute, Cast, EndpointId, EndpointIdentity, Error, Families, Hop, Instant, NicId, PortRequest,
    RouteQuery, RxPacket, SourceFilter, TransportCx, TransportProtocol, TransportServices, TxBatch,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use trans_tcp::{Tcp, TcpConfig};

thread_local! {
    /// Allocations of this thread, while it counts.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is left to the system's allocator; the counters are cells without destructors and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block comes from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Does something, and counts what it allocates.
fn counted<T>(work: impl FnOnce() -> T) -> T {
    COUNTS.set(true);
    let result = work();
    COUNTS.set(false);
    result
}

/// Two hosts know each other, and nobody else.
struct Services {
    ours: IpAddr,
    endpoints: Vec<(EndpointIdentity, EndpointId)>,
    seed: u64,
}

impl TransportServices for Services {
    fn register(&mut self, _: u8, identity: &EndpointIdentity, id: EndpointId) -> Result<(), Error> {
        self.endpoints.push((*identity, id));
        Ok(())
    }

    fn unregister(&mut self, _: u8, identity: &EndpointIdentity, _: EndpointId) {
        self.endpoints.retain(|(known, _)| known != identity);
    }

    fn replace(&mut self, protocol: u8, identity: &EndpointIdentity, from: EndpointId, to: EndpointId) {
        self.unregister(protocol, identity, from);
        self.endpoints.push((*identity, to));
    }

    fn reserve_port(&mut self, _: u8, request: &PortRequest) -> Result<u16, Error> {
        Ok(if request.port == 0 { 50_000 } else { request.port })
    }

    fn release_port(&mut self, _: u8, _: &PortRequest) {}

    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        Ok(CachedRoute {
            hop: Hop { nic: NicId(1), next_hop: query.remote, generation: 1 },
            local: self.ours,
            cast: Cast::Unicast,
            mtu: 1500,
            link_mtu: 1500,
            max_gso: 1500,
            segmentation_offload: false,
            queue_packets: None,
            loopback: false,
        })
    }

    fn is_current(&self, hop: &Hop) -> bool {
        hop.generation == 1
    }

    fn owner(&self, _: Option<NicId>, _: IpAddr) -> Option<NicId> {
        Some(NicId(1))
    }

    fn lower_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        self.set_path_mtu(now, remote, mtu);
    }

    fn set_path_mtu(&mut self, _: Instant, _: IpAddr, _: u32) {}

    fn confirm_reachable(&mut self, _: Instant, _: &Hop) {}

    fn refuse(&mut self, _: RxPacket) {
        unreachable!("for datagrams")
    }

    fn set_group(
        &mut self,
        _: NicId,
        _: IpAddr,
        _: Option<&SourceFilter>,
        _: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        Err(Error::NotSupported)
    }

    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.seed
    }
}

struct Node {
    tcp: Tcp,
    services: Services,
    wakes: Vec<Waker>,
    armed: Vec<(EndpointId, Instant)>,
    /// When to look at an endpoint again.
    deadlines: Vec<(EndpointId, Instant)>,
    out: TxBatch,
    inbox: VecDeque<RxPacket>,
    now: Instant,
}

impl Node {
    fn new(ours: &str, seed: u64) -> Self {
        Self {
            tcp: Tcp::new(TcpConfig::default()),
            services: Services { ours: ours.parse().unwrap(), endpoints: Vec::new(), seed },
            wakes: Vec::with_capacity(64),
            armed: Vec::with_capacity(64),
            deadlines: Vec::new(),
            out: TxBatch::new(),
            inbox: VecDeque::new(),
            now: Instant::from_secs(1),
        }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Tcp, &mut TransportCx<'_>, &mut TxBatch) -> T) -> T {
        let mut cx = TransportCx {
            now: self.now,
            protocol: 6,
            wakes: &mut self.wakes,
            armed: &mut self.armed,
            host: &mut self.services,
        };
        let (tcp, out) = (&mut self.tcp, &mut self.out);
        let result = counted(|| call(tcp, &mut cx, out));
        for (id, at) in self.armed.drain(..) {
            self.deadlines.retain(|(known, _)| *known != id);
            self.deadlines.push((id, at));
        }
        result
    }

    fn turn(&mut self, now: Instant, to: &mut VecDeque<RxPacket>) {
        self.now = now;
        while let Some(mut packet) = self.inbox.pop_front() {
            let identity = |(known, _): &&(EndpointIdentity, EndpointId)| {
                let (remote, local) = self.tcp.parse_ports(packet.transport()).unwrap();
                let is_peer = known.remote.is_none() || known.remote_port == remote;
                known.local_port == local && is_peer
            };
            // Connections before listeners.
            let found = self.services.endpoints.iter().rev().find(identity).map(|(_, id)| *id).unwrap();
            packet.meta.received_at = now;
            let _ = self.with(|tcp, cx, _| tcp.receive(cx, found, &mut packet));
        }
        let due: Vec<_> = self.deadlines.iter().filter(|(_, at)| *at <= now).map(|(id, _)| *id).collect();
        self.deadlines.retain(|(_, at)| *at > now);
        for id in due {
            self.with(|tcp, cx, _| tcp.handle_timeout(cx, id));
        }
        while self.with(|tcp, cx, out| tcp.poll_transmit(cx, out, 64)) || !self.out.is_empty() {
            while let Some(mut packet) = self.out.pop() {
                let ip = packet.ip;
                let mut arrives = packet.to_rx(now);
                arrives.ip = ip;
                to.push_back(arrives);
                self.out.recycle(packet);
            }
        }
    }
}

/// Both ends of a connection.
struct Pair {
    nodes: [Node; 2],
    ids: [EndpointId; 2],
    text: Bytes,
    buffer: Vec<u8>,
    now: Instant,
}

impl Pair {
    fn open() -> Self {
        let mut nodes = [Node::new("10.0.0.1", 1), Node::new("10.0.0.2", 2)];
        let to: SocketAddr = "10.0.0.2:80".parse().unwrap();
        let listener = nodes[1].with(|tcp, cx, _| {
            let id = tcp.create(cx, Families::V4).unwrap();
            tcp.bind(cx, id, to).unwrap();
            tcp.listen(cx, id, 1).unwrap();
            id
        });
        let client = nodes[0].with(|tcp, cx, _| {
            let id = tcp.create(cx, Families::V4).unwrap();
            assert_eq!(tcp.connect(cx, id, to), Err(Error::ConnectStarted));
            id
        });
        let (text, buffer) = (Bytes::from(vec![7; 32 * 1024]), vec![0; 64 * 1024]);
        let mut pair = Self { nodes, ids: [client, listener], text, buffer, now: Instant::from_secs(1) };
        (0..4).for_each(|_| pair.turn());
        pair.ids[1] = pair.nodes[1].with(|tcp, cx, _| tcp.accept(cx, listener)).unwrap().0;
        pair
    }

    fn turn(&mut self) {
        self.now += Duration::from_millis(1);
        let [a, b] = &mut self.nodes;
        a.turn(self.now, &mut b.inbox);
        b.turn(self.now, &mut a.inbox);
    }

    /// Both write and read what they can.
    fn exchange(&mut self) {
        for (node, id) in self.nodes.iter_mut().zip(self.ids) {
            let mut piece = self.text.clone();
            let _ = node.with(|tcp, cx, _| tcp.write_bytes(cx, id, &mut piece));
            let buffer = &mut self.buffer;
            while node.with(|tcp, cx, _| tcp.read(cx, id, buffer)).is_ok_and(|len| len > 0) {}
        }
        self.turn();
    }

    fn data_segments(&self) -> u64 {
        let sent = |node: &Node| node.tcp.counters().orig_data_sent;
        self.nodes.iter().map(sent).sum()
    }
}

#[test]
fn a_warm_connection_allocates_nothing_for_a_segment() {
    let mut pair = Pair::open();
    (0..2_000).for_each(|_| pair.exchange());
    let (allocations, segments) = (ALLOCATIONS.get(), pair.data_segments());
    assert!(allocations > 0, "the counter counts");
    (0..2_000).for_each(|_| pair.exchange());
    let (allocations, segments) = (ALLOCATIONS.get() - allocations, pair.data_segments() - segments);
    assert!(segments > 50_000, "only {segments} segments");
    assert_eq!(allocations, 0, "for {segments} segments");
}
