//! What the host knows: interfaces, routes, neighbours, endpoints, ports. Protocols see it through `services.rs`.

use crate::builder::HostConfig;
use crate::demux::Demux;
use crate::hash::{Map, map};
use crate::icmp_limit::IcmpLimit;
use crate::interface::Interface;
use crate::neighbor::NeighborCache;
use crate::route::{RouteEntry, RouteOrder, RouteTable};
use crate::source::Policies;
use crate::tap::Taps;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{
    CachedRoute, Cast, Error, Hop, Instant, IpNet, LinkAddress, Medium, NeighborUpdate, NicId, PathMtuStore,
    PortRegistry, Rng, RouteQuery, RxPacket,
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
    /// Packets whose senders are to be told that the port is unreachable.
    pub(crate) refused: Vec<RxPacket>,
    pub(crate) rng: Box<dyn Rng>,
    pub(crate) generation: u32,
    /// The time of the call that the host is in.
    pub(crate) now: Instant,
    /// When routes are looked up again even if nothing is known to have changed.
    look_again_at: Instant,
    redirects: Map<IpAddr, Redirected>,
    /// Where transport protocols look at packets for their sockets.
    pub(crate) taps: Taps,
    /// Which labels and precedences addresses have (RFC 6724 §2.1).
    pub(crate) policies: Policies,
    /// Counts routers that did not answer: while none is known to, each of them is tried (RFC 4861 §6.3.6).
    router_turn: usize,
}

/// A better first hop than the route says.
#[derive(Clone, Copy, Debug)]
struct Redirected {
    nic: NicId,
    gateway: IpAddr,
    expires: Instant,
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
    /// A router told of it.
    discovered: bool,
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
            redirects: map(rng.next_u64()),
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
        if self.is_own(query) {
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

    /// Whether the destination is ours. A link-local one is in the zone that is asked for, and only there (RFC 4007 §6).
    fn is_own(&self, query: &RouteQuery) -> bool {
        match query.nic.filter(|_| is_zoned(query.remote)) {
            Some(nic) => self.enabled().any(|(_, own)| own.id() == nic && own.owns(query.remote)),
            None => self.owner(query.remote).is_some(),
        }
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
        let explicit = self.explicit_way(query.remote, &mut viable);
        let connected = self.connected_ways(query.remote).filter(&mut viable).max_by_key(|way| way.prefix);
        let longest = self.routes.order() == RouteOrder::LongestPrefix;
        let compare = longest || explicit.as_ref().is_some_and(|way| way.discovered);
        let on_link =
            compare && connected.as_ref().map(|way| way.prefix) > explicit.as_ref().map(|way| way.prefix);
        let way = if on_link { connected.or(explicit) } else { explicit.or(connected) };
        way.or_else(|| self.group_way(query, local).filter(&mut viable)).ok_or(match local {
            Some(local) if claim == Claim::Own && self.owner(local).is_none() => Error::BadLocalAddress,
            _ => refusal,
        })
    }

    /// The first row that leads there, not by a router that does not answer if another one may (RFC 4191 §3.2,
    /// R1122-3.3.1.4-a). If none does, they take turns (R4861-6.3.6-a). What was set by hand is for its destinations: only
    /// another row for the same ones stands in for it.
    fn explicit_way(&self, remote: IpAddr, viable: &mut impl FnMut(&Way) -> bool) -> Option<Way> {
        let ways = self.routes.matching(remote).filter_map(|row| self.way_of(row)).filter(viable);
        let mut suspects: Vec<Way> = Vec::new();
        for way in ways {
            if suspects.first().is_some_and(|first| !first.discovered && first.prefix != way.prefix) {
                break;
            }
            if !self.is_suspect(&way) {
                return Some(way);
            }
            suspects.push(way);
        }
        let turn = self.router_turn.checked_rem(suspects.len())?;
        Some(suspects.swap_remove(turn))
    }

    /// Routers that told of themselves are many, and one that is not known yet may never answer; one that was set by hand
    /// is believed in until it has not answered.
    fn is_suspect(&self, way: &Way) -> bool {
        let interface = &self.interfaces[way.index];
        let resolves = interface.visible.capabilities.medium == Medium::Ethernet;
        let silent = |router| {
            (way.discovered || self.routes.has_failed(interface.id(), router))
                && !self.neighbors.is_probably_reachable(interface.id(), router)
        };
        resolves && way.gateway.is_some_and(silent)
    }

    /// A neighbour did not answer: whoever went by it looks for another way.
    pub(crate) fn neighbor_failed(&mut self, nic: NicId, address: IpAddr) {
        let is_gateway = self.routes.neighbor_failed(nic, address);
        self.router_turn = self.router_turn.wrapping_add(usize::from(is_gateway));
        if self.forget_redirects(nic, Some(address)) || is_gateway {
            self.invalidate_routes();
        }
    }

    /// Forgets the redirects to a gateway. Returns whether there were any.
    pub(crate) fn forget_redirects(&mut self, nic: NicId, gateway: Option<IpAddr>) -> bool {
        let before = self.redirects.len();
        self.redirects.retain(|_, known| (known.nic, Some(known.gateway)) != (nic, gateway));
        self.redirects.len() < before
    }

    /// Whether an address is on the link of an interface.
    pub(crate) fn is_on_link(&self, index: usize, address: IpAddr) -> bool {
        let nic = self.interfaces[index].id();
        let told = |row: &RouteEntry| row.discovered && row.nic == nic && row.gateway.is_none();
        self.connected_ways(address).any(|way| way.index == index) || self.routes.matching(address).any(told)
    }

    fn way_of(&self, row: &RouteEntry) -> Option<Way> {
        let index = self.index(row.nic)?;
        let prefix = row.destination.prefix_len();
        let RouteEntry { gateway, mtu, source, discovered, .. } = *row;
        Some(Way { index, gateway, mtu, source, prefix, discovered })
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
                discovered: false,
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
        Some(Way { index, gateway: None, mtu: None, source: None, prefix: 0, discovered: false })
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
            let source = way.source.or_else(|| {
                interface.source_for(query.remote, way.gateway.unwrap_or(query.remote), &self.policies)
            });
            let asks_for_address = query.nic.is_some() && query.remote == IpAddr::from([255; 4]);
            return if source.is_some() || asks_for_address { Ok(()) } else { Err(Error::NoRoute) };
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
            .filter(|redirected| redirected.expires > self.now && redirected.nic == interface.id())
            .map(|redirected| redirected.gateway);
        let next_hop = way.gateway.map_or(remote, |gateway| redirected.unwrap_or(gateway));
        let source = local.or(way.source).or_else(|| interface.source_for(remote, next_hop, &self.policies));
        let path_mtu = self.path_mtus.path_mtu(self.now, remote);
        let link_mtu = way.mtu.unwrap_or(u32::MAX).min(interface.mtu_to(remote));
        let mtu = path_mtu.unwrap_or(u32::MAX).min(link_mtu);
        let segments = if remote.is_ipv4() { capabilities.tso4 } else { capabilities.tso6 };
        CachedRoute {
            hop: Hop { nic: interface.id(), next_hop, generation: self.generation },
            // A way without a source was refused by `check_way`, but for a host that asks everyone on an interface for its
            // address and says 0.0.0.0 until then (RFC 1122 §3.2.1.3 a).
            local: source.unwrap_or(IpAddr::from([0; 4])),
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
    pub(crate) fn redirect(&mut self, advice: &Advice) -> bool {
        let Advice { nic, from, destination, gateway, link } = *advice;
        let query = RouteQuery { nic: None, local: None, remote: destination };
        let Ok(current) = self.route(&query, Claim::Own) else { return false };
        let Some(index) = self.index(nic) else { return false };
        // For IPv6, whoever names the destination itself says that it is on the link (RFC 4861 §8.3).
        let on_link = (gateway == destination && gateway.is_ipv6())
            || is_zoned(gateway)
            || self.interfaces[index].visible.addresses.iter().any(|own| own.net.contains(&gateway));
        let from_first_hop = (current.hop.nic, current.hop.next_hop) == (nic, from) && !current.loopback;
        if !from_first_hop || !on_link || self.interfaces[index].owns(gateway) {
            return false;
        }
        let now = self.now;
        self.redirects.retain(|_, redirected| redirected.expires > now);
        if self.redirects.len() >= MAX_REDIRECTS && !self.redirects.contains_key(&destination) {
            return false;
        }
        self.redirects.insert(destination, Redirected { nic, gateway, expires: now + REDIRECT_LIFETIME });
        if let Some(link) = link {
            let router = (gateway != destination).then_some(true);
            let update = NeighborUpdate {
                nic,
                address: gateway,
                link: Some(link),
                solicited: false,
                overrides: true,
                router,
                create: true,
            };
            self.neighbors.update(now, &update, &mut *self.rng);
        }
        self.invalidate_routes();
        true
    }
}

/// What a redirect says (RFC 4861 §8, RFC 1122 §3.2.2.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    pub(crate) nic: NicId,
    pub(crate) from: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) gateway: IpAddr,
    pub(crate) link: Option<LinkAddress>,
}

/// Whether an address means something only together with an interface (RFC 4007 §6).
fn is_zoned(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
