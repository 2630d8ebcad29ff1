//! What the host knows: interfaces, routes, neighbours, endpoints, ports. Protocols see it through `services.rs`.

use crate::builder::HostConfig;
use crate::demux::Demux;
use crate::hash::{Map, map};
use crate::icmp_limit::IcmpLimit;
use crate::interface::Interface;
use crate::neighbor::NeighborCache;
use crate::route::{RouteEntry, RouteOrder, RouteTable};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{
    CachedRoute, Cast, Error, Hop, Instant, IpNet, NicId, PathMtuStore, PortRegistry, Rng, RouteQuery,
};

/// Redirects believed at a time, and for how long: a route that is still wrong is redirected again.
const MAX_REDIRECTS: usize = 256;
const REDIRECT_LIFETIME: Duration = Duration::from_secs(600);
/// How long a route is used before it is looked up again: the timer of RFC 1191 §6.3.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Largest super-packet that the host cuts itself.
const SOFTWARE_GSO: u32 = 65_535;

pub(crate) struct Tables {
    /// Parallel to the host's list of interfaces; the local one first.
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) routes: RouteTable,
    pub(crate) neighbors: NeighborCache,
    pub(crate) demux: Demux,
    pub(crate) ports: Box<dyn PortRegistry>,
    pub(crate) path_mtus: Box<dyn PathMtuStore>,
    pub(crate) icmp: IcmpLimit,
    pub(crate) rng: Box<dyn Rng>,
    pub(crate) generation: u32,
    /// The time of the call that the host is in.
    pub(crate) now: Instant,
    /// When routes are looked up again even if nothing is known to have changed.
    look_again_at: Instant,
    redirects: Map<IpAddr, (IpAddr, Instant)>,
}

/// What decides whether a source address may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// An application asks: its own addresses, or any with spoofing.
    Own,
    /// A protocol asks, maybe to answer a packet that the interface accepted: what it accepts, it may answer from.
    Answer,
}

/// One way to a destination.
struct Way {
    index: usize,
    gateway: Option<IpAddr>,
    mtu: Option<u32>,
    source: Option<IpAddr>,
    prefix: u8,
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
            redirects: map(rng.next_u64()),
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

    fn enabled(&self) -> impl Iterator<Item = (usize, &Interface)> {
        self.interfaces.iter().enumerate().filter(|(_, interface)| interface.enabled)
    }

    /// The enabled interface that owns an address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<usize> {
        self.enabled().find(|(_, interface)| interface.owns(address)).map(|(index, _)| index)
    }

    /// The way to a destination: the answer to [`stack_core::TransportServices::route`].
    pub(crate) fn route(&self, query: &RouteQuery, claim: Claim) -> Result<CachedRoute, Error> {
        let local = query.local.filter(|local| !local.is_unspecified());
        if query.remote.is_unspecified() {
            return Err(Error::NoRoute);
        }
        if local.is_some_and(|local| local.is_ipv4() != query.remote.is_ipv4()) {
            return Err(Error::AddressFamily);
        }
        if self.owner(query.remote).is_some() {
            return self.route_to_self(local, query.remote);
        }
        if local.is_some_and(|local| local.is_loopback()) || query.remote.is_loopback() {
            return Err(Error::NoRoute);
        }
        if let Some(nic) = query.nic {
            self.interface(nic)?;
        }
        let way = self.best_way(query, local, claim)?;
        Ok(self.finish_route(&way, local, query.remote))
    }

    fn route_to_self(&self, local: Option<IpAddr>, remote: IpAddr) -> Result<CachedRoute, Error> {
        let local = local.unwrap_or(remote);
        if self.owner(local).is_none() && !self.enabled().any(|(_, interface)| interface.may_claim(local)) {
            return Err(Error::BadLocalAddress);
        }
        let lo = self.interfaces.first().ok_or(Error::NoRoute)?;
        Ok(CachedRoute {
            hop: Hop { nic: lo.id(), next_hop: remote, generation: self.generation },
            local,
            cast: Cast::Unicast,
            mtu: lo.visible.capabilities.mtu,
            link_mtu: lo.visible.capabilities.mtu,
            max_gso: lo.visible.capabilities.max_gso,
            segmentation_offload: true,
            queue_packets: None,
            loopback: true,
        })
    }

    fn best_way(&self, query: &RouteQuery, local: Option<IpAddr>, claim: Claim) -> Result<Way, Error> {
        let mut refusal = Error::NoRoute;
        let mut viable = |way: &Way| match self.check_way(way, query, local, claim) {
            Ok(()) => true,
            Err(error) => {
                refusal = error;
                false
            }
        };
        let explicit =
            self.routes.matching(query.remote).filter_map(|row| self.way_of(row)).find(&mut viable);
        let connected = self.connected_ways(query.remote).filter(&mut viable).max_by_key(|way| way.prefix);
        let on_link = self.routes.order() == RouteOrder::LongestPrefix
            && connected.as_ref().map(|way| way.prefix) > explicit.as_ref().map(|way| way.prefix);
        let way = if on_link { connected.or(explicit) } else { explicit.or(connected) };
        way.or_else(|| self.group_way(query, local).filter(&mut viable)).ok_or(match local {
            Some(local) if claim == Claim::Own && self.owner(local).is_none() => Error::BadLocalAddress,
            _ => refusal,
        })
    }

    fn way_of(&self, row: &RouteEntry) -> Option<Way> {
        let index = self.index(row.nic)?;
        let prefix = row.destination.prefix_len();
        Some(Way { index, gateway: row.gateway, mtu: row.mtu, source: row.source, prefix })
    }

    /// The subnets of the interfaces' addresses.
    fn connected_ways(&self, remote: IpAddr) -> impl Iterator<Item = Way> {
        self.interfaces.iter().enumerate().skip(1).flat_map(move |(index, interface)| {
            let nets = interface.visible.addresses.iter().map(|own| own.net);
            nets.filter(move |net| net.contains(&remote)).map(move |net: IpNet| Way {
                index,
                gateway: None,
                mtu: None,
                source: None,
                prefix: net.prefix_len(),
            })
        })
    }

    /// Groups and the limited broadcast address need no route: the interface asked for, that of the source, or the first.
    fn group_way(&self, query: &RouteQuery, local: Option<IpAddr>) -> Option<Way> {
        let everywhere = query.remote.is_multicast() || query.remote == IpAddr::from([255; 4]);
        let mut candidates = self.enabled().filter(|(_, interface)| !interface.is_loopback());
        let (index, _) = candidates.find(|(_, interface)| {
            everywhere
                && query.nic.is_none_or(|nic| interface.id() == nic)
                && local.is_none_or(|local| interface.may_claim(local))
        })?;
        Some(Way { index, gateway: None, mtu: None, source: None, prefix: 0 })
    }

    fn check_way(
        &self,
        way: &Way,
        query: &RouteQuery,
        local: Option<IpAddr>,
        claim: Claim,
    ) -> Result<(), Error> {
        let interface = &self.interfaces[way.index];
        if query.nic.is_some_and(|nic| interface.id() != nic) {
            return Err(Error::NoRoute);
        }
        if !interface.enabled {
            return Err(Error::NetworkUnreachable);
        }
        let Some(local) = local else {
            let source = way.source.or_else(|| interface.source_for(way.gateway.unwrap_or(query.remote)));
            return if source.is_some() { Ok(()) } else { Err(Error::NoRoute) };
        };
        let allowed = interface.may_claim(local)
            || (claim == Claim::Answer && interface.accepts(local))
            || (interface.visible.forwarding && self.owner(local).is_some());
        if allowed { Ok(()) } else { Err(Error::NoRoute) }
    }

    fn finish_route(&self, way: &Way, local: Option<IpAddr>, remote: IpAddr) -> CachedRoute {
        let interface = &self.interfaces[way.index];
        let capabilities = &interface.visible.capabilities;
        let redirected = self
            .redirects
            .get(&remote)
            .filter(|(_, expires)| *expires > self.now)
            .map(|(gateway, _)| *gateway);
        let next_hop = way.gateway.map_or(remote, |gateway| redirected.unwrap_or(gateway));
        let source = local.or(way.source).or_else(|| interface.source_for(next_hop));
        let path_mtu = self.path_mtus.path_mtu(self.now, remote);
        let link_mtu = way.mtu.unwrap_or(u32::MAX).min(capabilities.mtu);
        let mtu = path_mtu.unwrap_or(u32::MAX).min(link_mtu);
        let segments = if remote.is_ipv4() { capabilities.tso4 } else { capabilities.tso6 };
        CachedRoute {
            hop: Hop { nic: interface.id(), next_hop, generation: self.generation },
            // A way without a source was refused by `check_way`.
            local: source.unwrap_or(remote),
            cast: interface.cast_of(remote),
            mtu,
            link_mtu,
            max_gso: if segments { capabilities.max_gso } else { SOFTWARE_GSO }.max(mtu),
            segmentation_offload: segments,
            queue_packets: capabilities.queue_packets,
            loopback: false,
        }
    }

    /// A router's advice, believed only from the current first hop and only for a gateway on its link
    /// (RFC 1122 §3.2.2.2, RFC 4861 §8.1).
    pub(crate) fn redirect(&mut self, from: IpAddr, destination: IpAddr, gateway: IpAddr) -> bool {
        let query = RouteQuery { nic: None, local: None, remote: destination };
        let Ok(current) = self.route(&query, Claim::Own) else { return false };
        let on_link = self.interface(current.hop.nic).is_ok_and(|interface| {
            interface.visible.addresses.iter().any(|own| own.net.contains(&gateway))
                && !interface.owns(gateway)
        });
        if current.hop.next_hop != from || current.loopback || !on_link {
            return false;
        }
        let now = self.now;
        self.redirects.retain(|_, (_, expires)| *expires > now);
        if self.redirects.len() >= MAX_REDIRECTS {
            return false;
        }
        self.redirects.insert(destination, (gateway, now + REDIRECT_LIFETIME));
        self.invalidate_routes();
        true
    }
}
