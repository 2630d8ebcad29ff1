//! ARP (RFC 826): the link addresses of IPv4 neighbours; and address conflict detection (RFC 5227).
//!
//! A protocol crate: it knows the contract and the ground, no link, no transport and no host.
//!
//! ```text
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*      you are here: net-arp
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | what does an ARP packet teach, and who is answered? | `receive.rs` |
//! | may an address be used, and what if somebody else uses it too? | `claim.rs` |
//!
//! The neighbour cache is the host's: what is learned leaves as [`Effect::Neighbor`](stack_core::Effect), when to
//! ask is decided there, and [`LinkAddressResolver::request`] builds the question.
//!
//! ```
//! use net_arp::{Arp, ArpConfig, ConflictPolicy};
//! use stack_core::NetworkProtocol;
//!
//! let arp = Arp::new(ArpConfig { conflict: ConflictPolicy::DefendAlways, ..ArpConfig::default() });
//! assert_eq!((arp.name(), arp.ether_type(), arp.min_packet_len()), ("ARP", 0x0806, 28));
//! assert!(!arp.carries("10.0.0.1".parse()?), "it finds neighbours, and carries nothing to them");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! Deliberately absent: proxy ARP (R826-rx-e), RARP, hardware other than Ethernet, and the interval between requests
//! (the host's cache keeps R1122-2.3.2.1-b).
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod claim;
mod receive;
#[cfg(test)]
mod testing;

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{
    AddressState, Instant, InterfaceAddress, LinkAddress, LinkAddressResolver, NetCx, NetworkEndpoint,
    NetworkProtocol, NicView, RxPacket, Verdict,
};
use stack_wire::arp::{PACKET_LEN, Packet};
use stack_wire::ethernet::{EtherType, MacAddr};

/// What to do when another station uses an address of ours: RFC 5227 §2.4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ConflictPolicy {
    /// Give the address up at once (a).
    GiveUp,
    /// Insist once; give it up if the other insists within ten seconds (b). The default: what the RFC
    /// suggests for hosts.
    #[default]
    Defend,
    /// Insist for ever, once in ten seconds (c): for servers and routers whose address others have written down.
    DefendAlways,
}

/// What can be chosen about ARP.
#[derive(Clone, Debug)]
pub struct ArpConfig {
    /// Tell the link of each new address, so that stale caches are mended (RFC 5227 §2.3); on.
    pub announce: bool,
    /// What to do about conflicts.
    pub conflict: ConflictPolicy,
}

impl Default for ArpConfig {
    fn default() -> Self {
        Self { announce: true, conflict: ConflictPolicy::default() }
    }
}

/// ARP, to be registered with a host beside IPv4.
#[derive(Clone, Debug, Default)]
pub struct Arp {
    config: ArpConfig,
}

impl Arp {
    /// ARP with these choices.
    pub fn new(config: ArpConfig) -> Self {
        Self { config }
    }
}

impl NetworkProtocol for Arp {
    fn ether_type(&self) -> u16 {
        EtherType::ARP
    }

    fn name(&self) -> &'static str {
        "ARP"
    }

    fn min_packet_len(&self) -> usize {
        PACKET_LEN
    }

    fn parse_addresses(&self, _packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        None
    }

    fn carries(&self, _address: IpAddr) -> bool {
        false
    }

    fn new_endpoint(&mut self, _nic: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        Box::new(Endpoint::new(self.config.clone()))
    }
}

/// ARP on one interface.
#[derive(Debug)]
struct Endpoint {
    config: ArpConfig,
    claims: claim::Claims,
}

impl Endpoint {
    fn new(config: ArpConfig) -> Self {
        Self { config, claims: claim::Claims::default() }
    }
}

impl NetworkEndpoint for Endpoint {
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        self.inbound(cx, packet).map_or_else(Verdict::Drop, |()| Verdict::Held)
    }

    fn header_len(&self) -> usize {
        0
    }

    fn address_added(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        if let IpAddr::V4(v4) = address.address() {
            self.claim(cx, v4, address.state);
        }
    }

    fn address_removed(&mut self, _cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        if let IpAddr::V4(v4) = address.address() {
            self.claims.remove(v4);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.claims.next_deadline()
    }

    fn handle_timeout(&mut self, cx: &mut NetCx<'_>) {
        self.advance_claims(cx);
    }

    fn resolver(&mut self) -> Option<&mut dyn LinkAddressResolver> {
        Some(self)
    }
}

impl LinkAddressResolver for Endpoint {
    fn resolves(&self, address: IpAddr) -> bool {
        address.is_ipv4()
    }

    fn request(
        &mut self,
        cx: &mut NetCx<'_>,
        target: IpAddr,
        source: Option<IpAddr>,
        unicast: Option<LinkAddress>,
    ) {
        let (IpAddr::V4(target), Some(ours)) = (target, cx.nic.link_address) else { return };
        let source = match source {
            Some(IpAddr::V4(source)) => source,
            _ => source_near(&cx.nic, target),
        };
        let packet = Packet::request(MacAddr(ours.0), source, target);
        send(cx, &packet, unicast.unwrap_or(LinkAddress::BROADCAST));
    }
}

/// Our address in the subnet of `target`, or else any that we use; unspecified without one.
fn source_near(nic: &NicView<'_>, target: Ipv4Addr) -> Ipv4Addr {
    let in_use = |a: &&InterfaceAddress| a.address().is_ipv4() && a.state != AddressState::Tentative;
    let mut ours = nic.addresses.iter().filter(in_use);
    let near = ours.clone().find(|a| a.net.contains(&IpAddr::V4(target)));
    match near.or_else(|| ours.next()).map(InterfaceAddress::address) {
        Some(IpAddr::V4(source)) => source,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// Puts a finished packet on the wire.
fn send(cx: &mut NetCx<'_>, packet: &Packet, to: LinkAddress) {
    let out = cx.wire.slot();
    out.ether_type = EtherType::ARP;
    out.link_dst = to;
    if let Some(room) = out.prepend(PACKET_LEN) {
        packet.write(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, OURS, THEIRS, sent};

    #[test]
    fn requests_go_to_all_or_to_one() {
        for (unicast, to) in [(None, LinkAddress::BROADCAST), (Some(THEIRS), THEIRS)] {
            let mut net = Net::new();
            let source = Some("10.0.0.1".parse().unwrap());
            net.call(|arp, cx| arp.request(cx, "10.0.0.9".parse().unwrap(), source, unicast));
            let (dst, packet) = sent(&mut net).unwrap();
            assert_eq!(dst, to);
            assert_eq!(packet, Packet::request(MacAddr(OURS.0), [10, 0, 0, 1].into(), [10, 0, 0, 9].into()));
        }
    }

    #[test]
    fn the_source_of_a_request() {
        let mut net = Net::new();
        net.addresses.clear();
        net.add("192.0.2.5/24", AddressState::Tentative);
        let source = |net: &mut Net, given: Option<&str>| {
            let given = given.map(|text| text.parse().unwrap());
            net.call(|arp, cx| arp.request(cx, "192.0.2.9".parse().unwrap(), given, None));
            sent(net).unwrap().1.sender_ip().to_string()
        };
        use alloc::string::ToString;
        assert_eq!(source(&mut net, None), "0.0.0.0", "none is usable");
        net.add("10.0.0.1/24", AddressState::Preferred);
        assert_eq!(source(&mut net, None), "10.0.0.1", "any");
        net.add("192.0.2.6/24", AddressState::Deprecated);
        assert_eq!(source(&mut net, None), "192.0.2.6", "in the target's subnet");
        assert_eq!(source(&mut net, Some("10.0.0.1")), "10.0.0.1", "given");
    }

    #[test]
    fn nothing_is_asked_without_a_link_address_or_of_another_family() {
        let mut net = Net::new();
        net.call(|arp, cx| arp.request(cx, "fe80::1".parse().unwrap(), None, None));
        net.link_address = None;
        net.call(|arp, cx| arp.request(cx, "10.0.0.9".parse().unwrap(), None, None));
        assert!(net.wire.is_empty());
        net.call(|arp, _| {
            let resolver = arp.resolver().unwrap();
            assert!(resolver.resolves("10.0.0.9".parse().unwrap()));
            assert!(!resolver.resolves("fe80::1".parse().unwrap()));
        });
    }
}
