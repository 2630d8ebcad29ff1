//! Errors that others send us: RFC 4443 §3, RFC 8201.
//!
//! What counts is the packet that the message quotes: behind its extension headers (R4443-2.4-d) it names the endpoint
//! that sent it. Whether an error may be believed is the transport's question; here it only has to be about a packet
//! of ours, with enough of it to tell whose.

use crate::replies::Replies;
use core::net::Ipv6Addr;
use stack_core::{
    Cast, DeliveryError, Destination, DropReason, Effect, ErrorKind, ErrorOrigin, NetCx, RxPacket, Verdict,
};
use stack_wire::icmpv6::{HEADER_LEN, Header, kind, parameter_problem, time_exceeded, unreachable};
use stack_wire::ip::protocol;
use stack_wire::ipv6::{Ipv6, MIN_MTU};
use stack_wire::ipv6_ext::upper_layer;

/// What tells ports of every transport protocol.
const MIN_QUOTED: usize = 8;
/// Error in source routing header: RFC 6554 §4.2.
const SOURCE_ROUTING_HEADER: u8 = 7;

/// Octets of a quoted packet that are looked at. 1280: no error message is longer (RFC 4443 §2.4 c).
pub(crate) const MAX_QUOTED: usize = 1280;

/// What becomes of an error message to us.
pub(crate) fn receive(cx: &mut NetCx<'_>, packet: &RxPacket, header: &Header, replies: &Replies) -> Verdict {
    match effect_of(cx, packet, header, replies) {
        Ok(effect) => {
            cx.emit(effect);
            Verdict::Held
        }
        Err(reason) => Verdict::Drop(reason),
    }
}

fn effect_of(
    cx: &NetCx<'_>,
    packet: &RxPacket,
    header: &Header,
    replies: &Replies,
) -> Result<Effect, DropReason> {
    let at = usize::from(packet.transport) + HEADER_LEN;
    let bytes = packet.data.get(at..).unwrap_or_default();
    let quoted = Ipv6::parse_quoted(bytes).map_err(|_| DropReason::IcmpInvalid)?;
    if !is_ours(cx, quoted.src()) {
        return Err(DropReason::IcmpIgnored);
    }
    // A later fragment tells no ports, a chain that was cut off no protocol.
    let (protocol, offset) = upper_layer(bytes).ok_or(DropReason::IcmpIgnored)?;
    let segment = at + offset..packet.data.len();
    if segment.len() < MIN_QUOTED {
        return Err(DropReason::IcmpInvalid);
    }
    let kind = kind_of(header).ok_or(DropReason::IcmpIgnored)?;
    if protocol == protocol::ICMPV6 && packet.data.get(segment.start) == Some(&kind::ECHO_REPLY) {
        return about_reply(kind, quoted.dst(), replies);
    }
    Ok(Effect::Error(DeliveryError {
        kind,
        origin: ErrorOrigin::Icmp { from: packet.ip.src },
        nic: Some(cx.nic.id),
        protocol,
        local: quoted.src().into(),
        remote: quoted.dst().into(),
        quoted: packet.data.slice(segment),
    }))
}

/// An answer of ours to a ping has no endpoint to hear of it; its path has an MTU all the same (R8201-4-a, R8201-4-e).
fn about_reply(kind: ErrorKind, remote: Ipv6Addr, replies: &Replies) -> Result<Effect, DropReason> {
    match kind {
        ErrorKind::PacketTooBig { mtu } if replies.exceeded(remote, mtu) => {
            Ok(Effect::PathMtu { remote: remote.into(), mtu })
        }
        _ => Err(DropReason::IcmpIgnored),
    }
}

/// Whether the host would have sent from this address: one of its own, or one that the interface takes as its own.
fn is_ours(cx: &NetCx<'_>, address: Ipv6Addr) -> bool {
    let address = address.into();
    cx.host.check_local_address(None, address).is_some()
        || cx.host.destination(cx.nic.id, address) == Destination::Local(Cast::Unicast)
}

/// The meaning of type and code. An error that we don't know is an error all the same (R4443-2.4-a): the mildest.
fn kind_of(header: &Header) -> Option<ErrorKind> {
    Some(match header.kind() {
        kind::DESTINATION_UNREACHABLE => unreachable_kind(header.code()),
        kind::PACKET_TOO_BIG => return too_big(header.mtu()),
        kind::TIME_EXCEEDED if header.code() == time_exceeded::REASSEMBLY => ErrorKind::ReassemblyTimeout,
        kind::TIME_EXCEEDED => ErrorKind::HopLimitExceeded,
        kind::PARAMETER_PROBLEM if header.code() == parameter_problem::NEXT_HEADER => {
            ErrorKind::ProtocolUnreachable
        }
        kind::PARAMETER_PROBLEM => {
            ErrorKind::ParameterProblem { pointer: header.pointer(), code: header.code() }
        }
        _ => ErrorKind::HostUnreachable,
    })
}

// R4443-3.1-b
fn unreachable_kind(code: u8) -> ErrorKind {
    match code {
        unreachable::NO_ROUTE | unreachable::BEYOND_SCOPE => ErrorKind::NetUnreachable,
        unreachable::PROHIBITED | unreachable::POLICY | unreachable::REJECT_ROUTE => ErrorKind::Prohibited,
        unreachable::PORT => ErrorKind::PortUnreachable,
        SOURCE_ROUTING_HEADER => ErrorKind::SourceRouteFailed,
        _ => ErrorKind::HostUnreachable,
    }
}

/// Less than what every link carries is a lie (RFC 8201 §4).
fn too_big(mtu: u32) -> Option<ErrorKind> {
    (mtu >= MIN_MTU as u32).then_some(ErrorKind::PacketTooBig { mtu })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, icmp, packet};
    use bytes::Bytes;
    use stack_wire::icmpv6::Emit;

    const US: &str = "fd00::1";
    const PEER: &str = "2001:db8::7";
    const ROUTER: &str = "fd00::fe";

    /// The verdict on a message from a router that quotes these bytes, and what it caused.
    fn told(emit: Emit, quoted: &[u8]) -> (Verdict, Option<Effect>) {
        let mut net = Net::new();
        let verdict = net.receive(&packet(ROUTER, US, 58, &icmp(ROUTER, US, emit, quoted)));
        assert!(net.out.is_empty());
        (verdict, net.effects.pop())
    }

    // R4443-3.1-b, R4443-2.4-a, R8201-4-b
    #[test]
    fn every_type_and_code() {
        use ErrorKind::*;
        let quoted = packet(US, PEER, 17, &[1; 8]);
        for (emit, want) in [
            (Emit::unreachable(0), Some(NetUnreachable)),
            (Emit::unreachable(1), Some(Prohibited)),
            (Emit::unreachable(2), Some(NetUnreachable)),
            (Emit::unreachable(3), Some(HostUnreachable)),
            (Emit::unreachable(4), Some(PortUnreachable)),
            (Emit::unreachable(5), Some(Prohibited)),
            (Emit::unreachable(6), Some(Prohibited)),
            (Emit::unreachable(7), Some(SourceRouteFailed)),
            (Emit::unreachable(99), Some(HostUnreachable)),
            (Emit::packet_too_big(1400), Some(PacketTooBig { mtu: 1400 })),
            (Emit::packet_too_big(1280), Some(PacketTooBig { mtu: 1280 })),
            (Emit::packet_too_big(1279), None),
            (Emit::time_exceeded(0), Some(HopLimitExceeded)),
            (Emit::time_exceeded(1), Some(ReassemblyTimeout)),
            (Emit::parameter_problem(0, 40), Some(ParameterProblem { pointer: 40, code: 0 })),
            (Emit::parameter_problem(1, 6), Some(ProtocolUnreachable)),
            (Emit::parameter_problem(2, 42), Some(ParameterProblem { pointer: 42, code: 2 })),
            (Emit { kind: 100, code: 0, rest: [0; 4] }, Some(HostUnreachable)),
        ] {
            let got = match told(emit, &quoted) {
                (Verdict::Held, Some(Effect::Error(error))) => Some(error.kind),
                (Verdict::Drop(DropReason::IcmpIgnored), None) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(got, want, "{emit:?}");
        }
    }

    // R4443-2.4-d
    #[test]
    fn the_error_names_the_endpoint_behind_extension_headers() {
        let mut quoted = packet(US, PEER, 60, &[17, 0, 1, 4, 0, 0, 0, 0]);
        quoted.extend_from_slice(b"12345678rest");
        let (_, effect) = told(Emit::unreachable(4), &quoted);
        let Some(Effect::Error(error)) = effect else { panic!("{effect:?}") };
        assert_eq!(error.origin, ErrorOrigin::Icmp { from: ROUTER.parse().unwrap() });
        assert_eq!((error.local, error.remote), (US.parse().unwrap(), PEER.parse().unwrap()));
        assert_eq!((error.protocol, &error.quoted[..]), (17, &b"12345678rest"[..]));
    }

    #[test]
    fn quotes_in_pieces_are_read_as_well() {
        let quoted = packet(US, PEER, 17, b"12345678rest");
        let bytes = packet(ROUTER, US, 58, &icmp(ROUTER, US, Emit::unreachable(4), &quoted));
        for cut in [40, 48, 88, bytes.len() - 1] {
            let mut net = Net::new();
            let mut packet = net.packet(&bytes[..cut]);
            bytes[cut..].chunks(9).for_each(|piece| packet.more.push(Bytes::copy_from_slice(piece)));
            assert_eq!(net.receive_packet(&mut packet), Verdict::Held, "cut at {cut}");
            let Some(Effect::Error(error)) = net.effects.pop() else { panic!("cut at {cut}") };
            assert_eq!(&error.quoted[..], b"12345678rest");
        }
    }

    #[test]
    fn quotes_that_tell_nothing() {
        let good = packet(US, PEER, 17, &[1; 8]);
        let later_fragment = packet(US, PEER, 44, &[17, 0, 0, 8, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        for (situation, quoted, want) in [
            ("nothing quoted", &[][..], DropReason::IcmpInvalid),
            ("header cut", &good[..39], DropReason::IcmpInvalid),
            ("seven octets of payload", &good[..47], DropReason::IcmpInvalid),
            ("not IPv6", &[0x45; 60], DropReason::IcmpInvalid),
            ("not ours", &packet("fd00::2", PEER, 17, &[1; 8]), DropReason::IcmpIgnored),
            ("a later fragment", &later_fragment, DropReason::IcmpIgnored),
            ("extension header cut", &packet(US, PEER, 60, &[17, 9, 1]), DropReason::IcmpIgnored),
        ] {
            let (verdict, effect) = told(Emit::unreachable(4), quoted);
            assert_eq!(verdict, Verdict::Drop(want), "{situation}");
            assert!(effect.is_none(), "{situation}");
        }
    }
}
