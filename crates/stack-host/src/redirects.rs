//! Redirects: what routers advise about single destinations, and how long it is believed.

use crate::hash::{Map, map};
use crate::tables::Tables;
use crate::ways::{Claim, is_zoned};
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{Instant, LinkAddress, NeighborUpdate, NicId, RouteQuery};

/// Redirects believed at a time, and for how long: a route that is still wrong is redirected again.
const MAX_REDIRECTS: usize = 256;
const REDIRECT_LIFETIME: Duration = Duration::from_secs(600);

/// The better first hops to single destinations.
#[derive(Debug)]
pub(crate) struct Redirects {
    known: Map<IpAddr, Redirected>,
}

#[derive(Clone, Copy, Debug)]
struct Redirected {
    nic: NicId,
    gateway: IpAddr,
    expires: Instant,
}

/// What a redirect says (RFC 4861 §8, RFC 1122 §3.2.2.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    pub(crate) nic: NicId,
    pub(crate) from: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) gateway: IpAddr,
    pub(crate) link: Option<LinkAddress>,
}

impl Redirects {
    pub(crate) fn new(seed: u64) -> Self {
        Self { known: map(seed) }
    }

    /// The gateway to a destination by an interface.
    pub(crate) fn gateway(&self, now: Instant, nic: NicId, destination: IpAddr) -> Option<IpAddr> {
        let redirected = self.known.get(&destination)?;
        (redirected.expires > now && redirected.nic == nic).then_some(redirected.gateway)
    }

    /// Remembers one, unless there are too many.
    fn learn(&mut self, now: Instant, nic: NicId, destination: IpAddr, gateway: IpAddr) -> bool {
        self.known.retain(|_, redirected| redirected.expires > now);
        if self.known.len() >= MAX_REDIRECTS && !self.known.contains_key(&destination) {
            return false;
        }
        self.known.insert(destination, Redirected { nic, gateway, expires: now + REDIRECT_LIFETIME });
        true
    }

    /// Forgets those to a gateway. Returns whether there were any.
    pub(crate) fn forget(&mut self, nic: NicId, gateway: Option<IpAddr>) -> bool {
        let before = self.known.len();
        self.known.retain(|_, known| (known.nic, Some(known.gateway)) != (nic, gateway));
        self.known.len() < before
    }
}

impl Tables {
    /// A router's advice, believed only from the current first hop and only for a gateway on its link
    /// (RFC 1122 §3.2.2.2, RFC 4861 §8.1).
    pub(crate) fn redirect(&mut self, advice: &Advice) -> bool {
        let Advice { nic, from, destination, gateway, link } = *advice;
        let query = RouteQuery { nic: None, local: None, remote: destination };
        let Ok(current) = self.route(&query, Claim::Own) else { return false };
        let Some(index) = self.index(nic) else { return false };
        // For IPv6, whoever names the destination itself says that it is on the link (RFC 4861 §8.3).
        let on_link = (gateway == destination && gateway.is_ipv6())
            || is_zoned(gateway)
            || self.interfaces[index].visible.addresses.iter().any(|own| own.net.contains(&gateway));
        let from_first_hop = (current.hop.nic, current.hop.next_hop) == (nic, from) && !current.loopback;
        let now = self.now;
        if !from_first_hop
            || !on_link
            || self.interfaces[index].owns(gateway)
            || !self.redirects.learn(now, nic, destination, gateway)
        {
            return false;
        }
        if let Some(link) = link {
            let router = (gateway != destination).then_some(true);
            let update = NeighborUpdate {
                nic,
                address: gateway,
                link: Some(link),
                solicited: false,
                overrides: true,
                router,
                create: true,
            };
            self.neighbors.update(now, &update, &mut *self.rng);
        }
        self.invalidate_routes();
        true
    }
}
