//! Errors that we send: RFC 4443 §2.2, §2.4, §3.
//!
//! The "never answer" rules come first and are all here; the host's rate limit comes last, so that only messages that
//! would go out use it up.

use crate::{extension, icmp};
use bytes::{Bytes, BytesMut};
use core::net::IpAddr;
use stack_core::{Cast, Checksum, Destination, ErrorKind, IpMeta, Medium, NetCx, RxPacket};
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::icmpv6::{Emit, HEADER_LEN, kind, parameter_problem, time_exceeded, unreachable};
use stack_wire::ip::protocol;
use stack_wire::ipv6::{HEADER_LEN as IP_HEADER_LEN, Ipv6, MIN_MTU};
use stack_wire::ipv6_ext::Chain;

/// What of the packet fits into a message that every link carries (R4443-2.4-c).
const MAX_QUOTED: usize = MIN_MTU - IP_HEADER_LEN - HEADER_LEN;

/// Tells the sender of a packet what went wrong with it, unless a rule or the rate limit forbids it.
pub(crate) fn send_error(cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
    let front = packet.front(MAX_QUOTED);
    let (Some(src), dst) = (error_source(cx, packet), packet.ip.src) else { return };
    let allowed = may_answer(cx, packet, &front, kind) && cx.host.allow_icmp(cx.now, dst); // R4443-2.4-f
    if !allowed {
        return;
    }
    let quoted = complete(packet, front);
    let mut covered = pseudo_header(src, dst, protocol::ICMPV6, (HEADER_LEN + quoted.len()) as u32);
    covered.add_bytes(&quoted);
    let out = cx.out.slot();
    out.ip = IpMeta { src, dst, protocol: protocol::ICMPV6, ..IpMeta::default() };
    out.bound_nic = icmp::is_link_scoped(dst).then_some(cx.nic.id);
    icmp::write(out, message(kind, &quoted), covered);
    // The first piece of an empty packet.
    let _ = out.push(quoted);
}

/// The rules of RFC 4443 §2.4 (e).
fn may_answer(cx: &NetCx<'_>, packet: &RxPacket, quoted: &[u8], kind: ErrorKind) -> bool {
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.ip.src, packet.ip.dst) else { return false };
    let to_group = dst.is_multicast() || packet.meta.cast != Cast::Unicast;
    let loopback_here = packet.meta.loopback || cx.nic.capabilities.medium == Medium::Loopback;
    (!to_group || answers_groups(kind)) // R4443-2.4-e3
        && !src.is_unspecified()
        && !src.is_multicast() // R4443-2.4-e6
        && (!src.is_loopback() || loopback_here)
        && !is_about_icmp(quoted, kind)
}

/// What the sender to a group has to hear: that its packets are too big, and that an option wanted it to hear.
fn answers_groups(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::PacketTooBig { .. } => true,
        ErrorKind::ParameterProblem { code, .. } => code == parameter_problem::OPTION,
        _ => false,
    }
}

/// R4443-2.4-e1, R4443-2.4-e2: no error about an error or a redirect, nor about a message too short to tell. And we do
/// speak ICMPv6, whether or not somebody here waits for an answer to a ping.
fn is_about_icmp(quoted: &[u8], what: ErrorKind) -> bool {
    let unspoken = matches!(what, ErrorKind::ProtocolUnreachable | ErrorKind::PortUnreachable);
    let Some(chain) = Chain::walk(quoted) else { return false };
    let later_fragment = chain.fragment.is_some_and(|fragment| fragment.offset() != 0);
    if chain.protocol != protocol::ICMPV6 || later_fragment {
        return false;
    }
    let silent = |kind: &u8| *kind < kind::ECHO_REQUEST || *kind == kind::REDIRECT;
    unspoken || quoted.get(chain.offset).is_none_or(silent)
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

/// The address that the packet was for, if it is one of ours (R4443-2.2-a), else one of the interface's.
fn error_source(cx: &NetCx<'_>, packet: &RxPacket) -> Option<IpAddr> {
    match cx.host.destination(cx.nic.id, packet.ip.dst) {
        Destination::Local(Cast::Unicast) => Some(packet.ip.dst),
        _ => icmp::source_near(&cx.nic, packet.ip.src).map(IpAddr::V6),
    }
}

/// Whether a packet comes from an address that means something on its link alone: a network that can't be reached
/// from there is beyond the scope of its source (RFC 4443 §3.1, RFC 4007 §9).
fn is_from_the_link(quoted: &[u8]) -> bool {
    Ipv6::parse_quoted(quoted).is_ok_and(|packet| packet.src().is_unicast_link_local())
}

fn message(what: ErrorKind, quoted: &[u8]) -> Emit {
    match what {
        ErrorKind::NetUnreachable if is_from_the_link(quoted) => Emit::unreachable(unreachable::BEYOND_SCOPE),
        ErrorKind::NetUnreachable | ErrorKind::SourceRouteFailed => Emit::unreachable(unreachable::NO_ROUTE),
        ErrorKind::HostUnreachable => Emit::unreachable(unreachable::ADDRESS),
        ErrorKind::ProtocolUnreachable => {
            let pointer = extension::upper_named_at(quoted) as u32; // R8200-4-a
            Emit::parameter_problem(parameter_problem::NEXT_HEADER, pointer)
        }
        ErrorKind::PortUnreachable => Emit::unreachable(unreachable::PORT), // R4443-3.1-a
        // No link carries less (R8200-5-a).
        ErrorKind::PacketTooBig { mtu } => Emit::packet_too_big(mtu.max(MIN_MTU as u32)),
        ErrorKind::Prohibited => Emit::unreachable(unreachable::PROHIBITED),
        ErrorKind::HopLimitExceeded => Emit::time_exceeded(time_exceeded::HOP_LIMIT),
        ErrorKind::ReassemblyTimeout => Emit::time_exceeded(time_exceeded::REASSEMBLY),
        ErrorKind::ParameterProblem { pointer, code } => Emit::parameter_problem(code, pointer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NIC, Net, icmp, packet};
    use alloc::vec::Vec;
    use core::net::Ipv6Addr;
    use etherparse::Icmpv6Slice;

    const PEER: &str = "fd00::9";
    const US: &str = "fd00::1";

    /// The message about a packet that has been received, if one was sent.
    fn answer(net: &mut Net, bytes: &[u8], kind: ErrorKind) -> Option<Vec<u8>> {
        let mut packet = net.packet(bytes);
        net.receive_packet(&mut packet);
        net.out.clear();
        net.send_error(&packet, kind);
        net.out.pop().map(|message| message.to_bytes().to_vec())
    }

    // R4443-3.4-a, R4443-3.2-a, R4443-3.1-a, R4861-7.2.2-c
    #[test]
    fn every_kind_has_its_type_and_code() {
        use ErrorKind::*;
        let sent = packet(PEER, US, 99, &[3; 20]);
        for (kind, want) in [
            (NetUnreachable, [1, 0, 0, 0, 0, 0]),
            (HostUnreachable, [1, 3, 0, 0, 0, 0]),
            (ProtocolUnreachable, [4, 1, 0, 0, 0, 6]),
            (PortUnreachable, [1, 4, 0, 0, 0, 0]),
            (PacketTooBig { mtu: 1400 }, [2, 0, 0, 0, 5, 120]),
            (PacketTooBig { mtu: 9 }, [2, 0, 0, 0, 5, 0]),
            (SourceRouteFailed, [1, 0, 0, 0, 0, 0]),
            (Prohibited, [1, 1, 0, 0, 0, 0]),
            (HopLimitExceeded, [3, 0, 0, 0, 0, 0]),
            (ReassemblyTimeout, [3, 1, 0, 0, 0, 0]),
            (ParameterProblem { pointer: 300, code: 2 }, [4, 2, 0, 0, 1, 44]),
        ] {
            let message = answer(&mut Net::new(), &sent, kind).unwrap();
            assert_eq!([&message[..2], &message[4..8]].concat(), want, "{kind:?}");
            let octets = |address: &str| address.parse::<Ipv6Addr>().unwrap().octets();
            let theirs = Icmpv6Slice::from_slice(&message).unwrap();
            assert!(theirs.is_checksum_valid(octets(US), octets(PEER)), "{kind:?}");
            assert_eq!(theirs.payload(), sent, "{kind:?}");
        }
    }

    // R4443-3.1-b; RFC 4007 §9
    #[test]
    fn what_a_link_local_source_can_not_reach_is_beyond_its_scope() {
        let sent = packet("fe80::9", "2001:db8::1", 17, &[3; 20]);
        let mut net = Net::new();
        for (kind, want) in [(ErrorKind::NetUnreachable, [1, 2]), (ErrorKind::HopLimitExceeded, [3, 0])] {
            assert_eq!(answer(&mut net, &sent, kind).unwrap()[..2], want);
        }
    }

    // R4443-2.2-a
    #[test]
    fn the_source_is_the_address_asked_or_one_near_the_asker() {
        for (src, dst, want, nic) in [
            (PEER, US, US, None),
            (PEER, "2001:db8::1", US, None),
            ("fe80::9", "fe80::1", "fe80::1", Some(NIC)),
        ] {
            let mut net = Net::new();
            let mut packet = net.packet(&packet(src, dst, 17, &[3; 20]));
            net.receive_packet(&mut packet);
            net.send_error(&packet, ErrorKind::HopLimitExceeded);
            let error = net.out.pop().unwrap();
            assert_eq!((error.ip.src, error.ip.dst), (want.parse().unwrap(), src.parse().unwrap()));
            assert_eq!((error.bound_nic, error.checksum), (nic, Checksum::Unverified));
        }
        let mut net = Net::new();
        net.addresses.clear();
        let mut packet = net.packet(&packet(PEER, "2001:db8::1", 17, &[3; 20]));
        net.receive_packet(&mut packet);
        net.send_error(&packet, ErrorKind::HopLimitExceeded);
        assert!(net.out.is_empty(), "nothing to send it from");
    }

    // R4443-2.4-c
    #[test]
    fn as_much_is_quoted_as_fits() {
        for (len, quoted) in [(40, 40), (1232, 1232), (1233, 1232), (1500, 1232)] {
            let sent = packet(PEER, US, 17, &alloc::vec![3; len - 40]);
            let message = answer(&mut Net::new(), &sent, ErrorKind::PortUnreachable).unwrap();
            assert_eq!(message[8..], sent[..quoted], "{len}");
            let mut net = Net::new();
            let mut pieces = net.packet(&sent[..40]);
            pieces.more.push(Bytes::copy_from_slice(&sent[40..]));
            net.receive_packet(&mut pieces);
            net.send_error(&pieces, ErrorKind::PortUnreachable);
            assert_eq!(net.out.pop().unwrap().to_bytes()[8..], sent[..quoted], "{len} in pieces");
        }
    }

    #[test]
    fn a_quoted_checksum_is_complete() {
        let mut udp = [&[0, 7, 0, 9, 0, 21, 0, 0][..], b"thirteen byte"].concat();
        let sum = pseudo_header(PEER.parse().unwrap(), US.parse().unwrap(), 17, 21).folded();
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        let sent = packet(PEER, US, 17, &udp);
        for cut in [40, 43, 48, 61] {
            let mut net = Net::new();
            let mut packet = net.packet(&sent[..cut]);
            packet.more.push(Bytes::copy_from_slice(&sent[cut..]));
            packet.meta.checksum = Checksum::Partial { start: 40, offset: 6 };
            net.receive_packet(&mut packet);
            net.send_error(&packet, ErrorKind::PortUnreachable);
            let quoted = net.out.pop().unwrap().to_bytes().slice(8..);
            assert_eq!(quoted[..46], sent[..46]);
            assert_eq!(quoted[48..], sent[48..]);
            let mut covered = pseudo_header(PEER.parse().unwrap(), US.parse().unwrap(), 17, 21);
            assert!(covered.add_bytes(&quoted[40..]).is_valid(), "cut at {cut}");
        }
    }

    #[test]
    fn never_answer() {
        let expired = ErrorKind::HopLimitExceeded;
        let too_big = ErrorKind::PacketTooBig { mtu: 1280 };
        let option = |code| ErrorKind::ParameterProblem { pointer: 42, code };
        let udp = |src, dst| packet(src, dst, 17, &[3; 20]);
        let about = |kind| {
            let emit = Emit { kind, code: 0, rest: [0; 4] };
            packet(PEER, US, 58, &icmp(PEER, US, emit, &[0; 40]))
        };
        let behind = {
            let mut packet = packet(PEER, US, 60, &[58, 0, 1, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
            packet[5] = 16;
            packet
        };
        for (situation, sent, kind, answered) in [
            ("to us", udp(PEER, US), expired, true),
            ("R4443-2.4-e3: to a group", udp(PEER, "ff02::1"), expired, false),
            ("R4443-2.4-e3: to a group, too big", udp(PEER, "ff02::1"), too_big, true),
            ("R4443-2.4-e3: to a group, option", udp(PEER, "ff02::1"), option(2), true),
            ("R4443-2.4-e3: to a group, other problem", udp(PEER, "ff02::1"), option(0), false),
            ("R4443-2.4-e6: no source", udp("::", US), expired, false),
            ("R4443-2.4-e6: group as source", udp("ff02::1", US), expired, false),
            ("loopback source", udp("::1", US), expired, false),
            ("R4443-2.4-e1: unreachable", about(1), expired, false),
            ("R4443-2.4-e1: unknown error", about(127), expired, false),
            ("R4443-2.4-e1: behind an extension header", behind, expired, false),
            ("R4443-2.4-e2: redirect", about(137), expired, false),
            ("a message cut off", packet(PEER, US, 58, &[]), expired, false),
            ("echo request", about(128), expired, true),
            ("ICMPv6 is spoken here", about(129), ErrorKind::ProtocolUnreachable, false),
        ] {
            let mut net = Net::new();
            let mut packet = net.packet(&sent);
            net.receive_packet(&mut packet);
            // Also what `receive` dropped before it came to the addresses, or emptied when it answered.
            packet.data = Bytes::from(sent.clone());
            let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&sent[at..at + 16]).unwrap());
            (packet.ip.src, packet.ip.dst) = (address(8), address(24));
            net.out.clear();
            net.send_error(&packet, kind);
            assert_eq!(net.out.pop().is_some(), answered, "{situation}");
        }
    }

    #[test]
    fn what_the_link_sent_to_all_is_not_answered() {
        for (kind, answered) in
            [(ErrorKind::PortUnreachable, false), (ErrorKind::PacketTooBig { mtu: 1280 }, true)]
        {
            let mut net = Net::new();
            let mut packet = net.packet(&packet(PEER, US, 17, &[3; 20]));
            net.receive_packet(&mut packet);
            packet.meta.cast = Cast::Multicast;
            net.send_error(&packet, kind);
            assert_eq!(net.out.pop().is_some(), answered);
        }
    }

    // R4443-2.4-f
    #[test]
    fn the_rate_limit_is_asked_last() {
        let mut net = Net::new();
        net.host.icmp_tokens = 2;
        let (good, bad) = (packet(PEER, US, 17, &[3; 20]), packet(PEER, "ff02::1", 17, &[3; 20]));
        let mut sent = 0;
        for _ in 0..3 {
            answer(&mut net, &bad, ErrorKind::PortUnreachable);
            sent += usize::from(answer(&mut net, &good, ErrorKind::PortUnreachable).is_some());
        }
        assert_eq!(sent, 2);
    }
}
