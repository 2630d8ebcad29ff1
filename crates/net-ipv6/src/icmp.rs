//! ICMPv6 messages to us: RFC 4443.
//!
//! Echo requests are answered here, with the data by reference. Errors become effects, neighbour messages updates of
//! the host's cache. Echo replies go to the transport protocol with number 58, which knows who asked. Everything else
//! ends (R4443-2.4-b).

use crate::{Endpoint, icmp_error, nd};
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{Cast, Checksum, DropReason, IpMeta, NetCx, NicView, RxPacket, TxPacket, Verdict};
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::icmpv6::{Emit, HEADER_LEN, Header, Icmpv6, kind};
use stack_wire::ip::protocol;
use stack_wire::ipv6::HEADER_LEN as IP_HEADER_LEN;
use stack_wire::mld;

/// Where the checksum lies in an ICMPv6 header.
const CHECKSUM_OFFSET: u16 = 2;

impl Endpoint {
    /// What becomes of an ICMPv6 message to us; `fragmented` says that it came behind a fragment header.
    pub(crate) fn receive_icmp(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        fragmented: bool,
    ) -> Verdict {
        let Ok(message) = Icmpv6::parse(packet.transport()) else {
            return Verdict::Drop(DropReason::IcmpInvalid);
        };
        if !checksum_is_right(packet) {
            return Verdict::Drop(DropReason::IcmpInvalid); // R4443-2.3-a
        }
        let header = *message.header();
        match header.kind() {
            kind::ECHO_REPLY => Verdict::Deliver,
            kind::ECHO_REQUEST if packet.ip.cast == Cast::Unicast || self.config.echo_multicast => {
                self.note_reply(packet);
                echo(cx, packet, &header)
            }
            of if nd::handles(of) => self.receive_discovery(cx, packet, fragmented),
            of if mld::is_mld(of) => self.receive_mld(cx, packet),
            _ if header.is_error() && packet.ip.cast == Cast::Unicast => {
                // The quoted packet is read as one slice; one that never touched a device may lie in pieces.
                packet.pull_up(usize::from(packet.transport) + HEADER_LEN + icmp_error::MAX_QUOTED);
                icmp_error::receive(cx, packet, &header, &self.replies)
            }
            _ => Verdict::Drop(DropReason::IcmpIgnored),
        }
    }
}

impl Endpoint {
    /// The answer to an echo request is as long as the request.
    fn note_reply(&mut self, packet: &RxPacket) {
        if let IpAddr::V6(to) = packet.ip.src {
            self.replies.note(to, IP_HEADER_LEN + packet.transport_len());
        }
    }
}

/// The checksum covers the pseudo-header and the message.
fn checksum_is_right(packet: &RxPacket) -> bool {
    if packet.meta.checksum != Checksum::Unverified {
        return true;
    }
    let len = u32::try_from(packet.transport_len()).unwrap_or(u32::MAX);
    let mut sum = pseudo_header(packet.ip.src, packet.ip.dst, protocol::ICMPV6, len);
    packet.transport_pieces().for_each(|piece| {
        sum.add_bytes(piece);
    });
    sum.is_valid()
}

/// Sends the data back (R4443-4.1-a, R4443-4.2-b).
fn echo(cx: &mut NetCx<'_>, packet: &mut RxPacket, request: &Header) -> Verdict {
    let Some(src) = reply_source(&cx.nic, packet) else { return Verdict::Drop(DropReason::IcmpIgnored) };
    let dst = packet.ip.src;
    let len = u32::try_from(packet.transport_len()).unwrap_or(u32::MAX);
    let pseudo = pseudo_header(src, dst, protocol::ICMPV6, len);
    let out = cx.out.slot();
    out.ip = IpMeta {
        src,
        dst,
        protocol: protocol::ICMPV6,
        traffic_class: packet.ip.traffic_class & !3,
        ..IpMeta::default()
    };
    out.bound_nic = is_link_scoped(dst).then_some(cx.nic.id);
    // What was never summed is summed on the way out.
    let partial = matches!(packet.meta.checksum, Checksum::Partial { .. });
    out.push_all(packet.take_payload(HEADER_LEN));
    let mut covered = pseudo;
    if !partial {
        out.payload().iter().for_each(|piece| {
            covered.add_bytes(piece);
        });
    }
    let reply = Emit::echo_reply(request.echo_ident(), request.echo_seq());
    write(out, reply, covered);
    if let (true, Some(field)) = (partial, out.header_mut().get_mut(2..4)) {
        field.copy_from_slice(&pseudo.folded().to_be_bytes());
        out.checksum = Checksum::Partial { start: 0, offset: CHECKSUM_OFFSET };
    }
    Verdict::Held
}

/// Puts the message's header in front of its payload; `covered` is the sum of all else.
pub(crate) fn write(out: &mut TxPacket, message: Emit, covered: Sum) {
    if let Some(room) = out.prepend(HEADER_LEN) {
        message.write(room, covered);
    }
}

/// Whether the way to an address depends on the interface.
pub(crate) fn is_link_scoped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_multicast())
}

/// The address that was asked (R4443-2.2-a), or, if a group was asked, one of ours of the asker's scope.
fn reply_source(nic: &NicView<'_>, packet: &RxPacket) -> Option<IpAddr> {
    if packet.ip.cast == Cast::Unicast {
        return Some(packet.ip.dst);
    }
    source_near(nic, packet.ip.src).map(IpAddr::V6)
}

/// Our address in the subnet of `target`, or else any that we use, of the same scope first.
pub(crate) fn source_near(nic: &NicView<'_>, target: IpAddr) -> Option<Ipv6Addr> {
    let in_use = |a: &&stack_core::InterfaceAddress| a.address().is_ipv6() && a.state.is_usable();
    let ours = || nic.addresses.iter().filter(in_use);
    let near = ours().find(|a| a.net.contains(&target));
    let scoped = || ours().find(|a| is_link_scoped(a.address()) == is_link_scoped(target));
    match near.or_else(scoped).or_else(|| ours().next())?.address() {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ipv6Config;
    use crate::testing::{NIC, Net, icmp, packet};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn ping(src: &str, dst: &str, data: &[u8]) -> alloc::vec::Vec<u8> {
        packet(src, dst, 58, &icmp(src, dst, Emit::echo_request(77, 3), data))
    }

    // R4443-4.1-a, R4443-2.2-a
    #[test]
    fn an_echo_request_is_answered_with_its_own_data() {
        for len in [0, 1, 2, 56, 1452] {
            let mut net = Net::new();
            let data = alloc::vec![len as u8; len];
            assert_eq!(net.receive(&ping("fd00::9", "fd00::1", &data)), Verdict::Held);
            let reply = net.out.pop().unwrap();
            assert_eq!(reply.to_bytes(), icmp("fd00::1", "fd00::9", Emit::echo_reply(77, 3), &data));
            assert_eq!(
                (reply.ip.src, reply.ip.dst),
                ("fd00::1".parse().unwrap(), "fd00::9".parse().unwrap())
            );
            assert_eq!((reply.ip.protocol, reply.ip.hop_limit, reply.bound_nic), (58, 0, None));
            assert!(net.out.is_empty());
        }
    }

    // R4443-4.2-b
    #[test]
    fn pings_to_groups_are_answered_from_an_address_of_the_scope() {
        for (src, want, nic) in [("fd00::9", "fd00::1", None), ("fe80::9", "fe80::1", Some(NIC))] {
            let mut net = Net::new();
            assert_eq!(net.receive(&ping(src, "ff02::1", b"data")), Verdict::Held);
            let reply = net.out.pop().unwrap();
            assert_eq!(reply.to_bytes(), icmp(want, src, Emit::echo_reply(77, 3), b"data"));
            assert_eq!((reply.ip.src, reply.bound_nic), (want.parse().unwrap(), nic));
        }
        let mut net = Net::with(Ipv6Config { echo_multicast: false, ..Ipv6Config::default() });
        let verdict = net.receive(&ping("fd00::9", "ff02::1", b"data"));
        assert_eq!(verdict, Verdict::Drop(DropReason::IcmpIgnored));
    }

    #[test]
    fn without_an_address_there_is_nothing_to_answer_from() {
        let mut net = Net::new();
        net.addresses.clear();
        let verdict = net.receive(&ping("fd00::9", "ff02::1", b"data"));
        assert_eq!(verdict, Verdict::Drop(DropReason::IcmpIgnored));
        assert!(net.out.is_empty());
    }

    #[test]
    fn a_partial_checksum_stays_partial() {
        let mut net = Net::new();
        let mut packet = net.packet(&ping("fd00::9", "fd00::1", b"data"));
        packet.meta.checksum = Checksum::Partial { start: 40, offset: 2 };
        assert_eq!(net.receive_packet(&mut packet), Verdict::Held);
        let reply = net.out.pop().unwrap();
        assert_eq!(reply.checksum, Checksum::Partial { start: 0, offset: 2 });
        let pseudo = pseudo_header(reply.ip.src, reply.ip.dst, 58, 12).folded();
        assert_eq!(reply.header()[2..4], pseudo.to_be_bytes());
    }

    // R4443-2.3-a
    #[test]
    fn the_checksum_is_verified_only_if_nobody_vouches() {
        let mut request = ping("fd00::9", "fd00::1", b"data");
        request[50] ^= 1;
        for (checksum, want) in [
            (Checksum::Unverified, Verdict::Drop(DropReason::IcmpInvalid)),
            (Checksum::Verified, Verdict::Held),
        ] {
            let mut net = Net::new();
            let mut packet = net.packet(&request);
            packet.meta.checksum = checksum;
            assert_eq!(net.receive_packet(&mut packet), want);
        }
    }

    proptest! {
        #[test]
        fn replies_have_a_right_checksum(
            data: alloc::vec::Vec<u8>, ident: u16, seq: u16, piece in 1..50usize, class: u8,
        ) {
            let mut net = Net::new();
            let mut request = packet("fd00::9", "fd00::1", 58, &icmp("fd00::9", "fd00::1", Emit::echo_request(ident, seq), &data));
            request[0] |= class >> 4;
            request[1] |= class << 4;
            let mut rx = net.packet(&request[..48]);
            request[48..].chunks(piece).for_each(|piece| rx.more.push(Bytes::copy_from_slice(piece)));
            prop_assert_eq!(net.receive_packet(&mut rx), Verdict::Held);
            let reply = net.out.pop().unwrap();
            prop_assert_eq!(reply.ip.traffic_class, class & 0xfc);
            let bytes = reply.to_bytes();
            let theirs = etherparse::Icmpv6Slice::from_slice(&bytes).unwrap();
            let octets = |address: &str| address.parse::<Ipv6Addr>().unwrap().octets();
            prop_assert!(theirs.is_checksum_valid(octets("fd00::1"), octets("fd00::9")));
            prop_assert_eq!(theirs.payload(), &data[..]);
        }
    }

    #[test]
    fn messages_by_type() {
        let ignored = Verdict::Drop(DropReason::IcmpIgnored);
        for (situation, kind, want) in [
            ("R4443-4.2-c: echo reply", 129, Verdict::Deliver),
            ("R4443-2.4-b: unknown informational", 200, ignored),
            ("R4443-2.4-b: another of them", 138, ignored),
        ] {
            let mut net = Net::new();
            let message = icmp("fd00::9", "fd00::1", Emit { kind, ..Emit::echo_reply(1, 2) }, &[0; 12]);
            assert_eq!(net.receive(&packet("fd00::9", "fd00::1", 58, &message)), want, "{situation}");
            assert!(net.out.is_empty() && net.effects.is_empty(), "{situation}");
        }
        let short = packet("fd00::9", "fd00::1", 58, &[128, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Net::new().receive(&short), Verdict::Drop(DropReason::IcmpInvalid));
    }
}
