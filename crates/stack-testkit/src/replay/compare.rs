//! What was recorded and what came, packet by packet and field by field.

use super::ReplayConfig;
use super::flow::Shift;
use super::plan::{Plan, flow_key};
use super::stage::{Answer, Stage};
use crate::decode::{Decoded, Message, Net, Segment, Transport};
use crate::pkt::TcpOption;
use core::fmt::{Debug, Display, Formatter, Write};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// A packet that is not as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When it was recorded, or came, since the start of the capture.
    pub at: Duration,
    /// Which conversation it belongs to.
    pub flow: String,
    /// What differs: field, recorded, now.
    pub fields: Vec<(String, String, String)>,
}

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Packets that came as they were recorded.
    pub same: usize,
    /// Packets that came otherwise.
    pub differences: Vec<Difference>,
    /// Recorded packets of ours that did not come.
    pub missing: Vec<String>,
    /// Packets that came and were not recorded.
    pub extra: Vec<String>,
    /// How far the times were off at most, of packets that were the same.
    pub worst_time: Duration,
}

impl Report {
    /// Whether everything came as it was recorded.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{:.6} {}: recorded | now", difference.at.as_secs_f64(), difference.flow)?;
            for (field, recorded, now) in &difference.fields {
                writeln!(f, "    {field}: {recorded} | {now}")?;
            }
        }
        self.missing.iter().try_for_each(|line| writeln!(f, "recorded, did not come: {line}"))?;
        self.extra.iter().try_for_each(|line| writeln!(f, "came, was not recorded: {line}"))?;
        let (differ, missing, extra) = (self.differences.len(), self.missing.len(), self.extra.len());
        write!(f, "{} packets the same, {differ} differ, {missing} missing, {extra} extra; ", self.same)?;
        write!(f, "times off by {:?} at most", self.worst_time)
    }
}

/// A conversation: what is compared in order.
type Conversation = (u8, u16, Option<SocketAddr>, Option<IpAddr>);

pub(super) fn compare(plan: &Plan, stage: Stage, config: &ReplayConfig) -> Report {
    let mut report = Report::default();
    let mut answers: BTreeMap<Conversation, VecDeque<Answer>> = BTreeMap::new();
    for answer in stage.answers {
        answers.entry(conversation(&answer.decoded)).or_default().push_back(answer);
    }
    for record in plan.records.iter().filter(|record| record.ours) {
        let key = conversation(&record.decoded);
        let Some(answer) = answers.get_mut(&key).and_then(VecDeque::pop_front) else {
            report.missing.push(format!("{:.6} {}", record.at.as_secs_f64(), line(&record.decoded)));
            continue;
        };
        let shift = flow_key(record).and_then(|key| stage.shifts.get(&key)).copied().unwrap_or_default();
        let mut fields = Fields::default();
        fields.packet(&record.decoded, &answer.decoded, &shift, config);
        if fields.0.is_empty() {
            report.same += 1;
            report.worst_time = report.worst_time.max(record.at.abs_diff(answer.at));
        } else {
            report.differences.push(Difference {
                at: record.at,
                flow: line(&record.decoded),
                fields: fields.0,
            });
        }
    }
    for answer in answers.into_values().flatten() {
        report.extra.push(format!("{:.6} {}", answer.at.as_secs_f64(), line(&answer.decoded)));
    }
    report
}

fn conversation(decoded: &Decoded) -> Conversation {
    let Net::Ip(ip) = &decoded.net else { return (0, 0, None, None) };
    match &ip.transport {
        Transport::Tcp(tcp) => (ip.protocol, tcp.src_port, Some(SocketAddr::new(ip.dst, tcp.dst_port)), None),
        Transport::Udp(udp) => (ip.protocol, udp.src_port, Some(SocketAddr::new(ip.dst, udp.dst_port)), None),
        Transport::Icmp(icmp) => {
            // Echoes by identifier and sequence number.
            let [a, b, c, d] = icmp.rest;
            let to = SocketAddr::new(ip.dst, u16::from_be_bytes([c, d]));
            (ip.protocol, u16::from_be_bytes([a, b]), Some(to), None)
        }
        Transport::Other => (ip.protocol, 0, None, Some(ip.dst)),
    }
}

/// A packet on one line.
fn line(decoded: &Decoded) -> String {
    let mut line = String::new();
    let _ = match &decoded.net {
        Net::Arp(arp) => write!(line, "ARP {} {} {}", arp.operation, arp.sender, arp.target),
        Net::Unknown(bytes) => write!(line, "{} bytes of something", bytes.len()),
        Net::Ip(ip) => match &ip.transport {
            Transport::Tcp(tcp) => write!(
                line,
                "TCP {} > {}:{} {} seq {} ack {} ({})",
                tcp.src_port,
                ip.dst,
                tcp.dst_port,
                tcp.flags,
                tcp.seq,
                tcp.ack,
                tcp.payload.len()
            ),
            Transport::Udp(udp) => {
                write!(line, "UDP {} > {}:{} ({})", udp.src_port, ip.dst, udp.dst_port, udp.payload.len())
            }
            Transport::Icmp(icmp) => write!(line, "ICMP {}/{} to {}", icmp.kind, icmp.code, ip.dst),
            Transport::Other => write!(
                line,
                "protocol {} to {}, {} bytes from {}",
                ip.protocol,
                ip.dst,
                ip.payload.len(),
                ip.fragment_offset
            ),
        },
    };
    line
}

#[derive(Default)]
struct Fields(Vec<(String, String, String)>);

impl Fields {
    fn field<T: PartialEq + Debug>(&mut self, name: &str, then: T, now: T) {
        if then != now {
            let short = |value: &T| {
                let text = format!("{value:?}");
                let cut: String = text.chars().take(80).collect();
                if cut.len() < text.len() { format!("{cut}… ({} characters)", text.len()) } else { text }
            };
            self.0.push((name.to_owned(), short(&then), short(&now)));
        }
    }

    fn packet(&mut self, then: &Decoded, now: &Decoded, shift: &Shift, config: &ReplayConfig) {
        if !now.problems.is_empty() {
            self.field("defects", String::new(), now.problems.join("; "));
        }
        let (Net::Ip(then_ip), Net::Ip(now_ip)) = (&then.net, &now.net) else {
            return self.field("packet", &then.net, &now.net);
        };
        self.field("source", then_ip.src, now_ip.src);
        self.field("destination", then_ip.dst, now_ip.dst);
        self.field("TTL", then_ip.ttl, now_ip.ttl);
        self.field("type of service", then_ip.tos, now_ip.tos);
        self.field("DF", then_ip.dont_fragment, now_ip.dont_fragment);
        self.field(
            "fragment",
            (then_ip.fragment_offset, then_ip.more_fragments),
            (now_ip.fragment_offset, now_ip.more_fragments),
        );
        self.field("IP options", &then_ip.options, &now_ip.options);
        match (&then_ip.transport, &now_ip.transport) {
            (Transport::Tcp(then), Transport::Tcp(now)) => self.tcp(then, now, shift, config),
            (Transport::Udp(then), Transport::Udp(now)) => {
                self.field("length", then.payload.len(), now.payload.len());
                self.field("payload", &then.payload, &now.payload);
            }
            (Transport::Icmp(then), Transport::Icmp(now)) => self.icmp(then, now),
            (Transport::Other, Transport::Other) => self.field("payload", &then_ip.payload, &now_ip.payload),
            (then, now) => self.field("transport", then, now),
        }
    }

    fn tcp(&mut self, then: &Segment, now: &Segment, shift: &Shift, config: &ReplayConfig) {
        self.field("flags", then.flags.to_string(), now.flags.to_string());
        self.field("sequence number", then.seq, shift.then(now.seq));
        self.field("acknowledgement", then.ack, now.ack);
        self.field("urgent pointer", then.urgent, now.urgent);
        self.field("options", options(then), options(now));
        self.field("length", then.payload.len(), now.payload.len());
        self.field("payload", &then.payload, &now.payload);
        if config.windows {
            self.field("window", then.window, now.window);
        }
    }

    fn icmp(&mut self, then: &Message, now: &Message) {
        self.field("type and code", (then.kind, then.code), (now.kind, now.code));
        self.field("rest of the header", then.rest, now.rest);
        self.field("payload", &then.payload, &now.payload);
    }
}

/// Options in no order, without padding; our own timestamp is not compared.
fn options(segment: &Segment) -> Vec<String> {
    let padding = |option: &&TcpOption| !matches!(option, TcpOption::Nop | TcpOption::End);
    let text = |option: &TcpOption| match option {
        TcpOption::Timestamps { ecr, .. } => format!("TS ecr {ecr}"),
        other => other.to_string(),
    };
    let mut options: Vec<String> = segment.options.iter().filter(padding).map(text).collect();
    options.sort();
    options
}
