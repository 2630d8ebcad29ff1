//! A host that does nothing but what a transport needs: a table, ports, one route, timers.

use crate::{Tcp, TcpConfig};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;
use stack_core::{
    CachedRoute, Cast, DropReason, EndpointId, EndpointIdentity, Error, Hop, Instant, NicId, PortRequest,
    RouteQuery, RxPacket, SourceFilter, TransportCx, TransportProtocol, TransportServices, TxBatch, TxPacket,
    Unknown,
};

type Key = (Option<IpAddr>, u16, Option<IpAddr>, u16);

/// The services behind `TransportCx::host`.
pub(super) struct Services {
    pub(super) address: IpAddr,
    pub(super) table: BTreeMap<Key, EndpointId>,
    pub(super) ports: BTreeSet<(u16, Option<core::net::SocketAddr>)>,
    /// The interface of the route.
    pub(super) nic: u32,
    pub(super) mtu: u32,
    pub(super) max_gso: u32,
    pub(super) queue_packets: Option<u32>,
    pub(super) generation: u32,
    pub(super) routable: bool,
    pub(super) cast: Cast,
    pub(super) path_mtus: Vec<(IpAddr, u32)>,
    pub(super) confirmed: usize,
    pub(super) seed: u64,
}

impl Services {
    /// The path MTU that was remembered last.
    fn known_mtu(&self, to: IpAddr) -> Option<u32> {
        self.path_mtus.iter().rfind(|(remote, _)| *remote == to).map(|(_, mtu)| *mtu)
    }
}

fn key(identity: &EndpointIdentity) -> Key {
    (identity.local, identity.local_port, identity.remote, identity.remote_port)
}

impl TransportServices for Services {
    fn register(&mut self, _: u8, identity: &EndpointIdentity, endpoint: EndpointId) -> Result<(), Error> {
        if self.table.contains_key(&key(identity)) {
            return Err(Error::DuplicateAddress);
        }
        self.table.insert(key(identity), endpoint);
        Ok(())
    }

    fn unregister(&mut self, _: u8, identity: &EndpointIdentity, endpoint: EndpointId) {
        let was = self.table.remove(&key(identity));
        assert_eq!(was, Some(endpoint), "unregistered what was not there");
    }

    fn replace(&mut self, _: u8, identity: &EndpointIdentity, from: EndpointId, to: EndpointId) {
        let was = self.table.insert(key(identity), to);
        assert_eq!(was, Some(from), "replaced what was not there");
    }

    fn reserve_port(&mut self, _: u8, request: &PortRequest) -> Result<u16, Error> {
        if request.port != 0 {
            let taken = self.ports.iter().any(|(port, _)| *port == request.port);
            if taken && !request.shared {
                return Err(Error::PortInUse);
            }
            self.ports.insert((request.port, request.remote));
            return Ok(request.port);
        }
        let free = (49_152..=65_535).find(|port| !self.ports.contains(&(*port, request.remote)));
        let port = free.ok_or(Error::NoPortAvailable)?;
        self.ports.insert((port, request.remote));
        Ok(port)
    }

    fn release_port(&mut self, _: u8, request: &PortRequest) {
        assert!(
            self.ports.remove(&(request.port, request.remote)),
            "released what was not held: {request:?}"
        );
    }

    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        if !self.routable {
            return Err(Error::NoRoute);
        }
        Ok(CachedRoute {
            hop: Hop { nic: NicId(self.nic), next_hop: query.remote, generation: self.generation },
            local: query.local.unwrap_or(self.address),
            cast: self.cast,
            mtu: self.known_mtu(query.remote).unwrap_or(self.mtu).min(self.mtu),
            link_mtu: self.mtu,
            max_gso: self.max_gso,
            segmentation_offload: self.queue_packets.is_none(),
            queue_packets: self.queue_packets,
            loopback: false,
        })
    }

    fn is_current(&self, hop: &Hop) -> bool {
        hop.generation == self.generation
    }

    fn owner(&self, _: Option<NicId>, address: IpAddr) -> Option<NicId> {
        (address == self.address).then_some(NicId(1))
    }

    fn lower_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        self.set_path_mtu(now, remote, mtu);
    }

    fn set_path_mtu(&mut self, _: Instant, remote: IpAddr, mtu: u32) {
        self.path_mtus.push((remote, mtu));
    }

    fn confirm_reachable(&mut self, _: Instant, _: &Hop) {
        self.confirmed += 1;
    }

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
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed ^ (self.seed >> 33)
    }
}

/// One TCP and its host.
pub(super) struct Node {
    pub(super) tcp: Tcp,
    pub(super) services: Services,
    pub(super) timers: BTreeMap<EndpointId, Instant>,
    pub(super) wakes: Vec<Waker>,
    pub(super) now: Instant,
    pub(super) drops: Vec<DropReason>,
}

impl Node {
    pub(super) fn new(address: &str, config: TcpConfig) -> Self {
        let services = Services {
            address: address.parse().unwrap(),
            table: BTreeMap::new(),
            ports: BTreeSet::new(),
            nic: 1,
            mtu: 1500,
            max_gso: 1500,
            queue_packets: None,
            generation: 1,
            routable: true,
            cast: Cast::Unicast,
            path_mtus: Vec::new(),
            confirmed: 0,
            seed: 1,
        };
        let (timers, wakes, drops) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { tcp: Tcp::new(config), services, timers, wakes, now: Instant::from_secs(100), drops }
    }

    /// Calls the TCP with a context, and applies what it armed.
    pub(super) fn with<T>(&mut self, f: impl FnOnce(&mut Tcp, &mut TransportCx<'_>) -> T) -> T {
        let mut armed = Vec::new();
        let mut cx = TransportCx {
            now: self.now,
            protocol: 6,
            wakes: &mut self.wakes,
            armed: &mut armed,
            host: &mut self.services,
        };
        let result = f(&mut self.tcp, &mut cx);
        for (id, deadline) in armed {
            match deadline {
                Instant::FAR_FUTURE => drop(self.timers.remove(&id)),
                deadline => drop(self.timers.insert(id, deadline)),
            }
        }
        result
    }

    /// Finds the endpoint of a packet and hands it over.
    pub(super) fn receive(&mut self, mut packet: RxPacket) {
        packet.meta.received_at = self.now;
        let (src, dst) = (packet.ip.src, packet.ip.dst);
        let Some((remote, local)) = self.tcp.parse_ports(packet.transport()) else { return };
        let table = &self.services.table;
        let found =
            [(Some(dst), local, Some(src), remote), (Some(dst), local, None, 0), (None, local, None, 0)]
                .iter()
                .find_map(|key| table.get(key).copied());
        let dropped = match found {
            Some(id) => self.with(|tcp, cx| tcp.receive(cx, id, &mut packet)).err(),
            None => match self.with(|tcp, cx| tcp.receive_unknown(cx, &mut packet)) {
                Unknown::Handled => None,
                Unknown::Drop(reason) => Some(reason),
                Unknown::PortUnreachable | Unknown::ProtocolUnreachable => {
                    panic!("TCP never asks for ICMP")
                }
            },
        };
        self.drops.extend(dropped);
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.values().min().copied()
    }

    /// Runs the timers that are due.
    pub(super) fn run_timers(&mut self) {
        let due: Vec<EndpointId> =
            self.timers.iter().filter(|(_, at)| **at <= self.now).map(|(id, _)| *id).collect();
        for id in due {
            self.timers.remove(&id);
            self.with(|tcp, cx| tcp.handle_timeout(cx, id));
        }
    }

    /// Everything that it has to send now.
    pub(super) fn transmit(&mut self, budget: usize) -> Vec<TxPacket> {
        let mut all = Vec::new();
        for _ in 0..100_000 {
            let mut out = TxBatch::new();
            let more = self.with(|tcp, cx| tcp.poll_transmit(cx, &mut out, budget));
            assert!(out.len() <= budget, "the budget was exceeded");
            while let Some(packet) = out.pop() {
                all.push(*packet);
            }
            if !more {
                return all;
            }
        }
        panic!("it never stops sending");
    }
}

/// What the other end receives of a packet.
pub(super) fn turn(mut packet: TxPacket, now: Instant) -> RxPacket {
    let ip = packet.ip;
    let mut rx = packet.to_rx(now);
    rx.ip = ip;
    rx
}
