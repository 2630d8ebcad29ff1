//! Which of our addresses to send from, and which of somebody's addresses to try first: RFC 6724.
//!
//! | question | file |
//! | --- | --- |
//! | which source for a destination? | here, §5 |
//! | which destination first? | `destination.rs`, §6 |
//! | which addresses belong together? | `policy.rs`, §2.1 |
//!
//! Left out: home addresses (rule 4) and prefixes by next hop (rule 5.5); the sources to choose from are those of the
//! outgoing interface (§4), so that rule 5 has nothing to say.

mod destination;
mod policy;

pub use policy::{Policies, Policy};

use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{AddressState, InterfaceAddress};

/// Bits of an address that are compared at most: what follows is the identifier (RFC 6724 §2.2, RFC 4291 §2.5.1).
const PREFIX_BITS: u8 = 64;

/// Scopes: RFC 4291 §2.7, for unicast as RFC 6724 §3.1 maps them.
const LINK_LOCAL: u8 = 2;
const SITE_LOCAL: u8 = 5;
const GLOBAL: u8 = 14;

/// The source for packets to `destination` among the addresses of the outgoing interface: RFC 6724 §5.
pub(crate) fn select(
    addresses: &[InterfaceAddress],
    destination: Ipv6Addr,
    policies: &Policies,
) -> Option<Ipv6Addr> {
    let candidates =
        addresses.iter().filter(|own| own.state.is_usable()).filter_map(|own| match own.address() {
            IpAddr::V6(address) => Some((address, own)),
            IpAddr::V4(_) => None,
        });
    let (wanted, label) = (scope(destination), policies.of(destination).label);
    // R6724-5-a: the smallest is the best; each rule decides among those that the ones before leave equal.
    let rank = |(address, own): &(Ipv6Addr, &InterfaceAddress)| {
        let shared = common_prefix(*address, destination).min(own.net.prefix_len()).min(PREFIX_BITS);
        (
            *address != destination,               // rule 1, R6724-5-b
            distance(scope(*address), wanted),     // rule 2, R6724-5-c
            own.state == AddressState::Deprecated, // rule 3, R6724-5-d
            policies.of(*address).label != label,  // rule 6, R6724-5-e
            !own.temporary,                        // rule 7, R6724-5-f
            Reverse(shared),                       // rule 8, R6724-5-g
        )
    };
    candidates.min_by_key(rank).map(|(address, _)| address)
}

/// How well a source's scope suits a destination's: the smallest that reaches it, else the largest (rule 2).
fn distance(scope: u8, wanted: u8) -> (bool, u8) {
    let too_small = scope < wanted;
    (too_small, if too_small { u8::MAX - scope } else { scope })
}

/// The scope of an address, RFC 6724 §3.1; loopback counts as link-local (§3.4).
fn scope(address: Ipv6Addr) -> u8 {
    let [first, second, ..] = address.octets();
    match address {
        _ if address.is_multicast() => second & 0xf,
        _ if address.is_unicast_link_local() || address.is_loopback() => LINK_LOCAL,
        _ if first == 0xfe && second & 0xc0 == 0xc0 => SITE_LOCAL,
        _ => GLOBAL,
    }
}

/// Bits that two addresses have in common from the left.
fn common_prefix(one: Ipv6Addr, other: Ipv6Addr) -> u8 {
    (one.to_bits() ^ other.to_bits()).leading_zeros() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressState::{Deprecated, Duplicate, Preferred, Tentative};
    use alloc::vec::Vec;

    fn own(text: &str, state: AddressState) -> InterfaceAddress {
        InterfaceAddress::new(text.parse().unwrap(), state)
    }

    /// The source to a destination among preferred addresses, in both orders.
    fn source(addresses: &[InterfaceAddress], destination: &str) -> Option<Ipv6Addr> {
        let destination = destination.parse().unwrap();
        let forwards = select(addresses, destination, &Policies::default());
        let reversed: Vec<_> = addresses.iter().rev().copied().collect();
        assert_eq!(forwards, select(&reversed, destination, &Policies::default()), "{addresses:?}");
        forwards
    }

    fn chosen(addresses: &[&str], destination: &str) -> Ipv6Addr {
        let addresses: Vec<_> = addresses.iter().map(|text| own(text, Preferred)).collect();
        source(&addresses, destination).unwrap()
    }

    /// The examples of RFC 6724 §10.1 that one interface can show.
    #[test]
    fn examples_of_the_rfc() {
        for (id, addresses, destination, want) in [
            ("R6724-5-c", ["2001:db8:3::1/64", "fe80::1/64"], "2001:db8:1::1", "2001:db8:3::1"),
            ("R6724-5-c", ["2001:db8:3::1/64", "fe80::1/64"], "ff05::1", "2001:db8:3::1"),
            ("R6724-5-c", ["2001:db8:3::1/64", "fe80::1/64"], "fe80::2", "fe80::1"),
            ("R6724-5-c", ["2001:db8:3::1/64", "fe80::1/64"], "ff02::1", "fe80::1"),
            ("R6724-5-b", ["2001:db8:1::1/64", "2001:db8:2::1/64"], "2001:db8:1::1", "2001:db8:1::1"),
            ("R6724-5-g", ["2001:db8:1::2/64", "2001:db8:3::2/64"], "2001:db8:1::1", "2001:db8:1::2"),
            (
                "R6724-5-e",
                ["2002:c633:6401::d5e3/64", "2001:db8:1::2/64"],
                "2002:c633:6401::1",
                "2002:c633:6401::d5e3",
            ),
            ("R6724-5-e", ["2001:db8:1::2/64", "fd00::2/64"], "fd11::1", "fd00::2"),
            ("R6724-5-e", ["2001:db8:1::2/64", "fd00::2/64"], "2600::1", "2001:db8:1::2"),
        ] {
            assert_eq!(
                chosen(&addresses, destination),
                want.parse::<Ipv6Addr>().unwrap(),
                "{id}: {destination}"
            );
        }
    }

    // R6724-5-d
    #[test]
    fn deprecated_addresses_only_if_nothing_else_reaches() {
        let addresses = [
            own("2001:db8:1::1/64", Deprecated),
            own("2001:db8:2::1/64", Preferred),
            own("fe80::1/64", Preferred),
        ];
        assert_eq!(source(&addresses, "2001:db8:1::9"), "2001:db8:2::1".parse().ok());
        assert_eq!(source(&addresses[..1], "2001:db8:1::9"), "2001:db8:1::1".parse().ok());
        let addresses = [own("2001:db8:1::1/64", Deprecated), own("fe80::1/64", Preferred)];
        assert_eq!(source(&addresses, "2001:db8:1::9"), "2001:db8:1::1".parse().ok(), "scope comes first");
    }

    // R6724-5-f
    #[test]
    fn temporary_addresses_go_first() {
        let temporary = InterfaceAddress { temporary: true, ..own("2001:db8:1::7/128", Preferred) };
        let addresses = [own("2001:db8:1::1/128", Preferred), temporary];
        assert_eq!(source(&addresses, "2600::1"), "2001:db8:1::7".parse().ok());
    }

    // R6724-4-a
    #[test]
    fn what_is_not_ours_yet_or_any_more_is_no_candidate() {
        let addresses = [
            own("2001:db8:1::1/64", Tentative),
            own("2001:db8:1::2/64", Duplicate),
            own("10.0.0.1/8", Preferred),
        ];
        assert_eq!(source(&addresses, "2001:db8:1::9"), None);
    }

    // R6724-5-g
    #[test]
    fn identifiers_are_not_compared() {
        let addresses = [own("2001:db8:1::1/128", Preferred), own("2001:db8:1::ff01/128", Preferred)];
        let first = select(&addresses, "2001:db8:1::ff02".parse().unwrap(), &Policies::default());
        assert_eq!(first, "2001:db8:1::1".parse().ok(), "the first of equals");
    }
}
