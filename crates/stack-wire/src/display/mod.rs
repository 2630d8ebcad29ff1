//! One line a packet, in the manner of tcpdump: for traces, test failures and
//! capture comments.
//!
//! Total like the parsers: what is cut off shows as `[|tcp]`, what is malformed as
//! `[bad ip: ...]`. Lengths are those that the headers tell, so that a quoted or
//! clipped packet shows its own length. Checksums are not looked at.

use core::fmt;
use core::net::IpAddr;

use zerocopy::FromBytes;

use crate::arp;
use crate::error::WireError;
use crate::ethernet::EtherType;
use crate::ip::protocol;
use crate::ipv4::Ipv4;
use crate::ipv6::{HEADER_LEN, Ipv6};
use crate::ipv6_ext::Chain;
use crate::udp;

mod icmp;
mod tcp;

/// Shows the packet of a frame of this EtherType (without the frame header) as one line.
///
/// ```
/// use stack_wire::display::describe;
/// assert_eq!(describe(0x0800, &[0x45, 0]).to_string(), "[|ip]");
/// ```
pub fn describe(ether_type: u16, packet: &[u8]) -> impl fmt::Display {
    Describe { ether_type, packet }
}

struct Describe<'a> {
    ether_type: u16,
    packet: &'a [u8],
}

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ether_type {
            EtherType::IPV4 => show_ipv4(f, self.packet),
            EtherType::IPV6 => show_ipv6(f, self.packet),
            EtherType::ARP => show_arp(f, self.packet),
            other => write!(f, "ethertype 0x{other:04x}, length {}", self.packet.len()),
        }
    }
}

/// What an IP header says about its payload.
struct Upper<'a> {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    /// What there is of the payload.
    payload: &'a [u8],
    /// Octets of the payload as the header tells; no less than there are.
    len: usize,
}

impl Upper<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            protocol::TCP => tcp::show(f, self),
            protocol::UDP => show_udp(f, self),
            protocol::ICMP => icmp::show_v4(f, self),
            protocol::ICMPV6 => icmp::show_v6(f, self),
            other => write!(f, "{} > {}: ip-proto-{other}, length {}", self.src, self.dst, self.len),
        }
    }

    /// `src.port > dst.port: `, or without ports when they are cut off.
    fn show_endpoints(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match udp::parse_ports(self.payload) {
            Some((from, to)) => write!(f, "{}.{from} > {}.{to}: ", self.src, self.dst),
            None => write!(f, "{} > {}: ", self.src, self.dst),
        }
    }

    /// A fragment: the transport header only in the first one, then its place.
    fn show_fragment(&self, f: &mut fmt::Formatter<'_>, ident: u32, offset: u16, more: bool) -> fmt::Result {
        match offset {
            0 => self.show(f)?,
            _ => write!(f, "{} > {}: ip-proto-{}", self.src, self.dst, self.protocol)?,
        }
        write!(f, " (frag {ident}:{}@{offset}{})", self.len, if more { "+" } else { "" })
    }
}

fn show_ipv4(f: &mut fmt::Formatter<'_>, packet: &[u8]) -> fmt::Result {
    let ip = match Ipv4::parse_quoted(packet) {
        Ok(ip) => ip,
        Err(error) => return show_bad(f, "ip", error),
    };
    let upper = Upper {
        src: ip.src().into(),
        dst: ip.dst().into(),
        protocol: ip.protocol(),
        payload: ip.payload(),
        len: usize::from(ip.total_len()).saturating_sub(ip.header_len()),
    };
    if ip.is_fragment() {
        return upper.show_fragment(f, ip.ident().into(), ip.fragment_offset(), ip.more_fragments());
    }
    upper.show(f)
}

fn show_ipv6(f: &mut fmt::Formatter<'_>, packet: &[u8]) -> fmt::Result {
    let ip = match Ipv6::parse_quoted(packet) {
        Ok(ip) => ip,
        Err(error) => return show_bad(f, "ip6", error),
    };
    let packet = packet.get(..HEADER_LEN + ip.payload().len()).unwrap_or(packet);
    let Some(chain) = Chain::walk(packet) else {
        return write!(f, "{} > {}: [|ip6-ext], length {}", ip.src(), ip.dst(), ip.payload_len());
    };
    let upper = Upper {
        src: ip.src().into(),
        dst: ip.dst().into(),
        protocol: chain.protocol,
        payload: packet.get(chain.offset..).unwrap_or(&[]),
        len: (HEADER_LEN + usize::from(ip.payload_len())).saturating_sub(chain.offset),
    };
    match chain.fragment {
        Some(part) => upper.show_fragment(f, part.ident(), part.offset(), part.more_fragments()),
        None => upper.show(f),
    }
}

fn show_arp(f: &mut fmt::Formatter<'_>, packet: &[u8]) -> fmt::Result {
    let arp = match arp::Packet::parse(packet) {
        Ok(arp) => arp,
        Err(error) => return show_bad(f, "arp", error),
    };
    match arp.operation() {
        arp::operation::REQUEST => {
            write!(f, "ARP, Request who-has {} tell {}", arp.target_ip(), arp.sender_ip())?;
        }
        arp::operation::REPLY => write!(f, "ARP, Reply {} is-at {}", arp.sender_ip(), arp.sender_mac())?,
        other => write!(f, "ARP, operation {other} from {}", arp.sender_ip())?,
    }
    write!(f, ", length {}", packet.len())
}

fn show_udp(f: &mut fmt::Formatter<'_>, upper: &Upper<'_>) -> fmt::Result {
    upper.show_endpoints(f)?;
    let Ok((header, _)) = udp::Header::ref_from_prefix(upper.payload) else {
        return f.write_str("[|udp]");
    };
    match usize::from(header.length()).checked_sub(udp::HEADER_LEN) {
        Some(len) => write!(f, "UDP, length {len}"),
        None => write!(f, "UDP, bad length {}", header.length()),
    }
}

fn show_bad(f: &mut fmt::Formatter<'_>, protocol: &str, error: WireError) -> fmt::Result {
    match error {
        WireError::Truncated => write!(f, "[|{protocol}]"),
        other => write!(f, "[bad {protocol}: {other}]"),
    }
}

#[cfg(test)]
mod tests;
