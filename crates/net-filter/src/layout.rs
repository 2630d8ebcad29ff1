//! What a packet is, as far as tracking and translating want to know: where its transport header lies, whose connection
//! it belongs to, or which packet an ICMP error quotes.
//!
//! Invariant: offsets that are handed out lie inside the bytes that were looked at, and so does the checksum of the
//! transport header, unless the content is `Later`, `Untracked` or `Invalid`.

use crate::tuple::Tuple;
use core::net::IpAddr;
use stack_core::IpMeta;
use stack_wire::icmpv4::{self, kind as v4};
use stack_wire::icmpv6::{self, kind as v6};
use stack_wire::ip::protocol;
use stack_wire::ipv4::{self, Ipv4};
use stack_wire::ipv6::Ipv6;
use stack_wire::ipv6_ext::{Chain, upper_layer};
use stack_wire::tcp::{self, Flags, Tcp};
use stack_wire::udp;

/// A packet that was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Whether the bytes begin with a network header; if not, with the transport header.
    pub(crate) network: bool,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    /// Where the transport header lies, or would lie.
    pub(crate) transport: usize,
    /// The datagram that this is a fragment of.
    pub(crate) datagram: Option<Datagram>,
    pub(crate) content: Content,
}

/// What the fragments of a datagram share (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Datagram {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ident: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// A packet of a connection.
    Flow { tuple: Tuple, part: Part },
    /// An ICMP error about a packet of a connection.
    Error(Quote),
    /// A fragment without a transport header.
    Later,
    /// What belongs to no connection by its nature: neighbour discovery, group membership, redirects.
    Untracked,
    /// Cut off, or nothing that has a meaning.
    Invalid,
}

/// What a packet may do to its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Segment { flags: Flags, header_len: usize, text: bool },
    Datagram,
    Question,
    Answer,
}

/// The packet that an ICMP error quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quote {
    /// Where its network header lies.
    pub(crate) network: usize,
    /// Where its transport header lies.
    pub(crate) transport: usize,
    pub(crate) tuple: Tuple,
}

impl Layout {
    /// A packet of `len` bytes that begins with these. `None` if it has no IP header that could be read: the network layer
    /// will say what is wrong.
    pub(crate) fn of_packet(bytes: &[u8], len: usize) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::v4(bytes, len),
            6 => Self::v6(bytes, len),
            _ => None,
        }
    }

    /// A segment of `len` bytes, not yet in a packet, that begins with these.
    pub(crate) fn of_segment(ip: &IpMeta, bytes: &[u8], len: usize) -> Self {
        let bare = Self {
            network: false,
            src: ip.src,
            dst: ip.dst,
            protocol: ip.protocol,
            transport: 0,
            datagram: None,
            content: Content::Invalid,
        };
        Self { content: bare.content(bytes, len), ..bare }
    }

    /// Where the headers end that may change: all of the transport header, since headers are kept together.
    pub(crate) fn headers_end(&self) -> usize {
        self.transport
            + match self.content {
                Content::Flow { part: Part::Segment { header_len, .. }, .. } => header_len,
                Content::Flow { part: Part::Question | Part::Answer, .. } => icmpv4::HEADER_LEN,
                Content::Flow { part: Part::Datagram, .. } if self.protocol == protocol::UDP => {
                    udp::HEADER_LEN
                }
                _ => 0,
            }
    }

    fn v4(bytes: &[u8], len: usize) -> Option<Self> {
        let ip = Ipv4::parse_quoted(bytes).ok()?;
        let (src, dst) = (ip.src().into(), ip.dst().into());
        let (protocol, ident) = (ip.protocol(), ip.ident().into());
        let datagram = ip.is_fragment().then_some(Datagram { src, dst, protocol, ident });
        let later = ip.fragment_offset() > 0;
        Some(Self::behind(bytes, len, (src, dst, protocol), ip.header_len(), datagram, later))
    }

    fn v6(bytes: &[u8], len: usize) -> Option<Self> {
        let ip = Ipv6::parse_quoted(bytes).ok()?;
        let (src, dst) = (ip.src().into(), ip.dst().into());
        let Some(chain) = Chain::walk(bytes) else {
            let who = (src, dst, protocol::IPV6_NO_NEXT);
            let blind = Self::behind(bytes, len, who, bytes.len(), None, false);
            return Some(Self { content: Content::Invalid, ..blind });
        };
        let datagram = chain.fragment.map(|fragment| {
            Datagram { src, dst, protocol: 0, ident: fragment.ident.get() } // RFC 8200 §4.5: no protocol in the key
        });
        let later = chain.fragment.is_some_and(|fragment| fragment.offset() > 0);
        Some(Self::behind(bytes, len, (src, dst, chain.protocol), chain.offset, datagram, later))
    }

    fn behind(
        bytes: &[u8],
        len: usize,
        (src, dst, protocol): (IpAddr, IpAddr, u8),
        transport: usize,
        datagram: Option<Datagram>,
        later: bool,
    ) -> Self {
        let content = if later { Content::Later } else { Content::Invalid };
        let blind = Self { network: true, src, dst, protocol, transport, datagram, content };
        if later { blind } else { Self { content: blind.content(bytes, len), ..blind } }
    }

    fn content(&self, bytes: &[u8], len: usize) -> Content {
        let segment = bytes.get(self.transport..).unwrap_or_default();
        let len = len.saturating_sub(self.transport);
        let v4 = self.src.is_ipv4();
        let part = match self.protocol {
            protocol::TCP => match Tcp::parse(segment) {
                Ok(tcp) => {
                    let (flags, header_len) = (tcp.flags(), tcp.header_len());
                    Part::Segment { flags, header_len, text: len > header_len }
                }
                Err(_) => return Content::Invalid,
            },
            protocol::UDP if segment.len() < udp::HEADER_LEN => return Content::Invalid,
            protocol::ICMP if v4 => return self.icmp(segment, bytes),
            protocol::ICMPV6 if !v4 => return self.icmp(segment, bytes),
            protocol::IGMP if v4 => return Content::Untracked,
            _ => Part::Datagram,
        };
        Content::Flow { tuple: self.tuple(ports(self.protocol, segment)), part }
    }

    fn tuple(&self, (src_port, dst_port): (u16, u16)) -> Tuple {
        Tuple { src: self.src, dst: self.dst, src_port, dst_port, protocol: self.protocol }
    }

    fn icmp(&self, message: &[u8], bytes: &[u8]) -> Content {
        let Some([kind, _, _, _, i, d, _, _]) = message.first_chunk::<8>() else { return Content::Invalid };
        let ident = u16::from_be_bytes([*i, *d]);
        match Kind::of(self.protocol, *kind) {
            Kind::Question => {
                Content::Flow { tuple: self.tuple((ident, (*kind).into())), part: Part::Question }
            }
            Kind::Answer(question) => {
                Content::Flow { tuple: self.tuple((question.into(), ident)), part: Part::Answer }
            }
            Kind::Error => Quote::read(bytes, self.transport + icmpv4::HEADER_LEN)
                .map_or(Content::Invalid, Content::Error),
            Kind::Other => Content::Untracked,
        }
    }
}

/// What an ICMP message is for.
enum Kind {
    Question,
    /// To a question of that type.
    Answer(u8),
    Error,
    Other,
}

impl Kind {
    fn of(protocol: u8, kind: u8) -> Self {
        let v4 = protocol == protocol::ICMP;
        match kind {
            v4::ECHO_REQUEST | v4::TIMESTAMP_REQUEST if v4 => Self::Question,
            v4::ECHO_REPLY if v4 => Self::Answer(v4::ECHO_REQUEST),
            v4::TIMESTAMP_REPLY if v4 => Self::Answer(v4::TIMESTAMP_REQUEST),
            v4::DESTINATION_UNREACHABLE | v4::SOURCE_QUENCH | v4::TIME_EXCEEDED | v4::PARAMETER_PROBLEM
                if v4 =>
            {
                Self::Error
            }
            v6::ECHO_REQUEST if !v4 => Self::Question,
            v6::ECHO_REPLY if !v4 => Self::Answer(v6::ECHO_REQUEST),
            v6::DESTINATION_UNREACHABLE..=v6::PARAMETER_PROBLEM if !v4 => Self::Error,
            _ => Self::Other,
        }
    }
}

impl Quote {
    /// The packet that begins at `network`: its ports have to be there, not more (RFC 792). Extension headers may lie
    /// between.
    fn read(bytes: &[u8], network: usize) -> Option<Self> {
        let quoted = bytes.get(network..)?;
        let (src, dst, protocol, offset) = match quoted.first()? >> 4 {
            4 => {
                let ip = Ipv4::parse_quoted(quoted).ok().filter(|ip| ip.fragment_offset() == 0)?;
                (ip.src().into(), ip.dst().into(), ip.protocol(), ip.header_len())
            }
            6 => {
                let ip = Ipv6::parse_quoted(quoted).ok()?;
                let (protocol, offset) = upper_layer(quoted)?;
                (ip.src().into(), ip.dst().into(), protocol, offset)
            }
            _ => return None,
        };
        let segment = quoted.get(offset..).filter(|segment| segment.len() >= icmpv6::HEADER_LEN)?;
        let (src_port, dst_port) = match protocol {
            protocol::ICMP | protocol::ICMPV6 => idents(protocol, segment)?,
            _ => ports(protocol, segment),
        };
        let tuple = Tuple { src, dst, src_port, dst_port, protocol };
        Some(Self { network, transport: network + offset, tuple })
    }
}

fn ports(protocol: u8, segment: &[u8]) -> (u16, u16) {
    match (protocol, segment) {
        (protocol::TCP | protocol::UDP, [a, b, c, d, ..]) => {
            (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        }
        _ => (0, 0),
    }
}

/// What stands for the ports of a quoted question or answer; `None` for other messages.
fn idents(protocol: u8, message: &[u8]) -> Option<(u16, u16)> {
    let [kind, _, _, _, i, d, ..] = message else { return None };
    let ident = u16::from_be_bytes([*i, *d]);
    match Kind::of(protocol, *kind) {
        Kind::Question => Some((ident, (*kind).into())),
        Kind::Answer(question) => Some((question.into(), ident)),
        Kind::Error | Kind::Other => None,
    }
}

/// Bytes from the first of a packet within which all that is looked at lies, but for the quotes of ICMP errors.
pub(crate) const FRONT: usize = ipv4::MAX_HEADER_LEN + tcp::MAX_HEADER_LEN;

#[cfg(test)]
mod tests;
