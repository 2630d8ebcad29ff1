//! What the settings of a socket mean for a packet: which way it may go, and what its header says.

use crate::{IpOptions, Peer, agree};
use core::net::IpAddr;
use stack_core::{CachedRoute, Cast, Error, Hop, IpMeta, NicId, RouteQuery, TxPacket};

/// What is said about a packet beside its bytes: its IP header and its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The IP header.
    pub ip: IpMeta,
    /// The next hop.
    pub hop: Hop,
    /// The interface that it must leave by; `None` leaves that to the host.
    pub bound_nic: Option<NicId>,
    /// Mark for policies.
    pub mark: u32,
    /// It comes back to our own members of the group that it is for.
    pub multicast_loop: bool,
}

impl Envelope {
    /// Says it about this packet.
    pub fn write(&self, packet: &mut TxPacket) {
        let Self { ip, hop, bound_nic, mark, multicast_loop } = *self;
        packet.ip = ip;
        packet.hop = hop;
        packet.bound_nic = bound_nic;
        packet.mark = mark;
        packet.multicast_loop = multicast_loop;
    }
}

impl IpOptions {
    /// The question to the routing table for a destination. `bound` is the only interface that the socket uses, if there is
    /// one, `source` the address that it sends from.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without an address, and if its zone is another interface.
    pub fn query(
        &self,
        bound: Option<NicId>,
        peer: Peer,
        source: Option<IpAddr>,
    ) -> Result<RouteQuery, Error> {
        if peer.ip.is_unspecified() {
            return Err(Error::InvalidArgument);
        }
        let mut nic = agree(bound, peer.zone)?;
        if nic.is_none() && peer.ip.is_multicast() {
            nic = self.multicast_nic;
        }
        Ok(RouteQuery { nic, local: source, remote: peer.ip })
    }

    /// A route, if the socket may send there.
    ///
    /// # Errors
    /// [`Error::BroadcastDisabled`].
    pub fn check(&self, route: CachedRoute) -> Result<CachedRoute, Error> {
        let refused = route.cast == Cast::Broadcast && !self.broadcast;
        if refused { Err(Error::BroadcastDisabled) } else { Ok(route) }
    }

    /// All that is said about a packet to `peer` by this route.
    pub fn envelope(&self, bound: Option<NicId>, peer: Peer, route: &CachedRoute, protocol: u8) -> Envelope {
        let multicast = route.cast == Cast::Multicast;
        let multicast_nic = self.multicast_nic.filter(|_| multicast);
        let ip = IpMeta {
            src: route.local,
            dst: peer.ip,
            protocol,
            hop_limit: if multicast { self.multicast_hop_limit } else { self.hop_limit },
            traffic_class: self.traffic_class,
            dont_fragment: self.dont_fragment,
            flow_label: self.flow_label,
            cast: route.cast,
        };
        Envelope {
            ip,
            hop: route.hop,
            bound_nic: bound.or(peer.zone).or(multicast_nic),
            mark: self.mark,
            multicast_loop: self.multicast_loop,
        }
    }
}
