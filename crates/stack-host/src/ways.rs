//! From a destination to a route: the rows of the table, the subnets of our own addresses, and what stands in for them.
//!
//! A way is a row or a subnet that leads there. The best one that may be used becomes a route, with its source address, its
//! next hop and its MTU.

use crate::route::{RouteEntry, RouteOrder};
use crate::tables::Tables;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{CachedRoute, Cast, Error, Hop, IpNet, Medium, NicId, RouteQuery};

/// Largest super-packet that the host cuts itself.
const SOFTWARE_GSO: u32 = 65_535;

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
        let redirected = self.redirects.gateway(self.now, interface.id(), remote);
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

    /// A neighbour did not answer: whoever went by it looks for another way.
    pub(crate) fn neighbor_failed(&mut self, nic: NicId, address: IpAddr) {
        let is_gateway = self.routes.neighbor_failed(nic, address);
        self.router_turn = self.router_turn.wrapping_add(usize::from(is_gateway));
        if self.redirects.forget(nic, Some(address)) || is_gateway {
            self.invalidate_routes();
        }
    }
}

/// Whether an address means something only together with an interface (RFC 4007 §6).
pub(crate) fn is_zoned(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
