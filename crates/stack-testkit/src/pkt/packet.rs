//! Packet lines: what is said of the IP header, ports, UDP datagrams and payloads.

use super::ast::*;
use super::cursor::{Cursor, Parsed};
use super::{extra, group, icmp, nd, tcp};
use core::net::{IpAddr, Ipv4Addr};
use stack_packet::Cast;
use stack_wire::ip::protocol;

/// A packet, behind its direction mark.
pub(super) fn packet(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Packet> {
    cursor.nested(|cursor| packet_here(cursor, inbound))
}

fn packet_here(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Packet> {
    let ip = ip_info(cursor)?;
    let mut ports = ports(cursor)?;
    let at = cursor.at();
    let body = match cursor.peek_word() {
        "udp" => {
            cursor.eat("udp")?;
            ports = ports.or(self::ports(cursor)?);
            Body::Udp(payload(cursor)?)
        }
        "icmp" => icmp::icmp(cursor, inbound)?,
        "arp" => extra::arp(cursor)?,
        "nd" => nd::nd(cursor)?,
        "igmp" | "mld" => group::group(cursor)?,
        "ip" => extra::ip(cursor)?,
        word @ ("ipv4" | "ipv6" | "gre" | "GREv0" | "mpls" | "psp") => {
            return Err(Cursor::unsupported(at, format!("encapsulation in `{word}`")));
        }
        word @ ("sctp" | "udplite") => {
            return Err(Cursor::unsupported(at, format!("the protocol `{word}`")));
        }
        _ => Body::Tcp(tcp::tcp(cursor, inbound)?),
    };
    if !inbound && !ip.defects.is_empty() {
        return Err(Cursor::wrong(at, "only an inbound packet can have a defect"));
    }
    if inbound && ip.ecn == Some(Ecn::AnyEct) {
        return Err(Cursor::wrong(at, "only an outbound packet can have `ect01`"));
    }
    Ok(Packet { ip, ports, body })
}

/// `1111 > 8080`
fn ports(cursor: &mut Cursor<'_>) -> Parsed<Option<(u16, u16)>> {
    let mut probe = cursor.clone();
    probe.take_while(|c| c.is_ascii_digit());
    probe.skip_blank()?;
    if !cursor.at_digit() || probe.peek() != Some('>') {
        return Ok(None);
    }
    let source = cursor.number("a port")?;
    cursor.expect(">")?;
    Ok(Some((source, cursor.number("a port")?)))
}

fn ip_info(cursor: &mut Cursor<'_>) -> Parsed<IpInfo> {
    let mut ip = IpInfo::default();
    let close = match cursor.peek() {
        Some('[') => "]",
        Some('(') => ")",
        _ => return Ok(ip),
    };
    cursor.advance(1);
    cursor.skip_blank()?;
    loop {
        ip_item(cursor, &mut ip)?;
        if cursor.eat(close)? {
            return Ok(ip);
        }
        if !cursor.eat(",")? {
            return Err(cursor.expected(&format!("`,` or `{close}`")));
        }
    }
}

fn ip_item(cursor: &mut Cursor<'_>, ip: &mut IpInfo) -> Parsed<()> {
    const WHAT: &str = "noecn, ect0, ect1, ect01, ce, tos, flowlabel, ttl, df, nodf, id, src, dst, via, link, opt, ext, \
                        badsum, nosum, badipsum, version, cut or pad";
    let at = cursor.at();
    match cursor.word(WHAT)? {
        "noecn" => ip.ecn = Some(Ecn::NotEct),
        "ect1" => ip.ecn = Some(Ecn::Ect1),
        "ect0" => ip.ecn = Some(Ecn::Ect0),
        "ect01" => ip.ecn = Some(Ecn::AnyEct),
        "ce" => ip.ecn = Some(Ecn::Ce),
        "flowlabel" => ip.flow_label = Some(flow_label(cursor)?),
        "tos" => ip.tos = Some(cursor.number("a byte")?),
        "ttl" => ip.ttl = Some(cursor.number("a TTL from 0 to 255")?),
        "df" => ip.dont_fragment = Some(true),
        "nodf" => ip.dont_fragment = Some(false),
        "id" => ip.ident = Some(cursor.number::<u16>("an identification of 16 bits")?.into()),
        "src" => ip.src = Some(address(cursor)?),
        "dst" => ip.dst = Some(address(cursor)?),
        "via" => ip.via = Some(cursor.number("the number of an interface")?),
        "link" => ip.cast = Some(cast(cursor)?),
        "opt" => ip.options = Some(ip_options(cursor)?),
        "ext" => ip.extensions.get_or_insert_default().push(extension(cursor)?),
        "badsum" => ip.defects.push(Defect::TransportChecksum),
        "nosum" => ip.defects.push(Defect::NoChecksum),
        "badipsum" => ip.defects.push(Defect::HeaderChecksum),
        "version" => ip.defects.push(Defect::Version(cursor.number("a version from 0 to 15")?)),
        "cut" => ip.defects.push(Defect::Cut(cursor.number("a number of bytes")?)),
        "pad" => ip.defects.push(Defect::Pad(cursor.number("a number of bytes")?)),
        _ => {
            let mut here = cursor.clone();
            here.rewind(at);
            return Err(here.expected(WHAT));
        }
    }
    Ok(())
}

/// `hop 1e0400000000`, `route 000100000000`, or a number and what stands behind next header and length.
fn extension(cursor: &mut Cursor<'_>) -> Parsed<Extension> {
    let at = cursor.at();
    let kind = if cursor.eat_word("hop")? {
        protocol::HOP_BY_HOP
    } else if cursor.eat_word("route")? {
        protocol::IPV6_ROUTE
    } else if cursor.eat_word("dst")? {
        protocol::IPV6_DESTINATION
    } else {
        cursor.number("hop, route, dst or the number of an extension header")?
    };
    let data = hex(cursor)?;
    if data.len() % 8 == 6 && data.len() < 2048 {
        Ok(Extension { kind, data })
    } else {
        Err(Cursor::wrong(at, "an extension header has 6 bytes behind its length, or 8 more, or 16, …"))
    }
}

fn ip_options(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    let at = cursor.at();
    let options = hex(cursor)?;
    if options.len() <= 40 { Ok(options) } else { Err(Cursor::wrong(at, "IP options have at most 40 bytes")) }
}

fn cast(cursor: &mut Cursor<'_>) -> Parsed<Cast> {
    if cursor.eat_word("broadcast")? {
        Ok(Cast::Broadcast)
    } else if cursor.eat_word("multicast")? {
        Ok(Cast::Multicast)
    } else {
        Err(cursor.expected("broadcast or multicast"))
    }
}

fn flow_label(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    let at = cursor.at();
    let label: u32 = cursor.number("a flow label of 20 bits")?;
    if label >> 20 == 0 { Ok(label) } else { Err(Cursor::wrong(at, "a flow label has 20 bits")) }
}

/// An address of either version.
fn address(cursor: &mut Cursor<'_>) -> Parsed<IpAddr> {
    cursor.parse(|c| c.is_ascii_hexdigit() || c == '.' || c == ':', "an IP address")
}

/// An IPv4 address.
pub(super) fn ipv4(cursor: &mut Cursor<'_>) -> Parsed<Ipv4Addr> {
    cursor.parse(|c| c.is_ascii_digit() || c == '.', "an IPv4 address")
}

pub(super) fn hex(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    let digits = cursor.take_while(|c| c.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() % 2 == 1 {
        return Err(cursor.expected("pairs of hexadecimal digits"));
    }
    cursor.skip_blank()?;
    let byte = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).unwrap_or_default();
    Ok((0..digits.len()).step_by(2).map(byte).collect())
}

/// `(100)`, perhaps with the bytes as a string.
pub(super) fn payload(cursor: &mut Cursor<'_>) -> Parsed<Payload> {
    cursor.expect("(")?;
    let len = length(cursor)?;
    cursor.expect(")")?;
    payload_bytes(cursor, len)
}

/// A length of what may come in fragments, and may be too long for a packet.
fn length(cursor: &mut Cursor<'_>) -> Parsed<usize> {
    let at = cursor.at();
    let len = cursor.number("a length in bytes")?;
    if len < 1 << 17 { Ok(len) } else { Err(Cursor::wrong(at, "this is longer than any packet")) }
}

pub(super) fn payload_bytes(cursor: &mut Cursor<'_>, len: usize) -> Parsed<Payload> {
    if cursor.peek() != Some('"') {
        return Ok(Payload { len, bytes: None });
    }
    let at = cursor.at();
    let text = cursor.string()?;
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
    if bytes.len() != len {
        return Err(Cursor::wrong(at, format!("the string has {} bytes, the line says {len}", bytes.len())));
    }
    Ok(Payload { len, bytes: Some(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt::{Action, ErrorKind, Script};

    fn parse(line: &str) -> Packet {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Inbound(packet) | Action::Outbound(packet) => packet,
            other => panic!("{other:?}"),
        }
    }

    fn error(line: &str) -> String {
        Script::parse("t", line).unwrap_err().to_string()
    }

    #[test]
    fn ip_info_and_ports() {
        let p = parse(
            "0 < [ce, ttl 1, df, src 10.0.0.9, link broadcast, opt 94040000, cut 30] 1111 > 80 F. 1:1(0) ack 1 win 9",
        );
        assert_eq!(p.ports, Some((1111, 80)));
        assert_eq!((p.ip.ecn, p.ip.ttl, p.ip.dont_fragment), (Some(Ecn::Ce), Some(1), Some(true)));
        assert_eq!((p.ip.src, p.ip.cast), (Some("10.0.0.9".parse().unwrap()), Some(Cast::Broadcast)));
        assert_eq!((p.ip.options, p.ip.defects), (Some(vec![0x94, 4, 0, 0]), vec![Defect::Cut(30)]));
        let p = parse("0 > (tos 0x10) udp 53 > 4000 (20)");
        assert_eq!((p.ip.tos, p.ports), (Some(16), Some((53, 4000))));
        assert_eq!(p.body, Body::Udp(Payload { len: 20, bytes: None }));
    }

    #[test]
    fn flow_labels_and_ipv6_addresses() {
        let p = parse("0 > [ect01, flowlabel 0x12345, src 2001:db8::1] . 1:1(0) ack 1");
        assert_eq!((p.ip.ecn, p.ip.flow_label), (Some(Ecn::AnyEct), Some(0x12345)));
        assert_eq!(p.ip.src, Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn extension_headers() {
        let p = parse(
            "0 < [ext hop 010400000000, ext 135 000000000000, version 5] icmp echo_request id 1 seq 1 (8)",
        );
        let extension = |kind, data: &[u8]| Extension { kind, data: data.to_vec() };
        let want = vec![extension(0, &[1, 4, 0, 0, 0, 0]), extension(135, &[0; 6])];
        assert_eq!((p.ip.extensions, p.ip.defects), (Some(want), vec![Defect::Version(5)]));
        let text = "[ext hop 010400000000, ext route 000100000000, ext dst 1e0400000000] udp (8)";
        assert_eq!(parse(&format!("0 > {text}")).to_string(), text);
        assert!(error("0 < [ext dst 0104] udp (8)").contains("6 bytes behind its length"));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(error("0 > . 1:11(9) ack 1"), "t:1:7: 1 and 9 bytes end at 10, not at 11");
        assert!(error("0 < . 1:1(0) ack 1").contains("an inbound segment needs a window"));
        assert!(error("0 < [ect01] S 0:0(0) win 1").contains("only an outbound packet"));
        assert!(error("0 < [flowlabel 0x100000] S 0:0(0) win 1").contains("20 bits"));
        assert!(error("0 > . 1:1(0) ack 1 <ECN e0b 16777216>").contains("24 bits"));
        assert!(error("0 > . 1:1(0) ack 1 <sack 1:2 3:4 5:6 7:8 9:10>").contains("at most 40 bytes"));
        assert!(error("0 > . 1:65537(65536) ack 1").contains("a length of 16 bits"));
        assert!(error("0 > [badsum] . 1:1(0) ack 1").contains("only an inbound packet"));
        assert!(
            error("0 < . 1:3(2) ack 1 win 9 \"abc\"").contains("the string has 3 bytes, the line says 2")
        );
    }

    #[test]
    fn errors_say_what_was_expected() {
        assert!(error("0 > X 1:1(0)").starts_with("t:1:5: expected a packet: TCP flags"));
        assert_eq!(error("0 > S 0:0(0) <mss>"), "t:1:18: expected a segment size of 16 bits, found `>`");
        assert!(error("0 > S 0:0(0) <mzz 3>").starts_with("t:1:15: expected an option: mss"));
        assert!(error("0 > [ttl 1 S 0:0(0)").starts_with("t:1:12: expected `,` or `]`"));
        assert!(error("0 > [tl 1] S 0:0(0)").starts_with("t:1:6: expected noecn, ect0"));
    }

    #[test]
    fn what_packetdrill_knows_and_we_do_not_is_unsupported() {
        let lines = [
            "0 > S 0:0(0) <mp_capable a>",
            "0 < gre: . 1:1(0)",
            "0 < ipv4 192.0.2.1 > 192.168.0.1: . 1:1(0)",
            "0 < sctp: INIT",
            "0 < S 0:0(0) win 9 {mut ip 1 2;}",
        ];
        for line in lines {
            let error = Script::parse("t", line).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported, "{line}: {error}");
            assert!(error.to_string().contains("not supported: "));
        }
    }
}
