//! What a network endpoint finds out about its link: routes, parameters, and news for people (RFC 4861, RFC 4191, RFC 8106).

use crate::AddressState;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use ipnet::IpNet;
use stack_packet::NicId;

/// Which of several equal routes to take: RFC 4191 §2.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum RoutePreference {
    /// Only if there is no other.
    Low,
    /// Unless somebody says otherwise.
    #[default]
    Medium,
    /// Before others.
    High,
}

/// A route that a router told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiscoveredRoute {
    /// The interface.
    pub nic: NicId,
    /// Destinations that it is for.
    pub destination: IpNet,
    /// The router; `None` for destinations on the link.
    pub router: Option<IpAddr>,
    /// Among routes to the same destinations.
    pub preference: RoutePreference,
}

/// What routers say for all on a link (RFC 4861 §6.3.4). What is `None` stays as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkParameters {
    /// The interface.
    pub nic: NicId,
    /// Largest packet of the family that said so, in bytes; `u32::MAX` for that of the link.
    pub mtu: Option<u32>,
    /// How long a confirmation of a neighbour lasts, before it is randomized.
    pub reachable_time: Option<Duration>,
    /// Between two requests to a neighbour.
    pub retrans_timer: Option<Duration>,
}

/// News about an interface. The host keeps a bounded number of them until somebody takes them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NetworkEvent {
    /// An address was added or is at another point of its life.
    Address {
        /// The interface.
        nic: NicId,
        /// The address.
        address: IpAddr,
        /// Where it is now; `None` if it is gone.
        state: Option<AddressState>,
    },
    /// A default router was found or is gone.
    Router {
        /// The interface.
        nic: NicId,
        /// The router.
        router: IpAddr,
        /// Whether it is one.
        present: bool,
    },
    /// A router names resolvers (RFC 8106 §5.1).
    DnsServers {
        /// The interface.
        nic: NicId,
        /// The router.
        router: IpAddr,
        /// The resolvers in the router's order.
        servers: Vec<IpAddr>,
        /// How long they may be asked; zero: no longer.
        lifetime: Duration,
    },
    /// A router names domains to search (RFC 8106 §5.2).
    SearchDomains {
        /// The interface.
        nic: NicId,
        /// The router.
        router: IpAddr,
        /// The domains in the router's order, without the dot at the end.
        domains: Vec<String>,
        /// How long they hold; zero: no longer.
        lifetime: Duration,
    },
    /// A packet to a group came in that no multicast route is for: it was not forwarded.
    NoMulticastRoute {
        /// The interface.
        nic: NicId,
        /// Who sent it.
        source: IpAddr,
        /// To whom.
        group: IpAddr,
    },
    /// A packet to a group came in by another interface than its multicast route has: it was not forwarded.
    WrongMulticastInput {
        /// The interface.
        nic: NicId,
        /// Who sent it.
        source: IpAddr,
        /// To whom.
        group: IpAddr,
    },
    /// A router says whether DHCPv6 has something to say, other than it said before (RFC 4861 §4.2).
    Dhcp {
        /// The interface.
        nic: NicId,
        /// The router.
        router: IpAddr,
        /// Addresses come from DHCPv6 (the M flag).
        addresses: bool,
        /// Other things do (the O flag).
        other: bool,
    },
}
