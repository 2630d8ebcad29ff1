//! Small assertions about one packet, put together by a test: `check(&packet, [src(a), tcp(), flags(SYN), mss(1460)])`.
//!
//! Each says what it wanted and what it found; a failure lists all that did not hold, with the packet decoded.

use crate::decode::{Decoded, Segment};
use crate::pkt::TcpOption;
use core::fmt::Debug;
use core::net::IpAddr;
use stack_wire::tcp::Flags;

/// An assertion about a packet: what did not hold, as text.
pub type Check = Box<dyn Fn(&Decoded) -> Result<(), String>>;

/// Fails the test if one of the checks does not hold, or if the packet has a wrong checksum or length.
///
/// # Panics
/// With all that did not hold.
#[track_caller]
pub fn check(packet: &Decoded, checks: impl IntoIterator<Item = Check>) {
    let failed: Vec<String> =
        core::iter::once(sound()).chain(checks).filter_map(|check| check(packet).err()).collect();
    assert!(failed.is_empty(), "{}\nin {packet:#?}", failed.join("\n"));
}

/// All checksums and lengths are right.
pub fn sound() -> Check {
    Box::new(|packet| if packet.problems.is_empty() { Ok(()) } else { Err(packet.problems.join("; ")) })
}

/// All of these hold.
pub fn all(checks: impl IntoIterator<Item = Check>) -> Check {
    let checks: Vec<Check> = checks.into_iter().collect();
    Box::new(move |packet| {
        let failed: Vec<String> = checks.iter().filter_map(|check| check(packet).err()).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    })
}

/// At least one of these holds.
pub fn any(checks: impl IntoIterator<Item = Check>) -> Check {
    let checks: Vec<Check> = checks.into_iter().collect();
    Box::new(move |packet| {
        let failed: Vec<String> = checks.iter().filter_map(|check| check(packet).err()).collect();
        if failed.len() < checks.len() { Ok(()) } else { Err(format!("none of: {}", failed.join("; "))) }
    })
}

/// This does not hold.
pub fn not(what: &'static str, check: Check) -> Check {
    Box::new(move |packet| match check(packet) {
        Ok(()) => Err(format!("it is, or has, {what}")),
        Err(_) => Ok(()),
    })
}

/// A field has this value.
fn field<T: PartialEq + Debug + 'static>(
    name: &'static str,
    wanted: T,
    of: impl Fn(&Decoded) -> Option<T> + 'static,
) -> Check {
    Box::new(move |packet| match of(packet) {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(format!("{name} is {found:?}, not {wanted:?}")),
        None => Err(format!("no {name} in this packet")),
    })
}

fn segment_field<T: PartialEq + Debug + 'static>(
    name: &'static str,
    wanted: T,
    of: impl Fn(&Segment) -> T + 'static,
) -> Check {
    field(name, wanted, move |packet| packet.tcp().map(&of))
}

/// From this address.
pub fn src(address: IpAddr) -> Check {
    field("source address", address, |packet| packet.ip().map(|ip| ip.src))
}

/// To this address.
pub fn dst(address: IpAddr) -> Check {
    field("destination address", address, |packet| packet.ip().map(|ip| ip.dst))
}

/// This TTL or hop limit.
pub fn ttl(ttl: u8) -> Check {
    field("TTL", ttl, |packet| packet.ip().map(|ip| ip.ttl))
}

/// This type of service or traffic class.
pub fn tos(tos: u8) -> Check {
    field("type of service", tos, |packet| packet.ip().map(|ip| ip.tos))
}

/// The DF bit is so.
pub fn dont_fragment(set: bool) -> Check {
    field("DF", set, |packet| packet.ip().map(|ip| ip.dont_fragment))
}

/// A fragment at this offset, in bytes, with or without more to follow.
pub fn fragment(offset: usize, more: bool) -> Check {
    field("fragment", (offset, more), |packet| packet.ip().map(|ip| (ip.fragment_offset, ip.more_fragments)))
}

/// This protocol number in the IP header.
pub fn protocol(number: u8) -> Check {
    field("protocol", number, |packet| packet.ip().map(|ip| ip.protocol))
}

/// A TCP segment.
pub fn tcp() -> Check {
    Box::new(|packet| packet.tcp().map(|_| ()).ok_or_else(|| "it is no TCP segment".to_owned()))
}

/// A UDP datagram.
pub fn udp() -> Check {
    Box::new(|packet| packet.udp().map(|_| ()).ok_or_else(|| "it is no UDP datagram".to_owned()))
}

/// From this port.
pub fn src_port(port: u16) -> Check {
    field("source port", port, |packet| ports(packet).map(|ports| ports.0))
}

/// To this port.
pub fn dst_port(port: u16) -> Check {
    field("destination port", port, |packet| ports(packet).map(|ports| ports.1))
}

fn ports(packet: &Decoded) -> Option<(u16, u16)> {
    let tcp = packet.tcp().map(|tcp| (tcp.src_port, tcp.dst_port));
    tcp.or_else(|| packet.udp().map(|udp| (udp.src_port, udp.dst_port)))
}

/// Exactly these flags.
pub fn flags(flags: Flags) -> Check {
    segment_field("flags", flags.to_string(), |tcp| tcp.flags.to_string())
}

/// This sequence number.
pub fn seq(seq: u32) -> Check {
    segment_field("sequence number", seq, |tcp| tcp.seq)
}

/// This acknowledgement number, with the ACK flag.
pub fn ack(ack: u32) -> Check {
    field("acknowledgement number", ack, |packet| {
        packet.tcp().filter(|tcp| tcp.flags.ack()).map(|tcp| tcp.ack)
    })
}

/// This window field.
pub fn window(window: u16) -> Check {
    segment_field("window", window, |tcp| tcp.window)
}

/// This option, with its values.
pub fn option(option: TcpOption) -> Check {
    Box::new(move |packet| match packet.tcp() {
        Some(tcp) if tcp.options.contains(&option) => Ok(()),
        Some(tcp) => Err(format!("no `{option}` among {:?}", tcp.options)),
        None => Err("it is no TCP segment".to_owned()),
    })
}

/// This maximum segment size.
pub fn mss(mss: u16) -> Check {
    option(TcpOption::Mss(mss))
}

/// An ICMP message of this type and code.
pub fn icmp(kind: u8, code: u8) -> Check {
    field("ICMP type and code", (kind, code), |packet| packet.icmp().map(|icmp| (icmp.kind, icmp.code)))
}

/// What the ICMP error quotes passes this check; problems of the quoted packet, which is cut, don't matter.
pub fn quotes(check: Check) -> Check {
    Box::new(move |packet| match packet.icmp() {
        Some(icmp) => check(&icmp.quoted()).map_err(|failed| format!("in the quoted packet: {failed}")),
        None => Err("it is no ICMP message".to_owned()),
    })
}

/// This payload behind the transport header.
pub fn payload(wanted: impl AsRef<[u8]>) -> Check {
    field("payload", wanted.as_ref().to_vec(), |packet| payload_of(packet).map(<[u8]>::to_vec))
}

/// This many bytes behind the transport header.
pub fn payload_len(len: usize) -> Check {
    field("payload length", len, |packet| payload_of(packet).map(<[u8]>::len))
}

fn payload_of(packet: &Decoded) -> Option<&[u8]> {
    let tcp = packet.tcp().map(|tcp| &tcp.payload[..]);
    let udp = || packet.udp().map(|udp| &udp.payload[..]);
    tcp.or_else(udp).or_else(|| packet.icmp().map(|icmp| &icmp.payload[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn packet() -> Decoded {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 80, 7, 500).syn();
        let options = [etherparse::TcpOptionElement::MaximumSegmentSize(1460)];
        builder.options(&options).unwrap().write(&mut packet, b"hi").unwrap();
        Decoded::ip_packet(&packet.into())
    }

    #[test]
    fn what_holds_holds() {
        let checks = [
            src("10.0.0.1".parse().unwrap()),
            dst("10.0.0.2".parse().unwrap()),
            all([ttl(64), tos(0), fragment(0, false), protocol(6)]),
            all([tcp(), src_port(1000), dst_port(80), flags(Flags::SYN), seq(7), window(500), mss(1460)]),
            any([udp(), payload(b"hi")]),
            not("UDP", udp()),
            not("an acknowledgement", ack(0)),
            payload_len(2),
        ];
        check(&packet(), checks);
    }

    #[test]
    fn what_does_not_hold_says_why() {
        let failed = |check: Check| check(&packet()).unwrap_err();
        assert_eq!(failed(ttl(1)), "TTL is 64, not 1");
        assert_eq!(failed(flags(Flags::FIN)), "flags is \"[S]\", not \"[F]\"");
        assert_eq!(failed(icmp(3, 3)), "no ICMP type and code in this packet");
        assert_eq!(failed(all([ttl(1), udp()])), "TTL is 64, not 1; it is no UDP datagram");
        assert_eq!(failed(not("TCP", tcp())), "it is, or has, TCP");
        assert!(failed(mss(536)).starts_with("no `mss 536` among [Mss(1460)"));
    }

    #[test]
    #[should_panic(expected = "TTL is 64, not 1")]
    fn a_failed_check_fails_the_test() {
        check(&packet(), [ttl(1)]);
    }
}
