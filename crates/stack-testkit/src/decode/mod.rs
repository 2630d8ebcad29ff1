//! Packets decoded by `etherparse`, as a second opinion beside our own views: everything that a test wants to know
//! of a packet, owned, with all that is wrong with it.
//!
//! Left out: ICMPv6 beyond type and code.

mod tcp;

use crate::pkt::{Extension, TcpOption};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr};
use etherparse::checksum::Sum16BitWords;
use etherparse::{
    EtherType, Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice, LaxNetSlice, LaxSlicedPacket, TransportSlice,
};
use stack_packet::LinkAddress;
use stack_wire::ethernet::EtherType as Known;
use stack_wire::ip::protocol;
use stack_wire::tcp::Flags;

/// The authentication header (RFC 4302).
const AUTHENTICATION: u8 = 51;

/// A packet from its network header on.
#[derive(Clone, PartialEq, Debug)]
pub struct Decoded {
    /// What it is.
    pub net: Net,
    /// What is wrong with it: checksums, lengths. Empty for a good packet.
    pub problems: Vec<String>,
}

/// What a packet is.
#[derive(Clone, PartialEq, Debug)]
pub enum Net {
    /// IPv4 or IPv6.
    Ip(Ip),
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// Something else.
    Unknown(Bytes),
}

/// An IP packet.
#[derive(Clone, PartialEq, Debug)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol behind the header and its extensions.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// IPv6: the flow label.
    pub flow_label: u32,
    /// Identification; of IPv6 only where there is a fragment header.
    pub ident: u32,
    /// IPv4: the DF bit.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where the payload lies in the whole, in bytes.
    pub fragment_offset: usize,
    /// IPv4 options, padding included.
    pub options: Vec<u8>,
    /// IPv6 extension headers other than the fragment header.
    pub extensions: Vec<Extension>,
    /// All that is behind the IP header and its extensions.
    pub payload: Bytes,
    /// The payload, decoded; [`Transport::Other`] for fragments.
    pub transport: Transport,
}

/// What is behind an IP header.
#[derive(Clone, PartialEq, Debug)]
pub enum Transport {
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram.
    Udp(Datagram),
    /// An ICMP message of either version.
    Icmp(Message),
    /// Another protocol, a fragment, or nothing that could be decoded.
    Other,
}

/// A TCP segment.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, whatever the flags.
    pub ack: u32,
    /// Flags.
    pub flags: Flags,
    /// Window field.
    pub window: u16,
    /// Urgent pointer, whatever the flags.
    pub urgent: u16,
    /// Options in order, padding included.
    pub options: Vec<TcpOption>,
    /// Payload.
    pub payload: Bytes,
}

/// A UDP datagram.
#[derive(Clone, PartialEq, Debug)]
pub struct Datagram {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Whether it carries a checksum.
    pub has_checksum: bool,
    /// Payload.
    pub payload: Bytes,
}

/// An ICMP message.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes behind the checksum.
    pub rest: [u8; 4],
    /// What follows.
    pub payload: Bytes,
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender hardware address.
    pub sender_link: LinkAddress,
    /// Sender protocol address.
    pub sender: Ipv4Addr,
    /// Target hardware address.
    pub target_link: LinkAddress,
    /// Target protocol address.
    pub target: Ipv4Addr,
}

impl Decoded {
    /// Decodes a packet of that EtherType.
    pub fn new(ether_type: u16, packet: &Bytes) -> Self {
        let mut problems = Vec::new();
        let sliced = LaxSlicedPacket::from_ether_type(EtherType(ether_type), packet);
        if let Some((error, _)) = &sliced.stop_err {
            problems.push(error.to_string());
        }
        let net = match &sliced.net {
            Some(LaxNetSlice::Ipv4(slice)) => Net::Ip(ipv4(packet, slice, &mut problems)),
            Some(LaxNetSlice::Ipv6(slice)) => Net::Ip(ipv6(packet, slice, &mut problems)),
            Some(LaxNetSlice::Arp(slice)) => {
                arp(slice).map_or_else(|| Net::Unknown(packet.clone()), Net::Arp)
            }
            None => Net::Unknown(packet.clone()),
        };
        let mut decoded = Self { net, problems };
        if let (Net::Ip(ip), Some(transport)) = (&mut decoded.net, &sliced.transport) {
            ip.transport = transport_of(packet, transport);
            let found = checksum_problem(ip);
            decoded.problems.extend(found);
        }
        decoded
    }

    /// Decodes an IP packet of either version.
    pub fn ip_packet(packet: &Bytes) -> Self {
        let version = packet.first().map_or(0, |byte| byte >> 4);
        Self::new(if version == 6 { Known::IPV6 } else { Known::IPV4 }, packet)
    }

    /// The IP packet, if it is one.
    pub fn ip(&self) -> Option<&Ip> {
        if let Net::Ip(ip) = &self.net { Some(ip) } else { None }
    }

    /// The ARP packet, if it is one.
    pub fn arp(&self) -> Option<&Arp> {
        if let Net::Arp(arp) = &self.net { Some(arp) } else { None }
    }

    /// The TCP segment in it, if there is one.
    pub fn tcp(&self) -> Option<&Segment> {
        self.ip()
            .and_then(|ip| if let Transport::Tcp(segment) = &ip.transport { Some(segment) } else { None })
    }

    /// The same, to be changed.
    pub(crate) fn tcp_mut(&mut self) -> Option<&mut Segment> {
        match &mut self.net {
            Net::Ip(Ip { transport: Transport::Tcp(segment), .. }) => Some(segment),
            _ => None,
        }
    }

    /// The UDP datagram in it, if there is one.
    pub fn udp(&self) -> Option<&Datagram> {
        self.ip()
            .and_then(|ip| if let Transport::Udp(datagram) = &ip.transport { Some(datagram) } else { None })
    }

    /// The ICMP message in it, if there is one.
    pub fn icmp(&self) -> Option<&Message> {
        self.ip()
            .and_then(|ip| if let Transport::Icmp(message) = &ip.transport { Some(message) } else { None })
    }
}

impl Message {
    /// The packet that an error quotes: often cut, so its problems mean nothing.
    pub fn quoted(&self) -> Decoded {
        Decoded::ip_packet(&self.payload)
    }
}

impl Ip {
    /// Whether it is a part of a packet.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset > 0
    }
}

fn ipv4(packet: &Bytes, slice: &LaxIpv4Slice<'_>, problems: &mut Vec<String>) -> Ip {
    let header = slice.header();
    if Sum16BitWords::new().add_slice(header.slice()).ones_complement() != 0 {
        problems.push("the IPv4 header checksum is wrong".to_owned());
    }
    length(problems, packet.len(), usize::from(header.total_len()));
    Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        protocol: slice.payload().ip_number.0,
        ttl: header.ttl(),
        tos: header.slice()[1],
        flow_label: 0,
        ident: header.identification().into(),
        dont_fragment: header.dont_fragment(),
        more_fragments: header.more_fragments(),
        fragment_offset: usize::from(header.fragments_offset().byte_offset()),
        options: header.options().to_vec(),
        extensions: Vec::new(),
        payload: packet.slice_ref(slice.payload().payload),
        transport: Transport::Other,
    }
}

fn ipv6(packet: &Bytes, slice: &LaxIpv6Slice<'_>, problems: &mut Vec<String>) -> Ip {
    let header = slice.header();
    length(problems, packet.len(), header.slice().len() + usize::from(header.payload_length()));
    let (mut extensions, mut fragment) = (Vec::new(), None);
    for extension in slice.extensions().clone() {
        let (kind, header) = match extension {
            Ipv6ExtensionSlice::HopByHop(header) => (protocol::HOP_BY_HOP, header.slice()),
            Ipv6ExtensionSlice::Routing(header) => (protocol::IPV6_ROUTE, header.slice()),
            Ipv6ExtensionSlice::DestinationOptions(header) => (protocol::IPV6_DESTINATION, header.slice()),
            Ipv6ExtensionSlice::Authentication(header) => (AUTHENTICATION, header.slice()),
            Ipv6ExtensionSlice::Fragment(header) => {
                fragment = Some(header);
                continue;
            }
        };
        extensions.push(Extension { kind, data: header.get(2..).unwrap_or_default().to_vec() });
    }
    Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        protocol: slice.payload().ip_number.0,
        ttl: header.hop_limit(),
        tos: header.traffic_class(),
        flow_label: header.flow_label().value(),
        ident: fragment.as_ref().map_or(0, |fragment| fragment.identification()),
        dont_fragment: true,
        more_fragments: fragment.as_ref().is_some_and(|fragment| fragment.more_fragments()),
        fragment_offset: fragment.as_ref().map_or(0, |f| f.fragment_offset().byte_offset().into()),
        options: Vec::new(),
        extensions,
        payload: packet.slice_ref(slice.payload().payload),
        transport: Transport::Other,
    }
}

fn length(problems: &mut Vec<String>, found: usize, said: usize) {
    if found != said {
        problems.push(format!("the header says {said} bytes, the packet has {found}"));
    }
}

fn arp(slice: &etherparse::ArpPacketSlice<'_>) -> Option<Arp> {
    let link = |bytes: &[u8]| bytes.try_into().ok().map(LinkAddress);
    let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
    Some(Arp {
        operation: slice.operation().0,
        sender_link: link(slice.sender_hw_addr())?,
        sender: address(slice.sender_protocol_addr())?,
        target_link: link(slice.target_hw_addr())?,
        target: address(slice.target_protocol_addr())?,
    })
}

fn transport_of(packet: &Bytes, transport: &TransportSlice<'_>) -> Transport {
    match transport {
        TransportSlice::Tcp(tcp) => Transport::Tcp(tcp::segment(packet, tcp)),
        TransportSlice::Udp(udp) => Transport::Udp(Datagram {
            src_port: udp.source_port(),
            dst_port: udp.destination_port(),
            has_checksum: udp.checksum() != 0,
            payload: packet.slice_ref(udp.payload()),
        }),
        TransportSlice::Icmpv4(icmp) => message(packet, icmp.slice()),
        TransportSlice::Icmpv6(icmp) => message(packet, icmp.slice()),
        TransportSlice::Igmp(_) => Transport::Other,
    }
}

fn message(packet: &Bytes, bytes: &[u8]) -> Transport {
    let Some((header, payload)) = bytes.split_first_chunk::<8>() else { return Transport::Other };
    let [kind, code, _, _, rest @ ..] = *header;
    Transport::Icmp(Message { kind, code, rest, payload: packet.slice_ref(payload) })
}

fn checksum_problem(ip: &Ip) -> Option<String> {
    let bytes = &ip.payload[..];
    let name = match (&ip.transport, ip.protocol) {
        (Transport::Tcp(_), _) => "TCP",
        (Transport::Udp(datagram), _) if datagram.has_checksum => "UDP",
        (Transport::Udp(_), _) if ip.src.is_ipv6() => {
            return Some("UDP over IPv6 has no checksum".to_owned());
        }
        (Transport::Icmp(_), _) => "ICMP",
        _ => return None,
    };
    // UDP's own length decides what is summed.
    let len = match &ip.transport {
        Transport::Udp(datagram) => datagram.payload.len() + 8,
        _ => bytes.len(),
    };
    let sum = pseudo_header(ip, len).add_slice(bytes.get(..len)?);
    (sum.ones_complement() != 0).then(|| format!("the {name} checksum is wrong"))
}

fn pseudo_header(ip: &Ip, len: usize) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    match (ip.src, ip.dst) {
        _ if ip.protocol == protocol::ICMP => sum,
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum
            .add_4bytes(src.octets())
            .add_4bytes(dst.octets())
            .add_2bytes([0, ip.protocol])
            .add_2bytes((len as u16).to_be_bytes()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => sum
            .add_16bytes(src.octets())
            .add_16bytes(dst.octets())
            .add_2bytes([0, ip.protocol])
            .add_4bytes((len as u32).to_be_bytes()),
        _ => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{PacketBuilder, TcpOptionElement};
    use proptest::prelude::*;

    fn built(options: &[TcpOptionElement], payload: &[u8]) -> Vec<u8> {
        let builder =
            PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 80, 7, 500).ack(9).psh();
        let mut packet = Vec::new();
        builder.options(options).unwrap().write(&mut packet, payload).unwrap();
        packet
    }

    #[test]
    fn a_segment_is_decoded_whole() {
        let packet = built(&[TcpOptionElement::MaximumSegmentSize(1460), TcpOptionElement::Noop], b"data");
        let decoded = Decoded::ip_packet(&packet.into());
        assert_eq!(decoded.problems, Vec::<String>::new());
        let tcp = decoded.tcp().unwrap();
        assert_eq!((tcp.src_port, tcp.dst_port, tcp.seq, tcp.ack, tcp.window), (1000, 80, 7, 9, 500));
        assert_eq!(tcp.flags, Flags::PSH | Flags::ACK);
        assert_eq!(tcp.options[..2], [TcpOption::Mss(1460), TcpOption::Nop]);
        assert_eq!(&tcp.payload[..], b"data");
    }

    #[test]
    fn wrong_checksums_and_lengths_are_problems() {
        let good = built(&[], b"data");
        let problems = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = good.clone();
            change(&mut packet);
            Decoded::ip_packet(&packet.into()).problems.join("; ")
        };
        assert_eq!(problems(&|_| ()), "");
        assert_eq!(problems(&|p| p[43] ^= 1), "the TCP checksum is wrong");
        assert_eq!(problems(&|p| p[8] ^= 1), "the IPv4 header checksum is wrong");
        assert_eq!(problems(&|p| p.push(0)), "the header says 44 bytes, the packet has 45");
    }

    #[test]
    fn unknown_options_are_kept_as_bytes() {
        let mut packet = built(&[TcpOptionElement::Noop, TcpOptionElement::Noop], b"");
        packet[41..44].copy_from_slice(&[30, 3, 7]);
        let decoded = Decoded::ip_packet(&packet.into());
        assert_eq!(decoded.tcp().unwrap().options, [TcpOption::Nop, TcpOption::Raw(vec![30, 3, 7])]);
    }

    #[test]
    fn udp_icmp_and_arp() {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 3).udp(5, 6).write(&mut packet, b"abc").unwrap();
        let decoded = Decoded::ip_packet(&packet.clone().into());
        assert_eq!((decoded.problems.len(), decoded.udp().unwrap().dst_port), (0, 6));
        let mut error = Vec::new();
        let kind =
            etherparse::Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port);
        PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .icmpv4(kind)
            .write(&mut error, &packet)
            .unwrap();
        let decoded = Decoded::ip_packet(&error.into());
        let message = decoded.icmp().unwrap();
        assert_eq!((message.kind, message.code, decoded.problems.len()), (3, 3, 0));
        assert_eq!(message.quoted().udp().unwrap().src_port, 5);

        let arp = stack_wire::arp::Packet::request(
            stack_wire::ethernet::MacAddr([2, 0, 0, 0, 0, 1]),
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(10, 0, 0, 2),
        );
        let decoded = Decoded::new(Known::ARP, &Bytes::copy_from_slice(&arp.to_bytes()));
        let arp = decoded.arp().unwrap();
        assert_eq!((arp.operation, arp.sender, arp.target.octets()[3]), (1, Ipv4Addr::new(10, 0, 0, 1), 2));
        assert_eq!(arp.sender_link, LinkAddress([2, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn extension_headers_are_kept_and_fragments_known() {
        let mut packet = vec![0; 40];
        let mut chain = vec![44, 0, 1, 4, 0, 0, 0, 0];
        chain.extend([17, 0, 0, 9, 0, 0, 0, 7]);
        chain.extend([1, 2, 3, 4]);
        let any = core::net::Ipv6Addr::LOCALHOST;
        stack_wire::ipv6::Emit::new(any, any, 60, chain.len()).write(&mut packet);
        packet.extend(chain);
        let decoded = Decoded::ip_packet(&packet.into());
        let ip = decoded.ip().unwrap();
        assert_eq!((ip.ident, ip.fragment_offset, ip.more_fragments), (7, 8, true));
        assert_eq!(ip.extensions, [Extension { kind: 60, data: vec![1, 4, 0, 0, 0, 0] }]);
        assert_eq!((ip.protocol, &ip.payload[..]), (17, &[1, 2, 3, 4][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_decode(bytes: Vec<u8>, ether_type in prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x0806)]) {
            let _ = Decoded::new(ether_type, &bytes.into());
        }

        #[test]
        fn a_damaged_packet_decodes(at in 0usize..44, to: u8) {
            let mut packet = built(&[], b"data");
            packet[at] = to;
            let _ = Decoded::ip_packet(&packet.into());
        }
    }
}
