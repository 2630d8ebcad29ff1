//! IGMP on one interface: RFC 9776, and what older queriers understand (RFC 1112, RFC 2236).
//!
//! What is told, and when, is [`Memberships`]' matter, which it shares with MLD; here is what only IGMP has: how messages are
//! checked, laid out and addressed. They need no route and no neighbour, and go straight to the wire.

use crate::Endpoint;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{Cast, DropReason, LinkAddress, Medium, NetCx, RxPacket, SourceFilter, Verdict};
use stack_group::{Memberships, Message, Query, Version, report};
use stack_wire::ethernet::EtherType;
use stack_wire::igmp::{self, ALL_ROUTERS, ALL_V3_ROUTERS, Igmp, kind};
use stack_wire::ip::protocol;
use stack_wire::ipv4::{Emit, Ipv4, MIN_HEADER_LEN};
use stack_wire::router_alert;

/// Octets in front of a message: header and router alert.
const HEADERS: usize = MIN_HEADER_LEN + router_alert::IPV4_OPTION.len();

impl Endpoint {
    /// What becomes of an IGMP message to us.
    pub(crate) fn receive_igmp(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        packet.pull_up(usize::MAX);
        let bytes = packet.transport();
        let message = Igmp::parse(bytes).ok().filter(|message| is_valid(packet, bytes, message));
        match message {
            None => return Verdict::Drop(DropReason::GroupInvalid),
            Some(Igmp::Query(query)) => {
                if !query.group.is_unspecified() && !query.group.is_multicast() {
                    return Verdict::Drop(DropReason::GroupInvalid);
                }
                heard(&mut self.igmp, cx, &query);
            }
            Some(Igmp::ReportV1(group) | Igmp::ReportV2(group)) => self.igmp.on_report(group.into()),
            Some(Igmp::Leave(_) | Igmp::ReportV3(_)) => return Verdict::Drop(DropReason::GroupIgnored),
        }
        self.send_reports(cx);
        Verdict::Held
    }

    /// The interface wants a group otherwise than before.
    pub(crate) fn report_group(&mut self, cx: &mut NetCx<'_>, group: IpAddr, filter: &SourceFilter) {
        if cx.nic.capabilities.medium != Medium::Loopback {
            self.igmp.set_filter(cx.now, group, filter.clone());
        }
    }

    /// Sends what is due.
    pub(crate) fn send_reports(&mut self, cx: &mut NetCx<'_>) {
        let room = (cx.nic.capabilities.mtu as usize).saturating_sub(HEADERS);
        while let Some(message) = self.igmp.poll_transmit(cx.now, room, &mut || cx.host.random()) {
            match message {
                Message::Report(records) => {
                    let mut report = report(kind::REPORT_V3, &records, octets);
                    igmp::complete(&mut report);
                    send(cx, ALL_V3_ROUTERS, report);
                }
                Message::OldReport(version, IpAddr::V4(group)) => {
                    let of = if version == Version::V1 { kind::REPORT_V1 } else { kind::REPORT_V2 };
                    send(cx, group, igmp::short(of, group).to_vec());
                }
                Message::Leave(IpAddr::V4(group)) => {
                    send(cx, ALL_ROUTERS, igmp::short(kind::LEAVE, group).to_vec()); // R2236-3-d
                }
                Message::OldReport(..) | Message::Leave(_) => {}
            }
        }
    }
}

fn heard(memberships: &mut Memberships, cx: &mut NetCx<'_>, query: &igmp::Query<'_>) {
    let sources: Vec<IpAddr> = query.sources().map(IpAddr::V4).collect();
    let query = Query {
        version: match query.version {
            1 => Version::V1,
            2 => Version::V2,
            _ => Version::V3,
        },
        group: (!query.group.is_unspecified()).then_some(query.group.into()),
        sources: &sources,
        max_response: query.max_response,
        robustness: query.robustness,
        interval: query.interval,
    };
    memberships.on_query(cx.now, &query, &mut || cx.host.random());
}

/// Checksum (R9776-4-c), hop count, and, but for version 1, which had none, the router alert (R9776-9.1-a): what came over a
/// router is forged.
fn is_valid(packet: &RxPacket, bytes: &[u8], message: &Igmp<'_>) -> bool {
    let version_1 =
        matches!(message, Igmp::ReportV1(_)) || matches!(message, Igmp::Query(query) if query.version == 1);
    let alerts = || Ipv4::parse_quoted(&packet.data).is_ok_and(|header| router_alert::in_ipv4(&header));
    packet.ip.hop_limit == igmp::TTL && igmp::is_intact(bytes) && (version_1 || alerts())
}

fn octets(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.octets(),
    }
}

/// Puts a message on the wire (R9776-4-a): TTL 1, precedence internetwork control, router alert; from an address of ours, or
/// from none while there is none (R9776-4.2.13-a).
fn send(cx: &mut NetCx<'_>, dst: Ipv4Addr, message: Vec<u8>) {
    let own =
        cx.nic.addresses.iter().filter(|own| own.state.is_usable()).find_map(|own| match own.address() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        });
    let src = own.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let out = cx.wire.slot();
    (out.ether_type, out.link_dst) = (EtherType::IPV4, LinkAddress::of_multicast_group(dst.into()));
    (out.ip.src, out.ip.dst, out.ip.protocol) = (src.into(), dst.into(), protocol::IGMP);
    out.ip.cast = Cast::Multicast;
    let emit = Emit {
        ttl: igmp::TTL,
        tos: igmp::TOS,
        dont_fragment: true,
        options: &router_alert::IPV4_OPTION,
        ..Emit::new(src, dst, protocol::IGMP, message.len())
    };
    // An empty packet has room for one piece and one header.
    let _ = out.push(message.into());
    if let Some(room) = out.prepend(HEADERS) {
        emit.write(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, fix_checksum, with_options};
    use alloc::vec;
    use core::time::Duration;
    use stack_core::NetworkEndpoint;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    fn change(net: &mut Net, filter: &SourceFilter) -> Vec<Vec<u8>> {
        net.on_wire(|endpoint, cx| {
            endpoint.group_changed(cx, GROUP.into(), filter);
            endpoint.handle_timeout(cx);
        })
    }

    fn join(net: &mut Net) -> Vec<Vec<u8>> {
        change(net, &SourceFilter::everything())
    }

    /// What is sent up to ten seconds from now.
    fn later(net: &mut Net) -> Vec<Vec<u8>> {
        let (end, mut sent) = (net.now + Duration::from_secs(10), Vec::new());
        while let Some(next) = net.call(|endpoint, _| endpoint.poll_timeout()).filter(|next| *next <= end) {
            net.now = next;
            sent.extend(net.on_wire(|endpoint, cx| endpoint.handle_timeout(cx)));
        }
        net.now = end;
        sent
    }

    /// A query with right checksums, and what is changed about it.
    fn query(message: &[u8], options: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut message = message.to_vec();
        igmp::complete(&mut message);
        let mut bytes = with_options("10.0.0.9", "224.0.0.1", 2, options, &message);
        bytes[8] = 1;
        change(&mut bytes);
        fix_checksum(&mut bytes);
        bytes
    }

    // R9776-4-a, R9776-4.2.13-a, R9776-5.1-a
    #[test]
    fn a_report_is_what_routers_read() {
        let mut net = Net::new();
        let sent = join(&mut net);
        let [bytes] = &sent[..] else { panic!("{sent:?}") };
        let header = Ipv4::parse(bytes).unwrap();
        assert!(header.verify_checksum() && router_alert::in_ipv4(&header));
        assert_eq!((header.src(), header.dst()), (Ipv4Addr::new(10, 0, 0, 1), ALL_V3_ROUTERS));
        assert_eq!((header.ttl(), header.tos(), header.protocol()), (1, 0xc0, 2));
        assert!(igmp::is_intact(header.payload()));
        let Ok(Igmp::ReportV3(mut records)) = Igmp::parse(header.payload()) else { panic!("no report") };
        let record = records.next_record().unwrap().unwrap();
        assert_eq!((record.kind, record.group, record.sources().count()), (4, GROUP.octets(), 0));
        assert_eq!(later(&mut net), sent, "once more");
        net.addresses.clear();
        let left = change(&mut net, &SourceFilter::nothing());
        assert_eq!(Ipv4::parse(&left[0]).unwrap().src(), Ipv4Addr::UNSPECIFIED);
    }

    // R9776-4-c, R9776-9.1-a, R9776-4.1-a, R9776-7.1-a
    #[test]
    fn which_queries_are_answered() {
        let v3 = [0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0];
        let (v2, v1) = ([0x11, 10, 0, 0, 0, 0, 0, 0], [0x11, 0, 0, 0, 0, 0, 0, 0]);
        let alert = &router_alert::IPV4_OPTION[..];
        let about = |group: [u8; 4]| [&[0x11, 10, 0, 0], &group[..], &[2, 125, 0, 0]].concat();
        for (situation, bytes, answers) in [
            ("version 3", query(&v3, alert, |_| {}), 1),
            ("version 2", query(&v2, alert, |_| {}), 1),
            ("version 1 without alert", query(&v1, &[], |_| {}), 1),
            ("version 3 without alert", query(&v3, &[], |_| {}), 0),
            ("version 2 without alert", query(&v2, &[], |_| {}), 0),
            ("over a router", query(&v3, alert, |bytes| bytes[8] = 2), 0),
            ("wrong checksum", query(&v3, alert, |bytes| bytes[26] ^= 1), 0),
            ("about our group", query(&about(GROUP.octets()), alert, |_| {}), 1),
            ("about another group", query(&about([239, 9, 9, 9]), alert, |_| {}), 0),
            ("about no group", query(&about([10, 0, 0, 1]), alert, |_| {}), 0),
            ("to us alone", query(&v3, alert, |bytes| bytes[16..20].copy_from_slice(&[10, 0, 0, 1])), 1),
        ] {
            let mut net = Net::new();
            join(&mut net);
            later(&mut net);
            let verdict = net.receive(&bytes);
            assert_eq!(later(&mut net).len(), answers, "{situation}: {verdict:?}");
        }
    }

    #[test]
    fn a_loopback_interface_has_nobody_to_tell() {
        let mut net = Net::new();
        net.capabilities = stack_core::LinkCapabilities::plain(Medium::Loopback, 65_535);
        assert!(join(&mut net).is_empty());
    }

    // R2236-3-d, R9776-7.2.1-a
    #[test]
    fn to_an_old_querier_old_words() {
        for (code, words) in [(10, vec![(GROUP, 0x16), (ALL_ROUTERS, 0x17)]), (0, vec![(GROUP, 0x12)])] {
            let mut net = Net::new();
            net.receive(&query(&[0x11, code, 0, 0, 0, 0, 0, 0], &router_alert::IPV4_OPTION, |_| {}));
            let mut sent = join(&mut net);
            sent.extend(change(&mut net, &SourceFilter::nothing()));
            let said: Vec<_> =
                sent.iter().map(|bytes| (Ipv4::parse(bytes).unwrap().dst(), bytes[24])).collect();
            assert_eq!(said, words);
        }
    }

    #[test]
    fn who_is_down_forgets_its_groups() {
        let mut net = Net::new();
        join(&mut net);
        net.call(|endpoint, cx| endpoint.interface_down(cx));
        assert_eq!(net.call(|endpoint, _| endpoint.poll_timeout()), None);
    }
}
