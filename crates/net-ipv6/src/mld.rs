//! Multicast listener discovery on one interface: RFC 9777, and version 1 (RFC 2710) for queriers that know no more.
//!
//! What is told, and when, is [`Memberships`]' matter, which it shares with IGMP; here is what only MLD has: how messages are
//! checked, laid out and addressed. They come from our link-local address, or, while we have none, from no address (RFC 3590):
//! then all is told once more when there is one.
//!
//! Solicited-node groups are told of like others (R9777-6-b), where neighbours are solicited at all: switches that listen would keep
//! solicitations from us otherwise.

use crate::{Endpoint, nd};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{Cast, DropReason, LinkAddress, Medium, NetCx, RxPacket, SourceFilter, Verdict};
use stack_group::{GroupConfig, Memberships, Message, Query, Version, report};
use stack_wire::ethernet::EtherType;
use stack_wire::ip::protocol;
use stack_wire::ipv6::{Emit, HEADER_LEN};
use stack_wire::mld::{self, ALL_ROUTERS, ALL_V2_ROUTERS, Mld, kind};
use stack_wire::router_alert;

/// Octets in front of a message: fixed header, and hop-by-hop header with router alert.
const HEADERS: usize = HEADER_LEN + router_alert::hop_by_hop(0).len();

/// The groups of an interface.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) memberships: Memberships,
    /// Something was told from no address: routers have not heard it (RFC 3590 §4).
    unheard: bool,
}

impl Listener {
    pub(crate) fn new(config: GroupConfig) -> Self {
        Self { memberships: Memberships::new(config), unheard: false }
    }
}

impl Endpoint {
    /// What becomes of an MLD message to us whose ICMPv6 checksum is right.
    pub(crate) fn receive_mld(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        packet.pull_up(usize::MAX);
        let message = Mld::parse(packet.transport()).ok().filter(|_| is_from_the_link(packet));
        match message {
            None => return Verdict::Drop(DropReason::GroupInvalid),
            Some(Mld::Query(query)) => {
                if !query.group.is_unspecified() && !query.group.is_multicast() {
                    return Verdict::Drop(DropReason::GroupInvalid);
                }
                heard(&mut self.mld.memberships, cx, &query);
            }
            Some(Mld::ReportV1(group)) => self.mld.memberships.on_report(group.into()),
            Some(Mld::Done(_) | Mld::ReportV2(_)) => return Verdict::Drop(DropReason::GroupIgnored),
        }
        self.send_reports(cx);
        Verdict::Held
    }

    /// The interface wants a group otherwise than before.
    pub(crate) fn report_group(&mut self, cx: &mut NetCx<'_>, group: IpAddr, filter: &SourceFilter) {
        let told = match cx.nic.capabilities.medium {
            Medium::Loopback => false,
            Medium::Ethernet => true,
            Medium::Ip => !is_solicited_node(group),
        };
        if told {
            self.mld.memberships.set_filter(cx.now, group, filter.clone());
        }
    }

    /// An address can be used: if it is the first to tell from, all is told once more (R3590-4-a).
    pub(crate) fn told_from(&mut self, cx: &mut NetCx<'_>, address: Ipv6Addr) {
        if address.is_unicast_link_local() && core::mem::take(&mut self.mld.unheard) {
            self.mld.memberships.announce(cx.now);
        }
    }

    /// Sends what is due.
    pub(crate) fn send_reports(&mut self, cx: &mut NetCx<'_>) {
        if self.slaac.is_disabled() {
            return;
        }
        let room = (cx.nic.capabilities.mtu as usize).saturating_sub(HEADERS);
        while let Some(message) = self.mld.memberships.poll_transmit(cx.now, room, &mut || cx.host.random()) {
            let src = nd::link_local(cx).unwrap_or(Ipv6Addr::UNSPECIFIED); // R9777-5.2.13-a
            self.mld.unheard |= src.is_unspecified();
            match message {
                Message::Report(records) => {
                    send(cx, src, ALL_V2_ROUTERS, report(kind::REPORT_V2, &records, octets));
                }
                Message::OldReport(_, IpAddr::V6(group)) => {
                    send(cx, src, group, mld::short(kind::REPORT_V1, group).to_vec());
                }
                Message::Leave(IpAddr::V6(group)) => {
                    send(cx, src, ALL_ROUTERS, mld::short(kind::DONE, group).to_vec()); // R2710-4-c
                }
                Message::OldReport(..) | Message::Leave(_) => {}
            }
        }
    }
}

fn heard(memberships: &mut Memberships, cx: &mut NetCx<'_>, query: &mld::Query<'_>) {
    let sources: Vec<IpAddr> = query.sources().map(IpAddr::V6).collect();
    let query = Query {
        version: if query.version == 1 { Version::V2 } else { Version::V3 },
        group: (!query.group.is_unspecified()).then_some(query.group.into()),
        sources: &sources,
        max_response: query.max_response,
        robustness: query.robustness,
        interval: query.interval,
    };
    memberships.on_query(cx.now, &query, &mut || cx.host.random());
}

/// R9777-6.2-b: from a link-local address, by no router, with a router alert. Reports, which may come from no address, are
/// held to the same: what they would keep us from saying is better said twice.
fn is_from_the_link(packet: &RxPacket) -> bool {
    let link_local = matches!(packet.ip.src, IpAddr::V6(src) if src.is_unicast_link_local());
    link_local && packet.ip.hop_limit == mld::HOP_LIMIT && router_alert::in_ipv6(&packet.data)
}

/// RFC 4291 §2.7.1: ff02::1:ff00:0/104.
fn is_solicited_node(group: IpAddr) -> bool {
    let IpAddr::V6(group) = group else { return false };
    matches!(group.segments(), [0xff02, 0, 0, 0, 0, 1, high, _] if high >> 8 == 0xff)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Puts a message on the wire (R9777-5-a): hop limit 1, router alert in a hop-by-hop header.
fn send(cx: &mut NetCx<'_>, src: Ipv6Addr, dst: Ipv6Addr, mut message: Vec<u8>) {
    mld::complete(&mut message, src, dst);
    let out = cx.wire.slot();
    (out.ether_type, out.link_dst) = (EtherType::IPV6, LinkAddress::of_multicast_group(dst.into()));
    (out.ip.src, out.ip.dst, out.ip.protocol) = (src.into(), dst.into(), protocol::ICMPV6);
    out.ip.cast = Cast::Multicast;
    let alert = router_alert::hop_by_hop(protocol::ICMPV6);
    let emit = Emit {
        hop_limit: mld::HOP_LIMIT,
        ..Emit::new(src, dst, protocol::HOP_BY_HOP, alert.len() + message.len())
    };
    // An empty packet has room for one piece and the headers.
    let _ = out.push(message.into());
    if let Some((fixed, behind)) = out.prepend(HEADERS).and_then(|room| room.split_at_mut_checked(HEADER_LEN))
    {
        emit.write(fixed);
        behind.copy_from_slice(&alert);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, fix_checksum, packet};
    use core::time::Duration;
    use stack_core::{AddressState, NetworkEndpoint};
    use stack_wire::ipv6::Ipv6;

    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 7);

    fn on_wire(net: &mut Net, f: impl FnOnce(&mut Endpoint, &mut NetCx<'_>)) -> Vec<Vec<u8>> {
        net.call(f);
        core::iter::from_fn(|| net.wire.pop()).map(|packet| packet.to_bytes().to_vec()).collect()
    }

    fn change(net: &mut Net, group: Ipv6Addr, filter: &SourceFilter) -> Vec<Vec<u8>> {
        on_wire(net, |endpoint, cx| {
            endpoint.group_changed(cx, group.into(), filter);
            endpoint.handle_timeout(cx);
        })
    }

    fn join(net: &mut Net, group: Ipv6Addr) -> Vec<Vec<u8>> {
        change(net, group, &SourceFilter::everything())
    }

    /// What is sent up to ten seconds from now.
    fn later(net: &mut Net) -> Vec<Vec<u8>> {
        let (end, mut sent) = (net.now + Duration::from_secs(10), Vec::new());
        while let Some(next) = net.poll_timeout().filter(|next| *next <= end) {
            net.now = net.now.max(next);
            sent.extend(on_wire(net, |endpoint, cx| endpoint.handle_timeout(cx)));
        }
        net.now = end;
        sent
    }

    /// A query with a right checksum, behind this hop-by-hop header.
    fn query(behind: &[u8], alert: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut message = [&[130, 0, 0, 0, 0, 100, 0, 0][..], &[0; 16], behind].concat();
        let mut bare = packet("fe80::9", "ff02::1", 58, &message);
        fix_checksum(&mut bare);
        message.copy_from_slice(&bare[40..]);
        let next = if alert.is_empty() { 58 } else { 0 };
        let mut bytes = packet("fe80::9", "ff02::1", next, &[alert, &message].concat());
        bytes[7] = 1;
        change(&mut bytes);
        bytes
    }

    // R9777-5-a, R9777-5.2.13-a, R9777-6.1-a
    #[test]
    fn a_report_is_what_routers_read() {
        let mut net = Net::new();
        let sent = join(&mut net, GROUP);
        let [bytes] = &sent[..] else { panic!("{sent:?}") };
        let header = Ipv6::parse(bytes).unwrap();
        assert_eq!((header.src(), header.dst()), ("fe80::1".parse().unwrap(), ALL_V2_ROUTERS));
        assert_eq!((header.hop_limit(), header.next_header()), (1, 0));
        assert!(router_alert::in_ipv6(bytes));
        let message = &header.payload()[8..];
        let len = message.len() as u32;
        let mut sum = stack_wire::checksum::pseudo_header(header.src().into(), header.dst().into(), 58, len);
        assert!(sum.add_bytes(message).is_valid());
        let Ok(Mld::ReportV2(mut records)) = Mld::parse(message) else { panic!("no report") };
        let record = records.next_record().unwrap().unwrap();
        assert_eq!((record.kind, record.group, record.sources().count()), (4, GROUP.octets(), 0));
        assert_eq!(later(&mut net), sent, "once more");
    }

    // R9777-6.2-b, R9777-8.1-a
    #[test]
    fn which_queries_are_answered() {
        let (v2, alert) = ([2, 125, 0, 0], &router_alert::hop_by_hop(58)[..]);
        for (situation, bytes, answers) in [
            ("version 2", query(&v2, alert, |_| {}), 1),
            ("version 1", query(&[], alert, |_| {}), 1),
            ("without alert", query(&v2, &[], |_| {}), 0),
            ("over a router", query(&v2, alert, |bytes| bytes[7] = 2), 0),
            ("from elsewhere", query(&v2, alert, |bytes| bytes[8] = 0x20), 0),
            ("wrong checksum", query(&v2, alert, |bytes| bytes[50] ^= 1), 0),
            ("between the versions", query(&[0, 0], alert, |_| {}), 0),
        ] {
            let mut net = Net::new();
            join(&mut net, GROUP);
            later(&mut net);
            let verdict = net.receive(&bytes);
            assert_eq!(later(&mut net).len(), answers, "{situation}: {verdict:?}");
        }
    }

    // R9777-5.2.13-a, R3590-4-a
    #[test]
    fn what_was_told_from_no_address_is_told_again_from_one() {
        let mut net = Net::new();
        net.addresses.clear();
        net.add("fe80::1/64", AddressState::Tentative);
        let sent = join(&mut net, GROUP);
        assert!(Ipv6::parse(&sent[0]).unwrap().src().is_unspecified());
        assert_eq!(later(&mut net).len(), 1);
        net.addresses.clear();
        net.add("fe80::1/64", AddressState::Preferred);
        let ours = net.addresses[0];
        net.call(|endpoint, cx| endpoint.address_added(cx, &ours));
        let again = later(&mut net);
        assert_eq!(again.len(), 2);
        assert!(
            again
                .iter()
                .all(|bytes| Ipv6::parse(bytes).unwrap().src() == "fe80::1".parse::<Ipv6Addr>().unwrap())
        );
        net.call(|endpoint, cx| endpoint.address_added(cx, &ours));
        assert!(later(&mut net).is_empty(), "once");
    }

    #[test]
    fn who_solicits_nobody_tells_of_no_solicited_node_group() {
        let solicited: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
        for (medium, group, told) in [
            (Medium::Ethernet, solicited, 1),
            (Medium::Ip, solicited, 0),
            (Medium::Ip, GROUP, 1),
            (Medium::Ip, "ff02::1:fe00:1".parse().unwrap(), 1),
            (Medium::Loopback, GROUP, 0),
        ] {
            let mut net = Net::new();
            net.capabilities = stack_core::LinkCapabilities::plain(medium, 1500);
            assert_eq!(join(&mut net, group).len(), told, "{medium:?} {group}");
        }
    }

    // R2710-4-a, R2710-4-b, R2710-4-c, R9777-8.2.1-a
    #[test]
    fn to_an_old_querier_old_words() {
        let mut net = Net::new();
        net.receive(&query(&[], &router_alert::hop_by_hop(58), |_| {}));
        let mut sent = join(&mut net, GROUP);
        sent.extend(change(&mut net, GROUP, &SourceFilter::nothing()));
        let said: Vec<_> = sent.iter().map(|bytes| (Ipv6::parse(bytes).unwrap().dst(), bytes[48])).collect();
        assert_eq!(said, [(GROUP, 131), (ALL_ROUTERS, 132)]);
    }
}
