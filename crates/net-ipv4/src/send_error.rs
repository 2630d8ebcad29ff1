//! Errors that we send: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2.
//!
//! The "never answer" rules come first and are all here; the host's rate limit comes last, so that only messages that
//! would go out use it up.

use crate::{addresses, options};
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{Cast, Checksum, Destination, ErrorKind, IpMeta, NetCx, RxPacket};
use stack_wire::checksum::Sum;
use stack_wire::icmpv4::{Emit, HEADER_LEN, Icmpv4, kind, time_exceeded, unreachable};
use stack_wire::ip::protocol;
use stack_wire::ipv4::{Ipv4, MIN_HEADER_LEN};

/// The largest error message, its IP header included: RFC 1812 §4.3.2.3.
const MAX_MESSAGE: usize = 576;
/// What of the packet fits into it (R1122-3.2.2-b).
const MAX_QUOTED: usize = MAX_MESSAGE - MIN_HEADER_LEN - HEADER_LEN;
/// Precedence "internetwork control", type of service 0: RFC 1812 §4.3.2.5, RFC 1122 §3.2.2.
const TRAFFIC_CLASS: u8 = 0xc0;

/// Tells the sender of a packet what went wrong with it, unless a rule or the rate limit forbids it.
pub(crate) fn send_error(cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
    if may_answer(cx, packet, kind) {
        send(cx, packet, &message(kind));
    }
}

/// R792-5-a: tells the sender of a packet that we have sent on by the interface that it came from that `gateway` is the
/// better first hop, always for the one host (RFC 1812 §5.2.7.2). Not about a packet whose way its sender has written.
pub(crate) fn send_redirect(cx: &mut NetCx<'_>, packet: &RxPacket, gateway: Ipv4Addr) {
    let routed = Ipv4::parse_quoted(&packet.data).is_ok_and(|header| options::has_source_route(&header));
    if !routed && may_answer(cx, packet, ErrorKind::HostUnreachable) {
        send(cx, packet, &Emit::redirect_host(gateway));
    }
}

/// A message about a packet, unless there were too many of late (R1812-4.3.2.8-a).
fn send(cx: &mut NetCx<'_>, packet: &RxPacket, message: &Emit) {
    if !cx.host.allow_icmp(cx.now, packet.ip.src) {
        return;
    }
    let quoted = complete(packet, packet.front(MAX_QUOTED));
    let sum = *Sum::new().add_bytes(&quoted);
    let ip = IpMeta {
        src: error_source(cx, packet),
        dst: packet.ip.src,
        protocol: protocol::ICMP,
        traffic_class: TRAFFIC_CLASS,
        ..IpMeta::default()
    };
    let out = cx.out.slot();
    out.ip = ip;
    if let Some(room) = out.prepend(HEADER_LEN) {
        message.write(room, sum);
    }
    // The first piece of an empty packet.
    let _ = out.push(quoted);
}

/// The rules of RFC 1122 §3.2.2 and RFC 1812 §4.3.2.7.
fn may_answer(cx: &NetCx<'_>, packet: &RxPacket, kind: ErrorKind) -> bool {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (packet.ip.src, packet.ip.dst) else { return false };
    let Ok(header) = Ipv4::parse_quoted(&packet.data) else { return false };
    let to_one = packet.meta.cast == Cast::Unicast && packet.ip.cast == Cast::Unicast; // R1122-3.2.2-d
    to_one
        && !dst.is_multicast()
        && !dst.is_broadcast()
        && header.fragment_offset() == 0 // R1122-3.2.2-e
        && !is_about_icmp(packet, &header, kind)
        && addresses::is_single_host(cx, packet, src) // R1122-3.2.2-f
}

/// R1122-3.2.2-c: no error about an error, nor about a message too short to tell. And we do speak ICMP, whether or
/// not somebody here waits for an answer to a ping.
fn is_about_icmp(packet: &RxPacket, header: &Ipv4<'_>, kind: ErrorKind) -> bool {
    if header.protocol() != protocol::ICMP {
        return false;
    }
    let unspoken = matches!(kind, ErrorKind::ProtocolUnreachable | ErrorKind::PortUnreachable);
    let behind = header.payload().iter().chain(packet.more.pieces().flatten());
    let mut message = [0; HEADER_LEN];
    let len = message.iter_mut().zip(behind).map(|(to, from)| *to = *from).count();
    unspoken || len < HEADER_LEN || Icmpv4::parse(&message).map_or(true, |message| message.is_error())
}

/// The packet as it came, or as it would have looked on a wire: the sum that nobody has completed yet is completed.
fn complete(packet: &RxPacket, front: Bytes) -> Bytes {
    let Checksum::Partial { start, offset } = packet.meta.checksum else { return front };
    let (start, mut skip, mut sum) = (usize::from(start), usize::from(start), Sum::new());
    for piece in core::iter::once(&packet.data[..]).chain(packet.more.pieces()) {
        sum.add_bytes(piece.get(skip..).unwrap_or_default());
        skip = skip.saturating_sub(piece.len());
    }
    let at = start + usize::from(offset);
    let mut quoted = BytesMut::from(&front[..]);
    if let Some(field) = quoted.get_mut(at..at + 2) {
        // 0 would be no checksum in UDP; both are zero to everybody else.
        let sum = if sum.finish() == 0 { u16::MAX } else { sum.finish() };
        field.copy_from_slice(&sum.to_be_bytes());
    }
    quoted.freeze()
}

/// The address that the packet was for, if it is one of ours (RFC 1812 §4.3.2.4); else the host takes one of the
/// interface that the message leaves by.
fn error_source(cx: &NetCx<'_>, packet: &RxPacket) -> IpAddr {
    match cx.host.destination(cx.nic.id, packet.ip.dst) {
        Destination::Local(Cast::Unicast) => packet.ip.dst,
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

fn message(what: ErrorKind) -> Emit {
    match what {
        ErrorKind::NetUnreachable => Emit::unreachable(unreachable::NET),
        ErrorKind::HostUnreachable => Emit::unreachable(unreachable::HOST),
        ErrorKind::ProtocolUnreachable => Emit::unreachable(unreachable::PROTOCOL),
        ErrorKind::PortUnreachable => Emit::unreachable(unreachable::PORT),
        ErrorKind::PacketTooBig { mtu } => Emit::fragmentation_needed(mtu.try_into().unwrap_or(u16::MAX)),
        ErrorKind::SourceRouteFailed => Emit::unreachable(unreachable::SOURCE_ROUTE_FAILED),
        ErrorKind::Prohibited => Emit::unreachable(unreachable::PROHIBITED),
        ErrorKind::HopLimitExceeded => Emit::time_exceeded(time_exceeded::TTL),
        ErrorKind::ReassemblyTimeout => Emit::time_exceeded(time_exceeded::REASSEMBLY),
        ErrorKind::ParameterProblem { pointer, code } => {
            let pointer = pointer.try_into().unwrap_or(u8::MAX);
            Emit { kind: kind::PARAMETER_PROBLEM, code, rest: [pointer, 0, 0, 0] }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, fix_checksum, icmp};
    use alloc::vec::Vec;
    use etherparse::Icmpv4Slice;
    use stack_core::{LinkCapabilities, Medium};
    use stack_wire::checksum::pseudo_header;

    const PEER: &str = "10.0.0.9";
    const US: &str = "10.0.0.1";

    /// The message about a packet that has been received, if one was sent.
    fn answer(net: &mut Net, bytes: &[u8], kind: ErrorKind) -> Option<Vec<u8>> {
        let mut packet = net.packet(bytes);
        net.receive_packet(&mut packet);
        net.out.clear();
        net.send_error(&packet, kind);
        net.out.pop().map(|message| message.to_bytes().to_vec())
    }

    // R1122-3.2.2.1-a, R1812-5.2.6-a, R792-3-a
    #[test]
    fn every_kind_has_its_type_and_code() {
        use ErrorKind::*;
        let packet = datagram(PEER, US, 17, &[3; 20]);
        for (kind, want) in [
            (NetUnreachable, [3, 0, 0, 0, 0, 0]),
            (HostUnreachable, [3, 1, 0, 0, 0, 0]),
            (ProtocolUnreachable, [3, 2, 0, 0, 0, 0]),
            (PortUnreachable, [3, 3, 0, 0, 0, 0]),
            (PacketTooBig { mtu: 1400 }, [3, 4, 0, 0, 5, 120]),
            (PacketTooBig { mtu: 70_000 }, [3, 4, 0, 0, 255, 255]),
            (SourceRouteFailed, [3, 5, 0, 0, 0, 0]),
            (Prohibited, [3, 13, 0, 0, 0, 0]),
            (HopLimitExceeded, [11, 0, 0, 0, 0, 0]),
            (ReassemblyTimeout, [11, 1, 0, 0, 0, 0]),
            (ParameterProblem { pointer: 22, code: 1 }, [12, 1, 22, 0, 0, 0]),
        ] {
            let message = answer(&mut Net::new(), &packet, kind).unwrap();
            assert_eq!([&message[..2], &message[4..8]].concat(), want, "{kind:?}");
            let theirs = Icmpv4Slice::from_slice(&message).unwrap();
            let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&message);
            assert_eq!(sum.ones_complement(), 0, "{kind:?}");
            assert_eq!(theirs.payload(), packet, "R1122-3.2.2-b: {kind:?}");
        }
    }

    #[test]
    fn addresses_and_service() {
        let mut net = Net::new();
        let mut packet = net.packet(&datagram(PEER, US, 17, &[3; 20]));
        net.receive_packet(&mut packet);
        net.send_error(&packet, ErrorKind::PortUnreachable);
        let ip = net.out.pop().unwrap().ip;
        assert_eq!((ip.src, ip.dst), (US.parse().unwrap(), PEER.parse().unwrap()));
        assert_eq!((ip.traffic_class, ip.protocol, ip.hop_limit, ip.dont_fragment), (0xc0, 1, 0, false));

        let mut packet = net.packet(&datagram(PEER, "192.0.2.1", 17, &[3; 20]));
        net.receive_packet(&mut packet);
        net.send_error(&packet, ErrorKind::HopLimitExceeded);
        assert_eq!(net.out.pop().unwrap().ip.src, IpAddr::from(Ipv4Addr::UNSPECIFIED));
    }

    // RFC 1812 §4.3.2.3, R1122-3.2.2-b, R792-3-b
    #[test]
    fn as_much_is_quoted_as_fits() {
        for (len, quoted) in [(20, 20), (28, 28), (548, 548), (549, 548), (1500, 548)] {
            let packet = datagram(PEER, US, 17, &alloc::vec![3; len - 20]);
            let message = answer(&mut Net::new(), &packet, ErrorKind::PortUnreachable).unwrap();
            assert_eq!(message[8..], packet[..quoted], "{len}");
            let mut net = Net::new();
            let mut pieces = net.packet(&packet[..20]);
            pieces.more.push(Bytes::copy_from_slice(&packet[20..]));
            net.receive_packet(&mut pieces);
            net.send_error(&pieces, ErrorKind::PortUnreachable);
            assert_eq!(net.out.pop().unwrap().to_bytes()[8..], packet[..quoted], "{len} in pieces");
        }
    }

    #[test]
    fn a_quoted_checksum_is_complete() {
        let mut udp = [&[0, 7, 0, 9, 0, 21, 0, 0][..], b"thirteen byte"].concat();
        let sum = pseudo_header(PEER.parse().unwrap(), US.parse().unwrap(), 17, 21).folded();
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        let sent = datagram(PEER, US, 17, &udp);
        for cut in [20, 23, 28, 41] {
            let mut net = Net::new();
            let mut packet = net.packet(&sent[..cut]);
            packet.more.push(Bytes::copy_from_slice(&sent[cut..]));
            packet.meta.checksum = Checksum::Partial { start: 20, offset: 6 };
            net.receive_packet(&mut packet);
            net.send_error(&packet, ErrorKind::PortUnreachable);
            let quoted = net.out.pop().unwrap().to_bytes().slice(8..);
            assert_eq!(quoted[..26], sent[..26]);
            assert_eq!(quoted[28..], sent[28..]);
            let mut covered = pseudo_header(PEER.parse().unwrap(), US.parse().unwrap(), 17, 21);
            assert!(covered.add_bytes(&quoted[20..]).is_valid(), "cut at {cut}");
        }
    }

    // R792-1-a, R792-1-b
    #[test]
    fn never_answer() {
        let udp = |src, dst| datagram(src, dst, 17, &[3; 20]);
        let about = |kind| datagram(PEER, US, 1, &icmp(Emit { kind, ..Emit::unreachable(0) }, &[0; 28]));
        let fragment = |word: u16| {
            let mut packet = udp(PEER, US);
            packet[6..8].copy_from_slice(&word.to_be_bytes());
            fix_checksum(&mut packet);
            packet
        };
        for (situation, packet, answered) in [
            ("to us", udp(PEER, US), true),
            ("R1122-3.2.2-d: limited broadcast", udp(PEER, "255.255.255.255"), false),
            ("R1122-3.2.2-d: subnet broadcast", udp(PEER, "10.0.0.255"), false),
            ("R1122-3.2.2-d: multicast", udp(PEER, "224.0.0.1"), false),
            ("R1122-3.2.2-f: no source", udp("0.0.0.0", US), false),
            ("R1122-3.2.2-f: loopback source", udp("127.0.0.1", US), false),
            ("R1122-3.2.2-f: broadcast source", udp("255.255.255.255", US), false),
            ("R1122-3.2.2-f: subnet broadcast source", udp("10.0.0.255", US), false),
            ("R1122-3.2.2-f: multicast source", udp("224.0.0.1", US), false),
            ("R1122-3.2.2-f: class E source", udp("240.0.0.1", US), false),
            ("R1122-3.2.2-e: first fragment", fragment(0x2000), true),
            ("R1122-3.2.2-e: later fragment", fragment(0x0001), false),
            ("R1122-3.2.2-c: unreachable", about(3), false),
            ("R1122-3.2.2-c: source quench", about(4), false),
            ("R1122-3.2.2-c: redirect", about(5), false),
            ("R1122-3.2.2-c: time exceeded", about(11), false),
            ("R1122-3.2.2-c: parameter problem", about(12), false),
            ("R1122-3.2.2-c: a message cut off", datagram(PEER, US, 1, &[8, 0]), false),
            ("echo reply", about(0), true),
        ] {
            let mut net = Net::new();
            let mut packet = net.packet(&packet);
            net.receive_packet(&mut packet);
            // Also what `receive` dropped before it came to the addresses.
            let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&packet.data[at..at + 4]).unwrap());
            (packet.ip.src, packet.ip.dst) = (address(12), address(16));
            net.out.clear();
            net.send_error(&packet, ErrorKind::HopLimitExceeded);
            assert_eq!(net.out.pop().is_some(), answered, "{situation}");
        }
    }

    #[test]
    fn packets_on_their_way_back_are_judged_by_their_bytes() {
        // What waited for a neighbour comes back without annotations, its payload in pieces.
        for (message, answered) in [(Emit::unreachable(0), false), (Emit::echo_request(1, 1), true)] {
            let mut net = Net::new();
            let bytes = datagram(PEER, "192.0.2.1", 1, &icmp(message, &[0; 28]));
            let mut packet = net.packet(&bytes[..20]);
            bytes[20..].chunks(3).for_each(|piece| packet.more.push(Bytes::copy_from_slice(piece)));
            (packet.ip.src, packet.ip.dst) = (PEER.parse().unwrap(), "192.0.2.1".parse().unwrap());
            net.send_error(&packet, ErrorKind::HostUnreachable);
            assert_eq!(net.out.pop().is_some(), answered, "{message:?}");
        }
    }

    // R1122-3.2.2-d
    #[test]
    fn what_the_link_sent_to_all_is_not_answered() {
        for cast in [Cast::Broadcast, Cast::Multicast] {
            let mut net = Net::new();
            let mut packet = net.packet(&datagram(PEER, US, 17, &[3; 20]));
            net.receive_packet(&mut packet);
            packet.meta.cast = cast;
            net.send_error(&packet, ErrorKind::PortUnreachable);
            assert!(net.out.is_empty());
        }
    }

    #[test]
    fn icmp_is_spoken_here() {
        let reply = datagram(PEER, US, 1, &icmp(Emit::echo_reply(1, 1), &[]));
        assert_eq!(answer(&mut Net::new(), &reply, ErrorKind::ProtocolUnreachable), None);
    }

    #[test]
    fn a_loopback_source_is_a_host_on_loopback() {
        let mut net = Net::new();
        net.capabilities = LinkCapabilities::plain(Medium::Loopback, 65_535);
        net.host.own("127.0.0.1");
        let packet = datagram("127.0.0.1", "127.0.0.1", 17, &[3; 20]);
        assert!(answer(&mut net, &packet, ErrorKind::PortUnreachable).is_some());
    }

    // R1812-4.3.2.8-a
    #[test]
    fn the_rate_limit_is_asked_last() {
        let mut net = Net::new();
        net.host.icmp_tokens = 2;
        let (good, bad) = (datagram(PEER, US, 17, &[3; 20]), datagram(PEER, "224.0.0.1", 17, &[3; 20]));
        let mut sent = 0;
        for _ in 0..3 {
            answer(&mut net, &bad, ErrorKind::PortUnreachable);
            sent += usize::from(answer(&mut net, &good, ErrorKind::PortUnreachable).is_some());
        }
        assert_eq!(sent, 2);
    }
}
