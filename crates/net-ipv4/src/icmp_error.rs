//! Errors and redirects that others send us: RFC 792, RFC 1122 §3.2.2, RFC 1191.
//!
//! What counts is the packet that the message quotes: it names the endpoint that sent it. Whether an error may be
//! believed is the transport's question (RFC 5927); here it only has to be about a packet of ours, with enough of it
//! to tell whose.

use core::net::{IpAddr, Ipv4Addr};
use stack_core::{
    Cast, DeliveryError, Destination, DropReason, Effect, ErrorKind, ErrorOrigin, NetCx, RxPacket, Verdict,
};
use stack_wire::icmpv4::{HEADER_LEN, Header, kind, time_exceeded, unreachable};
use stack_wire::ipv4::Ipv4;

/// What every error quotes at least behind the IP header: RFC 792.
const MIN_QUOTED: usize = 8;
/// Every link carries packets of this size: RFC 791 §3.2, R1191-3-b.
const MIN_MTU: u32 = 68;

/// Sizes of packets that common links carry, largest first: RFC 1191 §7.1, table 7-1, without those that no link
/// of today has.
const PLATEAUS: [u32; 9] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296];

/// Octets of a quoted packet that are looked at. 576: what every host takes and no router exceeds (RFC 1812 §4.3.2.3).
pub(crate) const MAX_QUOTED: usize = 576;

/// What becomes of an error message to us.
pub(crate) fn receive(cx: &mut NetCx<'_>, packet: &RxPacket, header: &Header) -> Verdict {
    match effect_of(cx, packet, header) {
        Ok(effect) => {
            cx.emit(effect);
            Verdict::Held
        }
        Err(reason) => Verdict::Drop(reason),
    }
}

fn effect_of(cx: &NetCx<'_>, packet: &RxPacket, header: &Header) -> Result<Effect, DropReason> {
    let at = usize::from(packet.transport) + HEADER_LEN;
    let bytes = packet.data.get(at..).unwrap_or_default();
    let quoted = Ipv4::parse_quoted(bytes).map_err(|_| DropReason::IcmpInvalid)?;
    if quoted.payload().len() < MIN_QUOTED {
        return Err(DropReason::IcmpInvalid);
    }
    if quoted.fragment_offset() != 0 || !is_ours(cx, quoted.src()) {
        return Err(DropReason::IcmpIgnored); // without ports, or about a packet of somebody else
    }
    if header.kind() == kind::REDIRECT {
        return redirect(cx, packet, header, quoted.dst());
    }
    let start = at + quoted.header_len();
    Ok(Effect::Error(DeliveryError {
        kind: kind_of(header, quoted.total_len()).ok_or(DropReason::IcmpIgnored)?,
        origin: ErrorOrigin::Icmp { from: packet.ip.src },
        nic: Some(cx.nic.id),
        protocol: quoted.protocol(), // R1122-3.2.2-g
        local: quoted.src().into(),
        remote: quoted.dst().into(),
        quoted: packet.data.slice(start..start + quoted.payload().len()),
    }))
}

/// Whether the host would have sent from this address: one of its own, or one that the interface takes as its own.
fn is_ours(cx: &NetCx<'_>, address: Ipv4Addr) -> bool {
    let address = address.into();
    cx.host.check_local_address(None, address).is_some()
        || cx.host.destination(cx.nic.id, address) == Destination::Local(Cast::Unicast)
}

/// The meaning of type and code; `None` for those that say nothing.
fn kind_of(header: &Header, quoted_total_len: u16) -> Option<ErrorKind> {
    match header.kind() {
        kind::DESTINATION_UNREACHABLE => unreachable_kind(header, quoted_total_len),
        kind::TIME_EXCEEDED => match header.code() {
            time_exceeded::TTL => Some(ErrorKind::HopLimitExceeded),
            time_exceeded::REASSEMBLY => Some(ErrorKind::ReassemblyTimeout),
            _ => None,
        },
        kind::PARAMETER_PROBLEM => {
            let pointer = u32::from(header.pointer());
            Some(ErrorKind::ParameterProblem { pointer, code: header.code() })
        }
        _ => None,
    }
}

// R1122-3.2.2.1-b
fn unreachable_kind(header: &Header, quoted_total_len: u16) -> Option<ErrorKind> {
    use unreachable::*;
    Some(match header.code() {
        NET | NET_UNKNOWN | NET_TOS => ErrorKind::NetUnreachable,
        HOST | HOST_UNKNOWN | HOST_TOS | SOURCE_ISOLATED => ErrorKind::HostUnreachable,
        PROTOCOL => ErrorKind::ProtocolUnreachable,
        PORT => ErrorKind::PortUnreachable,
        FRAGMENTATION_NEEDED => ErrorKind::PacketTooBig { mtu: path_mtu(header.mtu(), quoted_total_len) },
        SOURCE_ROUTE_FAILED => ErrorKind::SourceRouteFailed,
        NET_PROHIBITED | HOST_PROHIBITED | PROHIBITED | PRECEDENCE_VIOLATION | PRECEDENCE_CUTOFF => {
            ErrorKind::Prohibited
        }
        _ => return None,
    })
}

/// The MTU that the router names; a router older than RFC 1191 names none, then the next plateau below the packet
/// that did not fit (R1191-5-a).
fn path_mtu(named: u16, quoted_total_len: u16) -> u32 {
    let mtu = match named {
        0 => PLATEAUS.into_iter().find(|plateau| *plateau < u32::from(quoted_total_len)),
        named => Some(u32::from(named)),
    };
    mtu.unwrap_or(MIN_MTU).max(MIN_MTU)
}

/// A better first hop; for a network it is taken as one for the host (RFC 1122 §3.2.2.2).
/// Whether it comes from the current first hop is the host's question (R1122-3.2.2.2-c).
fn redirect(cx: &NetCx<'_>, packet: &RxPacket, header: &Header, to: Ipv4Addr) -> Result<Effect, DropReason> {
    let (from, gateway, destination) = (packet.ip.src, IpAddr::from(header.gateway()), IpAddr::from(to));
    let on_link = |address: &IpAddr| cx.nic.addresses.iter().any(|a| a.net.contains(address));
    let usable = |address: IpAddr| cx.host.destination(cx.nic.id, address) == Destination::Remote;
    let believable = !cx.nic.forwarding // RFC 1812 §5.2.7.2: routers know better
        && on_link(&gateway)
        && on_link(&from)
        && usable(gateway)
        && usable(destination)
        && !to.is_multicast();
    if believable {
        Ok(Effect::Redirect { nic: cx.nic.id, from, destination, gateway, link: None })
    } else {
        Err(DropReason::IcmpIgnored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, icmp, with_options};
    use bytes::Bytes;
    use stack_wire::icmpv4::Emit;

    const US: &str = "10.0.0.1";
    const PEER: &str = "192.0.2.7";

    /// The verdict on a message from a router that quotes these bytes, and what it caused.
    fn told(emit: Emit, quoted: &[u8]) -> (Verdict, Option<Effect>) {
        let mut net = Net::new();
        let verdict = net.receive(&datagram("10.0.0.254", US, 1, &icmp(emit, quoted)));
        assert!(net.out.is_empty());
        (verdict, net.effects.pop())
    }

    fn kind(emit: Emit, quoted: &[u8]) -> Option<ErrorKind> {
        match told(emit, quoted) {
            (Verdict::Held, Some(Effect::Error(error))) => Some(error.kind),
            (Verdict::Drop(DropReason::IcmpIgnored), None) => None,
            other => panic!("{other:?}"),
        }
    }

    // R1122-3.2.2.1-b, R1122-3.2.2.4-a, R1122-3.2.2.5-a
    #[test]
    fn every_type_and_code() {
        use ErrorKind::*;
        let quoted = datagram(US, PEER, 17, &[1; 8]);
        let net = Some(NetUnreachable);
        let host = Some(HostUnreachable);
        let no = Some(Prohibited);
        for (code, want) in [
            (0, net),
            (1, host),
            (2, Some(ProtocolUnreachable)),
            (3, Some(PortUnreachable)),
            (5, Some(SourceRouteFailed)),
            (6, net),
            (7, host),
            (8, host),
            (9, no),
            (10, no),
            (11, net),
            (12, host),
            (13, no),
            (14, no),
            (15, no),
            (16, None),
        ] {
            assert_eq!(kind(Emit::unreachable(code), &quoted), want, "3/{code}");
        }
        for (code, want) in [(0, Some(HopLimitExceeded)), (1, Some(ReassemblyTimeout)), (2, None)] {
            assert_eq!(kind(Emit::time_exceeded(code), &quoted), want, "11/{code}");
        }
        let problem = Some(ParameterProblem { pointer: 20, code: 0 });
        assert_eq!(kind(Emit::parameter_problem(20), &quoted), problem);
    }

    // R1191-3-a, R1191-3-b, R1191-5-a
    #[test]
    fn path_mtus() {
        for (situation, named, size, want) in [
            ("named", 1400, 1500, 1400),
            ("R1191-3-b: absurdly small", 20, 1500, 68),
            ("R1191-5-a: not named, from Ethernet", 0, 1500, 1492),
            ("R1191-5-a: not named, again", 0, 1492, 1006),
            ("R1191-5-a: not named, from 64 KiB", 0, 65_000, 32_000),
            ("R1191-5-a: not named, below all", 0, 200, 68),
        ] {
            let mut quoted = datagram(US, PEER, 6, &alloc::vec![1; size - 20]);
            quoted.truncate(28);
            let got = kind(Emit::fragmentation_needed(named), &quoted);
            assert_eq!(got, Some(ErrorKind::PacketTooBig { mtu: want }), "{situation}");
        }
    }

    // R1122-3.2.2-g
    #[test]
    fn the_error_names_the_endpoint_and_quotes_its_segment() {
        let quoted = with_options(US, PEER, 17, &[148, 4, 0, 0], b"12345678rest");
        let (_, effect) = told(Emit::unreachable(3), &quoted);
        let Some(Effect::Error(error)) = effect else { panic!("{effect:?}") };
        assert_eq!(error.origin, ErrorOrigin::Icmp { from: "10.0.0.254".parse().unwrap() });
        assert_eq!((error.local, error.remote), (US.parse().unwrap(), PEER.parse().unwrap()));
        assert_eq!((error.protocol, &error.quoted[..]), (17, &b"12345678rest"[..]));
    }

    #[test]
    fn quotes_in_pieces_are_read_as_well() {
        let quoted = datagram(US, PEER, 17, b"12345678rest");
        let bytes = datagram("10.0.0.254", US, 1, &icmp(Emit::unreachable(3), &quoted));
        for cut in [20, 28, 48, bytes.len() - 1] {
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
        let good = datagram(US, PEER, 17, &[1; 8]);
        let mut later_fragment = good.clone();
        later_fragment[7] = 1;
        for (situation, quoted, want) in [
            ("nothing quoted", &[][..], DropReason::IcmpInvalid),
            ("header cut", &good[..19], DropReason::IcmpInvalid),
            ("seven octets of payload", &good[..27], DropReason::IcmpInvalid),
            ("not IPv4", &[0x60; 40], DropReason::IcmpInvalid),
            ("not ours", &datagram("10.0.0.2", PEER, 17, &[1; 8]), DropReason::IcmpIgnored),
            ("a later fragment", &later_fragment, DropReason::IcmpIgnored),
        ] {
            let (verdict, effect) = told(Emit::unreachable(3), quoted);
            assert_eq!(verdict, Verdict::Drop(want), "{situation}");
            assert!(effect.is_none(), "{situation}");
        }
    }

    #[test]
    fn errors_to_all_are_not_believed() {
        let message = icmp(Emit::unreachable(3), &datagram(US, PEER, 17, &[1; 8]));
        let mut net = Net::new();
        let verdict = net.receive(&datagram("10.0.0.254", "10.0.0.255", 1, &message));
        assert_eq!(verdict, Verdict::Drop(DropReason::IcmpIgnored));
        assert!(net.effects.is_empty());
    }

    fn redirected(from: &str, gateway: &str, destination: &str, forwarding: bool) -> Option<Effect> {
        let emit = Emit { kind: 5, code: 1, rest: gateway.parse::<Ipv4Addr>().unwrap().octets() };
        let mut net = Net::new();
        net.forwarding = forwarding;
        net.receive(&datagram(from, US, 1, &icmp(emit, &datagram(US, destination, 17, &[1; 8]))));
        net.effects.pop()
    }

    // R1122-3.2.2.2-b, R1122-3.2.2.2-c
    #[test]
    fn redirects() {
        let effect = redirected("10.0.0.254", "10.0.0.253", PEER, false);
        let Some(Effect::Redirect { from, destination, gateway, .. }) = effect else { panic!("{effect:?}") };
        assert_eq!(from, "10.0.0.254".parse::<IpAddr>().unwrap());
        assert_eq!(destination, PEER.parse::<IpAddr>().unwrap());
        assert_eq!(gateway, "10.0.0.253".parse::<IpAddr>().unwrap());
        for (situation, from, gateway, destination, forwarding) in [
            ("gateway on another subnet", "10.0.0.254", "10.1.0.1", PEER, false),
            ("sender on another subnet", "10.1.0.1", "10.0.0.253", PEER, false),
            ("gateway is us", "10.0.0.254", US, PEER, false),
            ("gateway is all", "10.0.0.254", "10.0.0.255", PEER, false),
            ("destination is us", "10.0.0.254", "10.0.0.253", US, false),
            ("destination is a group", "10.0.0.254", "10.0.0.253", "224.0.0.9", false),
            ("we are a router", "10.0.0.254", "10.0.0.253", PEER, true),
        ] {
            assert!(redirected(from, gateway, destination, forwarding).is_none(), "{situation}");
        }
    }
}
