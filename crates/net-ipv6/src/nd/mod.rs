//! Neighbour discovery on one interface: RFC 4861.
//!
//! | question | file |
//! | --- | --- |
//! | who has which link address? | `neighbor.rs` |
//! | is an address free? | `dad.rs` |
//! | where are routers? | `solicit.rs` |
//! | what do routers tell? | `advert.rs`, `expiring.rs` |
//! | who knows a better first hop? | `redirect.rs` |
//! | what do we tell as a router? | `router.rs` |
//! | what does a message look like? | `message.rs` |
//!
//! What all messages have in common is judged here: hop limit 255, no fragments. The parsers judge code, lengths and
//! options; the rest is with each message. All tables are capped; what they refuse is counted.

mod advert;
mod config;
mod dad;
mod expiring;
pub(crate) mod message;
pub(crate) mod neighbor;
mod redirect;
mod router;
mod solicit;

pub(crate) use advert::until;
pub use config::{AdvertisedPrefix, AdvertisedRoute, NdConfig, RouterConfig};

use crate::Endpoint;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use stack_core::{DropReason, Instant, LinkAddress, NetCx, RxPacket, Verdict};
use stack_wire::icmpv6::kind;
use stack_wire::ndp::HOP_LIMIT;

/// Between two solicitations while no router says otherwise: RFC 4861 §10, `RETRANS_TIMER`.
const RETRANS_TIMER: Duration = Duration::from_secs(1);

/// What discovery knows of an interface.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) dad: dad::Probes,
    pub(crate) known: advert::Known,
    solicitation: Option<solicit::Solicitation>,
    router: Option<router::Advertiser>,
    /// Between two solicitations, as the last router has said.
    pub(crate) retrans_timer: Duration,
    /// Our link address when neighbours were last told of it.
    link_address: Option<LinkAddress>,
    announcements: neighbor::Announcements,
    up: bool,
}

impl Discovery {
    pub(crate) fn new(advertised: Option<RouterConfig>) -> Self {
        Self {
            dad: dad::Probes::default(),
            known: advert::Known::default(),
            solicitation: None,
            router: advertised.map(router::Advertiser::new),
            retrans_timer: RETRANS_TIMER,
            link_address: None,
            announcements: neighbor::Announcements::default(),
            up: false,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let solicitation = self.solicitation.as_ref().map(|solicitation| solicitation.deadline);
        let router = self.router.as_ref().and_then(router::Advertiser::poll_timeout);
        let own = [self.dad.next(), self.known.next(), self.announcements.next(), solicitation, router];
        own.into_iter().flatten().min()
    }
}

/// The addresses of a message that has passed the checks common to all.
#[derive(Clone, Copy, Debug)]
struct Envelope {
    src: Ipv6Addr,
    dst: Ipv6Addr,
    /// The station that it came from.
    link_src: LinkAddress,
}

/// Whether ICMPv6 messages of this type are handled here.
pub(crate) const fn handles(of: u8) -> bool {
    matches!(of, kind::ROUTER_SOLICIT..=kind::REDIRECT)
}

impl Endpoint {
    /// A discovery message to us whose ICMPv6 checksum is right.
    pub(crate) fn receive_discovery(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        fragmented: bool,
    ) -> Verdict {
        packet.pull_up(usize::MAX);
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.ip.src, packet.ip.dst) else {
            return Verdict::Drop(DropReason::NdpInvalid);
        };
        // R6980-a, R4861-6.1.1-a, R4861-6.1.2-a, R4861-7.1.1-a, R4861-7.1.2-a, R4861-8.1-a
        if fragmented || packet.ip.hop_limit != HOP_LIMIT {
            return Verdict::Drop(DropReason::NdpInvalid);
        }
        let envelope = Envelope { src, dst, link_src: packet.meta.link_src };
        let result = match packet.transport().first() {
            Some(&kind::ROUTER_SOLICIT) => self.router_solicited(cx, envelope, packet.transport()),
            Some(&kind::ROUTER_ADVERT) => self.router_advertised(cx, envelope, packet.transport()),
            Some(&kind::REDIRECT) => self.redirected(cx, envelope, packet.transport()),
            _ => self.neighbor_message(cx, envelope, packet.transport()),
        };
        result.map_or_else(Verdict::Drop, |()| Verdict::Held)
    }

    /// The interface is up; also called when something about it has changed.
    pub(crate) fn start_discovery(&mut self, cx: &mut NetCx<'_>) {
        let changed = self.nd.link_address.is_some() && self.nd.link_address != cx.nic.link_address;
        self.nd.link_address = cx.nic.link_address;
        if changed {
            self.nd.announcements.start(cx.now);
        }
        let was_up = core::mem::replace(&mut self.nd.up, true);
        self.update_role(cx, was_up);
        if !was_up && self.config.nd.router_discovery && !cx.nic.forwarding {
            self.start_soliciting(cx);
        }
    }

    /// A host that becomes a router forgets what routers told it, and the other way round.
    fn update_role(&mut self, cx: &mut NetCx<'_>, was_up: bool) {
        if cx.nic.forwarding {
            self.nd.solicitation = None;
            self.forget_routers(cx);
        } else if was_up && self.nd.known.is_empty() && self.config.nd.router_discovery {
            self.start_soliciting(cx);
        }
        if let Some(router) = &mut self.nd.router {
            router.interface_changed(cx);
        }
    }

    /// The interface goes down.
    pub(crate) fn stop_discovery(&mut self, cx: &mut NetCx<'_>) {
        self.forget_routers(cx);
        self.nd.dad = dad::Probes::default();
        self.nd.announcements = neighbor::Announcements::default();
        self.nd.solicitation = None;
        if let Some(router) = &mut self.nd.router {
            router.stop();
        }
        self.nd.up = false;
    }

    /// Does what is due.
    pub(crate) fn discovery_timeout(&mut self, cx: &mut NetCx<'_>) {
        // First, since an address that becomes free in this call can be used only after it.
        if let Some(router) = &mut self.nd.router {
            router.handle_timeout(cx);
        }
        self.continue_probing(cx);
        self.continue_soliciting(cx);
        self.expire_known(cx);
        self.nd.announcements.continue_announcing(cx, self.nd.retrans_timer);
    }
}

/// A random time below `limit`.
pub(crate) fn random_below(cx: &mut NetCx<'_>, limit: Duration) -> Duration {
    let span = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(cx.host.random() % span.max(1))
}

/// Our link-local address, if it is ready: where discovery messages of routers come from.
pub(crate) fn link_local(cx: &NetCx<'_>) -> Option<Ipv6Addr> {
    cx.nic.addresses.iter().filter(|own| own.state.is_usable()).find_map(|own| match own.address() {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
        _ => None,
    })
}
