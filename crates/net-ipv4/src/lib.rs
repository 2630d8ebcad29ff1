//! IPv4 (RFC 791) and ICMPv4 (RFC 792), with the host rules of RFC 1122 and the router rules of RFC 1812.
//!
//! A protocol crate: it knows the contract and the ground, no link, no transport and no host.
//!
//! ```text
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*      you are here: net-ipv4
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! [`Ipv4`] is registered with the host, which asks it for one endpoint for each interface:
//!
//! | question | file |
//! | --- | --- |
//! | what becomes of an inbound packet? | `receive.rs` |
//! | may a packet with these addresses be here? | `addresses.rs` |
//! | what do its options want? | `options.rs` |
//! | what does a router write into options? | `record.rs` |
//! | how do fragments become a datagram? | `reassembly.rs` |
//! | how does a datagram become fragments? | `fragment.rs` |
//! | what goes in front of a segment, what changes in a forwarded packet? | `encapsulate.rs` |
//! | who answers pings? | `icmp.rs` |
//! | which groups are we members of, and who is told? | `igmp.rs` |
//! | what does somebody else's error mean to us? | `icmp_error.rs` |
//! | when do we tell somebody of an error? | `send_error.rs` |
//!
//! ```
//! use net_ipv4::{Ipv4, Ipv4Config};
//! use stack_core::NetworkProtocol;
//!
//! let ipv4 = Ipv4::new(Ipv4Config { default_ttl: 32, ..Ipv4Config::default() });
//! assert_eq!((ipv4.name(), ipv4.ether_type()), ("IPv4", 0x0800));
//!
//! let mut packet = [0; 20];
//! packet[12..].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
//! let (src, dst) = ipv4.parse_addresses(&packet).expect("twenty bytes have addresses");
//! assert_eq!((src.to_string(), dst.to_string()), ("10.0.0.1".into(), "10.0.0.2".into()));
//! ```
//!
//! Deliberately absent: source routing in either direction (an unfinished route is refused, R1122-3.2.1.8-b);
//! record-route and timestamp options of packets to us, which are passed over, and not sent back in an echo reply
//! (RFC 1122 §3.2.2.6, a SHOULD: no segment carries options); datagrams whose fragments come in by different
//! interfaces (each interface has a store of its own); ICMP timestamp and address mask
//! replies (RFC 1122 §3.2.2.8, §3.2.2.9); redirects of a host that is no router (R1122-3.2.2.2-a); what the host has already:
//! routes, neighbours, path MTUs and the ICMP rate limit.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod addresses;
mod encapsulate;
mod fragment;
mod icmp;
mod icmp_error;
mod igmp;
mod options;
mod reassembly;
mod receive;
mod record;
mod send_error;
#[cfg(test)]
mod testing;

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use stack_core::{
    DropReason, Effect, ErrorKind, Instant, InterfaceAddress, LinkAddress, NetCx, NetworkEndpoint,
    NetworkProtocol, NicView, RxPacket, SourceFilter, TxBatch, TxPacket, Verdict,
};
use stack_group::Memberships;
use stack_packet::{Idents, Reassembly};
use stack_wire::ethernet::EtherType;
use stack_wire::ipv4::MIN_HEADER_LEN;

pub use stack_group::{GroupConfig, Version};

/// What can be chosen about IPv4.
#[derive(Clone, Debug)]
pub struct Ipv4Config {
    /// TTL of packets whose sender does not say; 64 (RFC 1700, R1122-3.2.1.7-c). Never sent as 0.
    pub default_ttl: u8,
    /// Answer echo requests to broadcast and multicast addresses; off, since a forged source would have a whole
    /// network answer it (R1122-3.2.2.6-b leaves the choice).
    pub echo_broadcast: bool,
    /// As a router, tell a host on its own link of the better first hop for what it sent (RFC 1812 §5.2.7.2). On.
    pub send_redirects: bool,
    /// How long fragments wait for the rest of their datagram, from the first on; 60 s, the lower end of
    /// RFC 1122 §3.3.2 (R1122-3.3.2-b).
    pub reassembly_timeout: Duration,
    /// Bytes that all fragments of one interface may take, bookkeeping included; above it the oldest datagrams
    /// go. 4 MiB: 64 of the largest datagrams, and the limit that Linux and gVisor have.
    pub reassembly_high: usize,
    /// How far down they go; 3 MiB, so that a flood evicts in batches and not with every packet.
    pub reassembly_low: usize,
    /// IGMP.
    pub igmp: GroupConfig,
}

impl Default for Ipv4Config {
    fn default() -> Self {
        Self {
            default_ttl: 64,
            echo_broadcast: false,
            send_redirects: true,
            reassembly_timeout: Duration::from_secs(60),
            reassembly_high: 4 * 1024 * 1024,
            reassembly_low: 3 * 1024 * 1024,
            igmp: GroupConfig::default(),
        }
    }
}

/// IPv4, to be registered with a host.
#[derive(Clone, Debug, Default)]
pub struct Ipv4 {
    config: Ipv4Config,
}

impl Ipv4 {
    /// IPv4 with these choices.
    pub fn new(config: Ipv4Config) -> Self {
        Self { config }
    }
}

impl NetworkProtocol for Ipv4 {
    fn ether_type(&self) -> u16 {
        EtherType::IPV4
    }

    fn name(&self) -> &'static str {
        "IPv4"
    }

    fn min_packet_len(&self) -> usize {
        MIN_HEADER_LEN
    }

    fn parse_addresses(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        let (_, addresses) = packet.split_at_checked(12)?;
        let (src, rest) = addresses.split_first_chunk::<4>()?;
        let (dst, _) = rest.split_first_chunk::<4>()?;
        Some((IpAddr::from(*src), IpAddr::from(*dst)))
    }

    fn carries(&self, address: IpAddr) -> bool {
        address.is_ipv4()
    }

    fn new_endpoint(&mut self, _nic: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        Box::new(Endpoint::new(self.config.clone()))
    }
}

/// IPv4 on one interface.
#[derive(Debug)]
struct Endpoint {
    config: Ipv4Config,
    idents: Idents,
    reassembly: Reassembly<reassembly::Key>,
    igmp: Memberships,
}

impl Endpoint {
    fn new(config: Ipv4Config) -> Self {
        let igmp = Memberships::new(config.igmp);
        Self { config, idents: Idents::default(), reassembly: Reassembly::default(), igmp }
    }
}

/// The group of all hosts on a link: RFC 1112 §4.
const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Each address joins the all-systems group, and leaves it when it goes; the host counts (R1122-3.3.7-a).
fn join_all_systems(cx: &mut NetCx<'_>, address: &InterfaceAddress, join: bool) {
    if address.address().is_ipv4() {
        let nic = cx.nic.id;
        cx.emit(Effect::Group { nic, group: ALL_SYSTEMS.into(), join });
    }
}

impl NetworkEndpoint for Endpoint {
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        self.inbound(cx, packet).unwrap_or_else(Verdict::Drop)
    }

    fn encapsulate(&mut self, cx: &mut NetCx<'_>, packet: &mut TxPacket) -> Result<(), DropReason> {
        self.write_header(cx, packet)
    }

    fn forward(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        out: &mut TxPacket,
    ) -> Result<(), ErrorKind> {
        encapsulate::forward(cx.now, packet, out)
    }

    fn fragment(
        &mut self,
        _cx: &mut NetCx<'_>,
        packet: &TxPacket,
        mtu: usize,
        out: &mut TxBatch,
    ) -> Result<(), ErrorKind> {
        fragment::fragment(packet, mtu, out)
    }

    fn send_error(&mut self, cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
        send_error::send_error(cx, packet, kind);
    }

    fn send_redirect(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        target: IpAddr,
        _: Option<LinkAddress>,
    ) {
        if let (IpAddr::V4(gateway), true) = (target, self.config.send_redirects) {
            send_error::send_redirect(cx, packet, gateway);
        }
    }

    fn header_len(&self) -> usize {
        MIN_HEADER_LEN
    }

    fn address_added(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        join_all_systems(cx, address, true);
    }

    fn address_removed(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        join_all_systems(cx, address, false);
    }

    fn group_changed(&mut self, cx: &mut NetCx<'_>, group: IpAddr, filter: &SourceFilter) {
        self.report_group(cx, group, filter);
    }

    fn interface_down(&mut self, _cx: &mut NetCx<'_>) {
        self.igmp.clear();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.reassembly.next_deadline(), self.igmp.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, cx: &mut NetCx<'_>) {
        self.expire_fragments(cx);
        self.send_reports(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, NIC, Net};
    use stack_core::AddressState;

    // R1122-3.3.7-a
    #[test]
    fn each_address_is_in_the_group_of_all_systems() {
        let mut net = Net::new();
        let ours = net.addresses[0];
        let other = InterfaceAddress::new("fe80::1/64".parse().unwrap(), AddressState::Preferred);
        net.call(|ipv4, cx| ipv4.address_added(cx, &ours));
        net.call(|ipv4, cx| ipv4.address_added(cx, &other));
        net.call(|ipv4, cx| ipv4.address_removed(cx, &ours));
        let joins: alloc::vec::Vec<bool> = net
            .effects
            .drain(..)
            .map(|effect| match effect {
                Effect::Group { nic: NIC, group, join } if group == ALL_SYSTEMS => join,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(joins, [true, false]);
    }

    #[test]
    fn what_fits_into_a_packet_of_the_interface() {
        Net::new().call(|ipv4, cx| assert_eq!((ipv4.header_len(), ipv4.mtu(&cx.nic)), (20, 1480)));
    }

    #[test]
    fn addresses_of_a_packet() {
        let packet = testing::datagram("10.0.0.9", "10.0.0.1", 17, &[]);
        let want = ("10.0.0.9".parse().unwrap(), "10.0.0.1".parse().unwrap());
        assert_eq!(Ipv4::default().parse_addresses(&packet), Some(want));
        assert_eq!(Ipv4::default().parse_addresses(&packet[..19]), None);
        assert!(Ipv4::default().carries(want.0) && !Ipv4::default().carries("::1".parse().unwrap()));
    }
}
