//! What routers tell a host: default routers, routes, prefixes and parameters of the link. RFC 4861 §6.3, RFC 4191, RFC 8106.
//!
//! The lists are here, with the time until which each entry holds; the host is told of what comes and goes. Routes with
//! prefix ::/0 are default routers, wherever in the message they stand (RFC 4191 §3.1). Prefixes for addresses go to
//! `slaac/`. Among a host's routes the host chooses, by prefix, preference and reachability.

use super::expiring::{Expiring, Listed};
use super::neighbor::{Learned, learn, usable};
use super::{Envelope, RETRANS_TIMER};
use crate::Endpoint;
use alloc::string::ToString;
use core::net::Ipv6Addr;
use core::time::Duration;
use stack_core::{
    DiscoveredRoute, DropReason, Effect, Instant, Ipv6Net, LinkParameters, NetCx, NetworkEvent, NicId,
    RoutePreference,
};
use stack_wire::ndp::{self, Domains, Preference, PrefixInfo, RouteInfo, RouterAdvert, Servers, option};

/// Default routers of an interface.
const MAX_ROUTERS: usize = 16;
/// Routes beside the default ones, and prefixes of the link: a router that needs more has the default route too.
const MAX_ROUTES: usize = 32;
/// Every IPv6 link carries this (RFC 8200 §5).
const MIN_MTU: u32 = 1280;
/// Until a router says otherwise: RFC 4861 §10.
const REACHABLE_TIME: Duration = Duration::from_secs(30);

const EVERYWHERE: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0);

/// What routers have told.
#[derive(Debug, Default)]
pub(crate) struct Known {
    routers: Expiring<Ipv6Addr, RoutePreference, MAX_ROUTERS>,
    routes: Expiring<(Ipv6Net, Ipv6Addr), RoutePreference, MAX_ROUTES>,
    prefixes: Expiring<Ipv6Net, (), MAX_ROUTES>,
    /// The hop limit that a router wants.
    pub(crate) hop_limit: Option<u8>,
    /// The M and O flags that were told last.
    dhcp: Option<(bool, bool)>,
}

impl Known {
    pub(super) fn next(&self) -> Option<Instant> {
        [self.routers.next(), self.routes.next(), self.prefixes.next()].into_iter().flatten().min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routers.iter().next().is_none()
    }
}

/// Until when something holds that is said to hold for so long.
pub(crate) fn until(now: Instant, seconds: u32) -> Option<Instant> {
    (seconds != ndp::LIFETIME_INFINITE).then(|| now + Duration::from_secs(seconds.into()))
}

impl Endpoint {
    /// A router advertisement.
    pub(super) fn router_advertised(
        &mut self,
        cx: &mut NetCx<'_>,
        Envelope { src, .. }: Envelope,
        message: &[u8],
    ) -> Result<(), DropReason> {
        // R4861-6.1.2-a
        let advert = RouterAdvert::parse(message).ok().filter(|_| src.is_unicast_link_local());
        let advert = advert.ok_or(DropReason::NdpInvalid)?;
        if !self.config.nd.router_discovery || cx.nic.forwarding {
            return Err(DropReason::NdpIgnored);
        }
        let link = usable(advert.source_link_address());
        let create = link.is_some();
        learn(cx, Learned { address: src, link, router: Some(true), create, ..Learned::default() });
        let listed = self.take_router(cx, src, &advert);
        self.take_parameters(cx, &advert);
        self.tell_of_dhcp(cx, src, &advert);
        let mut full = listed.is_err();
        for (kind, data) in advert.options() {
            full |= self.take_option(cx, src, kind, data).is_err();
        }
        // What there was room for holds all the same.
        if full { Err(DropReason::NdpTableFull) } else { Ok(()) }
    }

    // R4861-6.3.4-a
    fn take_router(
        &mut self,
        cx: &mut NetCx<'_>,
        router: Ipv6Addr,
        advert: &RouterAdvert<'_>,
    ) -> Result<(), DropReason> {
        let preference = preference(advert.preference()).unwrap_or_default(); // R4191-2.2-a
        let lifetime = advert.lifetime();
        if !lifetime.is_zero() {
            self.nd.solicitation = None; // R4861-6.3.7-a
        }
        self.set_router(cx, router, preference, (!lifetime.is_zero()).then_some(Some(cx.now + lifetime)))
    }

    /// Lists a default router until some time, or takes it off the list.
    fn set_router(
        &mut self,
        cx: &mut NetCx<'_>,
        router: Ipv6Addr,
        preference: RoutePreference,
        lifetime: Option<Option<Instant>>,
    ) -> Result<(), DropReason> {
        let Some(until) = lifetime else {
            let gone = self.nd.known.routers.take(|entry| entry.key == router);
            gone.iter().for_each(|_| lose_router(cx, router));
            return Ok(());
        };
        let route = route(cx.nic.id, EVERYWHERE, Some(router), preference);
        match self.nd.known.routers.set(router, preference, until) {
            Listed::Full => return Err(DropReason::NdpTableFull),
            Listed::Known(same) if same == preference => {}
            Listed::Known(_) => cx.emit(Effect::RouteFound(route)),
            Listed::New => {
                cx.emit(Effect::RouteFound(route));
                let (nic, router) = (cx.nic.id, router.into());
                cx.emit(Effect::Event(NetworkEvent::Router { nic, router, present: true }));
            }
        }
        Ok(())
    }

    // R4861-6.3.4-b, R4861-6.3.4-c, R4861-6.3.4-d
    fn take_parameters(&mut self, cx: &mut NetCx<'_>, advert: &RouterAdvert<'_>) {
        let said = |time: Duration| (!time.is_zero()).then_some(time);
        let (reachable_time, retrans_timer) = (said(advert.reachable_time()), said(advert.retrans_timer()));
        self.nd.known.hop_limit =
            Some(advert.hop_limit()).filter(|limit| *limit > 0).or(self.nd.known.hop_limit);
        self.nd.retrans_timer = retrans_timer.unwrap_or(self.nd.retrans_timer);
        let allowed = MIN_MTU..=cx.nic.capabilities.mtu;
        let mtu = advert.options().first(option::MTU).and_then(ndp::mtu).filter(|mtu| allowed.contains(mtu));
        if mtu.is_some() || reachable_time.is_some() || retrans_timer.is_some() {
            let nic = cx.nic.id;
            cx.emit(Effect::LinkParameters(LinkParameters { nic, mtu, reachable_time, retrans_timer }));
        }
    }

    fn tell_of_dhcp(&mut self, cx: &mut NetCx<'_>, router: Ipv6Addr, advert: &RouterAdvert<'_>) {
        let (addresses, other) = (advert.managed(), advert.other());
        if self.nd.known.dhcp.replace((addresses, other)).unwrap_or_default() != (addresses, other) {
            let (nic, router) = (cx.nic.id, router.into());
            cx.emit(Effect::Event(NetworkEvent::Dhcp { nic, router, addresses, other }));
        }
    }

    fn take_option(
        &mut self,
        cx: &mut NetCx<'_>,
        router: Ipv6Addr,
        kind: u8,
        data: &[u8],
    ) -> Result<(), DropReason> {
        match kind {
            option::PREFIX_INFORMATION => PrefixInfo::parse(data).map_or(Ok(()), |info| {
                let on_link = self.take_prefix(cx, &info);
                self.autoconfigure(cx, &info).and(on_link)
            }),
            option::ROUTE_INFORMATION => {
                RouteInfo::parse(data).map_or(Ok(()), |info| self.take_route(cx, router, &info))
            }
            option::RECURSIVE_DNS_SERVER => {
                tell_of_servers(cx, router, data);
                Ok(())
            }
            option::DNS_SEARCH_LIST => {
                tell_of_domains(cx, router, data);
                Ok(())
            }
            _ => Ok(()), // R4861-4-a
        }
    }

    // R4861-6.3.4-e
    fn take_prefix(&mut self, cx: &mut NetCx<'_>, info: &PrefixInfo) -> Result<(), DropReason> {
        let Ok(prefix) = Ipv6Net::new(info.prefix, info.length) else { return Ok(()) };
        let prefix = prefix.trunc();
        if !info.on_link || prefix.addr().is_unicast_link_local() || prefix.addr().is_multicast() {
            return Ok(());
        }
        let route = route(cx.nic.id, prefix, None, RoutePreference::Medium);
        if info.valid == 0 {
            let gone = self.nd.known.prefixes.take(|entry| entry.key == prefix);
            gone.iter().for_each(|_| cx.emit(Effect::RouteLost(route)));
            return Ok(());
        }
        match self.nd.known.prefixes.set(prefix, (), until(cx.now, info.valid)) {
            Listed::New => cx.emit(Effect::RouteFound(route)),
            Listed::Known(()) => {}
            Listed::Full => return Err(DropReason::NdpTableFull),
        }
        Ok(())
    }

    // R4191-2.3-a, R4191-3.1-a
    fn take_route(
        &mut self,
        cx: &mut NetCx<'_>,
        router: Ipv6Addr,
        info: &RouteInfo,
    ) -> Result<(), DropReason> {
        let (Some(preference), Ok(prefix)) =
            (preference(info.preference), Ipv6Net::new(info.prefix, info.length))
        else {
            return Ok(());
        };
        let lifetime = (info.lifetime > 0).then(|| until(cx.now, info.lifetime));
        let prefix = prefix.trunc();
        if prefix == EVERYWHERE {
            return self.set_router(cx, router, preference, lifetime);
        }
        let (key, route) = ((prefix, router), route(cx.nic.id, prefix, Some(router), preference));
        let Some(until) = lifetime else {
            let gone = self.nd.known.routes.take(|entry| entry.key == key);
            gone.iter().for_each(|_| cx.emit(Effect::RouteLost(route)));
            return Ok(());
        };
        match self.nd.known.routes.set(key, preference, until) {
            Listed::Full => return Err(DropReason::NdpTableFull),
            Listed::Known(same) if same == preference => {}
            Listed::Known(_) | Listed::New => cx.emit(Effect::RouteFound(route)),
        }
        Ok(())
    }

    /// Takes what has expired off the lists (R4861-6.3.5-a).
    pub(super) fn expire_known(&mut self, cx: &mut NetCx<'_>) {
        let (nic, known) = (cx.nic.id, &mut self.nd.known);
        for entry in known.prefixes.take_expired(cx.now) {
            cx.emit(Effect::RouteLost(route(nic, entry.key, None, RoutePreference::Medium)));
        }
        for entry in known.routes.take_expired(cx.now) {
            let (prefix, router) = entry.key;
            cx.emit(Effect::RouteLost(route(nic, prefix, Some(router), entry.value)));
        }
        for entry in known.routers.take_expired(cx.now) {
            lose_router(cx, entry.key);
        }
    }

    /// A router says that it is none any more (R4861-7.2.5-d).
    pub(super) fn forget_router(&mut self, cx: &mut NetCx<'_>, router: Ipv6Addr) {
        for entry in self.nd.known.routes.take(|entry| entry.key.1 == router) {
            cx.emit(Effect::RouteLost(route(cx.nic.id, entry.key.0, Some(router), entry.value)));
        }
        for entry in self.nd.known.routers.take(|entry| entry.key == router) {
            lose_router(cx, entry.key);
        }
    }

    /// Nothing that routers have told holds any longer.
    pub(super) fn forget_routers(&mut self, cx: &mut NetCx<'_>) {
        let known = core::mem::take(&mut self.nd.known);
        for entry in known.prefixes.iter() {
            cx.emit(Effect::RouteLost(route(cx.nic.id, entry.key, None, RoutePreference::Medium)));
        }
        for entry in known.routes.iter() {
            let (prefix, router) = entry.key;
            cx.emit(Effect::RouteLost(route(cx.nic.id, prefix, Some(router), entry.value)));
        }
        for entry in known.routers.iter() {
            lose_router(cx, entry.key);
        }
        self.nd.retrans_timer = RETRANS_TIMER;
        cx.emit(Effect::LinkParameters(LinkParameters {
            nic: cx.nic.id,
            mtu: Some(u32::MAX),
            reachable_time: Some(REACHABLE_TIME),
            retrans_timer: Some(RETRANS_TIMER),
        }));
    }
}

fn route(
    nic: NicId,
    destination: Ipv6Net,
    router: Option<Ipv6Addr>,
    preference: RoutePreference,
) -> DiscoveredRoute {
    DiscoveredRoute { nic, destination: destination.into(), router: router.map(Into::into), preference }
}

fn lose_router(cx: &mut NetCx<'_>, router: Ipv6Addr) {
    let nic = cx.nic.id;
    cx.emit(Effect::RouteLost(route(nic, EVERYWHERE, Some(router), RoutePreference::Medium)));
    cx.emit(Effect::Event(NetworkEvent::Router { nic, router: router.into(), present: false }));
}

/// `None` for the value that is not to be sent.
fn preference(said: Preference) -> Option<RoutePreference> {
    match said {
        Preference::Low => Some(RoutePreference::Low),
        Preference::Medium => Some(RoutePreference::Medium),
        Preference::High => Some(RoutePreference::High),
        Preference::Reserved => None,
    }
}

// R8106-5.3.1-a
fn tell_of_servers(cx: &mut NetCx<'_>, router: Ipv6Addr, data: &[u8]) {
    if let Some(servers) = Servers::parse(data) {
        let (nic, router, lifetime) = (cx.nic.id, router.into(), servers.lifetime());
        let servers = servers.addresses().map(Into::into).collect();
        cx.emit(Effect::Event(NetworkEvent::DnsServers { nic, router, servers, lifetime }));
    }
}

// R8106-5.3.1-a
fn tell_of_domains(cx: &mut NetCx<'_>, router: Ipv6Addr, data: &[u8]) {
    if let Some(domains) = Domains::parse(data) {
        let (nic, router, lifetime) = (cx.nic.id, router.into(), domains.lifetime());
        let domains = domains.names().map(|name| name.to_string()).collect();
        cx.emit(Effect::Event(NetworkEvent::SearchDomains { nic, router, domains, lifetime }));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Net, fix_checksum, packet};
    use crate::{Ipv6Config, RouterConfig};
    use alloc::vec::Vec;
    use core::time::Duration;
    use proptest::prelude::*;
    use stack_core::{DropReason, Effect, Instant, NetworkEndpoint, NetworkEvent, Verdict};

    fn advert(body: &[u8]) -> Vec<u8> {
        let mut bytes = packet("fe80::9", "ff02::1", 58, body);
        bytes[7] = 255;
        fix_checksum(&mut bytes);
        bytes
    }

    fn listening() -> Net {
        let mut net = Net::with(Ipv6Config::autoconfigured());
        net.call(|ipv6, cx| ipv6.interface_up(cx));
        net.effects.clear();
        net
    }

    // R4861-6.3.4-a, R4861-6.3.5-a
    #[test]
    fn a_router_comes_stays_and_goes() {
        let told = |net: &mut Net| {
            let news = net.effects.drain(..).filter_map(|effect| match effect {
                Effect::Event(NetworkEvent::Router { present, .. }) => Some(present),
                _ => None,
            });
            news.collect::<Vec<_>>()
        };
        let mut net = listening();
        let lasting = advert(&[134, 0, 0, 0, 64, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((net.receive(&lasting), told(&mut net)), (Verdict::Held, [true].to_vec()));
        assert_eq!((net.receive(&lasting), told(&mut net)), (Verdict::Held, [].to_vec()), "no news");
        net.now = Instant::ZERO + Duration::from_secs(9);
        net.call(|ipv6, cx| ipv6.handle_timeout(cx));
        assert_eq!(told(&mut net), [false]);
    }

    #[test]
    fn what_does_not_listen_is_told_nothing() {
        let message = advert(&[134, 0, 0, 0, 64, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        let ignored = Verdict::Drop(DropReason::NdpIgnored);
        let mut net = Net::new();
        assert_eq!((net.receive(&message), net.effects.len()), (ignored, 0));
        let mut net = listening();
        net.forwarding = true;
        assert_eq!((net.receive(&message), net.effects.len()), (ignored, 0), "R4861-6.3.7-c");
    }

    proptest! {
        /// Whatever comes from the link, and however much time passes: no panic, and no more state than the tables hold.
        #[test]
        fn any_messages_at_any_time(
            messages in proptest::collection::vec((133u8..138, proptest::collection::vec(any::<u8>(), 3..120)), 0..30),
            options in proptest::collection::vec(prop_oneof![Just(3u8), Just(5), Just(24), Just(25), Just(31)], 0..8),
            forwarding: bool,
        ) {
            let mut config = Ipv6Config::autoconfigured();
            config.slaac.temporary = true;
            config.routers.push(RouterConfig::new(crate::testing::NIC));
            let mut net = Net::with(config);
            net.forwarding = forwarding;
            net.call(|ipv6, cx| ipv6.interface_up(cx));
            for (kind, body) in messages {
                let mut message = [&[kind, 0][..], &body].concat();
                for option in &options {
                    message.resize(message.len().next_multiple_of(8), 0);
                    message.extend([*option, 4]);
                    message.extend(body.iter().cycle().take(30));
                }
                let _ = net.receive(&advert(&message));
                net.effects.clear();
                if let Some(next) = net.call(|ipv6, _| ipv6.poll_timeout()) {
                    net.now = net.now.max(next);
                    net.call(|ipv6, cx| ipv6.handle_timeout(cx));
                    let later = net.call(|ipv6, _| ipv6.poll_timeout());
                    prop_assert!(later.is_none_or(|later| later > net.now), "a deadline that does not move");
                }
                while net.wire.pop().is_some() {}
            }
        }
    }
}
