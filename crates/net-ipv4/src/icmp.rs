//! ICMP messages to us: RFC 792, RFC 1122 §3.2.2.
//!
//! Echo requests are answered here, with the data by reference, however large (R1122-3.2.2.6-c). Errors and
//! redirects become effects. Echo replies go to the transport protocol with number 1, which knows who asked.
//! Everything else ends (R1122-3.2.2-a).

use crate::{Endpoint, icmp_error};
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{AddressState, Cast, Checksum, DropReason, IpMeta, NetCx, NicView, RxPacket, Verdict};
use stack_wire::checksum::{Sum, update_u16};
use stack_wire::icmpv4::{HEADER_LEN, Header, Icmpv4, kind};
use stack_wire::ip::protocol;

/// Where the checksum lies in an ICMP header.
const CHECKSUM_OFFSET: u16 = 2;

impl Endpoint {
    /// What becomes of an ICMP message to us.
    pub(crate) fn receive_icmp(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        let Ok(message) = Icmpv4::parse(packet.transport()) else {
            return Verdict::Drop(DropReason::IcmpInvalid);
        };
        if !checksum_is_right(packet) {
            return Verdict::Drop(DropReason::IcmpInvalid);
        }
        let header = *message.header();
        match header.kind() {
            kind::ECHO_REPLY => Verdict::Deliver,
            kind::ECHO_REQUEST if packet.ip.cast == Cast::Unicast || self.config.echo_broadcast => {
                echo(cx, packet, &header);
                Verdict::Held
            }
            kind::SOURCE_QUENCH => Verdict::Drop(DropReason::IcmpIgnored), // RFC 6633 §3
            _ if header.is_error() && packet.ip.cast == Cast::Unicast => {
                // The quoted packet is read as one slice; one that never touched a device may lie in pieces.
                packet.pull_up(usize::from(packet.transport) + HEADER_LEN + icmp_error::MAX_QUOTED);
                icmp_error::receive(cx, packet, &header)
            }
            _ => Verdict::Drop(DropReason::IcmpIgnored),
        }
    }
}

/// The checksum covers the message alone. Devices don't vouch for it, but some say that nobody need verify it.
fn checksum_is_right(packet: &RxPacket) -> bool {
    if packet.meta.checksum != Checksum::Unverified {
        return true;
    }
    let mut sum = Sum::new();
    packet.transport_pieces().for_each(|piece| {
        sum.add_bytes(piece);
    });
    sum.is_valid()
}

/// Sends the data back (R1122-3.2.2.6-a).
fn echo(cx: &mut NetCx<'_>, packet: &mut RxPacket, request: &Header) {
    let ip = IpMeta {
        src: reply_source(&cx.nic, packet),
        dst: packet.ip.src,
        protocol: protocol::ICMP,
        traffic_class: packet.ip.traffic_class & !3, // RFC 1349 §5.1; an answer is not congestion-controlled
        ..IpMeta::default()
    };
    let partial = matches!(packet.meta.checksum, Checksum::Partial { .. });
    let word = |kind| u16::from_be_bytes([kind, request.code()]);
    let check = update_u16(request.checksum.get(), word(kind::ECHO_REQUEST), word(kind::ECHO_REPLY));
    let [ident_0, ident_1, seq_0, seq_1] = request.rest;
    let [check_0, check_1] = if partial { [0, 0] } else { check.to_be_bytes() };
    let header = [kind::ECHO_REPLY, request.code(), check_0, check_1, ident_0, ident_1, seq_0, seq_1];
    let out = cx.out.slot();
    out.ip = ip;
    out.push_all(packet.take_payload(HEADER_LEN));
    if let Some(room) = out.prepend(HEADER_LEN) {
        room.copy_from_slice(&header);
    }
    if partial {
        out.checksum = Checksum::Partial { start: 0, offset: CHECKSUM_OFFSET };
    }
}

/// The address that was asked, or, if all were asked, the one that we have in their subnet (RFC 1122 §3.2.2.6).
/// Without one the host chooses.
fn reply_source(nic: &NicView<'_>, packet: &RxPacket) -> IpAddr {
    if packet.ip.cast == Cast::Unicast {
        return packet.ip.dst;
    }
    let usable = |state| state != AddressState::Tentative;
    let mut ours = nic.addresses.iter().filter(|a| a.address().is_ipv4() && usable(a.state));
    let near = ours.clone().find(|a| a.net.contains(&packet.ip.src));
    near.or_else(|| ours.next()).map_or(Ipv4Addr::UNSPECIFIED.into(), |a| a.address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ipv4Config;
    use crate::testing::{Net, datagram, icmp};
    use bytes::Bytes;
    use proptest::prelude::*;
    use stack_core::InterfaceAddress;
    use stack_wire::icmpv4::Emit;

    fn ping(dst: &str, data: &[u8]) -> alloc::vec::Vec<u8> {
        datagram("10.0.0.9", dst, 1, &icmp(Emit::echo_request(77, 3), data))
    }

    // R1122-3.2.2.6-a, R792-8-a, R792-8-c
    #[test]
    fn an_echo_request_is_answered_with_its_own_data() {
        for len in [0, 1, 2, 56, 1472] {
            let mut net = Net::new();
            let data = alloc::vec![len as u8; len];
            assert_eq!(net.receive(&ping("10.0.0.1", &data)), Verdict::Held);
            let reply = net.out.pop().unwrap();
            assert_eq!(reply.to_bytes(), icmp(Emit::echo_reply(77, 3), &data));
            assert_eq!(reply.ip.src, "10.0.0.1".parse::<IpAddr>().unwrap());
            assert_eq!(reply.ip.dst, "10.0.0.9".parse::<IpAddr>().unwrap());
            assert_eq!((reply.ip.protocol, reply.ip.hop_limit), (1, 0));
            assert!(net.out.is_empty());
        }
    }

    #[test]
    fn a_reply_has_the_service_of_its_request_and_no_ecn() {
        let mut net = Net::new();
        let mut request = ping("10.0.0.1", b"x");
        request[1] = 0xbb;
        crate::testing::fix_checksum(&mut request);
        net.receive(&request);
        assert_eq!(net.out.pop().unwrap().ip.traffic_class, 0xb8);
    }

    proptest! {
        // R792-1-c
        #[test]
        fn replies_have_a_right_checksum(data: alloc::vec::Vec<u8>, ident: u16, seq: u16, code: u8) {
            let mut net = Net::new();
            let request = icmp(Emit { code, ..Emit::echo_request(ident, seq) }, &data);
            net.receive(&datagram("10.0.0.9", "10.0.0.1", 1, &request));
            let reply = net.out.pop().unwrap().to_bytes();
            let theirs = etherparse::Icmpv4Slice::from_slice(&reply).unwrap();
            prop_assert!(Icmpv4::parse(&reply).unwrap().verify_checksum());
            prop_assert_eq!((theirs.type_u8(), theirs.code_u8()), (0, code));
        }
    }

    #[test]
    fn the_checksum_is_verified_only_if_nobody_vouches() {
        let mut request = ping("10.0.0.1", b"data");
        request[30] ^= 1;
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

    #[test]
    fn a_partial_checksum_stays_partial() {
        let mut net = Net::new();
        let mut packet = net.packet(&ping("10.0.0.1", b"data"));
        packet.meta.checksum = Checksum::Partial { start: 20, offset: 2 };
        assert_eq!(net.receive_packet(&mut packet), Verdict::Held);
        let reply = net.out.pop().unwrap();
        assert_eq!(reply.checksum, Checksum::Partial { start: 0, offset: 2 });
        assert_eq!(reply.header()[2..4], [0, 0]);
    }

    // R792-8-b
    #[test]
    fn data_in_many_pieces_comes_back_whole() {
        let mut net = Net::new();
        let data: alloc::vec::Vec<u8> = (0..200).collect();
        let request = ping("10.0.0.1", &data);
        let mut packet = net.packet(&request[..28]);
        request[28..].chunks(9).for_each(|piece| packet.more.push(Bytes::copy_from_slice(piece)));
        assert_eq!(net.receive_packet(&mut packet), Verdict::Held);
        assert_eq!(net.out.pop().unwrap().to_bytes(), icmp(Emit::echo_reply(77, 3), &data));
    }

    // R1122-3.2.2.6-b
    #[test]
    fn broadcast_pings_are_answered_only_if_asked_for() {
        for dst in ["10.0.0.255", "255.255.255.255", "224.0.0.1"] {
            let mut net = Net::new();
            assert_eq!(net.receive(&ping(dst, b"?")), Verdict::Drop(DropReason::IcmpIgnored), "{dst}");
            assert!(net.out.is_empty());
            let mut net = Net::with(Ipv4Config { echo_broadcast: true, ..Ipv4Config::default() });
            assert_eq!(net.receive(&ping(dst, b"?")), Verdict::Held, "{dst}");
            assert_eq!(net.out.pop().unwrap().ip.src, "10.0.0.1".parse::<IpAddr>().unwrap());
        }
    }

    // RFC 1122 §3.2.2.6
    #[test]
    fn the_answer_to_a_broadcast_comes_from_the_subnet_of_the_asker() {
        let mut net = Net::with(Ipv4Config { echo_broadcast: true, ..Ipv4Config::default() });
        let address = |net: &str, state| InterfaceAddress::new(net.parse().unwrap(), state);
        net.addresses.insert(0, address("192.0.2.1/24", AddressState::Preferred));
        net.addresses.insert(0, address("10.0.0.50/24", AddressState::Tentative));
        net.receive(&ping("10.0.0.255", b"?"));
        assert_eq!(net.out.pop().unwrap().ip.src, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn messages_by_type() {
        let ignored = Verdict::Drop(DropReason::IcmpIgnored);
        for (situation, kind, want) in [
            ("R1122-3.2.2.6-c: echo reply", 0, Verdict::Deliver),
            ("R1122-3.2.2-a: unknown", 42, ignored),
            ("timestamp", 13, ignored),
            ("R1122-3.2.2.9-a: address mask request", 17, ignored),
            ("RFC 6633: source quench", 4, ignored),
        ] {
            let mut net = Net::new();
            let message = icmp(Emit { kind, ..Emit::echo_reply(1, 2) }, &[0; 12]);
            assert_eq!(net.receive(&datagram("10.0.0.9", "10.0.0.1", 1, &message)), want, "{situation}");
            assert!(net.out.is_empty() && net.effects.is_empty(), "{situation}");
        }
    }

    #[test]
    fn a_message_without_a_header_is_invalid() {
        let packet = datagram("10.0.0.9", "10.0.0.1", 1, &[8, 0, 0xf7, 0xff, 0, 0, 0]);
        assert_eq!(Net::new().receive(&packet), Verdict::Drop(DropReason::IcmpInvalid));
    }
}
