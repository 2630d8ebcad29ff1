//! Packet lines: what is said of the IP header, ports, TCP segments and UDP datagrams.

use super::ast::*;
use super::cursor::{Cursor, Parsed, is_word};
use super::{extra, icmp};
use core::net::{IpAddr, Ipv4Addr};
use stack_packet::Cast;
use stack_wire::tcp::{Flags, MAX_OPTIONS_LEN};

/// The letters of flags, `.` for ACK.
pub(super) const FLAG_LETTERS: [(char, Flags); 9] = [
    ('F', Flags::FIN),
    ('S', Flags::SYN),
    ('R', Flags::RST),
    ('P', Flags::PSH),
    ('.', Flags::ACK),
    ('U', Flags::URG),
    ('E', Flags::ECE),
    ('W', Flags::CWR),
    ('A', Flags::AE),
];

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
        "ip" => extra::ip(cursor)?,
        word @ ("ipv4" | "ipv6" | "gre" | "GREv0" | "mpls" | "psp") => {
            return Err(Cursor::unsupported(at, format!("encapsulation in `{word}`")));
        }
        word @ ("sctp" | "udplite") => {
            return Err(Cursor::unsupported(at, format!("the protocol `{word}`")));
        }
        _ => Body::Tcp(tcp(cursor, inbound)?),
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
    const WHAT: &str = "noecn, ect0, ect1, ect01, ce, tos, flowlabel, ttl, df, nodf, id, src, dst, link, opt, \
                        badsum, nosum, badipsum, cut or pad";
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
        "id" => ip.ident = Some(cursor.number("an identification of 16 bits")?),
        "src" => ip.src = Some(address(cursor)?),
        "dst" => ip.dst = Some(address(cursor)?),
        "link" => ip.cast = Some(cast(cursor)?),
        "opt" => ip.options = Some(ip_options(cursor)?),
        "badsum" => ip.defects.push(Defect::TransportChecksum),
        "nosum" => ip.defects.push(Defect::NoChecksum),
        "badipsum" => ip.defects.push(Defect::HeaderChecksum),
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

fn hex(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
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

fn payload_bytes(cursor: &mut Cursor<'_>, len: usize) -> Parsed<Payload> {
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

fn tcp(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Tcp> {
    let at = cursor.at();
    let flags = flags(cursor)?;
    let (seq, len) = sequence(cursor)?;
    // The flag without a number means 0, a number without the flag is written all the same: as in packetdrill.
    let ack = if cursor.eat_word("ack")? {
        Some(cursor.number("an acknowledgement number")?)
    } else {
        flags.ack().then_some(0)
    };
    let window = if cursor.eat_word("win")? { Some(cursor.number("a window of 16 bits")?) } else { None };
    let urgent = if cursor.eat_word("urg")? { Some(cursor.number("an urgent pointer")?) } else { None };
    let options = options(cursor)?;
    let payload = payload_bytes(cursor, len)?;
    if inbound && window.is_none() {
        return Err(Cursor::wrong(at, "an inbound segment needs a window: `win 1000`"));
    }
    if cursor.peek() == Some('{') {
        return Err(Cursor::unsupported(cursor.at(), "the mutation of a packet"));
    }
    if inbound && options == Options::Any {
        return Err(Cursor::wrong(at, "only an outbound segment can have `<...>`"));
    }
    Ok(Tcp { flags, seq, payload, ack, window, urgent, options })
}

/// Letters, `.` for ACK, and perhaps, behind it, the three bits AE, CWR and ECE as a number (RFC 9768 §3.1.1).
fn flags(cursor: &mut Cursor<'_>) -> Parsed<Flags> {
    const WHAT: &str = "a packet: TCP flags of FSRPUEWA and `.`, or udp, icmp, arp, ip";
    let taken = cursor.clone().take_while(|c| is_word(c) || c == '.' || c == '-');
    let (letters, ace) = match taken.rsplit_once('.') {
        Some((_, ace)) if ace.starts_with(|c: char| c.is_ascii_digit()) => {
            (&taken[..taken.len() - ace.len()], Some(ace))
        }
        _ => (taken, None),
    };
    let mut flags = Flags::NONE;
    for letter in letters.chars().filter(|_| taken != "-") {
        let known = FLAG_LETTERS.iter().find(|(known, _)| *known == letter);
        flags |= known.ok_or_else(|| cursor.expected(WHAT))?.1;
    }
    if let Some(ace) = ace {
        flags |= ace_flags(ace).ok_or_else(|| cursor.expected(WHAT))?;
    }
    if taken.is_empty() {
        return Err(cursor.expected(WHAT));
    }
    cursor.advance(taken.len());
    cursor.skip_blank()?;
    Ok(flags)
}

fn ace_flags(number: &str) -> Option<Flags> {
    let bits: u8 = number.parse().ok().filter(|bits| *bits < 8)?;
    let flag = |bit, flag| if bits & bit == 0 { Flags::NONE } else { flag };
    Some(flag(4, Flags::AE) | flag(2, Flags::CWR) | flag(1, Flags::ECE))
}

/// `seq:end(len)`: the first number and the length.
pub(super) fn sequence(cursor: &mut Cursor<'_>) -> Parsed<(u32, usize)> {
    let at = cursor.at();
    let seq: u32 = cursor.number("a sequence number, as in 1:1001(1000)")?;
    cursor.expect(":")?;
    let end: u32 = cursor.number("the sequence number behind the last byte")?;
    cursor.expect("(")?;
    let len = u32::from(cursor.number::<u16>("a length of 16 bits in bytes")?);
    cursor.expect(")")?;
    if seq.wrapping_add(len) != end {
        let right = seq.wrapping_add(len);
        return Err(Cursor::wrong(at, format!("{seq} and {len} bytes end at {right}, not at {end}")));
    }
    Ok((seq, len as usize))
}

fn options(cursor: &mut Cursor<'_>) -> Parsed<Options> {
    if !cursor.eat("<")? {
        return Ok(Options::These(Vec::new()));
    }
    if cursor.eat("...")? {
        cursor.expect(">")?;
        return Ok(Options::Any);
    }
    let at = cursor.at();
    let mut these = Vec::new();
    loop {
        these.push(option(cursor)?);
        if these.iter().map(TcpOption::wire_len).sum::<usize>() > MAX_OPTIONS_LEN {
            return Err(Cursor::wrong(at, format!("options have at most {MAX_OPTIONS_LEN} bytes")));
        }
        if cursor.eat(">")? {
            return Ok(Options::These(these));
        }
        if !cursor.eat(",")? {
            return Err(cursor.expected("`,` or `>` behind an option"));
        }
    }
}

fn option(cursor: &mut Cursor<'_>) -> Parsed<TcpOption> {
    const WHAT: &str = "an option: mss, wscale, sackOK, sack, TS, FO, FOEXP, md5, ECN, nop, eol or raw";
    let (at, before) = (cursor.at(), cursor.clone());
    Ok(match cursor.word(WHAT)? {
        "nop" => TcpOption::Nop,
        "eol" => TcpOption::End,
        "mss" => TcpOption::Mss(cursor.number("a segment size of 16 bits")?),
        "wscale" => TcpOption::WindowScale(cursor.number("a shift from 0 to 255")?),
        "sackOK" => TcpOption::SackPermitted,
        "sack" => TcpOption::Sack(sack_blocks(cursor)?),
        "TS" => {
            cursor.expect("val")?;
            let val = cursor.number("a timestamp of 32 bits")?;
            cursor.expect("ecr")?;
            TcpOption::Timestamps { val, ecr: cursor.number("a timestamp of 32 bits")? }
        }
        "FO" => TcpOption::FastOpen { cookie: cookie(cursor)?, experimental: false },
        "FOEXP" => TcpOption::FastOpen { cookie: cookie(cursor)?, experimental: true },
        "md5" => TcpOption::Md5(hex(cursor)?),
        "ECN" | "AccECN" => accurate_ecn(cursor)?,
        "raw" => TcpOption::Raw(hex(cursor)?),
        word if MULTIPATH.iter().any(|start| word.starts_with(start)) => {
            return Err(Cursor::unsupported(at, format!("the option `{word}` of Multipath TCP")));
        }
        word @ "exp_tarr" => return Err(Cursor::unsupported(at, format!("the TCP option `{word}`"))),
        _ => return Err(before.expected(WHAT)),
    })
}

/// How the options of Multipath TCP begin in packetdrill's grammar.
const MULTIPATH: [&str; 6] = ["mp_", "mpc", "dss", "add_addr", "remove_addr", "address_id"];

/// A cookie in hexadecimal, or nothing: a request for one.
fn cookie(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    if cursor.peek().is_some_and(|c| c.is_ascii_hexdigit()) { hex(cursor) } else { Ok(Vec::new()) }
}

/// `e1b 1 ceb 0 e0b 1`: counters in one of the two orders, as many as there are (RFC 9768 §3.2.3).
fn accurate_ecn(cursor: &mut Cursor<'_>) -> Parsed<TcpOption> {
    const ORDERS: [[&str; 3]; 2] = [["e0b", "ceb", "e1b"], ["e1b", "ceb", "e0b"]];
    let ect1_first = cursor.peek_word() == "e1b";
    let mut counters = Vec::new();
    for name in ORDERS[usize::from(ect1_first)] {
        if !cursor.eat_word(name)? {
            break;
        }
        let at = cursor.at();
        let counter: u32 = cursor.number("a counter of 24 bits")?;
        if counter >> 24 != 0 {
            return Err(Cursor::wrong(at, "a counter of AccECN has 24 bits"));
        }
        counters.push(counter);
    }
    Ok(TcpOption::AccEcn { ect1_first, counters })
}

fn sack_blocks(cursor: &mut Cursor<'_>) -> Parsed<Vec<(u32, u32)>> {
    let mut blocks = Vec::new();
    while blocks.is_empty() || cursor.at_digit() {
        let left = cursor.number("a SACK block, as in 1001:2001")?;
        cursor.expect(":")?;
        blocks.push((left, cursor.number("the right edge of a SACK block")?));
    }
    Ok(blocks)
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

    fn tcp(line: &str) -> Tcp {
        match parse(line).body {
            Body::Tcp(tcp) => tcp,
            other => panic!("{other:?}"),
        }
    }

    fn error(line: &str) -> String {
        Script::parse("t", line).unwrap_err().to_string()
    }

    #[test]
    fn a_syn_with_all_its_options() {
        let syn = tcp("+0 < S 0:0(0) win 32792 <mss 1460,sackOK,nop,wscale 7,TS val 100 ecr 0>");
        assert_eq!((syn.flags, syn.seq, syn.payload.len, syn.ack), (Flags::SYN, 0, 0, None));
        let options = vec![
            TcpOption::Mss(1460),
            TcpOption::SackPermitted,
            TcpOption::Nop,
            TcpOption::WindowScale(7),
            TcpOption::Timestamps { val: 100, ecr: 0 },
        ];
        assert_eq!((syn.window, syn.options), (Some(32792), Options::These(options)));
    }

    #[test]
    fn data_sack_urgent_and_any_options() {
        let data = tcp("* > P. 1:1001(1000) ack 1 <...>");
        assert_eq!((data.flags, data.window), (Flags::PSH | Flags::ACK, None));
        assert_eq!((data.payload.len, data.options), (1000, Options::Any));
        let sack = tcp("0 < . 1:1(0) ack 1 win 257 <sack 1:1001 2001:3001>");
        assert_eq!(sack.options, Options::These(vec![TcpOption::Sack(vec![(1, 1001), (2001, 3001)])]));
        let urgent = tcp("0 < PU. 1:4(3) ack 1 win 9 urg 2 \"a\\x00c\"");
        assert_eq!((urgent.urgent, urgent.payload.bytes), (Some(2), Some(b"a\0c".to_vec())));
        let nothing = tcp("0 < - 4294967295:4(5) win 9");
        assert_eq!((nothing.flags, nothing.seq), (Flags::NONE, u32::MAX));
        assert_eq!(tcp("0 > S.EW 0:0(0) ack 1").flags.bits(), 0x0d2);
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
    fn every_option_and_spelling_of_flags() {
        let syn = tcp("0 > SEWA 0:0(0) <FO, FOEXP aabb, md5 00ff, nop, ECN e1b 1 ceb 0 e0b 2, ECN>");
        assert_eq!(syn.flags, Flags::SYN | Flags::ECE | Flags::CWR | Flags::AE);
        let options = vec![
            TcpOption::FastOpen { cookie: vec![], experimental: false },
            TcpOption::FastOpen { cookie: vec![0xaa, 0xbb], experimental: true },
            TcpOption::Md5(vec![0, 0xff]),
            TcpOption::Nop,
            TcpOption::AccEcn { ect1_first: true, counters: vec![1, 0, 2] },
            TcpOption::AccEcn { ect1_first: false, counters: vec![] },
        ];
        assert_eq!(syn.options, Options::These(options));
        let ace = tcp("0 > P.5 1:2(1) ack 1");
        assert_eq!(ace.flags, Flags::PSH | Flags::ACK | Flags::AE | Flags::ECE);
        assert!(error("0 > .8 1:1(0) ack 1").contains("expected a packet"));
        // Packetdrill writes and compares 0 for a number that is not there, and a number that no flag vouches for.
        assert_eq!(tcp("0 > . 1:1(0)").ack, Some(0));
        assert_eq!(tcp("0 < R 1:1(0) ack 5 win 0").ack, Some(5));
    }

    #[test]
    fn flow_labels_and_ipv6_addresses() {
        let p = parse("0 > [ect01, flowlabel 0x12345, src 2001:db8::1] . 1:1(0) ack 1");
        assert_eq!((p.ip.ecn, p.ip.flow_label), (Some(Ecn::AnyEct), Some(0x12345)));
        assert_eq!(p.ip.src, Some("2001:db8::1".parse().unwrap()));
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
