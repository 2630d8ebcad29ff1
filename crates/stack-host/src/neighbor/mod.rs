//! Neighbours: from an IP address on a link to a link address.
//!
//! One cache for the host, fed by ARP and by neighbour discovery in the same words. `entry.rs` is the state machine of
//! RFC 4861 §7.3, `cache.rs` holds the entries, the packets that wait, and the bounds.

mod cache;
mod entry;

pub(crate) use cache::{Action, NeighborCache, Resolution};
pub use entry::NeighborState;
pub(crate) use entry::NeighborTimers;

use core::net::IpAddr;
use stack_core::{LinkAddress, NicId};

/// A neighbour, for listings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbor {
    /// The interface it is on.
    pub nic: NicId,
    /// Its IP address.
    pub address: IpAddr,
    /// Its link address, once known.
    pub link: Option<LinkAddress>,
    /// What is known about its reachability.
    pub state: NeighborState,
    /// Whether it is known to be a router.
    pub router: bool,
}
