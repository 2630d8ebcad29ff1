//! Which way a packet goes: the routing table, and the handle that an application holds.
//!
//! Longest prefix first, the order of the table among equals; or, if the host is so configured, the first match, as the
//! seed did. The subnets of an interface's addresses are routes of their own, behind explicit ones of the same length.

use crate::interface::AddressRecord;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{CachedRoute, IpNet, LinkAddress, NicId};
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
}

impl RouteEntry {
    /// A route to a destination, to be completed with the methods below.
    pub fn new(destination: IpNet, nic: NicId) -> Self {
        Self { destination, gateway: None, nic, mtu: None, source: None }
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
}

impl RouteTable {
    pub(crate) fn new(order: RouteOrder) -> Self {
        Self { rows: Vec::new(), order }
    }

    pub(crate) fn replace(&mut self, rows: Vec<RouteEntry>) {
        self.rows = rows;
        self.sort();
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
        if self.order == RouteOrder::LongestPrefix {
            self.rows.sort_by_key(|row| core::cmp::Reverse(row.destination.prefix_len()));
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
