//! Which address and port a connection gets for its source.
//!
//! The port is kept where it is free, as RFC 4787 REQ-3 wants; else one of the same half is searched from a random place
//! on, a bounded number of times. Mappings depend on the other end, as Linux's do: a port serves many peers at once
//! (RFC 4787 REQ-1 wants them independent of it).

use crate::table::{Table, Way};
use crate::tuple::{End, Side, Tuple};
use core::net::IpAddr;
use core::ops::RangeInclusive;
use stack_core::{Instant, NicView};
use stack_wire::ip::protocol;

/// Where to look for a port.
pub(crate) struct Search {
    pub(crate) now: Instant,
    pub(crate) random: u64,
    pub(crate) attempts: u16,
    pub(crate) ports: Option<(u16, u16)>,
}

impl Search {
    /// The source for a packet with this tuple that is to come from `address`; `None` if no port was found.
    pub(crate) fn find(&self, table: &mut Table, way: Way, tuple: &Tuple, address: IpAddr) -> Option<End> {
        let kept = End { address, port: tuple.src_port };
        let mut free = |end: End| {
            let reply = tuple.with_end(Side::Source, end).inverse();
            !table.is_taken(self.now, &reply, way)
        };
        let Some(range) = self.range(tuple) else { return free(kept).then_some(kept) };
        let wanted = self.ports.is_none_or(|(first, last)| (first..=last).contains(&kept.port));
        if wanted && free(kept) {
            return Some(kept);
        }
        let (first, count) = (*range.start(), u64::from(range.end() - range.start()) + 1);
        let attempts = u64::from(self.attempts).min(count);
        let ports = (0..attempts).map(|step| first + ((self.random % count + step) % count) as u16);
        ports.map(|port| End { address, port }).find(|end| free(*end))
    }

    /// The ports that the source may have; `None` if it has no port that could change.
    fn range(&self, tuple: &Tuple) -> Option<RangeInclusive<u16>> {
        match tuple.protocol {
            protocol::TCP | protocol::UDP => Some(match self.ports {
                Some((first, last)) => first..=last,
                None if tuple.src_port < 1024 => 1..=1023,
                None => 1024..=u16::MAX,
            }),
            protocol::ICMP | protocol::ICMPV6 => Some(0..=u16::MAX),
            _ => None,
        }
    }
}

/// Our address on the interface for what goes to `next_hop`: one of its subnet if there is one, and none that is to be
/// given up soon if there is another.
pub(crate) fn masquerade(nic: &NicView<'_>, next_hop: IpAddr) -> Option<IpAddr> {
    let usable = nic.addresses.iter().filter(|known| {
        known.state.is_usable()
            && known.address().is_ipv4() == next_hop.is_ipv4()
            && !matches!(known.address(), IpAddr::V6(v6) if v6.is_unicast_link_local())
    });
    let best = usable.min_by_key(|known| (!known.net.contains(&next_hop), known.temporary));
    best.map(stack_core::InterfaceAddress::address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Entry;
    use crate::layout::Part;
    use stack_core::{AddressState, InterfaceAddress, LinkCapabilities, NicId};

    const PUBLIC: &str = "203.0.113.1";

    fn tuple(host: u8, port: u16) -> Tuple {
        let (src, dst) = (IpAddr::from([10, 0, 0, host]), IpAddr::from([192, 0, 2, 1]));
        Tuple { src, dst, src_port: port, dst_port: 80, protocol: 6 }
    }

    fn open(table: &mut Table, tuple: Tuple) -> Way {
        let mut entry = Entry::first(tuple, Part::Datagram, true).unwrap();
        entry.expires = Instant::FAR_FUTURE;
        table.insert(Instant::ZERO, entry).unwrap()
    }

    fn search(attempts: u16, ports: Option<(u16, u16)>) -> Search {
        Search { now: Instant::ZERO, random: 7, attempts, ports }
    }

    /// Translates a connection's source and returns its port.
    fn translate(table: &mut Table, tuple: Tuple, search: &Search) -> Option<u16> {
        let way = open(table, tuple);
        let end = search.find(table, way, &tuple, PUBLIC.parse().unwrap())?;
        table.set_reply(way, tuple.with_end(Side::Source, end).inverse());
        Some(end.port)
    }

    // R4787-REQ-3-a
    #[test]
    fn the_port_stays_while_it_is_free_and_keeps_its_half() {
        let mut table = Table::new(100, 1);
        let any = search(128, None);
        assert_eq!(translate(&mut table, tuple(1, 5000), &any), Some(5000));
        assert_eq!(translate(&mut table, tuple(2, 5000), &any), Some(1024 + 7));
        assert_eq!(translate(&mut table, tuple(3, 5000), &any), Some(1024 + 8));
        let other_peer = Tuple { dst_port: 81, ..tuple(4, 5000) };
        assert_eq!(translate(&mut table, other_peer, &any), Some(5000));
        assert_eq!(translate(&mut table, tuple(1, 500), &any), Some(500));
        assert_eq!(translate(&mut table, tuple(2, 500), &any), Some(1 + 7));
        assert_eq!(translate(&mut table, tuple(1, 0), &any), Some(0), "nobody asked for another");
    }

    #[test]
    fn the_search_ends() {
        let mut table = Table::new(100, 1);
        let two = search(128, Some((6000, 6001)));
        assert_eq!(translate(&mut table, tuple(1, 5000), &two), Some(6001));
        assert_eq!(translate(&mut table, tuple(2, 5000), &two), Some(6000));
        assert_eq!(translate(&mut table, tuple(3, 5000), &two), None);
        let once = search(1, None);
        (4..6).for_each(|host| {
            let _ = translate(&mut table, tuple(host, 5000), &once);
        });
        assert_eq!(translate(&mut table, tuple(6, 5000), &once), None);
    }

    #[test]
    fn what_has_no_port_keeps_none() {
        let mut table = Table::new(100, 1);
        let gre = |host| Tuple { protocol: 47, src_port: 0, dst_port: 0, ..tuple(host, 0) };
        let any = search(128, None);
        assert_eq!(translate(&mut table, gre(1), &any), Some(0));
        assert_eq!(translate(&mut table, gre(2), &any), None);
    }

    #[test]
    fn an_address_of_the_next_hops_subnet_comes_first() {
        let address = |net: &str, temporary| InterfaceAddress {
            temporary,
            ..InterfaceAddress::new(net.parse().unwrap(), AddressState::Preferred)
        };
        let addresses = [
            address("fe80::1/64", false),
            address("2001:db8::2/64", true),
            address("2001:db8::1/64", false),
            address("198.51.100.1/24", false),
            address("203.0.113.1/24", false),
        ];
        let capabilities = LinkCapabilities::default();
        let nic = NicView {
            id: NicId(1),
            capabilities: &capabilities,
            link_address: None,
            addresses: &addresses,
            forwarding: true,
        };
        let ours = |hop: &str| masquerade(&nic, hop.parse().unwrap()).unwrap().to_string();
        use alloc::string::ToString;
        assert_eq!(ours("203.0.113.254"), PUBLIC);
        assert_eq!(ours("192.0.2.1"), "198.51.100.1");
        assert_eq!(ours("fe80::ff"), "2001:db8::1");
        assert_eq!(
            masquerade(&NicView { addresses: &addresses[..1], ..nic }, "fe80::2".parse().unwrap()),
            None
        );
    }
}
