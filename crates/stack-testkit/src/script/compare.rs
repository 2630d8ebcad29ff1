//! Expected and actual, field by field.

use crate::decode::Decoded;
use crate::pkt::{Body, Icmp, IcmpContent, IpInfo, Options, Packet, Payload, Tcp, TcpOption};
use core::fmt::{Debug, Display, Write};

/// A row of the comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) field: &'static str,
    pub(super) expected: String,
    pub(super) actual: String,
    pub(super) differs: bool,
}

/// Two lines side by side.
pub(super) struct Comparison {
    pub(super) rows: Vec<Row>,
    order: Order,
}

/// What counts of the order of TCP options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Neither it nor the padding between them: both are the sender's choice (RFC 9293 §3.2).
    Free,
    /// Byte by byte, as packetdrill compares.
    Exact,
}

impl Comparison {
    pub(super) fn holds(&self) -> bool {
        self.rows.iter().all(|row| !row.differs)
    }

    /// Compares a line with the rendered packet; what the line does not say is not compared.
    pub(super) fn new(expected: &Packet, actual: &Packet, decoded: &Decoded, order: Order) -> Self {
        let mut this = Self { rows: Vec::new(), order };
        this.ip(&expected.ip, &actual.ip);
        match (&expected.body, &actual.body) {
            (Body::Tcp(wanted), Body::Tcp(found)) => {
                this.ports(expected, actual, decoded.tcp().map(|tcp| (tcp.src_port, tcp.dst_port)));
                this.tcp(wanted, found, decoded);
            }
            (Body::Udp(wanted), Body::Udp(found)) => {
                this.ports(expected, actual, decoded.udp().map(|udp| (udp.src_port, udp.dst_port)));
                this.payload(wanted, found, || decoded.udp().map(|udp| udp.payload.to_vec()));
            }
            (Body::Icmp(wanted), Body::Icmp(found)) => this.icmp(wanted, found, decoded),
            (Body::Arp(wanted), Body::Arp(found)) => {
                let mut found = found.clone();
                found.to = wanted.to.and(found.to);
                this.field("arp", Body::Arp(wanted.clone()), Body::Arp(found));
            }
            (Body::Nd(wanted), Body::Nd(found)) => this.field("nd", wanted, found.as_wanted(wanted)),
            (Body::Group(wanted), Body::Group(found)) => {
                this.field("message", wanted, found.as_wanted(wanted))
            }
            (wanted, found) => this.field("packet", wanted, found),
        }
        if !decoded.problems.is_empty() {
            this.rows.push(Row {
                field: "defects",
                expected: "none".to_owned(),
                actual: decoded.problems.join("; "),
                differs: true,
            });
        }
        this
    }

    /// Adds a row of two texts, judged by the caller.
    pub(super) fn row(&mut self, field: &'static str, expected: String, actual: String, differs: bool) {
        self.rows.push(Row { field, expected, actual, differs });
    }

    fn field(&mut self, field: &'static str, expected: impl Display, actual: impl Display) {
        let (expected, actual) = (short(expected.to_string()), short(actual.to_string()));
        let differs = expected != actual;
        self.rows.push(Row { field, expected, actual, differs });
    }

    fn option<T: Debug + PartialEq>(
        &mut self,
        field: &'static str,
        expected: &Option<T>,
        actual: &Option<T>,
    ) {
        if expected.is_some() {
            let text =
                |value: &Option<T>| value.as_ref().map_or("-".to_owned(), |value| format!("{value:?}"));
            self.row(field, text(expected), text(actual), expected != actual);
        }
    }

    fn ip(&mut self, expected: &IpInfo, actual: &IpInfo) {
        if let (Some(wanted), Some(found)) = (expected.ecn, actual.ecn) {
            self.row("ecn", wanted.to_string(), found.to_string(), !wanted.allows(found));
        }
        self.option("flow label", &expected.flow_label, &actual.flow_label);
        self.option("tos", &expected.tos, &actual.tos);
        self.option("ttl", &expected.ttl, &actual.ttl);
        self.option("df", &expected.dont_fragment, &actual.dont_fragment);
        self.option("ident", &expected.ident, &actual.ident);
        self.option("src", &expected.src, &actual.src);
        self.option("dst", &expected.dst, &actual.dst);
        if expected.via != actual.via {
            let text = |via: Option<u32>| via.unwrap_or(1).to_string();
            self.row("via", text(expected.via), text(actual.via), true);
        }
        self.option("ip options", &expected.options, &actual.options);
        self.option("extensions", &expected.extensions, &actual.extensions);
    }

    /// A rendered packet has no ports if they are those that a line without ports means.
    fn ports(&mut self, expected: &Packet, actual: &Packet, ports: Option<(u16, u16)>) {
        let text = |ports: Option<(u16, u16)>| ports.map_or("-".to_owned(), |(a, b)| format!("{a} > {b}"));
        let actual = if expected.ports.is_some() { ports } else { actual.ports };
        if expected.ports.is_some() || actual.is_some() {
            self.row("ports", text(expected.ports), text(actual), expected.ports != actual);
        }
    }

    fn tcp(&mut self, wanted: &Tcp, found: &Tcp, decoded: &Decoded) {
        let segment = |tcp: &Tcp| {
            let bare = Tcp {
                ack: None,
                window: None,
                urgent: None,
                options: Options::These(Vec::new()),
                payload: Payload { bytes: None, ..tcp.payload },
                ..tcp.clone()
            };
            bare.to_string()
        };
        self.field("segment", segment(wanted), segment(found));
        let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
        self.field("ack", number(wanted.ack), number(found.ack));
        self.option("window", &wanted.window, &found.window);
        self.field("urgent", number(wanted.urgent.map(u32::from)), number(found.urgent.map(u32::from)));
        if let (Options::These(wanted), Options::These(found)) = (&wanted.options, &found.options) {
            let differs = match self.order {
                Order::Free => sorted(wanted) != sorted(found),
                Order::Exact => wanted != found,
            };
            self.row("options", list(wanted), list(found), differs);
        }
        self.payload(&wanted.payload, &found.payload, || decoded.tcp().map(|tcp| tcp.payload.to_vec()));
    }

    fn payload(&mut self, wanted: &Payload, found: &Payload, bytes: impl Fn() -> Option<Vec<u8>>) {
        if wanted.bytes.is_some() {
            let found = Payload { len: found.len, bytes: bytes() };
            self.row("payload", short(wanted.to_string()), short(found.to_string()), *wanted != found);
        } else if found.bytes.is_some() {
            self.row("payload", "the pattern".to_owned(), short(found.to_string()), true);
        } else if wanted.len != found.len {
            self.field("payload", wanted, found);
        }
    }

    fn icmp(&mut self, wanted: &Icmp, found: &Icmp, decoded: &Decoded) {
        let bare = |icmp: &Icmp| Icmp { content: IcmpContent::Last, ..icmp.clone() };
        self.field("message", bare(wanted), bare(found));
        match (&wanted.content, &found.content) {
            (IcmpContent::Last, IcmpContent::Quoted(_)) => {}
            (IcmpContent::Payload(wanted), IcmpContent::Payload(found)) => {
                self.payload(wanted, found, || decoded.icmp().map(|icmp| icmp.payload.to_vec()));
            }
            (IcmpContent::Quoted(wanted), IcmpContent::Quoted(found)) => {
                self.field("quote", as_compared(wanted), as_compared(found));
            }
            (IcmpContent::Last, _) => {
                self.row("quote", "a packet that we got".to_owned(), found.to_string(), true);
            }
            _ => self.field("content", wanted, found),
        }
    }
}

/// A quote without what its line need not say.
fn as_compared(line: &Packet) -> String {
    let mut line = Packet { ip: IpInfo::default(), ..line.clone() };
    if let Body::Tcp(tcp) = &mut line.body {
        let payload = Payload { bytes: None, ..tcp.payload };
        return format!("{}:({})", tcp.seq, payload.len);
    }
    if let Body::Udp(payload) = &mut line.body {
        payload.bytes = None;
    }
    line.to_string()
}

fn list(options: &[TcpOption]) -> String {
    if options.is_empty() {
        "none".to_owned()
    } else {
        Options::These(options.to_vec()).to_string().trim().to_owned()
    }
}

/// Options in an order of their own, without padding.
fn sorted(options: &[TcpOption]) -> Vec<String> {
    let padding = |option: &&TcpOption| !matches!(option, TcpOption::Nop | TcpOption::End);
    let mut options: Vec<String> = options.iter().filter(padding).map(ToString::to_string).collect();
    options.sort();
    options
}

/// A text of reasonable length.
fn short(text: String) -> String {
    if text.chars().count() <= 100 {
        return text;
    }
    let mut cut: String = text.chars().take(100).collect();
    let _ = write!(cut, "… ({} characters)", text.chars().count());
    cut
}

impl Display for Comparison {
    /// A table, with a mark at what differs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let width = |of: &dyn Fn(&Row) -> usize| self.rows.iter().map(of).max().unwrap_or(0);
        let field = width(&|row| row.field.len());
        let expected = width(&|row| row.expected.chars().count()).max("expected".len());
        let actual = width(&|row| row.actual.chars().count()).max("actual".len());
        writeln!(f, "    {:field$}  {:expected$}  actual", "", "expected")?;
        for row in &self.rows {
            let mark = if row.differs { "  <--" } else { "" };
            let line =
                format!("    {:field$}  {:expected$}  {:actual$}{mark}", row.field, row.expected, row.actual);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
