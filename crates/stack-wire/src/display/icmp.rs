//! ICMP and ICMPv6 messages: `a > b: ICMP echo request, id 7, seq 1, length 64`.

use core::fmt;
use core::net::IpAddr;

use super::Upper;
use crate::icmpv4::{self, Icmpv4};
use crate::icmpv6::{self, Icmpv6};
use crate::ip::protocol;
use crate::ipv4::Ipv4;
use crate::ipv6::{self, Ipv6};
use crate::ndp::Neighbor;
use crate::udp::parse_ports;

pub(super) fn show_v4(f: &mut fmt::Formatter<'_>, upper: &Upper<'_>) -> fmt::Result {
    write!(f, "{} > {}: ICMP ", upper.src, upper.dst)?;
    let Ok(icmp) = Icmpv4::parse(upper.payload) else { return f.write_str("[|icmp]") };
    match icmp.kind() {
        icmpv4::kind::ECHO_REQUEST => show_echo(f, "request", icmp.echo_ident(), icmp.echo_seq())?,
        icmpv4::kind::ECHO_REPLY => show_echo(f, "reply", icmp.echo_ident(), icmp.echo_seq())?,
        icmpv4::kind::DESTINATION_UNREACHABLE => show_unreachable_v4(f, &icmp)?,
        icmpv4::kind::SOURCE_QUENCH => f.write_str("source quench")?,
        icmpv4::kind::REDIRECT => write!(f, "redirect to {}", icmp.gateway())?,
        icmpv4::kind::TIME_EXCEEDED => show_time_exceeded(f, icmp.code())?,
        icmpv4::kind::PARAMETER_PROBLEM => write!(f, "parameter problem - octet {}", icmp.pointer())?,
        icmpv4::kind::TIMESTAMP_REQUEST => show_timestamp(f, "query", &icmp)?,
        icmpv4::kind::TIMESTAMP_REPLY => show_timestamp(f, "reply", &icmp)?,
        other => write!(f, "type-#{other}, code {}", icmp.code())?,
    }
    write!(f, ", length {}", upper.len)
}

pub(super) fn show_v6(f: &mut fmt::Formatter<'_>, upper: &Upper<'_>) -> fmt::Result {
    write!(f, "{} > {}: ICMP6, ", upper.src, upper.dst)?;
    let Ok(icmp) = Icmpv6::parse(upper.payload) else { return f.write_str("[|icmp6]") };
    match icmp.kind() {
        icmpv6::kind::ECHO_REQUEST => show_echo(f, "request", icmp.echo_ident(), icmp.echo_seq())?,
        icmpv6::kind::ECHO_REPLY => show_echo(f, "reply", icmp.echo_ident(), icmp.echo_seq())?,
        icmpv6::kind::DESTINATION_UNREACHABLE => show_unreachable_v6(f, &icmp)?,
        icmpv6::kind::PACKET_TOO_BIG => write!(f, "packet too big, mtu {}", icmp.mtu())?,
        icmpv6::kind::TIME_EXCEEDED => show_time_exceeded(f, icmp.code())?,
        icmpv6::kind::PARAMETER_PROBLEM => {
            write!(f, "parameter problem, code {} - octet {}", icmp.code(), icmp.pointer())?;
        }
        icmpv6::kind::NEIGHBOR_SOLICIT => show_neighbor(f, "solicitation, who has", upper.payload)?,
        icmpv6::kind::NEIGHBOR_ADVERT => show_neighbor(f, "advertisement, tgt is", upper.payload)?,
        icmpv6::kind::ROUTER_SOLICIT => f.write_str("router solicitation")?,
        icmpv6::kind::ROUTER_ADVERT => f.write_str("router advertisement")?,
        icmpv6::kind::REDIRECT => f.write_str("redirect")?,
        other => write!(f, "type-#{other}, code {}", icmp.code())?,
    }
    write!(f, ", length {}", upper.len)
}

fn show_echo(f: &mut fmt::Formatter<'_>, what: &str, ident: u16, seq: u16) -> fmt::Result {
    write!(f, "echo {what}, id {ident}, seq {seq}")
}

fn show_timestamp(f: &mut fmt::Formatter<'_>, what: &str, icmp: &Icmpv4<'_>) -> fmt::Result {
    write!(f, "time stamp {what} id {} seq {}", icmp.echo_ident(), icmp.echo_seq())
}

/// Both versions have the same two codes.
fn show_time_exceeded(f: &mut fmt::Formatter<'_>, code: u8) -> fmt::Result {
    match code {
        icmpv4::time_exceeded::TTL => f.write_str("time exceeded in-transit"),
        icmpv4::time_exceeded::REASSEMBLY => f.write_str("ip reassembly time exceeded"),
        other => write!(f, "time exceeded, code {other}"),
    }
}

fn show_neighbor(f: &mut fmt::Formatter<'_>, what: &str, message: &[u8]) -> fmt::Result {
    match Neighbor::parse(message) {
        Ok(neighbor) => write!(f, "neighbor {what} {}", neighbor.target()),
        Err(error) => write!(f, "neighbor {what} [bad: {error}]"),
    }
}

fn show_unreachable_v4(f: &mut fmt::Formatter<'_>, icmp: &Icmpv4<'_>) -> fmt::Result {
    use icmpv4::unreachable;
    let Ok(ip) = Ipv4::parse_quoted(icmp.payload()) else {
        return write!(f, "unreachable, code {} [|ip]", icmp.code());
    };
    match icmp.code() {
        unreachable::NET => write!(f, "net {} unreachable", ip.dst()),
        unreachable::HOST => write!(f, "host {} unreachable", ip.dst()),
        unreachable::PROTOCOL => write!(f, "{} protocol {} unreachable", ip.dst(), ip.protocol()),
        unreachable::PORT => {
            show_port(f, ip.dst().into(), ip.protocol(), ip.payload())?;
            f.write_str(" unreachable")
        }
        unreachable::FRAGMENTATION_NEEDED => {
            write!(f, "{} unreachable - need to frag (mtu {})", ip.dst(), icmp.mtu())
        }
        unreachable::SOURCE_ROUTE_FAILED => write!(f, "{} unreachable - source route failed", ip.dst()),
        unreachable::NET_PROHIBITED | unreachable::HOST_PROHIBITED | unreachable::PROHIBITED => {
            write!(f, "host {} unreachable - admin prohibited", ip.dst())
        }
        other => write!(f, "{} unreachable, code {other}", ip.dst()),
    }
}

fn show_unreachable_v6(f: &mut fmt::Formatter<'_>, icmp: &Icmpv6<'_>) -> fmt::Result {
    use icmpv6::unreachable;
    f.write_str("destination unreachable, ")?;
    let quoted = icmp.payload();
    let Ok(ip) = Ipv6::parse_quoted(quoted) else {
        return write!(f, "code {} [|ip6]", icmp.code());
    };
    match icmp.code() {
        unreachable::NO_ROUTE => write!(f, "unreachable route {}", ip.dst()),
        unreachable::PROHIBITED => write!(f, "unreachable prohibited {}", ip.dst()),
        unreachable::BEYOND_SCOPE => write!(f, "beyond scope {}", ip.dst()),
        unreachable::ADDRESS => write!(f, "unreachable address {}", ip.dst()),
        unreachable::PORT => {
            f.write_str("unreachable port, ")?;
            let (protocol, offset) = ipv6::upper_layer(quoted).unwrap_or((ip.next_header(), quoted.len()));
            show_port(f, ip.dst().into(), protocol, quoted.get(offset..).unwrap_or(&[]))
        }
        other => write!(f, "code {other}, {}", ip.dst()),
    }
}

/// `10.0.0.2 udp port 53`
fn show_port(f: &mut fmt::Formatter<'_>, dst: IpAddr, protocol: u8, transport: &[u8]) -> fmt::Result {
    write!(f, "{dst} ")?;
    match protocol {
        protocol::TCP => f.write_str("tcp")?,
        protocol::UDP => f.write_str("udp")?,
        other => write!(f, "ip-proto-{other}")?,
    }
    match parse_ports(transport) {
        Some((_, port)) => write!(f, " port {port}"),
        None => f.write_str(" port [|]"),
    }
}
