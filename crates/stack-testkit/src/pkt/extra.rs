//! The lines that packetdrill's grammar has no words for: ARP, fragments, other protocols.

use super::ast::*;
use super::cursor::{Cursor, Parsed};
use super::packet::{ipv4, packet, payload};
use stack_packet::LinkAddress;
use stack_wire::arp::operation;

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

    fn body(line: &str) -> Body {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Inbound(packet) | Action::Outbound(packet) => packet.body,
            other => panic!("{other:?}"),
        }
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
        assert!(error("0 < arp what 10.0.0.1").contains("`who-has` or `reply`"));
        assert!(error("0 < arp who-has 10.0.0 tell 10.0.0.1").contains("expected an IPv4 address"));
    }
}
