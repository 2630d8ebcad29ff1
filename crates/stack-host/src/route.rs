//! Which way a packet goes: the routing table, and the handle that an application holds.
//!
//! Longest prefix first, the order of the table among equals; or, if the host is so configured, the first match, as the
//! seed did. The subnets of an interface's addresses are routes of their own, behind explicit ones of the same length.

use crate::interface::AddressRecord;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;
use stack_core::{CachedRoute, DiscoveredRoute, IpNet, LinkAddress, NicId, RoutePreference};
use stack_wire::checksum;

/// A row of the routing table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteEntry {
    /// Destinations that it is for.
    pub destination: IpNet,
    /// The router to hand packets to; `None` for destinations on the link.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub nic: NicId,
    /// Largest packet on this route, if smaller than the interface's.
    pub mtu: Option<u32>,
    /// The source address to use, if it is not to be chosen.
    pub source: Option<IpAddr>,
    /// Among routes to the same destinations (RFC 4191 §2.1).
    pub preference: RoutePreference,
    /// A router on the link told of it (RFC 4861 §6.3.4): it comes and goes with what routers say, and routes that were
    /// set by hand come first.
    pub discovered: bool,
}

impl RouteEntry {
    /// A route to a destination, to be completed with the methods below.
    pub fn new(destination: IpNet, nic: NicId) -> Self {
        Self {
            destination,
            gateway: None,
            nic,
            mtu: None,
            source: None,
            preference: RoutePreference::Medium,
            discovered: false,
        }
    }

    /// Through a router.
    pub fn via(self, gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..self }
    }
}

/// How the table is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RouteOrder {
    /// The longest prefix wins; among equals the first (RFC 1812 §5.2.4.3).
    #[default]
    LongestPrefix,
    /// The first row that matches wins.
    FirstMatch,
}

#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    rows: Vec<RouteEntry>,
    order: RouteOrder,
    /// Gateways of rows that did not answer and have not been heard of since.
    failed: Vec<(NicId, IpAddr)>,
}

impl RouteTable {
    pub(crate) fn new(order: RouteOrder) -> Self {
        Self { rows: Vec::new(), order, failed: Vec::new() }
    }

    /// Other rows instead of those that were set by hand.
    pub(crate) fn replace(&mut self, rows: Vec<RouteEntry>) {
        self.rows.retain(|row| row.discovered);
        self.rows.extend(rows);
        self.failed.clear();
        self.sort();
    }

    /// A router told of a route, or of another preference.
    pub(crate) fn discover(&mut self, route: &DiscoveredRoute) {
        self.lose(route);
        let row = RouteEntry::new(route.destination, route.nic);
        self.add(RouteEntry { gateway: route.router, preference: route.preference, discovered: true, ..row });
    }

    /// A route that a router told of is gone.
    pub(crate) fn lose(&mut self, route: &DiscoveredRoute) {
        let DiscoveredRoute { nic, destination, router, .. } = *route;
        let same = |row: &RouteEntry| {
            row.discovered && (row.nic, row.destination, row.gateway) == (nic, destination, router)
        };
        self.rows.retain(|row| !same(row));
    }

    /// A neighbour did not answer. Returns whether it is the gateway of a row.
    pub(crate) fn neighbor_failed(&mut self, nic: NicId, address: IpAddr) -> bool {
        let rows = &self.rows;
        let leads = |nic, gateway| rows.iter().any(|row| (row.nic, row.gateway) == (nic, Some(gateway)));
        self.failed.retain(|&(of, gateway)| (of, gateway) != (nic, address) && leads(of, gateway));
        let is_gateway = leads(nic, address);
        self.failed.extend(is_gateway.then_some((nic, address)));
        is_gateway
    }

    /// Whether a gateway did not answer when it was asked last.
    pub(crate) fn has_failed(&self, nic: NicId, gateway: IpAddr) -> bool {
        self.failed.contains(&(nic, gateway))
    }

    /// Gateways that were heard of are gateways again.
    pub(crate) fn forget_failed(&mut self, heard_of: impl Fn(NicId, IpAddr) -> bool) {
        self.failed.retain(|&(nic, gateway)| !heard_of(nic, gateway));
    }

    pub(crate) fn add(&mut self, row: RouteEntry) {
        self.rows.push(row);
        self.sort();
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&RouteEntry) -> bool) {
        self.rows.retain(keep);
    }

    pub(crate) fn rows(&self) -> &[RouteEntry] {
        &self.rows
    }

    /// The rows for a destination, best first.
    pub(crate) fn matching(&self, remote: IpAddr) -> impl Iterator<Item = &RouteEntry> {
        self.rows.iter().filter(move |row| row.destination.contains(&remote))
    }

    pub(crate) fn order(&self) -> RouteOrder {
        self.order
    }

    fn sort(&mut self) {
        match self.order {
            RouteOrder::LongestPrefix => self.rows.sort_by_key(|row| {
                (Reverse(row.destination.prefix_len()), row.discovered, Reverse(row.preference))
            }),
            RouteOrder::FirstMatch => {
                self.rows
                    .sort_by_key(|row| (row.discovered, row.discovered.then_some(Reverse(row.preference))));
            }
        }
    }
}

/// A route that an application found and holds: the seed's `Route`.
///
/// It owns its local address: if that is removed from the interface, the address lives on, for packets in both
/// directions, until the last clone of the route is dropped.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) cached: CachedRoute,
    pub(crate) remote: IpAddr,
    pub(crate) max_header: usize,
    pub(crate) remote_link: Option<LinkAddress>,
    /// Dropped with the route: the interface counts who holds it.
    pub(crate) _record: Option<Arc<AddressRecord>>,
}

impl Route {
    /// The destination.
    pub fn remote_address(&self) -> IpAddr {
        self.remote
    }

    /// Our address.
    pub fn local_address(&self) -> IpAddr {
        self.cached.local
    }

    /// The neighbour that packets are handed to.
    pub fn next_hop(&self) -> IpAddr {
        self.cached.hop.next_hop
    }

    /// The interface.
    pub fn nic(&self) -> NicId {
        self.cached.hop.nic
    }

    /// Largest IP packet, in bytes.
    pub fn mtu(&self) -> u32 {
        self.cached.mtu
    }

    /// Bytes that all headers below the transport's take at most.
    pub fn max_header_length(&self) -> usize {
        self.max_header
    }

    /// The neighbour's link address, if it was known when the route was found.
    pub fn remote_link_address(&self) -> Option<LinkAddress> {
        self.remote_link
    }

    /// The same as transport protocols see it.
    pub fn cached(&self) -> &CachedRoute {
        &self.cached
    }

    /// Folded sum of the pseudo-header without the length, which the transport adds (RFC 9293 §3.1, RFC 8200 §8.1).
    pub fn pseudo_header_checksum(&self, protocol: u8) -> u16 {
        checksum::pseudo_header(self.cached.local, self.remote, protocol, 0).folded()
    }
}
