//! What a script says, as data: one event a line, each with its place in the file.
//!
//! Numbers stay script numbers (sequence numbers relative to the initial ones, timestamps as written); the runner
//! maps them. Nothing here knows the stack.

use super::code::Statement;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::Range;
use stack_packet::{Cast, LinkAddress};
use stack_wire::tcp::Flags;
use std::time::Duration;

/// A parsed script.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Script {
    /// Where it came from, for messages.
    pub name: String,
    /// Its text; spans of events point into it.
    pub text: String,
    /// `--name=value` lines at the top.
    pub options: Vec<OptionLine>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// A `--name=value` line.
#[derive(Clone, PartialEq, Debug)]
pub struct OptionLine {
    /// Line in the file, from 1.
    pub line: u32,
    /// Between `--` and `=`.
    pub name: String,
    /// Behind `=`; empty without one.
    pub value: String,
}

/// Something that happens, or must happen, at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Line in the file, from 1.
    pub line: u32,
    /// When it starts.
    pub when: When,
    /// When a call that blocks must return, on the same scale as `when`.
    pub until: Option<Duration>,
    /// What happens.
    pub action: Action,
    /// The bytes of the text from the time to the end of the action.
    pub span: Range<usize>,
}

/// The time of an event. Relative times count from the event before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// `0.1`: since the start of the script.
    At(Duration),
    /// `+0.1`
    After(Duration),
    /// `0.1~0.2`
    AtBetween(Duration, Duration),
    /// `+0.1~+0.2`
    AfterBetween(Duration, Duration),
    /// `*`: at any time, as long as it happens.
    Any,
}

/// What happens.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A packet to the stack.
    Inbound(Packet),
    /// A packet that the stack must send.
    Outbound(Packet),
    /// A system call on the stack.
    Call(Call),
    /// `%{ … }%`.
    Code(Vec<Statement>),
    /// A command in backticks.
    Command(String),
}

/// A packet line.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// What it says of the IP header.
    pub ip: IpInfo,
    /// Source and destination port, where they are not those of the flow at hand.
    pub ports: Option<(u16, u16)>,
    /// Behind the IP header.
    pub body: Body,
}

/// `[…]`: what a line says of the IP header and of the frame. Outbound, only what is said is compared.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct IpInfo {
    /// The two ECN bits: `noecn`, `ect0`, `ect1`, `ce`, `ect01`.
    pub ecn: Option<Ecn>,
    /// `tos 0x10`: the whole byte.
    pub tos: Option<u8>,
    /// `flowlabel 0x12345`: IPv6 only.
    pub flow_label: Option<u32>,
    /// `ttl 1`
    pub ttl: Option<u8>,
    /// `df` and `nodf`.
    pub dont_fragment: Option<bool>,
    /// `id 7`
    pub ident: Option<u32>,
    /// `src 10.0.0.9`
    pub src: Option<IpAddr>,
    /// `dst 255.255.255.255`
    pub dst: Option<IpAddr>,
    /// `link broadcast`, `link multicast`: how the frame was addressed.
    pub cast: Option<Cast>,
    /// `opt 94040000`: IPv4 options, in hexadecimal.
    pub options: Option<Vec<u8>>,
    /// `ext hop 1e0400000000`: IPv6 extension headers in order; the fragment header is not one of these.
    pub extensions: Option<Vec<Extension>>,
    /// `via 2`: the interface, where it is not the first.
    pub via: Option<u32>,
    /// What is wrong with an inbound packet on purpose.
    pub defects: Vec<Defect>,
}

/// An extension header of IPv6 (RFC 8200 §4); what names the next one follows from the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    /// Its number: `hop` is 0, `route` 43, `dst` 60.
    pub kind: u8,
    /// What stands behind next header and length, which follows from it.
    pub data: Vec<u8>,
}

/// What a line says of the ECN bits (RFC 3168 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ecn {
    /// `noecn`
    NotEct,
    /// `ect1`
    Ect1,
    /// `ect0`
    Ect0,
    /// `ce`
    Ce,
    /// `ect01`: either codepoint of a packet of the stack.
    AnyEct,
}

impl Ecn {
    /// The codepoint in the two low bits of a byte.
    pub fn of(tos: u8) -> Self {
        [Self::NotEct, Self::Ect1, Self::Ect0, Self::Ce][usize::from(tos & 3)]
    }

    /// The bits on the wire.
    pub fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 | Self::AnyEct => 2,
            Self::Ce => 3,
        }
    }

    /// Whether a packet with the other codepoint is what this one asks for.
    pub fn allows(self, other: Self) -> bool {
        self == other || (self == Self::AnyEct && matches!(other, Self::Ect0 | Self::Ect1))
    }
}

/// A defect of an inbound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// `badsum`: the checksum of the transport header.
    TransportChecksum,
    /// `nosum`: a UDP checksum of zero.
    NoChecksum,
    /// `badipsum`: the checksum of the IPv4 header.
    HeaderChecksum,
    /// `version 5`: the version field of the IP header.
    Version(u8),
    /// `cut 30`: only that many bytes of the packet arrive; its headers say otherwise.
    Cut(usize),
    /// `pad 46`: bytes behind the packet up to that length, as a short Ethernet frame has.
    Pad(usize),
}

/// What is behind the IP header, or, for ARP, behind the frame's.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// A TCP segment.
    Tcp(Tcp),
    /// `udp (100)`: a datagram with that many bytes of payload.
    Udp(Payload),
    /// `icmp …`
    Icmp(Icmp),
    /// `arp …`
    Arp(Arp),
    /// `nd …`
    Nd(super::nd::Nd),
    /// `igmp …` and `mld …`
    Group(super::group::Group),
    /// `ip frag 7:1480@0+ udp (3000)`
    Fragment(Fragment),
    /// `ip proto 253 (20)`
    Other {
        /// Number in the IP header.
        protocol: u8,
        /// What is behind the header.
        payload: Payload,
    },
}

/// Payload: the pattern of the flow, or given bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Payload {
    /// Its length in bytes.
    pub len: usize,
    /// The bytes, where the line gives them as a string.
    pub bytes: Option<Vec<u8>>,
}

/// A TCP segment.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcp {
    /// Flags; `.` is ACK.
    pub flags: Flags,
    /// First sequence number, relative to the sender's initial one.
    pub seq: u32,
    /// Payload; `seq:end(len)` has been checked for `end == seq + len`.
    pub payload: Payload,
    /// Acknowledgement number, relative to the receiver's initial one.
    pub ack: Option<u32>,
    /// The window field as it is on the wire; `None` outbound is not compared.
    pub window: Option<u16>,
    /// The urgent pointer.
    pub urgent: Option<u16>,
    /// Options.
    pub options: Options,
}

/// The options of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Options {
    /// `<...>`: whatever they are.
    Any,
    /// These; none at all where the list is empty.
    These(Vec<TcpOption>),
}

/// A TCP option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TcpOption {
    /// `nop`
    Nop,
    /// `eol`
    End,
    /// `mss 1460`
    Mss(u16),
    /// `wscale 7`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `sack 1:1001 2001:3001`
    Sack(Vec<(u32, u32)>),
    /// `TS val 100 ecr 0`
    Timestamps {
        /// The sender's clock.
        val: u32,
        /// What it echoes.
        ecr: u32,
    },
    /// `md5 0011…`: the digest of RFC 2385.
    Md5(Vec<u8>),
    /// `FO 1122…`, or `FOEXP` for the experimental kind (RFC 7413 §4.1.1, RFC 6994); empty to ask for one.
    FastOpen {
        /// The cookie.
        cookie: Vec<u8>,
        /// Kind 254 with the magic number of the early drafts.
        experimental: bool,
    },
    /// `ECN e1b 1 ceb 0 e0b 1`: byte counters of 24 bits, as many as the option has (RFC 9768 §3.2.3).
    AccEcn {
        /// The counter of ECT(1) comes first: kind 174, not 172.
        ect1_first: bool,
        /// The counters in the order of the option.
        counters: Vec<u32>,
    },
    /// `raw 1e02`: any other, from its kind on.
    Raw(Vec<u8>),
}

impl TcpOption {
    /// Bytes on the wire.
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Nop | Self::End => 1,
            Self::Mss(_) => 4,
            Self::WindowScale(_) => 3,
            Self::SackPermitted => 2,
            Self::Sack(blocks) => 2 + 8 * blocks.len(),
            Self::Timestamps { .. } => 10,
            Self::Md5(digest) => 2 + digest.len(),
            Self::FastOpen { cookie, experimental } => 2 + 2 * usize::from(*experimental) + cookie.len(),
            Self::AccEcn { counters, .. } => 2 + 3 * counters.len(),
            Self::Raw(bytes) => bytes.len(),
        }
    }
}

/// An ICMP message.
#[derive(Clone, PartialEq, Debug)]
pub struct Icmp {
    /// Whether type and code are those of ICMPv6: the script says `--ip_version=ipv6`.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// What the four bytes behind the checksum say.
    pub rest: IcmpRest,
    /// What is behind the header.
    pub content: IcmpContent,
}

/// The four bytes behind the checksum of an ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpRest {
    /// Zero.
    Unused,
    /// `mtu 1200`
    Mtu(u32),
    /// `pointer 9`
    Pointer(u32),
    /// `gateway 10.0.0.1`
    Gateway(Ipv4Addr),
    /// `id 7 seq 1`
    Echo {
        /// Identifier; of an outbound request it is not compared, as the stack chooses it.
        ident: u16,
        /// Sequence number.
        seq: u16,
    },
}

/// What is behind an ICMP header.
#[derive(Clone, PartialEq, Debug)]
pub enum IcmpContent {
    /// Bytes.
    Payload(Payload),
    /// A packet of the other direction.
    Quoted(Box<Packet>),
    /// An outbound error whose quote is not compared, or an inbound one that quotes the last packet sent.
    Last,
}

/// An ARP packet (RFC 826).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender protocol address.
    pub sender: Ipv4Addr,
    /// Sender hardware address; `None`: the side's own.
    pub sender_link: Option<LinkAddress>,
    /// Target protocol address.
    pub target: Ipv4Addr,
    /// Target hardware address; `None`: zero in a request, the receiver's in a reply.
    pub target_link: Option<LinkAddress>,
    /// `to …`: how the frame was addressed; `None` outbound is not compared.
    pub to: Option<LinkAddress>,
}

/// A fragment of a packet of either version.
#[derive(Clone, PartialEq, Debug)]
pub struct Fragment {
    /// Identification; outbound it names the packet, whatever number the stack gave it.
    pub ident: u32,
    /// Payload bytes of this fragment.
    pub len: usize,
    /// Where they start in the whole, in bytes.
    pub offset: usize,
    /// More fragments follow.
    pub more: bool,
    /// The whole packet.
    pub whole: Box<Body>,
}

/// A system call and its result.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// What it must return.
    pub result: Expr,
    /// The name of the error that it must fail with.
    pub errno: Option<String>,
}

/// An argument or a result.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// `...`: whatever.
    Ellipsis,
    /// A number.
    Int(i64),
    /// A constant's name.
    Word(String),
    /// A string.
    Text(String),
    /// `[…]`
    Array(Vec<Expr>),
    /// `{…}`: members, with names where they have some.
    Struct(Vec<(Option<String>, Expr)>),
    /// `htons(80)`, `inet_addr("10.0.0.1")`
    Apply(String, Vec<Expr>),
    /// `A|B`
    Or(Vec<Expr>),
}
