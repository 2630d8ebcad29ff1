//! What the host knows: interfaces, routes, neighbours, endpoints, ports. Protocols see it through `services.rs`.

use crate::builder::HostConfig;
use crate::demux::Demux;
use crate::icmp_limit::IcmpLimit;
use crate::interface::Interface;
use crate::neighbor::NeighborCache;
use crate::redirects::Redirects;
use crate::route::RouteTable;
use crate::source::Policies;
use crate::tap::Taps;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{Error, Instant, NicId, PathMtuStore, PortRegistry, Rng, RxPacket};

/// How long a route is used before it is looked up again: the timer of RFC 1191 §6.3.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct Tables {
    /// Parallel to the host's list of interfaces; the local one first.
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) routes: RouteTable,
    pub(crate) neighbors: NeighborCache,
    pub(crate) demux: Demux,
    pub(crate) ports: Box<dyn PortRegistry>,
    pub(crate) path_mtus: Box<dyn PathMtuStore>,
    pub(crate) icmp: IcmpLimit,
    /// Packets whose senders are to be told that the port is unreachable.
    pub(crate) refused: Vec<RxPacket>,
    pub(crate) rng: Box<dyn Rng>,
    pub(crate) generation: u32,
    /// The time of the call that the host is in.
    pub(crate) now: Instant,
    /// When routes are looked up again even if nothing is known to have changed.
    look_again_at: Instant,
    pub(crate) redirects: Redirects,
    /// Where transport protocols look at packets for their sockets.
    pub(crate) taps: Taps,
    /// Which labels and precedences addresses have (RFC 6724 §2.1).
    pub(crate) policies: Policies,
    /// Counts routers that did not answer: while none is known to, each of them is tried (RFC 4861 §6.3.6).
    pub(crate) router_turn: usize,
}

impl Tables {
    pub(crate) fn new(
        config: &HostConfig,
        ports: Option<Box<dyn PortRegistry>>,
        path_mtus: Option<Box<dyn PathMtuStore>>,
        mut rng: Box<dyn Rng>,
    ) -> Self {
        Self {
            interfaces: Vec::new(),
            routes: RouteTable::new(config.route_order),
            neighbors: NeighborCache::new(rng.next_u64()),
            demux: Demux::new(rng.next_u64()),
            ports: ports.unwrap_or_else(|| Box::new(crate::ports::Ports::new(rng.next_u64()))),
            path_mtus: path_mtus.unwrap_or_else(|| Box::new(crate::pmtu::PathMtus::new(rng.next_u64()))),
            icmp: IcmpLimit::new(rng.next_u64()),
            refused: Vec::new(),
            redirects: Redirects::new(rng.next_u64()),
            taps: Taps::default(),
            policies: Policies::default(),
            router_turn: 0,
            rng,
            generation: 1,
            now: Instant::ZERO,
            look_again_at: Instant::ZERO + LOOK_AGAIN,
        }
    }

    /// Time does not go back: threads may read the clock in one order and come to the host in another. Once a minute
    /// all routes are looked up again, so that nobody goes on with a path MTU or a redirect that has grown old.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        if self.now >= self.look_again_at {
            self.look_again_at = self.now + LOOK_AGAIN;
            self.routes.forget_failed(|nic, gateway| self.neighbors.is_probably_reachable(nic, gateway));
            self.invalidate_routes();
        }
        self.now
    }

    /// Routes found before this are looked up again.
    pub(crate) fn invalidate_routes(&mut self) {
        self.generation = self.generation.wrapping_add(1).max(1);
    }

    pub(crate) fn index(&self, nic: NicId) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.id() == nic)
    }

    pub(crate) fn interface(&self, nic: NicId) -> Result<&Interface, Error> {
        self.interfaces.iter().find(|interface| interface.id() == nic).ok_or(Error::UnknownNic)
    }

    pub(crate) fn interface_mut(&mut self, nic: NicId) -> Result<&mut Interface, Error> {
        self.interfaces.iter_mut().find(|interface| interface.id() == nic).ok_or(Error::UnknownNic)
    }

    pub(crate) fn enabled(&self) -> impl Iterator<Item = (usize, &Interface)> {
        self.interfaces.iter().enumerate().filter(|(_, interface)| interface.enabled)
    }

    /// The enabled interface that owns an address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<usize> {
        self.enabled().find(|(_, interface)| interface.owns(address)).map(|(index, _)| index)
    }
}
