//! IPv6 (RFC 8200), ICMPv6 (RFC 4443), neighbour and router discovery (RFC 4861), addresses that an interface forms itself
//! (RFC 4862).
//!
//! A protocol crate: it knows the contract and the ground, no link, no transport and no host.
//!
//! ```text
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*      you are here: net-ipv6
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | what becomes of an inbound packet? | `receive.rs` |
//! | may a packet with these addresses be here? | `addresses.rs` |
//! | what do its extension headers want? | `extension.rs` |
//! | how do fragments become a packet? | `reassembly/mod.rs` |
//! | how does a packet become fragments? | `fragment.rs` |
//! | which flow label? | `flow_label.rs` |
//! | what goes in front of a segment, what changes in a forwarded packet? | `encapsulate.rs` |
//! | who answers pings? | `icmp.rs` |
//! | what does somebody else's error mean to us? | `icmp_error.rs` |
//! | which answers to pings may have been too large? | `replies.rs` |
//! | when do we tell somebody of an error? | `send_error.rs` |
//! | who is on the link, and where are routers? | `nd/` |
//! | which addresses does an interface form itself? | `slaac/` |
//! | which groups does an interface listen to, and who is told? | `mld.rs` |
//!
//! ```
//! use net_ipv6::{Ipv6, Ipv6Config};
//! use stack_core::NetworkProtocol;
//!
//! let ipv6 = Ipv6::new(Ipv6Config { default_hop_limit: 32, ..Ipv6Config::default() });
//! assert_eq!((ipv6.name(), ipv6.ether_type(), ipv6.min_packet_len()), ("IPv6", 0x86dd, 40));
//! assert!(ipv6.carries("fe80::1".parse()?) && !ipv6.carries("10.0.0.1".parse()?));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! An interface says nothing by itself unless asked to: [`Ipv6Config::autoconfigured`] forms a link-local address, looks
//! for routers and takes the addresses and routes that they advertise.
//!
//! Deliberately absent: extension headers in packets of our own, but for the router alert of listener reports; packets whose fragments come in by different interfaces
//! (each interface has a store of its own); optimistic addresses (RFC 4429), secure
//! neighbour discovery (RFC 3971), proxy advertisements; jumbograms (RFC 2675).
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod addresses;
mod encapsulate;
mod extension;
mod flow_label;
mod fragment;
mod icmp;
mod icmp_error;
mod mld;
mod nd;
mod reassembly;
mod receive;
mod replies;
mod send_error;
mod slaac;
#[cfg(test)]
mod testing;

pub use nd::{AdvertisedPrefix, AdvertisedRoute, NdConfig, RouterConfig};
pub use slaac::{Identifiers, SlaacConfig};
pub use stack_group::{GroupConfig, Version};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use flow_label::FlowLabels;
use replies::Replies;
use stack_core::{
    AddressState, DropReason, Effect, ErrorKind, Instant, InterfaceAddress, LinkAddress, LinkAddressResolver,
    Medium, NetCx, NetworkEndpoint, NetworkProtocol, NicView, RxPacket, SourceFilter, TxBatch, TxPacket,
    Verdict,
};
use stack_packet::{Idents, Reassembly};
use stack_wire::ethernet::EtherType;
use stack_wire::ipv6::{HEADER_LEN, MIN_MTU};
use stack_wire::ndp::solicited_node;

/// What can be chosen about IPv6.
#[derive(Clone, Debug)]
pub struct Ipv6Config {
    /// Hop limit of packets whose sender does not say; 64 (RFC 1700, recommended by RFC 4861 §10). Never sent as 0.
    pub default_hop_limit: u8,
    /// Answer echo requests to groups; on, which RFC 4443 §4.2 asks of hosts (R4443-4.2-b).
    pub echo_multicast: bool,
    /// Give each flow whose sender chose no label one of its own; on (RFC 6437 §3, R6437-3-a). Off, they get 0.
    pub auto_flow_labels: bool,
    /// Options other than padding that one hop-by-hop or destination header may have; 8 (RFC 8504 §5.3). Packets with more
    /// are dropped in silence.
    pub max_options: u16,
    /// Octets of padding that may follow each other; 7, since headers are aligned to 8 (RFC 8504 §5.3). As above.
    pub max_padding: u16,
    /// How long fragments wait for the rest of their packet, from the first on; 60 s (R8200-4.5-b).
    pub reassembly_timeout: Duration,
    /// Bytes that all fragments of one interface may take, bookkeeping included; above it the oldest packets go. 4 MiB, as
    /// for IPv4.
    pub reassembly_high: usize,
    /// How far down they go; 3 MiB, as for IPv4.
    pub reassembly_low: usize,
    /// Neighbour and router discovery.
    pub nd: NdConfig,
    /// Addresses that interfaces form themselves.
    pub slaac: SlaacConfig,
    /// Multicast listener discovery.
    pub mld: GroupConfig,
    /// What to advertise as a router, interface by interface; none.
    pub routers: Vec<RouterConfig>,
}

impl Default for Ipv6Config {
    fn default() -> Self {
        Self {
            default_hop_limit: 64,
            echo_multicast: true,
            auto_flow_labels: true,
            max_options: 8,
            max_padding: 7,
            reassembly_timeout: Duration::from_secs(60),
            reassembly_high: 4 * 1024 * 1024,
            reassembly_low: 3 * 1024 * 1024,
            nd: NdConfig::default(),
            slaac: SlaacConfig::default(),
            mld: GroupConfig::default(),
            routers: Vec::new(),
        }
    }
}

impl Ipv6Config {
    /// A host that needs no configuration: it forms a link-local address on each interface, looks for routers, and takes
    /// addresses, routes and parameters from them.
    pub fn autoconfigured() -> Self {
        let nd = NdConfig { router_discovery: true, ..NdConfig::default() };
        let slaac = SlaacConfig { link_local: true, addresses: true, ..SlaacConfig::default() };
        Self { nd, slaac, ..Self::default() }
    }
}

/// IPv6, to be registered with a host.
#[derive(Clone, Debug, Default)]
pub struct Ipv6 {
    config: Ipv6Config,
}

impl Ipv6 {
    /// IPv6 with these choices.
    pub fn new(config: Ipv6Config) -> Self {
        Self { config }
    }
}

impl NetworkProtocol for Ipv6 {
    fn ether_type(&self) -> u16 {
        EtherType::IPV6
    }

    fn name(&self) -> &'static str {
        "IPv6"
    }

    fn min_packet_len(&self) -> usize {
        HEADER_LEN
    }

    // R8200-5-a
    fn min_mtu(&self) -> u32 {
        MIN_MTU as u32
    }

    fn parse_addresses(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        let (_, addresses) = packet.split_at_checked(8)?;
        let (src, rest) = addresses.split_first_chunk::<16>()?;
        let (dst, _) = rest.split_first_chunk::<16>()?;
        Some((IpAddr::from(*src), IpAddr::from(*dst)))
    }

    fn carries(&self, address: IpAddr) -> bool {
        address.is_ipv6()
    }

    fn new_endpoint(&mut self, nic: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        let advertised = self.config.routers.iter().find(|router| router.nic == nic.id).cloned();
        Box::new(Endpoint::new(self.config.clone(), advertised))
    }
}

/// IPv6 on one interface.
#[derive(Debug)]
struct Endpoint {
    config: Ipv6Config,
    idents: Idents,
    labels: FlowLabels,
    replies: Replies,
    reassembly: Reassembly<reassembly::Key>,
    nd: nd::Discovery,
    slaac: slaac::Slaac,
    mld: mld::Listener,
}

impl Endpoint {
    fn new(config: Ipv6Config, advertised: Option<RouterConfig>) -> Self {
        Self {
            mld: mld::Listener::new(config.mld),
            config,
            idents: Idents::default(),
            labels: FlowLabels::default(),
            replies: Replies::default(),
            reassembly: Reassembly::default(),
            nd: nd::Discovery::new(advertised),
            slaac: slaac::Slaac::default(),
        }
    }

    /// Hop limit of packets whose sender does not say: what a router wants, or what was configured (R4861-6.3.4-b).
    fn default_hop_limit(&self) -> u8 {
        self.nd.known.hop_limit.unwrap_or(self.config.default_hop_limit).max(1)
    }
}

/// Each address listens in its solicited-node group (RFC 4861 §7.2.1, R4291-2.8-a); the host counts.
fn join_solicited_node(cx: &mut NetCx<'_>, address: &InterfaceAddress, join: bool) {
    if let IpAddr::V6(v6) = address.address() {
        let nic = cx.nic.id;
        cx.emit(Effect::Group { nic, group: solicited_node(v6).into(), join });
    }
}

impl NetworkEndpoint for Endpoint {
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        if self.slaac.is_disabled() {
            return Verdict::Drop(DropReason::NicDisabled);
        }
        self.inbound(cx, packet).unwrap_or_else(Verdict::Drop)
    }

    fn encapsulate(&mut self, cx: &mut NetCx<'_>, packet: &mut TxPacket) -> Result<(), DropReason> {
        if self.slaac.is_disabled() {
            return Err(DropReason::NicDisabled);
        }
        self.write_header(cx, packet)
    }

    fn forward(
        &mut self,
        _cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        out: &mut TxPacket,
    ) -> Result<(), ErrorKind> {
        encapsulate::forward(packet, out)
    }

    fn fragment(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &TxPacket,
        mtu: usize,
        out: &mut TxBatch,
    ) -> Result<(), ErrorKind> {
        self.cut(cx, packet, mtu, out)
    }

    fn send_error(&mut self, cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
        send_error::send_error(cx, packet, kind);
    }

    fn header_len(&self) -> usize {
        HEADER_LEN
    }

    fn address_added(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        join_solicited_node(cx, address, true);
        if let (IpAddr::V6(v6), AddressState::Tentative) = (address.address(), address.state) {
            self.probe(cx, v6);
        } else if let IpAddr::V6(v6) = address.address() {
            self.told_from(cx, v6);
        }
    }

    fn address_removed(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        join_solicited_node(cx, address, false);
        if let IpAddr::V6(v6) = address.address() {
            self.nd.dad.remove(v6);
            self.slaac.forget(v6);
        }
    }

    fn interface_up(&mut self, cx: &mut NetCx<'_>) {
        if cx.nic.capabilities.medium == Medium::Loopback {
            return; // There is nobody to discover.
        }
        self.form_link_local(cx);
        self.start_discovery(cx);
    }

    fn interface_down(&mut self, cx: &mut NetCx<'_>) {
        self.remove_formed_addresses(cx);
        self.stop_discovery(cx);
        self.mld = mld::Listener::new(self.config.mld);
    }

    fn group_changed(&mut self, cx: &mut NetCx<'_>, group: IpAddr, filter: &SourceFilter) {
        self.report_group(cx, group, filter);
    }

    fn send_redirect(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        target: IpAddr,
        link: Option<LinkAddress>,
    ) {
        self.redirect_sender(cx, packet, target, link);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let groups = self.mld.memberships.poll_timeout();
        let all = [self.nd.poll_timeout(), self.next_age(), self.reassembly.next_deadline(), groups];
        all.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, cx: &mut NetCx<'_>) {
        // First, since the host hears of addresses that become free only when this call has returned.
        self.send_reports(cx);
        self.discovery_timeout(cx);
        self.age_addresses(cx);
        self.expire_fragments(cx);
    }

    fn resolver(&mut self) -> Option<&mut dyn LinkAddressResolver> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, NIC, Net};

    // R4291-2.8-a
    #[test]
    fn each_address_has_its_group() {
        let mut net = Net::new();
        let address = |text: &str, state| InterfaceAddress::new(text.parse().unwrap(), state);
        let preferred = address("fe80::1234:5678/64", AddressState::Preferred);
        net.call(|ipv6, cx| ipv6.address_added(cx, &preferred));
        net.call(|ipv6, cx| ipv6.address_removed(cx, &preferred));
        net.call(|ipv6, cx| ipv6.address_added(cx, &address("10.0.0.1/24", AddressState::Tentative)));
        let mut joins = [true, false].into_iter();
        for effect in net.effects.drain(..) {
            let Effect::Group { nic: NIC, group, join } = effect else { panic!("{effect:?}") };
            assert_eq!(group, "ff02::1:ff34:5678".parse::<IpAddr>().unwrap());
            assert_eq!(Some(join), joins.next());
        }
        assert_eq!(joins.next(), None);
    }

    #[test]
    fn addresses_of_a_packet() {
        let packet = testing::packet("fe80::9", "ff02::1", 17, &[]);
        let want = ("fe80::9".parse().unwrap(), "ff02::1".parse().unwrap());
        assert_eq!(Ipv6::default().parse_addresses(&packet), Some(want));
        assert_eq!(Ipv6::default().parse_addresses(&packet[..39]), None);
    }
}
