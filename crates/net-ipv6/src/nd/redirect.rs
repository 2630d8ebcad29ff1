//! Better first hops: redirects that we get as a host, and that we send as a router. RFC 4861 §8.
//!
//! Whether a redirect comes from the current first hop, only the host can say: it knows the routes.

use super::message::Message;
use super::neighbor::usable;
use super::{Envelope, link_local};
use crate::Endpoint;
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{DropReason, Effect, LinkAddress, NetCx, RxPacket};
use stack_wire::icmpv6::kind;
use stack_wire::ipv6::HEADER_LEN;
use stack_wire::ndp::{Redirect, option};

/// A redirect is no longer than this, with all that it quotes (RFC 4861 §4.6.3).
const MAX_LEN: usize = 1280;
/// Type, length and reserved octets in front of the packet that is quoted.
const QUOTE_HEADER: usize = 8;
/// The reserved ones of them (RFC 4861 §4.6.3).
const QUOTE_RESERVED: usize = 6;

impl Endpoint {
    /// A router tells of a better first hop.
    pub(super) fn redirected(
        &mut self,
        cx: &mut NetCx<'_>,
        Envelope { src, .. }: Envelope,
        message: &[u8],
    ) -> Result<(), DropReason> {
        let redirect = Redirect::parse(message).map_err(|_| DropReason::NdpInvalid)?;
        let (target, destination) = (redirect.target(), redirect.destination());
        // R4861-8.1-a
        let valid = src.is_unicast_link_local()
            && !destination.is_multicast()
            && (target == destination || target.is_unicast_link_local());
        if !valid {
            return Err(DropReason::NdpInvalid);
        }
        if !self.config.nd.accept_redirects || cx.nic.forwarding {
            return Err(DropReason::NdpIgnored); // R4861-8.2-b
        }
        let link = usable(redirect.target_link_address());
        let (nic, from) = (cx.nic.id, src.into());
        cx.emit(Effect::Redirect {
            nic,
            from,
            destination: destination.into(),
            gateway: target.into(),
            link,
        });
        Ok(())
    }

    /// R4861-8.2-a: tells the sender of a packet that we have sent on by the interface that it came from.
    pub(crate) fn redirect_sender(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        target: IpAddr,
        link: Option<LinkAddress>,
    ) {
        let (IpAddr::V6(src), IpAddr::V6(dst), IpAddr::V6(target)) = (packet.ip.src, packet.ip.dst, target)
        else {
            return;
        };
        let Some(ours) = link_local(cx).filter(|_| self.config.nd.send_redirects) else { return };
        let nameable = target == dst || target.is_unicast_link_local();
        if !nameable || !is_host(src) || dst.is_multicast() || !cx.host.allow_icmp(cx.now, src.into()) {
            return;
        }
        let fixed = [&[0; 4][..], &target.octets(), &dst.octets()].concat();
        let message = Message::new(kind::REDIRECT, &fixed).link_address(option::TARGET_LINK_ADDRESS, link);
        let room = MAX_LEN - HEADER_LEN - message.len() - QUOTE_HEADER;
        let mut quoted = alloc::vec![0; QUOTE_RESERVED];
        quoted.extend_from_slice(&packet.front(room / 8 * 8));
        message.option(option::REDIRECTED_HEADER, &quoted).send(cx, ours, src, packet.meta.link_src);
    }
}

fn is_host(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}
