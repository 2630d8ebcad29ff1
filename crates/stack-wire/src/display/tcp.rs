//! TCP segments: `a.1 > b.2: Flags [P.], seq 1:11, ack 7, win 512, length 10`.

use core::fmt::{self, Write};

use super::{Upper, show_bad};
use crate::tcp::{Flags, Tcp};
use crate::tcp_options::{AccEcnOption, Options, SackBlocks, kind};

pub(super) fn show(f: &mut fmt::Formatter<'_>, upper: &Upper<'_>) -> fmt::Result {
    upper.show_endpoints(f)?;
    let tcp = match Tcp::parse(upper.payload) {
        Ok(tcp) => tcp,
        Err(error) => return show_bad(f, "tcp", error),
    };
    let (flags, len) = (tcp.flags(), upper.len.saturating_sub(tcp.header_len()));
    write!(f, "Flags {flags}")?;
    if len > 0 {
        write!(f, ", seq {}:{}", tcp.seq(), tcp.seq() + len as u32)?;
    } else if flags.intersects(Flags::SYN | Flags::FIN | Flags::RST) {
        write!(f, ", seq {}", tcp.seq())?;
    }
    if flags.ack() {
        write!(f, ", ack {}", tcp.ack())?;
    }
    write!(f, ", win {}", tcp.window())?;
    if flags.urg() {
        write!(f, ", urg {}", tcp.urgent())?;
    }
    if !tcp.options_bytes().is_empty() {
        show_options(f, tcp.options_bytes())?;
    }
    write!(f, ", length {len}")
}

fn show_options(f: &mut fmt::Formatter<'_>, area: &[u8]) -> fmt::Result {
    f.write_str(", options [")?;
    let mut options = Options::new(area);
    let mut comma = "";
    for (kind, data) in options.by_ref() {
        f.write_str(comma)?;
        show_option(f, kind, data)?;
        comma = ",";
    }
    match options.rest() {
        [] => {}
        _ if options.malformed() => write!(f, "{comma}[bad opt]")?,
        _ => write!(f, "{comma}eol")?,
    }
    f.write_char(']')
}

fn show_option(f: &mut fmt::Formatter<'_>, kind: u8, data: &[u8]) -> fmt::Result {
    match (kind, data) {
        (kind::NOP, _) => f.write_str("nop"),
        (kind::MSS, &[a, b]) => write!(f, "mss {}", u16::from_be_bytes([a, b])),
        (kind::WINDOW_SCALE, &[shift]) => write!(f, "wscale {shift}"),
        (kind::SACK_PERMITTED, []) => f.write_str("sackOK"),
        (kind::TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
            let val = u32::from_be_bytes([v0, v1, v2, v3]);
            write!(f, "TS val {val} ecr {}", u32::from_be_bytes([e0, e1, e2, e3]))
        }
        (kind::SACK, blocks) if !blocks.is_empty() && blocks.len() % 8 == 0 => {
            show_sack(f, &SackBlocks::parse(blocks))
        }
        (kind::FAST_OPEN, []) => f.write_str("tfo cookiereq"),
        (kind::FAST_OPEN, cookie) => {
            f.write_str("tfo cookie ")?;
            cookie.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
        _ => match AccEcnOption::parse(kind, data) {
            Some(option) => show_accurate_ecn(f, &option),
            None => write!(f, "unknown-{kind}"),
        },
    }
}

fn show_accurate_ecn(f: &mut fmt::Formatter<'_>, option: &AccEcnOption) -> fmt::Result {
    f.write_str("accecn")?;
    let counts = option.order.of([("e0b", option.ect0), ("ceb", option.ce), ("e1b", option.ect1)]);
    counts
        .iter()
        .filter_map(|(name, count)| Some((name, (*count)?)))
        .try_for_each(|(name, count)| write!(f, " {name} {count}"))
}

fn show_sack(f: &mut fmt::Formatter<'_>, blocks: &SackBlocks) -> fmt::Result {
    write!(f, "sack {} ", blocks.len())?;
    blocks.iter().try_for_each(|block| write!(f, "{{{}:{}}}", block.left, block.right))
}
