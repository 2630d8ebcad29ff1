//! What we tell as a router: advertisements, unasked and in answer to solicitations. RFC 4861 §6.2.
//!
//! ```text
//! forwards → advertisement, two more at most 16 s apart → one each min to max interval
//!               ↑ solicited: within half a second, but not within 3 s of the one before
//! no longer forwards → a last one with lifetime zero
//! ```
//!
//! All advertisements go to all nodes, which §6.2.6 allows for answers too. They need a link-local address; without one
//! they wait for it. Checking what other routers say (§6.2.7) is left out.

use super::message::{ALL_NODES, ALL_ROUTERS, Message};
use super::neighbor::{Learned, learn, usable};
use super::{Envelope, RouterConfig, link_local, random_below};
use crate::Endpoint;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{DropReason, Effect, Instant, NetCx, RoutePreference};
use stack_wire::icmpv6::kind;
use stack_wire::ipv6::HEADER_LEN;
use stack_wire::ndp::{LIFETIME_INFINITE, Preference, PrefixInfo, RouteInfo, RouterSolicit, option};

// RFC 4861 §10, under the names that it has there.
const MAX_INITIAL_RTR_ADVERT_INTERVAL: Duration = Duration::from_secs(16);
const MAX_INITIAL_RTR_ADVERTISEMENTS: u8 = 3;
const MIN_DELAY_BETWEEN_RAS: Duration = Duration::from_secs(3);
const MAX_RA_DELAY_TIME: Duration = Duration::from_millis(500);

/// The router's side of an interface.
#[derive(Debug)]
pub(super) struct Advertiser {
    config: RouterConfig,
    advertises: bool,
    /// Of the first ones, which come faster.
    initial: u8,
    next: Option<Instant>,
    last: Option<Instant>,
}

impl Advertiser {
    pub(super) fn new(config: RouterConfig) -> Self {
        Self { config, advertises: false, initial: 0, next: None, last: None }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Begins or ends to advertise, as the interface forwards or no longer.
    pub(super) fn interface_changed(&mut self, cx: &mut NetCx<'_>) {
        if self.advertises == cx.nic.forwarding {
            return;
        }
        self.advertises = cx.nic.forwarding;
        let (nic, join) = (cx.nic.id, self.advertises);
        cx.emit(Effect::Group { nic, group: ALL_ROUTERS.into(), join });
        if self.advertises {
            (self.initial, self.next) = (MAX_INITIAL_RTR_ADVERTISEMENTS, Some(cx.now));
            self.handle_timeout(cx);
        } else {
            self.next = None;
            self.advertise(cx, Duration::ZERO); // R4861-6.2.5-a
        }
    }

    /// The interface is down; its groups are gone with it.
    pub(super) fn stop(&mut self) {
        *self = Self::new(self.config.clone());
    }

    /// A link-local address has become ready: what had to wait for it can go.
    pub(super) fn source_is_ready(&mut self, now: Instant) {
        if self.advertises && self.next.is_none() {
            self.next = Some(now);
        }
    }

    // R4861-6.2-b
    pub(super) fn handle_timeout(&mut self, cx: &mut NetCx<'_>) {
        if self.next.is_none_or(|next| next > cx.now) {
            return;
        }
        self.next = None;
        if !self.advertise(cx, self.config.lifetime) {
            return;
        }
        let (min, max) = (self.config.min_interval.max(MIN_DELAY_BETWEEN_RAS), self.config.max_interval);
        let mut interval = min + random_below(cx, max.saturating_sub(min));
        self.initial = self.initial.saturating_sub(1);
        if self.initial > 0 {
            interval = interval.min(MAX_INITIAL_RTR_ADVERT_INTERVAL);
        }
        (self.last, self.next) = (Some(cx.now), Some(cx.now + interval));
    }

    // R4861-6.2.6-a
    fn answer(&mut self, cx: &mut NetCx<'_>) {
        let earliest = self.last.map_or(cx.now, |last| cx.now.max(last + MIN_DELAY_BETWEEN_RAS));
        let answer = earliest + random_below(cx, MAX_RA_DELAY_TIME);
        self.next = Some(self.next.map_or(answer, |next| next.min(answer)));
    }

    /// Sends an advertisement, if there is an address to send it from.
    fn advertise(&self, cx: &mut NetCx<'_>, lifetime: Duration) -> bool {
        let Some(source) = link_local(cx) else { return false };
        let room = (cx.nic.capabilities.mtu as usize).saturating_sub(HEADER_LEN);
        let mut message = Message::new(kind::ROUTER_ADVERT, &self.fixed(lifetime))
            .link_address(option::SOURCE_LINK_ADDRESS, cx.nic.link_address);
        for (kind, data) in self.options() {
            if message.len() + data.len() + 8 <= room {
                message = message.option(kind, &data);
            }
        }
        message.send_to_group(cx, source, ALL_NODES);
        true
    }

    fn fixed(&self, lifetime: Duration) -> Vec<u8> {
        let config = &self.config;
        // R4191-2.2-b: without a lifetime there is nothing to prefer.
        let preferred = if lifetime.is_zero() { RoutePreference::Medium } else { config.preference };
        let flags =
            u8::from(config.managed) << 7 | u8::from(config.other) << 6 | preference(preferred).bits();
        let seconds = u16::try_from(lifetime.as_secs()).unwrap_or(u16::MAX);
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).to_be_bytes();
        let mut fixed = alloc::vec![config.hop_limit, flags];
        fixed.extend(seconds.to_be_bytes());
        fixed.extend(millis(config.reachable_time));
        fixed.extend(millis(config.retrans_timer));
        fixed
    }

    fn options(&self) -> Vec<(u8, Vec<u8>)> {
        let config = &self.config;
        let mut options = Vec::new();
        if let Some(mtu) = config.mtu {
            options.push((option::MTU, [&[0; 2][..], &mtu.to_be_bytes()].concat()));
        }
        options.extend(config.prefixes.iter().map(|own| {
            let (prefix, length) = (own.prefix.network(), own.prefix.prefix_len());
            let (on_link, autonomous) = (own.on_link, own.autonomous);
            let (valid, preferred) = (seconds(own.valid), seconds(own.preferred));
            let info = PrefixInfo { prefix, length, on_link, autonomous, valid, preferred };
            (option::PREFIX_INFORMATION, info.data().to_vec())
        }));
        options.extend(config.routes.iter().map(|own| {
            let (prefix, length) = (own.destination.network(), own.destination.prefix_len());
            let (preference, lifetime) = (preference(own.preference), seconds(own.lifetime));
            (option::ROUTE_INFORMATION, RouteInfo { prefix, length, preference, lifetime }.data().to_vec())
        }));
        let dns_lifetime = [&[0; 2][..], &seconds(Some(config.dns_lifetime)).to_be_bytes()].concat();
        if !config.dns_servers.is_empty() {
            let servers = config.dns_servers.iter().flat_map(|server| server.octets());
            let data = dns_lifetime.iter().copied().chain(servers).collect();
            options.push((option::RECURSIVE_DNS_SERVER, data));
        }
        if !config.search_domains.is_empty() {
            let names = config.search_domains.iter().flat_map(|domain| name(domain));
            let data = dns_lifetime.iter().copied().chain(names).collect();
            options.push((option::DNS_SEARCH_LIST, data));
        }
        options
    }
}

impl Endpoint {
    /// A router solicitation.
    pub(super) fn router_solicited(
        &mut self,
        cx: &mut NetCx<'_>,
        Envelope { src, .. }: Envelope,
        message: &[u8],
    ) -> Result<(), DropReason> {
        // R4861-6.1.1-a
        let solicit = RouterSolicit::parse(message).map_err(|_| DropReason::NdpInvalid)?;
        if src.is_unspecified() && solicit.source_link_address().is_some() {
            return Err(DropReason::NdpInvalid);
        }
        let Some(router) = self.nd.router.as_mut().filter(|router| router.advertises) else {
            return Err(DropReason::NdpIgnored); // R4861-6.2.6-b
        };
        if let Some(link) = usable(solicit.source_link_address()) {
            let (link, router) = (Some(link), Some(false));
            learn(cx, Learned { address: src, link, router, create: true, ..Learned::default() });
        }
        router.answer(cx);
        Ok(())
    }

    /// An address of ours has become ready.
    pub(super) fn address_is_ready(&mut self, cx: &mut NetCx<'_>, address: core::net::Ipv6Addr) {
        if let (Some(router), true) = (&mut self.nd.router, address.is_unicast_link_local()) {
            router.source_is_ready(cx.now);
        }
    }
}

fn preference(of: RoutePreference) -> Preference {
    match of {
        RoutePreference::Low => Preference::Low,
        RoutePreference::Medium => Preference::Medium,
        RoutePreference::High => Preference::High,
    }
}

fn seconds(lifetime: Option<Duration>) -> u32 {
    lifetime.map_or(LIFETIME_INFINITE, |time| u32::try_from(time.as_secs()).unwrap_or(LIFETIME_INFINITE))
}

/// A domain in the form of RFC 1035 §3.1; labels that are too long are cut.
fn name(domain: &str) -> Vec<u8> {
    const LONGEST_LABEL: usize = 63;
    let mut name = Vec::new();
    for label in domain.split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes();
        let label = label.get(..LONGEST_LABEL).unwrap_or(label);
        name.push(label.len() as u8);
        name.extend(label);
    }
    name.push(0);
    name
}
