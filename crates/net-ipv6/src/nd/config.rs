//! What can be chosen about neighbour and router discovery.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;
use stack_core::{Ipv6Net, NicId, RoutePreference};

/// Discovery, as a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NdConfig {
    /// Probes for a tentative address; 1 (`DupAddrDetectTransmits`, RFC 4862 §5.1), 0: it is ready at once.
    pub dad_transmits: u8,
    /// Listen to routers and ask for them when an interface comes up, unless it forwards. Off: a stack says nothing that
    /// nobody asked it to say.
    pub router_discovery: bool,
    /// Go on asking while no router answers, ever more seldom (RFC 7559); off: three times (RFC 4861 §6.3.7).
    pub persistent_solicitation: bool,
    /// Believe redirects of the current first hop, unless the interface forwards; on (R4861-8.3-a).
    pub accept_redirects: bool,
    /// Tell neighbours of a better first hop while forwarding; on (R4861-8.2-a).
    pub send_redirects: bool,
}

impl Default for NdConfig {
    fn default() -> Self {
        Self {
            dad_transmits: 1,
            router_discovery: false,
            persistent_solicitation: false,
            accept_redirects: true,
            send_redirects: true,
        }
    }
}

/// What a router advertises on one interface (RFC 4861 §6.2.1), as long as that forwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterConfig {
    /// The interface.
    pub nic: NicId,
    /// Longest time between two advertisements; 10 min (`MaxRtrAdvInterval`), 4 s at least.
    pub max_interval: Duration,
    /// Shortest time; 200 s, a third of the longest (`MinRtrAdvInterval`), 3 s at least.
    pub min_interval: Duration,
    /// How long hosts take us as a default router, in whole seconds; 30 min, three times the longest interval
    /// (`AdvDefaultLifetime`); zero: not at all.
    pub lifetime: Duration,
    /// How much we want to be taken as a default router (RFC 4191 §2.2).
    pub preference: RoutePreference,
    /// Hop limit for hosts to use; 64 (`AdvCurHopLimit`), 0 leaves it open.
    pub hop_limit: u8,
    /// Addresses come from DHCPv6; off (`AdvManagedFlag`).
    pub managed: bool,
    /// Other configuration comes from DHCPv6; off (`AdvOtherConfigFlag`).
    pub other: bool,
    /// How long a confirmation of a neighbour lasts; zero leaves it open (`AdvReachableTime`).
    pub reachable_time: Duration,
    /// Between two solicitations; zero leaves it open (`AdvRetransTimer`).
    pub retrans_timer: Duration,
    /// MTU of the link, in bytes, if it is to be said (`AdvLinkMTU`).
    pub mtu: Option<u32>,
    /// Prefixes of the link.
    pub prefixes: Vec<AdvertisedPrefix>,
    /// Routes beside the default one (RFC 4191 §2.3).
    pub routes: Vec<AdvertisedRoute>,
    /// Resolvers (RFC 8106 §5.1).
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domains to search (RFC 8106 §5.2).
    pub search_domains: Vec<String>,
    /// How long both hold; 30 min, three times the longest interval (RFC 8106 §5.1).
    pub dns_lifetime: Duration,
}

impl RouterConfig {
    /// The defaults of RFC 4861 §6.2.1 on an interface, without prefixes.
    pub fn new(nic: NicId) -> Self {
        Self {
            nic,
            max_interval: Duration::from_secs(600),
            min_interval: Duration::from_secs(200),
            lifetime: Duration::from_secs(1800),
            preference: RoutePreference::Medium,
            hop_limit: 64,
            managed: false,
            other: false,
            reachable_time: Duration::ZERO,
            retrans_timer: Duration::ZERO,
            mtu: None,
            prefixes: Vec::new(),
            routes: Vec::new(),
            dns_servers: Vec::new(),
            search_domains: Vec::new(),
            dns_lifetime: Duration::from_secs(1800),
        }
    }

    /// Advertises a prefix with the default lifetimes.
    #[must_use]
    pub fn prefix(mut self, prefix: Ipv6Net) -> Self {
        self.prefixes.push(AdvertisedPrefix::new(prefix));
        self
    }
}

/// A prefix that a router advertises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvertisedPrefix {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// Its addresses are on the link; on (`AdvOnLinkFlag`).
    pub on_link: bool,
    /// Hosts form addresses with it; on (`AdvAutonomousFlag`).
    pub autonomous: bool,
    /// How long it is valid, `None` for ever; 30 days (`AdvValidLifetime`).
    pub valid: Option<Duration>,
    /// How long its addresses are preferred, `None` for ever; 7 days (`AdvPreferredLifetime`).
    pub preferred: Option<Duration>,
}

impl AdvertisedPrefix {
    /// On link, for addresses, with the default lifetimes.
    pub fn new(prefix: Ipv6Net) -> Self {
        let days = |days: u64| Some(Duration::from_secs(days * 24 * 3600));
        Self { prefix, on_link: true, autonomous: true, valid: days(30), preferred: days(7) }
    }
}

/// A route that a router advertises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvertisedRoute {
    /// The destinations.
    pub destination: Ipv6Net,
    /// Among routers with the same route.
    pub preference: RoutePreference,
    /// How long it holds, `None` for ever.
    pub lifetime: Option<Duration>,
}
