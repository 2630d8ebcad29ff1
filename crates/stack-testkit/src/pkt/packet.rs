//! Packet lines: what is said of the IP header, ports, TCP segments and UDP datagrams.

use super::ast::*;
use super::cursor::{Cursor, Parsed, is_word};
use super::extra;
use core::net::Ipv4Addr;
use stack_packet::Cast;
use stack_wire::tcp::Flags;

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
    let ip = ip_info(cursor)?;
    let mut ports = ports(cursor)?;
    let at = cursor.at();
    let body = match cursor.peek_word() {
        "udp" => {
            cursor.eat("udp")?;
            ports = ports.or(self::ports(cursor)?);
            Body::Udp(payload(cursor)?)
        }
        "icmp" => extra::icmp(cursor, inbound)?,
        "arp" => extra::arp(cursor)?,
        "ip" => extra::ip(cursor)?,
        word @ ("ipv4" | "ipv6" | "gre" | "mpls") => {
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
    const WHAT: &str = "noecn, ect0, ect1, ce, tos, ttl, df, nodf, id, src, dst, link, opt, badsum, nosum, \
                        badipsum, cut or pad";
    let at = cursor.at();
    match cursor.word(WHAT)? {
        "noecn" => ip.ecn = Some(0),
        "ect1" => ip.ecn = Some(1),
        "ect0" => ip.ecn = Some(2),
        "ce" => ip.ecn = Some(3),
        "tos" => ip.tos = Some(cursor.number("a byte")?),
        "ttl" => ip.ttl = Some(cursor.number("a TTL from 0 to 255")?),
        "df" => ip.dont_fragment = Some(true),
        "nodf" => ip.dont_fragment = Some(false),
        "id" => ip.ident = Some(cursor.number("an identification of 16 bits")?),
        "src" => ip.src = Some(ipv4(cursor)?),
        "dst" => ip.dst = Some(ipv4(cursor)?),
        "link" => ip.cast = Some(cast(cursor)?),
        "opt" => ip.options = Some(hex(cursor)?),
        "badsum" => ip.defects.push(Defect::TransportChecksum),
        "nosum" => ip.defects.push(Defect::NoChecksum),
        "badipsum" => ip.defects.push(Defect::HeaderChecksum),
        "cut" => ip.defects.push(Defect::Cut(cursor.number("a number of bytes")?)),
        "pad" => ip.defects.push(Defect::Pad(cursor.number("a number of bytes")?)),
        word @ ("ect01" | "flowlabel") => return Err(Cursor::unsupported(at, format!("`{word}`"))),
        _ => {
            let mut here = cursor.clone();
            here.rewind(at);
            return Err(here.expected(WHAT));
        }
    }
    Ok(())
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
    let len = cursor.number("a length in bytes")?;
    cursor.expect(")")?;
    payload_bytes(cursor, len)
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
    let ack = if cursor.eat_word("ack")? { Some(cursor.number("an acknowledgement number")?) } else { None };
    let window = if cursor.eat_word("win")? { Some(cursor.number("a window of 16 bits")?) } else { None };
    let urgent = if cursor.eat_word("urg")? { Some(cursor.number("an urgent pointer")?) } else { None };
    let options = options(cursor)?;
    let payload = payload_bytes(cursor, len)?;
    if inbound && window.is_none() {
        return Err(Cursor::wrong(at, "an inbound segment needs a window: `win 1000`"));
    }
    if flags.ack() != ack.is_some() {
        return Err(Cursor::wrong(at, "the ACK flag (`.`) and `ack` go together"));
    }
    if inbound && options == Options::Any {
        return Err(Cursor::wrong(at, "only an outbound segment can have `<...>`"));
    }
    Ok(Tcp { flags, seq, payload, ack, window, urgent, options })
}

fn flags(cursor: &mut Cursor<'_>) -> Parsed<Flags> {
    const WHAT: &str = "a packet: TCP flags of FSRPUEWA and `.`, or udp, icmp, arp, ip";
    let at = cursor.at();
    let letters = cursor.clone().take_while(|c| is_word(c) || c == '.' || c == '-');
    let mut flags = Flags::NONE;
    for letter in letters.chars().filter(|_| letters != "-") {
        let Some((_, flag)) = FLAG_LETTERS.iter().find(|(known, _)| *known == letter) else {
            return Err(match letter {
                '0'..='7' => Cursor::unsupported(at, "a number of the ACE field"),
                _ => cursor.expected(WHAT),
            });
        };
        flags |= *flag;
    }
    if letters.is_empty() {
        return Err(cursor.expected(WHAT));
    }
    cursor.advance(letters.len());
    cursor.skip_blank()?;
    Ok(flags)
}

/// `seq:end(len)`: the first number and the length.
pub(super) fn sequence(cursor: &mut Cursor<'_>) -> Parsed<(u32, usize)> {
    let at = cursor.at();
    let seq: u32 = cursor.number("a sequence number, as in 1:1001(1000)")?;
    cursor.expect(":")?;
    let end: u32 = cursor.number("the sequence number behind the last byte")?;
    cursor.expect("(")?;
    let len: u32 = cursor.number("a length in bytes")?;
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
    let mut these = Vec::new();
    loop {
        these.push(option(cursor)?);
        if cursor.eat(">")? {
            return Ok(Options::These(these));
        }
        if !cursor.eat(",")? {
            return Err(cursor.expected("`,` or `>` behind an option"));
        }
    }
}

fn option(cursor: &mut Cursor<'_>) -> Parsed<TcpOption> {
    const WHAT: &str = "an option: mss, wscale, sackOK, sack, TS, nop, eol or raw";
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
        "raw" => TcpOption::Raw(hex(cursor)?),
        word @ ("md5" | "FO" | "FOEXP" | "mp_capable" | "mpcapable" | "dss" | "exp_tarr" | "ECN"
        | "AccECN") => {
            return Err(Cursor::unsupported(at, format!("the TCP option `{word}`")));
        }
        _ => return Err(before.expected(WHAT)),
    })
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
        assert_eq!((p.ip.ecn, p.ip.ttl, p.ip.dont_fragment), (Some(3), Some(1), Some(true)));
        assert_eq!((p.ip.src, p.ip.cast), (Some(Ipv4Addr::new(10, 0, 0, 9)), Some(Cast::Broadcast)));
        assert_eq!((p.ip.options, p.ip.defects), (Some(vec![0x94, 4, 0, 0]), vec![Defect::Cut(30)]));
        let p = parse("0 > (tos 0x10) udp 53 > 4000 (20)");
        assert_eq!((p.ip.tos, p.ports), (Some(16), Some((53, 4000))));
        assert_eq!(p.body, Body::Udp(Payload { len: 20, bytes: None }));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(error("0 > . 1:11(9) ack 1"), "t:1:7: 1 and 9 bytes end at 10, not at 11");
        assert!(error("0 < . 1:1(0) ack 1").contains("an inbound segment needs a window"));
        assert!(error("0 < S 0:0(0) ack 1 win 1").contains("go together"));
        assert!(error("0 > . 1:1(0)").contains("go together"));
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
            "0 > S 0:0(0) <FO>",
            "0 < gre: . 1:1(0)",
            "0 < .5 1:1(0) ack 1 win 9",
            "0 < [flowlabel 0x1] S 0:0(0)",
        ];
        for line in lines {
            let error = Script::parse("t", line).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported, "{line}: {error}");
            assert!(error.to_string().contains("not supported: "));
        }
    }
}
