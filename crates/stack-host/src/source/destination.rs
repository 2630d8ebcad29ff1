//! Which of somebody's addresses to try first: RFC 6724 §6.
//!
//! Left out: home addresses (rule 4) and encapsulation (rule 7), which nobody here has. Where all rules before rule 9
//! leave an IPv4 and an IPv6 address equal, which the default policies never do, IPv6 goes first.

use super::{Policies, common_prefix, scope};
use crate::Host;
use crate::tables::Tables;
use crate::ways::Claim;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{AddressState, RouteQuery};

impl Host {
    /// Puts the addresses of one peer into the order in which to try them; addresses without a route come last.
    pub fn order_destinations(&self, addresses: &mut [IpAddr]) {
        let mut ranked: Vec<_> =
            addresses.iter().map(|address| (self.tables.rank(*address), *address)).collect();
        ranked.sort_by_key(|(rank, _)| *rank); // rule 10, R6724-6-g: a stable sort
        for (place, (_, address)) in addresses.iter_mut().zip(ranked) {
            *place = address;
        }
    }

    /// Replaces the table that says which addresses belong together and which go first (RFC 6724 §2.1).
    pub fn set_policies(&mut self, policies: Policies) {
        self.tables.policies = policies;
        self.tables.invalidate_routes();
    }
}

/// The smallest goes first.
type Rank = (bool, bool, bool, bool, Reverse<u8>, u8, bool, Reverse<u8>);

impl Tables {
    fn rank(&self, address: IpAddr) -> Rank {
        let destination = mapped(address);
        let (wanted, policy) = (scope_of(destination), self.policies.of(destination));
        let query = RouteQuery { nic: None, local: None, remote: address };
        let Ok(route) = self.route(&query, Claim::Own) else {
            // rule 1, R6724-6-a
            return (
                true,
                true,
                true,
                true,
                Reverse(policy.precedence),
                wanted,
                address.is_ipv4(),
                Reverse(0),
            );
        };
        let source = mapped(route.local);
        let shared = if address.is_ipv6() { common_prefix(source, destination) } else { 0 };
        (
            false,
            scope_of(source) != wanted,                     // rule 2, R6724-6-b
            self.is_deprecated(route.local),                // rule 3, R6724-6-c
            self.policies.of(source).label != policy.label, // rule 5, R6724-6-d
            Reverse(policy.precedence),                     // rule 6, R6724-6-e
            wanted,                                         // rule 8, R6724-6-f
            address.is_ipv4(),
            Reverse(shared.min(super::PREFIX_BITS)), // rule 9
        )
    }

    fn is_deprecated(&self, address: IpAddr) -> bool {
        let deprecated = |own: &stack_core::InterfaceAddress| {
            own.address() == address && own.state == AddressState::Deprecated
        };
        self.interfaces.iter().flat_map(|interface| &interface.visible.addresses).any(deprecated)
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// As of IPv6; of IPv4, 169.254.0.0/16 and 127.0.0.0/8 are link-local, all others global (RFC 6724 §3.2).
fn scope_of(address: Ipv6Addr) -> u8 {
    match address.to_ipv4_mapped() {
        Some(v4) if v4.is_link_local() || v4.is_loopback() => super::LINK_LOCAL,
        Some(_) => super::GLOBAL,
        None => scope(address),
    }
}
