//! TCP segments: flags, numbers, options.

use super::ast::*;
use super::cursor::{Cursor, Parsed, is_word};
use super::packet::{hex, payload_bytes};
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

pub(super) fn tcp(cursor: &mut Cursor<'_>, inbound: bool) -> Parsed<Tcp> {
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
    use crate::pkt::{Action, Script};

    fn tcp(line: &str) -> Tcp {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Inbound(Packet { body: Body::Tcp(tcp), .. })
            | Action::Outbound(Packet { body: Body::Tcp(tcp), .. }) => tcp,
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
}
