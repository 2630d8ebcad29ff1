//! ICMP lines of both versions: `icmp TYPE [CODE] [mtu N] [id N] [seq N] [(len) | [quoted]]`. Which version the names
//! belong to is `--ip_version`'s choice.

use super::ast::*;
use super::cursor::{Cursor, Fail, Parsed};
use super::packet::{ipv4, packet, payload};
use super::tcp::sequence;
use stack_wire::icmpv4::{kind, parameter_problem, redirect, time_exceeded, unreachable};
use stack_wire::icmpv6;
use stack_wire::tcp::Flags;

/// Names of types and of codes with their type.
pub(super) struct Names {
    types: &'static [(&'static str, u8)],
    codes: &'static [(&'static str, u8, u8)],
}

/// The names of a version.
pub(super) fn names(v6: bool) -> &'static Names {
    if v6 { &V6 } else { &V4 }
}

/// ICMPv4; of several names for one code the first one is shown.
static V4: Names = Names {
    types: &[
        ("echo_reply", kind::ECHO_REPLY),
        ("unreachable", kind::DESTINATION_UNREACHABLE),
        ("source_quench", kind::SOURCE_QUENCH),
        ("redirect", kind::REDIRECT),
        ("echo_request", kind::ECHO_REQUEST),
        ("time_exceeded", kind::TIME_EXCEEDED),
        ("parameter_problem", kind::PARAMETER_PROBLEM),
        ("timestamp_request", kind::TIMESTAMP_REQUEST),
        ("timestamp_reply", kind::TIMESTAMP_REPLY),
        ("information_request", 15),
        ("information_reply", 16),
        ("address_mask_request", 17),
        ("address_mask_reply", 18),
    ],
    codes: &[
        ("net_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::NET),
        ("host_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::HOST),
        ("protocol_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PROTOCOL),
        ("proto_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PROTOCOL),
        ("port_unreachable", kind::DESTINATION_UNREACHABLE, unreachable::PORT),
        ("frag_needed", kind::DESTINATION_UNREACHABLE, unreachable::FRAGMENTATION_NEEDED),
        ("source_route_failed", kind::DESTINATION_UNREACHABLE, unreachable::SOURCE_ROUTE_FAILED),
        ("net_unknown", kind::DESTINATION_UNREACHABLE, unreachable::NET_UNKNOWN),
        ("host_unknown", kind::DESTINATION_UNREACHABLE, unreachable::HOST_UNKNOWN),
        ("source_host_isolated", kind::DESTINATION_UNREACHABLE, unreachable::SOURCE_ISOLATED),
        ("net_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::NET_PROHIBITED),
        ("host_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::HOST_PROHIBITED),
        ("net_unreachable_for_tos", kind::DESTINATION_UNREACHABLE, unreachable::NET_TOS),
        ("host_unreachable_for_tos", kind::DESTINATION_UNREACHABLE, unreachable::HOST_TOS),
        ("admin_prohibited", kind::DESTINATION_UNREACHABLE, unreachable::PROHIBITED),
        ("packet_filtered", kind::DESTINATION_UNREACHABLE, unreachable::PROHIBITED),
        ("precedence_violation", kind::DESTINATION_UNREACHABLE, unreachable::PRECEDENCE_VIOLATION),
        ("precedence_cutoff", kind::DESTINATION_UNREACHABLE, unreachable::PRECEDENCE_CUTOFF),
        ("net", kind::REDIRECT, redirect::NET),
        ("host", kind::REDIRECT, redirect::HOST),
        ("ttl", kind::TIME_EXCEEDED, time_exceeded::TTL),
        ("reassembly", kind::TIME_EXCEEDED, time_exceeded::REASSEMBLY),
        ("pointer", kind::PARAMETER_PROBLEM, parameter_problem::POINTER),
        ("missing_option", kind::PARAMETER_PROBLEM, parameter_problem::MISSING_OPTION),
        ("bad_length", kind::PARAMETER_PROBLEM, parameter_problem::BAD_LENGTH),
    ],
};

/// ICMPv6 (RFC 4443).
static V6: Names = Names {
    types: &[
        ("unreachable", icmpv6::kind::DESTINATION_UNREACHABLE),
        ("packet_too_big", icmpv6::kind::PACKET_TOO_BIG),
        ("time_exceeded", icmpv6::kind::TIME_EXCEEDED),
        ("parameter_problem", icmpv6::kind::PARAMETER_PROBLEM),
        ("echo_request", icmpv6::kind::ECHO_REQUEST),
        ("echo_reply", icmpv6::kind::ECHO_REPLY),
    ],
    codes: &[
        ("no_route", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::NO_ROUTE),
        ("net_unreachable", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::NO_ROUTE),
        ("admin_prohibited", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::PROHIBITED),
        ("not_neighbour", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::BEYOND_SCOPE),
        ("address_unreachable", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::ADDRESS),
        ("port_unreachable", icmpv6::kind::DESTINATION_UNREACHABLE, icmpv6::unreachable::PORT),
        ("exceeded_hop_limit", icmpv6::kind::TIME_EXCEEDED, icmpv6::time_exceeded::HOP_LIMIT),
        ("exceeded_frag_time", icmpv6::kind::TIME_EXCEEDED, icmpv6::time_exceeded::REASSEMBLY),
        ("header_field", icmpv6::kind::PARAMETER_PROBLEM, icmpv6::parameter_problem::HEADER_FIELD),
        ("unknown_next_header", icmpv6::kind::PARAMETER_PROBLEM, icmpv6::parameter_problem::NEXT_HEADER),
        ("unknown_option", icmpv6::kind::PARAMETER_PROBLEM, icmpv6::parameter_problem::OPTION),
        ("incomplete_chain", icmpv6::kind::PARAMETER_PROBLEM, icmpv6::parameter_problem::INCOMPLETE_CHAIN),
    ],
};

impl Names {
    /// The name of a type.
    pub(super) fn kind(&self, kind: u8) -> Option<&'static str> {
        self.types.iter().find(|(_, of)| *of == kind).map(|(name, _)| *name)
    }

    /// The name of a code.
    pub(super) fn code(&self, kind: u8, code: u8) -> Option<&'static str> {
        self.codes.iter().find(|(_, of, is)| (*of, *is) == (kind, code)).map(|(name, ..)| *name)
    }
}

pub(super) fn icmp(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Body> {
    cursor.expect("icmp")?;
    let v6 = cursor.v6;
    let kind = kind(cursor)?;
    let code = code(cursor, kind)?;
    let rest = rest(cursor)?;
    let content = match cursor.peek() {
        Some('(') => IcmpContent::Payload(payload(cursor)?),
        Some('[') => {
            cursor.eat("[")?;
            let content = quoted(cursor, !inbound)?;
            cursor.expect("]")?;
            content
        }
        _ if is_error(v6, kind) => IcmpContent::Last,
        _ => IcmpContent::Payload(Payload::default()),
    };
    Ok(Body::Icmp(Icmp { v6, kind, code, rest, content }))
}

fn is_error(v6: bool, kind: u8) -> bool {
    if v6 { kind < 128 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// A name, `type 42` or, as in packetdrill, `type_42`.
fn kind(cursor: &mut Cursor<'_>) -> Parsed<u8> {
    const WHAT: &str = "an ICMP type, such as unreachable, time_exceeded, echo_request, or its number";
    if cursor.eat_word("type")? {
        return cursor.number("the number of an ICMP type");
    }
    let word = cursor.peek_word();
    let numbered = word.strip_prefix("type_").and_then(|number| number.parse().ok());
    let named = names(cursor.v6).types.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
    let other = || names(!cursor.v6).types.iter().any(|(name, _)| *name == word);
    let kind = numbered.or(named).ok_or_else(|| other_version(cursor, other(), WHAT))?;
    cursor.eat(word)?;
    Ok(kind)
}

/// A name, `code 9`, `code_9`, or nothing for 0.
fn code(cursor: &mut Cursor<'_>, kind: u8) -> Parsed<u8> {
    if cursor.eat_word("code")? {
        return cursor.number("the number of an ICMP code");
    }
    let word = cursor.peek_word();
    let numbered = word.strip_prefix("code_").and_then(|number| number.parse().ok());
    let named = names(cursor.v6).codes.iter().find(|(name, of, _)| *name == word && *of == kind);
    match numbered.or(named.map(|(.., code)| *code)) {
        // `pointer` is the name of a code and of a field: the number behind it is the field's.
        Some(code) if word == "pointer" => Ok(code),
        Some(code) => cursor.eat(word).map(|_| code),
        None if ["", "mtu", "id", "seq", "gateway", "pointer"].contains(&word) => Ok(0),
        None => {
            let other = names(!cursor.v6).codes.iter().any(|(name, ..)| *name == word);
            Err(other_version(
                cursor,
                other,
                "an ICMP code, such as port_unreachable, or `code` and a number",
            ))
        }
    }
}

/// A name that only the other version has makes the script one for that version, not a wrong one.
fn other_version(cursor: &Cursor<'_>, is_name: bool, what: &str) -> Fail {
    if !is_name {
        return cursor.expected(what);
    }
    let version = if cursor.v6 { "ICMPv6" } else { "ICMPv4" };
    Cursor::unsupported(cursor.at(), format!("`{}`, which {version} has not", cursor.peek_word()))
}

fn rest(cursor: &mut Cursor<'_>) -> Parsed<IcmpRest> {
    if cursor.eat_word("mtu")? {
        return Ok(IcmpRest::Mtu(mtu(cursor)?));
    }
    if cursor.eat_word("pointer")? {
        return Ok(IcmpRest::Pointer(cursor.number("an offset in bytes")?));
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

/// 16 bits in ICMPv4, 32 in ICMPv6.
fn mtu(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    if cursor.v6 {
        cursor.number("an MTU of 32 bits")
    } else {
        cursor.number::<u16>("an MTU of 16 bits").map(u32::from)
    }
}

/// What an error quotes: a bare `seq:end(len)` of TCP, a packet line, or `raw (len)`: a message of so many bytes with
/// zeros behind its header.
fn quoted(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<IcmpContent> {
    if cursor.eat_word("raw")? {
        let whole = payload(cursor)?.len;
        let bytes = vec![0; whole.min(0xffff).saturating_sub(icmpv6::HEADER_LEN)];
        return Ok(IcmpContent::Payload(Payload { len: bytes.len(), bytes: Some(bytes) }));
    }
    let mut probe = cursor.clone();
    if probe.at_digit() && sequence(&mut probe).is_ok() {
        let (seq, len) = sequence(cursor)?;
        let payload = Payload { len, bytes: None };
        let options = Options::Any;
        let tcp = Tcp { flags: Flags::NONE, seq, payload, ack: None, window: None, urgent: None, options };
        let packet = Packet { ip: IpInfo::default(), ports: None, body: Body::Tcp(tcp) };
        return Ok(IcmpContent::Quoted(Box::new(packet)));
    }
    packet(cursor, inbound).map(|packet| IcmpContent::Quoted(Box::new(packet)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt::{Action, Script};
    use core::net::Ipv4Addr;

    fn icmp(line: &str) -> Icmp {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Inbound(Packet { body: Body::Icmp(icmp), .. })
            | Action::Outbound(Packet { body: Body::Icmp(icmp), .. }) => icmp,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_with_their_quotes() {
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
        let raw = icmp("0 < icmp unreachable packet_filtered [raw (20)]");
        assert_eq!(raw.content, IcmpContent::Payload(Payload { len: 12, bytes: Some(vec![0; 12]) }));
    }

    #[test]
    fn echoes_and_numbers() {
        let echo = icmp("0 < icmp echo_request id 7 seq 1 (56)");
        assert_eq!((echo.kind, echo.rest), (8, IcmpRest::Echo { ident: 7, seq: 1 }));
        assert_eq!(echo.content, IcmpContent::Payload(Payload { len: 56, bytes: None }));
        for line in ["0 < icmp type 42 code 9 (4)", "0 < icmp type_42 code_9 (4)"] {
            let odd = icmp(line);
            assert_eq!((odd.kind, odd.code), (42, 9));
        }
    }

    #[test]
    fn names_follow_the_version_of_the_script() {
        let v6 = "--ip_version=ipv6\n";
        let big = icmp(&format!("{v6}0 < icmp packet_too_big mtu 70000 [1:1461(1460)]"));
        assert_eq!((big.v6, big.kind, big.rest), (true, 2, IcmpRest::Mtu(70_000)));
        let port = icmp(&format!("{v6}0 < icmp unreachable port_unreachable [1:2(1)]"));
        assert_eq!((port.kind, port.code), (1, 4));
        let error = |text: &str| Script::parse("t", text).unwrap_err().to_string();
        assert_eq!(
            error("0 < icmp packet_too_big mtu 1"),
            "t:1:10: not supported: `packet_too_big`, which ICMPv4 has not"
        );
        assert_eq!(
            error(&format!("{v6}0 < icmp unreachable frag_needed mtu 1")),
            "t:2:22: not supported: `frag_needed`, which ICMPv6 has not"
        );
    }

    #[test]
    fn errors_say_what_was_expected() {
        let error = |line: &str| Script::parse("t", line).unwrap_err().to_string();
        assert!(error("0 < icmp nonsense").contains("expected an ICMP type"));
        assert!(error("0 < icmp unreachable wrong [udp (1)]").contains("expected an ICMP code"));
        assert!(error("0 < icmp unreachable frag_needed mtu 65536").contains("an MTU of 16 bits"));
        let deep = format!("0 < {}", "icmp unreachable [".repeat(60));
        assert!(error(&deep).contains("nested more than 50 deep"), "{}", error(&deep));
    }
}
