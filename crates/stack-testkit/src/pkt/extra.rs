//! ICMP, and the lines that packetdrill's grammar has no words for: ARP, IPv4 fragments, other protocols.

use super::ast::*;
use super::cursor::{Cursor, Parsed};
use super::packet::{ipv4, packet, payload, sequence};
use stack_packet::LinkAddress;
use stack_wire::arp::operation;
use stack_wire::icmpv4::{kind, parameter_problem, redirect, time_exceeded, unreachable};
use stack_wire::tcp::Flags;

/// Names of ICMPv4 types.
pub(super) const TYPES: [(&str, u8); 9] = [
    ("echo_reply", kind::ECHO_REPLY),
    ("unreachable", kind::DESTINATION_UNREACHABLE),
    ("source_quench", kind::SOURCE_QUENCH),
    ("redirect", kind::REDIRECT),
    ("echo_request", kind::ECHO_REQUEST),
    ("time_exceeded", kind::TIME_EXCEEDED),
    ("parameter_problem", kind::PARAMETER_PROBLEM),
    ("timestamp_request", kind::TIMESTAMP_REQUEST),
    ("timestamp_reply", kind::TIMESTAMP_REPLY),
];

/// Names of ICMPv4 codes, with their type.
pub(super) const CODES: [(&str, u8, u8); 19] = [
    ("net_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::NET),
    ("host_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::HOST),
    ("protocol_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PROTOCOL),
    ("proto_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PROTOCOL),
    ("port_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PORT),
    ("frag_needed", kind::DESTINATION_UNREACHABLE, unreachable::FRAGMENTATION_NEEDED),
    ("source_route_failed", kind::DESTINATION_UNREACHABLE, unreachable::SOURCE_ROUTE_FAILED),
    ("net_unknown", kind::DESTINATION_UNREACHABLE, unreachable::NET_UNKNOWN),
    ("host_unknown", kind::DESTINATION_UNREACHABLE, unreachable::HOST_UNKNOWN),
    ("net_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::NET_PROHIBITED),
    ("host_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::HOST_PROHIBITED),
    ("admin_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::PROHIBITED),
    ("net", kind::REDIRECT, redirect::NET),
    ("host", kind::REDIRECT, redirect::HOST),
    ("ttl", kind::TIME_EXCEEDED, time_exceeded::TTL),
    ("reassembly", kind::TIME_EXCEEDED, time_exceeded::REASSEMBLY),
    ("pointer", kind::PARAMETER_PROBLEM, parameter_problem::POINTER),
    ("missing_option", kind::PARAMETER_PROBLEM, parameter_problem::MISSING_OPTION),
    ("bad_length", kind::PARAMETER_PROBLEM, parameter_problem::BAD_LENGTH),
];

/// `icmp TYPE [CODE] [mtu N] [id N] [seq N] [(len) | [quoted]]`
pub(super) fn icmp(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Body> {
    cursor.expect("icmp")?;
    let kind = kind(cursor)?;
    let code = code(cursor, kind)?;
    let rest = rest(cursor)?;
    let content = match cursor.peek() {
        Some('(') => IcmpContent::Payload(payload(cursor)?),
        Some('[') => {
            cursor.eat("[")?;
            let quoted = quoted(cursor, !inbound)?;
            cursor.expect("]")?;
            IcmpContent::Quoted(Box::new(quoted))
        }
        _ if is_error(kind) => IcmpContent::Last,
        _ => IcmpContent::Payload(Payload::default()),
    };
    Ok(Body::Icmp(Icmp { kind, code, rest, content }))
}

fn is_error(kind: u8) -> bool {
    !matches!(kind, kind::ECHO_REPLY | kind::ECHO_REQUEST | kind::TIMESTAMP_REQUEST | kind::TIMESTAMP_REPLY)
}

fn kind(cursor: &mut Cursor<'_>) -> Parsed<u8> {
    const WHAT: &str = "an ICMP type, such as unreachable, time_exceeded, echo_request, or its number";
    if cursor.eat_word("type")? {
        return cursor.number("the number of an ICMP type");
    }
    let found = TYPES.iter().find(|(name, _)| *name == cursor.peek_word());
    let (name, kind) = found.ok_or_else(|| cursor.expected(WHAT))?;
    cursor.eat(name)?;
    Ok(*kind)
}

fn code(cursor: &mut Cursor<'_>, kind: u8) -> Parsed<u8> {
    if cursor.eat_word("code")? {
        return cursor.number("the number of an ICMP code");
    }
    let word = cursor.peek_word();
    let found = CODES.iter().find(|(name, of, _)| *name == word && *of == kind);
    match found {
        // `pointer` is the name of a code and of a field: the number behind it is the field's.
        Some((_, kind::PARAMETER_PROBLEM, parameter_problem::POINTER)) => Ok(parameter_problem::POINTER),
        Some((name, _, code)) => cursor.eat(name).map(|_| *code),
        None if word.is_empty() || ["mtu", "id", "seq", "gateway"].contains(&word) => Ok(0),
        None => Err(cursor.expected("an ICMP code, such as port_unreachable, or `code` and a number")),
    }
}

fn rest(cursor: &mut Cursor<'_>) -> Parsed<IcmpRest> {
    if cursor.eat_word("mtu")? {
        return Ok(IcmpRest::Mtu(cursor.number("an MTU of 16 bits")?));
    }
    if cursor.eat_word("pointer")? {
        return Ok(IcmpRest::Pointer(cursor.number("an offset of 8 bits")?));
    }
    if cursor.eat_word("gateway")? {
        return Ok(IcmpRest::Gateway(ipv4(cursor)?));
    }
    let mut echo = (None, None);
    if cursor.eat_word("id")? {
        echo.0 = Some(cursor.number("an identifier of 16 bits")?);
    }
    if cursor.eat_word("seq")? {
        echo.1 = Some(cursor.number("a sequence number of 16 bits")?);
    }
    Ok(match echo {
        (None, None) => IcmpRest::Unused,
        (ident, seq) => IcmpRest::Echo { ident: ident.unwrap_or(0), seq: seq.unwrap_or(0) },
    })
}

/// What an error quotes: a bare `seq:end(len)` of TCP, `raw (len)`, or a packet line.
fn quoted(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Packet> {
    if cursor.peek_word() == "raw" {
        return Err(Cursor::unsupported(cursor.at(), "a quoted raw packet"));
    }
    let mut probe = cursor.clone();
    if probe.at_digit() && sequence(&mut probe).is_ok() {
        let (seq, len) = sequence(cursor)?;
        let payload = Payload { len, bytes: None };
        let options = Options::Any;
        let tcp = Tcp { flags: Flags::NONE, seq, payload, ack: None, window: None, urgent: None, options };
        return Ok(Packet { ip: IpInfo::default(), ports: None, body: Body::Tcp(tcp) });
    }
    packet(cursor, inbound)
}

/// `arp who-has TARGET tell SENDER [from MAC] [for MAC] [to MAC]`,
/// `arp reply SENDER is-at MAC tell TARGET [for MAC] [to MAC]`
pub(super) fn arp(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.expect("arp")?;
    let reply = cursor.eat_word("reply")?;
    let (sender, target, mut sender_link);
    if reply {
        sender = ipv4(cursor)?;
        sender_link = if cursor.eat("is-at")? { Some(link(cursor)?) } else { None };
        cursor.expect("tell")?;
        target = ipv4(cursor)?;
    } else {
        if !cursor.eat("who-has")? {
            return Err(cursor.expected("`who-has` or `reply`"));
        }
        target = ipv4(cursor)?;
        cursor.expect("tell")?;
        sender = ipv4(cursor)?;
        sender_link = None;
    }
    if cursor.eat_word("from")? {
        sender_link = Some(link(cursor)?);
    }
    let target_link = if cursor.eat_word("for")? { Some(link(cursor)?) } else { None };
    let to = if cursor.eat_word("to")? { Some(link(cursor)?) } else { None };
    let operation = if reply { operation::REPLY } else { operation::REQUEST };
    Ok(Body::Arp(Arp { operation, sender, sender_link, target, target_link, to }))
}

/// A link address; `all` is the broadcast address.
fn link(cursor: &mut Cursor<'_>) -> Parsed<LinkAddress> {
    if cursor.eat_word("all")? {
        return Ok(LinkAddress::BROADCAST);
    }
    cursor.parse(|c| c.is_ascii_hexdigit() || c == ':', "a link address, such as 02:00:00:00:00:01, or `all`")
}

/// `ip frag ID:LEN@OFFSET[+] WHOLE`, `ip proto N (len)`
pub(super) fn ip(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.expect("ip")?;
    if cursor.eat_word("proto")? {
        let protocol = cursor.number("a protocol number from 0 to 255")?;
        return Ok(Body::Other { protocol, payload: payload(cursor)? });
    }
    if !cursor.eat_word("frag")? {
        return Err(cursor.expected("`frag` or `proto`"));
    }
    let at = cursor.at();
    let ident = cursor.number("an identification, as in 7:1480@0+")?;
    cursor.expect(":")?;
    let len = cursor.number("the length of the fragment in bytes")?;
    cursor.expect("@")?;
    let offset: usize = cursor.number("the offset of the fragment in bytes")?;
    let more = cursor.eat("+")?;
    if offset % 8 != 0 {
        return Err(Cursor::wrong(at, "the offset of a fragment is a multiple of 8"));
    }
    let whole = packet(cursor, true)?;
    if whole.ip != IpInfo::default()
        || whole.ports.is_some()
        || matches!(whole.body, Body::Arp(_) | Body::Fragment(_))
    {
        return Err(Cursor::wrong(at, "what is fragmented is a plain udp, icmp, tcp or `ip proto` packet"));
    }
    Ok(Body::Fragment(Fragment { ident, len, offset, more, whole: Box::new(whole.body) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt::{Action, Script};
    use core::net::Ipv4Addr;

    fn body(line: &str) -> Body {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Inbound(packet) | Action::Outbound(packet) => packet.body,
            other => panic!("{other:?}"),
        }
    }

    fn icmp(line: &str) -> Icmp {
        match body(line) {
            Body::Icmp(icmp) => icmp,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn icmp_errors_with_their_quotes() {
        let needed = icmp("0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]");
        assert_eq!((needed.kind, needed.code, needed.rest), (3, 4, IcmpRest::Mtu(1200)));
        let IcmpContent::Quoted(quoted) = needed.content else { panic!() };
        let Body::Tcp(tcp) = quoted.body else { panic!() };
        assert_eq!((tcp.seq, tcp.payload.len, tcp.options), (1, 1460, Options::Any));
        let port = icmp("0 > icmp unreachable port_unreachable [udp 5 > 6 (20)]");
        let IcmpContent::Quoted(quoted) = port.content else { panic!() };
        assert_eq!((port.kind, port.code, quoted.ports), (3, 3, Some((5, 6))));
        let late = icmp("0 > icmp time_exceeded reassembly");
        assert_eq!((late.kind, late.code, late.content), (11, 1, IcmpContent::Last));
        let problem = icmp("0 > icmp parameter_problem pointer 9 [ip proto 253 (20)]");
        assert_eq!((problem.kind, problem.code, problem.rest), (12, 0, IcmpRest::Pointer(9)));
        let redirect = icmp("0 < icmp redirect host gateway 10.0.0.1 [udp (20)]");
        assert_eq!((redirect.code, redirect.rest), (1, IcmpRest::Gateway(Ipv4Addr::new(10, 0, 0, 1))));
    }

    #[test]
    fn echoes_and_numbers() {
        let echo = icmp("0 < icmp echo_request id 7 seq 1 (56)");
        assert_eq!((echo.kind, echo.rest), (8, IcmpRest::Echo { ident: 7, seq: 1 }));
        assert_eq!(echo.content, IcmpContent::Payload(Payload { len: 56, bytes: None }));
        let odd = icmp("0 < icmp type 42 code 9 (4)");
        assert_eq!((odd.kind, odd.code), (42, 9));
    }

    #[test]
    fn arp_in_both_forms() {
        let Body::Arp(request) = body("0 < arp who-has 10.0.0.2 tell 10.0.0.1 to all") else { panic!() };
        assert_eq!((request.operation, request.to), (1, Some(LinkAddress::BROADCAST)));
        assert_eq!((request.sender.octets()[3], request.target.octets()[3]), (1, 2));
        let line = "0 > arp reply 10.0.0.1 is-at 02:00:00:00:00:01 tell 10.0.0.2 to 02:00:00:00:00:02";
        let Body::Arp(reply) = body(line) else { panic!() };
        assert_eq!((reply.operation, reply.sender_link), (2, Some(LinkAddress([2, 0, 0, 0, 0, 1]))));
        assert_eq!((reply.sender.octets()[3], reply.target.octets()[3]), (1, 2));
    }

    #[test]
    fn fragments_and_other_protocols() {
        let Body::Fragment(first) = body("0 < ip frag 7:1480@0+ udp (3000)") else { panic!() };
        assert_eq!((first.ident, first.len, first.offset, first.more), (7, 1480, 0, true));
        assert_eq!(*first.whole, Body::Udp(Payload { len: 3000, bytes: None }));
        let Body::Fragment(last) = body("0 > ip frag 7:48@2960 udp (3000)") else { panic!() };
        assert!(!last.more && last.offset == 2960);
        assert_eq!(
            body("0 < ip proto 253 (20)"),
            Body::Other { protocol: 253, payload: Payload { len: 20, bytes: None } }
        );
    }

    #[test]
    fn errors_say_what_was_expected() {
        let error = |line: &str| Script::parse("t", line).unwrap_err().to_string();
        assert!(error("0 < ip frag 7:10@4 udp (20)").contains("a multiple of 8"));
        assert!(error("0 < icmp nonsense").contains("expected an ICMP type"));
        assert!(error("0 < icmp unreachable wrong [udp (1)]").contains("expected an ICMP code"));
        assert!(error("0 < arp what 10.0.0.1").contains("`who-has` or `reply`"));
        assert!(error("0 < arp who-has 10.0.0 tell 10.0.0.1").contains("expected an IPv4 address"));
    }
}
