//! Routes as transports see them: a question and an answer to keep.

use core::net::IpAddr;
use stack_packet::{Cast, Hop, NicId};

/// Which way to go?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteQuery {
    /// Only by this interface.
    pub nic: Option<NicId>,
    /// In the name of this address; `None` lets the host choose.
    pub local: Option<IpAddr>,
    /// To this destination.
    pub remote: IpAddr,
}

/// The way to a destination, to be kept by an endpoint as long as [`is_current`](crate::TransportServices::is_current) says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CachedRoute {
    /// Interface and neighbour.
    pub hop: Hop,
    /// The source address.
    pub local: IpAddr,
    /// To how many the destination address belongs.
    pub cast: Cast,
    /// Largest IP packet on the path as far as known, in bytes.
    pub mtu: u32,
    /// Largest IP packet that the interface and the row of the routing table take, whatever is known of the path beyond:
    /// where probing for a larger `mtu` ends (RFC 4821 §7.2). Never below `mtu`.
    pub link_mtu: u32,
    /// Largest super-packet to build, in bytes from the network header: what the link takes, or what the host
    /// cuts itself. Never below `mtu`.
    pub max_gso: u32,
    /// Whether super-packets can be handed to the link as they are.
    pub segmentation_offload: bool,
    /// Packets that the queue in front of us holds; see [`LinkCapabilities::queue_packets`](crate::LinkCapabilities::queue_packets).
    pub queue_packets: Option<u32>,
    /// The destination is an address of this host.
    pub loopback: bool,
}
