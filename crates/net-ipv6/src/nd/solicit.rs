//! Where are routers? Router solicitations of a host: RFC 4861 §6.3.7, and as an option RFC 7559, which never gives up.

use super::message::{ALL_ROUTERS, Message};
use super::{link_local, random_below};
use crate::Endpoint;
use core::net::Ipv6Addr;
use core::time::Duration;
use stack_core::{Instant, NetCx};
use stack_wire::icmpv6::kind;
use stack_wire::ndp::option;

// RFC 4861 §10, under the names that it has there.
const MAX_RTR_SOLICITATION_DELAY: Duration = Duration::from_secs(1);
const RTR_SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const MAX_RTR_SOLICITATIONS: u8 = 3;
/// RFC 7559 §2.1, MRT.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// Solicitations that are still to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solicitation {
    pub(super) deadline: Instant,
    sent: u8,
    /// To the next one.
    interval: Duration,
}

impl Endpoint {
    /// The interface came up, or routers are wanted again (R4861-6.3.7-a).
    pub(super) fn start_soliciting(&mut self, cx: &mut NetCx<'_>) {
        let deadline = cx.now + random_below(cx, MAX_RTR_SOLICITATION_DELAY);
        self.nd.solicitation = Some(Solicitation { deadline, sent: 0, interval: RTR_SOLICITATION_INTERVAL });
    }

    pub(super) fn continue_soliciting(&mut self, cx: &mut NetCx<'_>) {
        let Some(mut state) = self.nd.solicitation.filter(|state| state.deadline <= cx.now) else { return };
        solicit(cx);
        state.sent = state.sent.saturating_add(1);
        let persistent = self.config.nd.persistent_solicitation;
        let interval = if persistent { randomized(cx, state.interval) } else { state.interval };
        state.deadline = cx.now + interval;
        if persistent {
            state.interval = (interval * 2).min(MAX_INTERVAL);
        }
        self.nd.solicitation = (persistent || state.sent < MAX_RTR_SOLICITATIONS).then_some(state);
    }
}

/// R4861-6.3.7-b: without a source there is nobody to name the link address of.
fn solicit(cx: &mut NetCx<'_>) {
    let source = link_local(cx);
    let ours = cx.nic.link_address.filter(|_| source.is_some());
    Message::new(kind::ROUTER_SOLICIT, &[0; 4])
        .link_address(option::SOURCE_LINK_ADDRESS, ours)
        .send_to_group(cx, source.unwrap_or(Ipv6Addr::UNSPECIFIED), ALL_ROUTERS);
}

/// Up to a tenth more or less (RFC 7559 §2.1, RAND).
fn randomized(cx: &mut NetCx<'_>, interval: Duration) -> Duration {
    interval * 9 / 10 + random_below(cx, interval / 5)
}
