//! Packets to groups forwarded between interfaces: the table of multicast routes of a running stack.

use crate::stack::Stack;
use stack_core::Error;
use stack_host::{MulticastRoute, MulticastRouteInfo};
use std::net::IpAddr;

impl Stack {
    /// Forwards packets to groups between interfaces that forward, by the table of multicast routes, or no longer. Off at
    /// first. Packets without a route, or that come in by the wrong interface, are told of by
    /// [`network_events`](Self::network_events).
    pub fn set_multicast_forwarding(&self, on: bool) {
        self.with_host(|host, _| host.set_multicast_forwarding(on));
    }

    /// Adds a multicast route, in the place of the one for the same source and group.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a group that must not leave its link, a source that is no host, no output, or one that
    /// is the input; [`Error::AddressFamily`]; [`Error::UnknownNic`]; [`Error::LimitReached`] beyond 1,024 routes.
    pub fn add_multicast_route(&self, route: MulticastRoute) -> Result<(), Error> {
        self.with_host(|host, _| host.add_multicast_route(route))
    }

    /// Removes a multicast route.
    ///
    /// # Errors
    /// [`Error::NoRoute`] if there is none for this source and group.
    pub fn remove_multicast_route(&self, source: Option<IpAddr>, group: IpAddr) -> Result<(), Error> {
        self.with_host(|host, _| host.remove_multicast_route(source, group))
    }

    /// The multicast routes by group and source, with what came by each.
    pub fn multicast_routes(&self) -> Vec<MulticastRouteInfo> {
        self.with_host(|host, _| host.multicast_routes().cloned().collect())
    }
}
