//! Whom to ask, and in which domains to search: what several sources say, while it holds (RFC 8106 §5.3.1, §6).
//!
//! What is set by hand comes first, then what DHCP says, then what routers advertise; in each the order is the source's.
//! A source holds a few entries of each kind and the table a few sources' worth: at the cap, what would expire first
//! makes room for what holds longer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use ustack::{Instant, NicId};

/// Entries of one kind from one source; RFC 8106 §5.3.1 asks for at least three.
const PER_SOURCE: usize = 6;
/// Entries of one kind from all sources.
const IN_ALL: usize = 64;
/// Entries of one kind in use at a time: a question to servers that are all silent has to end.
const IN_USE: usize = 6;

/// Who names servers and domains. The order is the precedence: DHCP goes before router advertisements (R8106-5.3.1-c).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// Somebody, by hand.
    Configured,
    /// DHCPv4 on an interface.
    Dhcpv4(NicId),
    /// DHCPv6 on an interface.
    Dhcpv6(NicId),
    /// The advertisements of a router (RDNSS and DNSSL options, RFC 8106).
    Router {
        /// The interface.
        nic: NicId,
        /// The router.
        router: IpAddr,
    },
}

impl Source {
    /// The server as this source means it: a link-local one without a scope is on the source's own interface.
    pub(crate) fn server(self, mut server: SocketAddr) -> SocketAddr {
        let nic = match self {
            Self::Configured => return server,
            Self::Dhcpv4(nic) | Self::Dhcpv6(nic) | Self::Router { nic, .. } => nic,
        };
        if let SocketAddr::V6(v6) = &mut server
            && v6.ip().is_unicast_link_local()
            && v6.scope_id() == 0
        {
            v6.set_scope_id(nic.0);
        }
        server
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry<T> {
    source: Source,
    value: T,
    /// `None`: for ever.
    until: Option<Instant>,
}

impl<T> Entry<T> {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What sources say of one kind, in order of precedence.
#[derive(Debug)]
pub(crate) struct Told<T> {
    entries: Vec<Entry<T>>,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Told<T> {
    /// Puts `values` in place of what the source has said before. No lifetime: until it says otherwise.
    pub(crate) fn replace(&mut self, now: Instant, source: Source, values: &[T], lifetime: Option<Duration>) {
        self.entries.retain(|entry| entry.source != source);
        self.add(now, source, values, lifetime);
    }

    /// Adds `values` to what the source has said before, or gives them a new lifetime; zero takes them away
    /// (RFC 8106 §5.1, §5.2).
    pub(crate) fn add(&mut self, now: Instant, source: Source, values: &[T], lifetime: Option<Duration>) {
        self.entries.retain(|entry| entry.holds(now));
        let until = lifetime.map(|lifetime| now + lifetime);
        let mut fresh: Vec<&T> = Vec::new();
        for value in values.iter().take(PER_SOURCE) {
            let own = |entry: &&mut Entry<T>| entry.source == source && entry.value == *value;
            match self.entries.iter_mut().find(own) {
                Some(known) => known.until = until,
                None if !fresh.contains(&value) => fresh.push(value),
                None => {}
            }
        }
        // R8106-5.1-b: a lifetime of zero ends what is there.
        self.entries.retain(|entry| entry.holds(now));
        if lifetime.is_none_or(|lifetime| !lifetime.is_zero()) {
            fresh.into_iter().for_each(|value| self.insert(Entry { source, value: value.clone(), until }));
        }
    }

    fn insert(&mut self, entry: Entry<T>) {
        let own = self.entries.iter().filter(|other| other.source == entry.source).count();
        let room = own < PER_SOURCE && self.entries.len() < IN_ALL;
        if !room && !self.evict(&entry, own >= PER_SOURCE) {
            return;
        }
        let at = self.entries.partition_point(|other| other.source <= entry.source);
        self.entries.insert(at, entry);
    }

    /// Takes away what expires first, if the new entry holds longer; of the same source, or of any (RFC 8106 §6.2).
    fn evict(&mut self, newcomer: &Entry<T>, of_same: bool) -> bool {
        let rank = |until: Option<Instant>| (until.is_none(), until);
        let others = self.entries.iter().enumerate();
        let candidates = others.filter(|(_, entry)| !of_same || entry.source == newcomer.source);
        let first = candidates.min_by_key(|(_, entry)| rank(entry.until));
        match first.filter(|(_, entry)| rank(entry.until) < rank(newcomer.until)).map(|(at, _)| at) {
            Some(at) => {
                self.entries.remove(at);
                true
            }
            None => false,
        }
    }

    /// What holds now, best first, each once.
    pub(crate) fn in_use(&self, now: Instant) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.holds(now)) {
            if found.len() < IN_USE && !found.contains(&entry.value) {
                found.push(entry.value.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIC: NicId = NicId(1);

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn lasting(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn router(last: u8) -> Source {
        Source::Router { nic: NIC, router: IpAddr::from([10, 0, 0, last]) }
    }

    // R8106-5.3.1-c
    #[test]
    fn hands_come_before_dhcp_and_dhcp_before_routers() {
        let mut told = Told::default();
        told.add(at(0), router(1), &["ra"], lasting(60));
        told.replace(at(0), Source::Dhcpv6(NIC), &["six"], None);
        told.replace(at(0), Source::Configured, &["hand", "ra"], None);
        told.replace(at(0), Source::Dhcpv4(NIC), &["four"], None);
        assert_eq!(told.in_use(at(1)), ["hand", "ra", "four", "six"], "each once, where it ranks best");
    }

    // R8106-5.1-b
    #[test]
    fn what_is_told_ends_with_its_lifetime_and_with_a_lifetime_of_zero() {
        let mut told = Told::default();
        told.add(at(0), router(1), &["a", "b"], lasting(10));
        told.add(at(5), router(1), &["b", "c"], lasting(10));
        assert_eq!(told.in_use(at(9)), ["a", "b", "c"], "another option adds, and prolongs");
        assert_eq!(told.in_use(at(10)), ["b", "c"]);
        told.add(at(11), router(1), &["b", "d"], lasting(0));
        assert_eq!(told.in_use(at(11)), ["c"]);
        assert!(told.in_use(at(15)).is_empty());
    }

    #[test]
    fn dhcp_replaces_what_it_said_and_nothing_else() {
        let mut told = Told::default();
        told.add(at(0), router(1), &["ra"], lasting(60));
        told.replace(at(0), Source::Dhcpv4(NIC), &["old"], lasting(60));
        told.replace(at(1), Source::Dhcpv4(NIC), &["new"], lasting(60));
        assert_eq!(told.in_use(at(2)), ["new", "ra"]);
        told.replace(at(3), Source::Dhcpv4(NIC), &[], None);
        assert_eq!(told.in_use(at(4)), ["ra"]);
    }

    #[test]
    fn at_the_cap_what_expires_first_makes_room_for_what_holds_longer() {
        let mut told = Told::default();
        let names: Vec<u32> = (0..10).collect();
        told.add(at(0), router(1), &names, lasting(10));
        assert_eq!(told.in_use(at(1)), [0, 1, 2, 3, 4, 5], "no more than six of one source");
        told.add(at(0), router(1), &[77], lasting(5));
        assert!(!told.in_use(at(1)).contains(&77), "it would expire before the others");
        told.add(at(0), router(1), &[88], lasting(20));
        assert_eq!(told.in_use(at(1)), [1, 2, 3, 4, 5, 88]);
        for last in 2..=30 {
            told.add(at(0), router(last), &names, lasting(30));
        }
        assert!(told.entries.len() <= IN_ALL, "{} entries", told.entries.len());
        told.replace(at(0), Source::Configured, &[99], None);
        assert_eq!(told.in_use(at(1))[0], 99, "hands always find room");
    }

    #[test]
    fn a_link_local_server_is_asked_on_its_interface() {
        let dhcp = Source::Dhcpv6(NicId(7));
        assert_eq!(dhcp.server("[fe80::1]:53".parse().unwrap()), "[fe80::1%7]:53".parse().unwrap());
        for (source, as_it_is) in
            [(dhcp, "[2001:db8::1]:53"), (dhcp, "[fe80::1%9]:53"), (Source::Configured, "[fe80::1]:53")]
        {
            let server = as_it_is.parse().unwrap();
            assert_eq!(source.server(server), server, "{as_it_is}");
        }
    }
}
