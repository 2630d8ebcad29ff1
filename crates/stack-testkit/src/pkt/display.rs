//! Events as text again: for reports, and for rewriting what a script expects.

use super::ast::*;
use super::icmp::names;
use super::tcp::FLAG_LETTERS;
use core::fmt::{Display, Formatter, Result, Write};
use stack_packet::{Cast, LinkAddress};
use stack_wire::arp::operation;
use stack_wire::ip::protocol;
use std::time::Duration;

/// Seconds with as many decimals as it takes, three at least where there are any.
pub(crate) struct Seconds(pub(crate) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (whole, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        let decimals = format!("{nanos:09}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            short => write!(f, "{whole}.{short}"),
        }
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Any => f.write_char('*'),
            Self::At(at) => write!(f, "{}", Seconds(at)),
            Self::After(after) => write!(f, "+{}", Seconds(after)),
            Self::AtBetween(from, to) => write!(f, "{}~{}", Seconds(from), Seconds(to)),
            Self::AfterBetween(from, to) => write!(f, "+{}~+{}", Seconds(from), Seconds(to)),
        }
    }
}

impl Display for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.ip)?;
        if let (Some((source, destination)), false) = (self.ports, matches!(self.body, Body::Udp(_))) {
            write!(f, "{source} > {destination} ")?;
        }
        match (&self.body, self.ports) {
            (Body::Udp(payload), Some((source, destination))) => {
                write!(f, "udp {source} > {destination} {payload}")
            }
            (body, _) => write!(f, "{body}"),
        }
    }
}

impl Display for IpInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut items = Vec::new();
        items.extend(self.ecn.map(|ecn| ecn.to_string()));
        items.extend(self.tos.map(|tos| format!("tos {tos:#04x}")));
        items.extend(self.flow_label.map(|label| format!("flowlabel {label:#x}")));
        items.extend(self.ttl.map(|ttl| format!("ttl {ttl}")));
        items.extend(self.dont_fragment.map(|df| if df { "df".to_owned() } else { "nodf".to_owned() }));
        items.extend(self.ident.map(|ident| format!("id {ident}")));
        items.extend(self.src.map(|src| format!("src {src}")));
        items.extend(self.dst.map(|dst| format!("dst {dst}")));
        items.extend(self.via.map(|nic| format!("via {nic}")));
        items.extend(self.cast.map(|cast| match cast {
            Cast::Multicast => "link multicast".to_owned(),
            _ => "link broadcast".to_owned(),
        }));
        items.extend(self.options.as_ref().map(|options| format!("opt {}", hex(options))));
        items.extend(self.extensions.iter().flatten().map(ToString::to_string));
        items.extend(self.defects.iter().map(|defect| match defect {
            Defect::TransportChecksum => "badsum".to_owned(),
            Defect::NoChecksum => "nosum".to_owned(),
            Defect::HeaderChecksum => "badipsum".to_owned(),
            Defect::Version(version) => format!("version {version}"),
            Defect::Cut(len) => format!("cut {len}"),
            Defect::Pad(len) => format!("pad {len}"),
        }));
        if items.is_empty() { Ok(()) } else { write!(f, "[{}] ", items.join(", ")) }
    }
}

impl Display for Extension {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let data = hex(&self.data);
        match self.kind {
            protocol::HOP_BY_HOP => write!(f, "ext hop {data}"),
            protocol::IPV6_ROUTE => write!(f, "ext route {data}"),
            protocol::IPV6_DESTINATION => write!(f, "ext dst {data}"),
            kind => write!(f, "ext {kind} {data}"),
        }
    }
}

impl Display for Ecn {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::NotEct => "noecn",
            Self::Ect1 => "ect1",
            Self::Ect0 => "ect0",
            Self::Ce => "ce",
            Self::AnyEct => "ect01",
        })
    }
}

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Tcp(tcp) => write!(f, "{tcp}"),
            Self::Udp(payload) => write!(f, "udp {payload}"),
            Self::Icmp(icmp) => write!(f, "{icmp}"),
            Self::Arp(arp) => write!(f, "{arp}"),
            Self::Nd(nd) => write!(f, "{nd}"),
            Self::Group(group) => write!(f, "{group}"),
            Self::Other { protocol, payload } => write!(f, "ip proto {protocol} {payload}"),
            Self::Fragment(fragment) => {
                let Fragment { ident, len, offset, more, whole } = fragment;
                write!(f, "ip frag {ident}:{len}@{offset}{} {whole}", if *more { "+" } else { "" })
            }
        }
    }
}

impl Display for Payload {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "({})", self.len)?;
        self.bytes.as_ref().map_or(Ok(()), |bytes| write!(f, " {}", quote(bytes)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes as a string that the parser reads back.
fn quote(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

impl Display for Tcp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let letters = FLAG_LETTERS.iter().filter(|(_, flag)| self.flags.contains(*flag));
        let letters: String = letters.map(|(letter, _)| letter).collect();
        let len = self.payload.len as u32;
        let end = self.seq.wrapping_add(len);
        write!(f, "{} {}:{end}({len})", if letters.is_empty() { "-" } else { &letters }, self.seq)?;
        self.ack.map_or(Ok(()), |ack| write!(f, " ack {ack}"))?;
        self.window.map_or(Ok(()), |window| write!(f, " win {window}"))?;
        self.urgent.map_or(Ok(()), |urgent| write!(f, " urg {urgent}"))?;
        write!(f, "{}", self.options)?;
        self.payload.bytes.as_ref().map_or(Ok(()), |bytes| write!(f, " {}", quote(bytes)))
    }
}

impl Display for Options {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Any => f.write_str(" <...>"),
            Self::These(options) if options.is_empty() => Ok(()),
            Self::These(options) => {
                let options: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))
            }
        }
    }
}

impl Display for TcpOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Nop => f.write_str("nop"),
            Self::End => f.write_str("eol"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            Self::Raw(bytes) => write!(f, "raw {}", hex(bytes)),
            Self::Md5(digest) => write!(f, "md5 {}", hex(digest)),
            Self::FastOpen { cookie, experimental } => {
                f.write_str(if *experimental { "FOEXP" } else { "FO" })?;
                if cookie.is_empty() { Ok(()) } else { write!(f, " {}", hex(cookie)) }
            }
            Self::AccEcn { ect1_first, counters } => {
                let names = if *ect1_first { ["e1b", "ceb", "e0b"] } else { ["e0b", "ceb", "e1b"] };
                f.write_str("ECN")?;
                names.iter().zip(counters).try_for_each(|(name, counter)| write!(f, " {name} {counter}"))
            }
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
        }
    }
}

impl Display for Icmp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match names(self.v6).kind(self.kind) {
            Some(name) => write!(f, "icmp {name}")?,
            None => write!(f, "icmp type {}", self.kind)?,
        }
        match names(self.v6).code(self.kind, self.code) {
            // The field behind it has the same name.
            Some("pointer") => {}
            Some(name) => write!(f, " {name}")?,
            None if self.code == 0 => {}
            None => write!(f, " code {}", self.code)?,
        }
        match self.rest {
            IcmpRest::Unused => {}
            IcmpRest::Mtu(mtu) => write!(f, " mtu {mtu}")?,
            IcmpRest::Pointer(pointer) => write!(f, " pointer {pointer}")?,
            IcmpRest::Gateway(gateway) => write!(f, " gateway {gateway}")?,
            IcmpRest::Echo { ident, seq } => write!(f, " id {ident} seq {seq}")?,
        }
        match &self.content {
            IcmpContent::Payload(payload) => write!(f, " {payload}"),
            IcmpContent::Quoted(packet) => write!(f, " [{packet}]"),
            IcmpContent::Last => Ok(()),
        }
    }
}

impl Display for Arp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { operation, sender, sender_link, target, target_link, to } = self;
        let link = |word: &str, link: &Option<LinkAddress>| {
            link.map_or_else(String::new, |link| match link {
                LinkAddress::BROADCAST => format!(" {word} all"),
                link => format!(" {word} {link}"),
            })
        };
        if *operation == operation::REPLY {
            write!(f, "arp reply {sender}{} tell {target}", link("is-at", sender_link))?;
        } else {
            write!(f, "arp who-has {target} tell {sender}{}", link("from", sender_link))?;
        }
        write!(f, "{}{}", link("for", target_link), link("to", to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_reads_back_as_it_was() {
        let lines = [
            "0 < S 0:0(0) win 32792 <mss 1460,sackOK,nop,wscale 7,TS val 100 ecr 0>",
            "0.25 > P. 1:1001(1000) ack 1 <...>",
            "+0.000001 < [ce, tos 0x10, ttl 1, df, id 7, src 10.0.0.9, dst 10.0.0.255, link broadcast, opt 94040000, badsum] 5 > 6 . 1:4(3) ack 1 win 9 urg 2 <sack 1:2 3:4,raw 1e02> \"a\\x00\\\"\"",
            "+0~+0.2 > udp 53 > 4000 (20)",
            "1 < icmp unreachable frag_needed mtu 1200 [S 1:1461(1460) win 5]",
            "* > icmp parameter_problem pointer 9",
            "0 < icmp type 42 code 9 (4)",
            "0 < icmp echo_request id 7 seq 1 (56)",
            "* > icmp redirect host gateway 10.0.0.1 [udp (20)]",
            "* > arp who-has 10.0.0.2 tell 10.0.0.1 from 02:00:00:00:00:01 to all",
            "0 < arp reply 10.0.0.2 is-at 02:00:00:00:00:02 tell 10.0.0.1 for 02:00:00:00:00:01",
            "0 < ip frag 7:1480@0+ udp (3000)",
            "0 < ip frag 7:48@2960 icmp echo_request id 7 seq 1 (3000)",
            "* > ip proto 253 (20)",
            "0 < - 1:1(0) win 0",
            "0 < [ce, flowlabel 0x12345, src 2001:db8::1] . 1:1(0) ack 1 win 0",
            "* > [ect01] SEWA 0:0(0) <FO,FOEXP aabb,md5 00ff,ECN e1b 1 ceb 0,ECN e0b 3>",
            "0 < icmp unreachable net_unreachable_for_tos [S 0:0(0) win 0]",
        ];
        for line in lines {
            let script = Script::parse("t", line).unwrap();
            let event = &script.events[0];
            let text = match &event.action {
                Action::Inbound(packet) => format!("{} < {packet}", event.when),
                Action::Outbound(packet) => format!("{} > {packet}", event.when),
                other => panic!("{other:?}"),
            };
            assert_eq!(text, line);
        }
    }
}
