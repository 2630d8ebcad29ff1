//! Inbound lines as packets.

use super::conversation::{Conversation, Frame};
use super::flow::pattern;
use super::setup::NIC;
use super::{INBOUND_SALT, Stop};
use crate::pkt::{
    Arp, Body, Defect, Ecn, Fragment, Icmp, IcmpContent, IcmpRest, IpInfo, Packet, Payload, Tcp, TcpOption,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stack_packet::{Cast, NicId};
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::ethernet::{EtherType, MacAddr};
use stack_wire::ip::protocol;
use stack_wire::tcp_options::kind;
use stack_wire::{arp, icmpv4, icmpv6, ipv4, ipv6, ipv6_ext, seq::SeqNum, tcp, udp};

/// The part of a packet behind its IP header, before checksums.
struct Segment {
    protocol: u8,
    bytes: Vec<u8>,
}

impl Conversation {
    /// The packet that an inbound line means.
    pub(super) fn inbound(&mut self, packet: &Packet) -> Result<Frame, Stop> {
        if let Body::Arp(arp) = &packet.body {
            return Ok(self.arp_frame(arp, packet));
        }
        if let (Body::Nd(nd), false) = (&packet.body, packet.ip.ttl.is_some()) {
            return self.inbound(&super::nd::addressed(packet, nd, self.local_ip));
        }
        let addressed = match &packet.body {
            Body::Group(group) => Some(super::groups::addressed(packet, group)),
            _ => None,
        };
        let packet = addressed.as_ref().unwrap_or(packet);
        let src = packet.ip.src.unwrap_or(self.remote_ip);
        let dst = packet.ip.dst.unwrap_or(self.local_ip);
        let (segment, fragment) = match &packet.body {
            Body::Fragment(fragment) => {
                let whole = Packet { body: (*fragment.whole).clone(), ..packet.clone() };
                (self.segment(&whole, src, dst)?, Some(fragment))
            }
            _ => (self.segment(packet, src, dst)?, None),
        };
        let mut bytes = self.ip_packet(packet, fragment, &segment, src, dst)?;
        damage(&mut bytes, &packet.ip.defects);
        let cast = packet.ip.cast.unwrap_or(Cast::Unicast);
        let ether_type = if dst.is_ipv6() { EtherType::IPV6 } else { EtherType::IPV4 };
        let gso_size = self.mss.filter(|mss| text_len(&packet.body) > usize::from(*mss)).unwrap_or(0);
        let nic = packet.ip.via.map_or(NIC, NicId);
        Ok(Frame { nic, ether_type, bytes: bytes.into(), cast, link_src: self.peer_link, gso_size })
    }

    fn segment(&mut self, packet: &Packet, src: IpAddr, dst: IpAddr) -> Result<Segment, Stop> {
        match &packet.body {
            Body::Tcp(tcp) => Ok(self.tcp_segment(packet, tcp, src, dst)),
            Body::Udp(payload) => Ok(self.udp_datagram(packet, payload, src, dst)),
            Body::Icmp(icmp) => self.icmp_message(icmp, src, dst),
            Body::Nd(nd) => Ok(Segment { protocol: protocol::ICMPV6, bytes: self.nd_message(nd, src, dst)? }),
            Body::Group(group) => {
                let (protocol, bytes) = self.group_message(group, src, dst);
                Ok(Segment { protocol, bytes })
            }
            Body::Other { protocol, payload } => {
                Ok(Segment { protocol: *protocol, bytes: bytes_of(payload) })
            }
            Body::Arp(_) | Body::Fragment(_) => Err(Stop::Fail("a fragment of a fragment".to_owned())),
        }
    }

    fn tcp_segment(&mut self, packet: &Packet, line: &Tcp, src: IpAddr, dst: IpAddr) -> Segment {
        let index = self.inbound_flow(protocol::TCP, packet.ports, src, dst);
        let flow = &mut self.flows[index];
        let seq = flow.isn.inbound_seq(line.seq);
        let ack = line.ack.map_or(0, |ack| flow.isn.inbound_ack(ack));
        let position = line.seq.wrapping_add(u32::from(line.flags.syn()));
        if let Some(bytes) = &line.payload.bytes {
            flow.received.give(position, bytes);
        }
        let payload = line.payload.bytes.clone();
        let payload = payload.unwrap_or_else(|| flow.received.bytes(position, line.payload.len));
        let options =
            option_bytes(line, |ack| flow.isn.inbound_ack(ack), |ecr| flow.stamps.packet_stamp(ecr));
        let header = tcp::Emit {
            src_port: flow.remote.1,
            dst_port: flow.local.1,
            seq: SeqNum(seq),
            ack: SeqNum(ack),
            flags: line.flags,
            window: line.window.unwrap_or(0),
            urgent: line.urgent.unwrap_or(0),
            options: &options,
        };
        let mut covered = pseudo(src, dst, protocol::TCP, header.header_len() + payload.len());
        covered.add_bytes(&payload);
        let mut bytes = vec![0; header.header_len()];
        header.write(&mut bytes, covered);
        bytes.extend(payload);
        Segment { protocol: protocol::TCP, bytes }
    }

    fn udp_datagram(&mut self, packet: &Packet, line: &Payload, src: IpAddr, dst: IpAddr) -> Segment {
        let index = self.inbound_flow(protocol::UDP, packet.ports, src, dst);
        let flow = &self.flows[index];
        let payload = bytes_of(line);
        let header =
            udp::Emit { src_port: flow.remote.1, dst_port: flow.local.1, payload_len: payload.len() };
        let mut bytes = vec![0; udp::HEADER_LEN];
        if packet.ip.defects.contains(&Defect::NoChecksum) {
            header.write_without_checksum(&mut bytes);
        } else {
            let mut covered = pseudo(src, dst, protocol::UDP, udp::HEADER_LEN + payload.len());
            covered.add_bytes(&payload);
            header.write(&mut bytes, covered);
        }
        bytes.extend(payload);
        Segment { protocol: protocol::UDP, bytes }
    }

    fn icmp_message(&mut self, line: &Icmp, src: IpAddr, dst: IpAddr) -> Result<Segment, Stop> {
        let content = match &line.content {
            IcmpContent::Payload(payload) => bytes_of(payload),
            IcmpContent::Last => quote(self.last_sent().ok_or_else(|| {
                Stop::Fail("the message quotes the last packet of the stack, and it has sent none".to_owned())
            })?),
            IcmpContent::Quoted(quoted) => self.quoted_bytes(quoted)?,
        };
        let rest = match line.rest {
            IcmpRest::Unused => [0; 4],
            IcmpRest::Mtu(mtu) => mtu.to_be_bytes(),
            IcmpRest::Pointer(pointer) if line.v6 => pointer.to_be_bytes(),
            IcmpRest::Pointer(pointer) => [pointer as u8, 0, 0, 0],
            IcmpRest::Gateway(gateway) => gateway.octets(),
            IcmpRest::Echo { ident, seq } => (u32::from(ident) << 16 | u32::from(seq)).to_be_bytes(),
        };
        let mut bytes = vec![0; icmpv4::HEADER_LEN];
        let Icmp { kind, code, .. } = *line;
        if line.v6 {
            let mut covered = pseudo(src, dst, protocol::ICMPV6, icmpv6::HEADER_LEN + content.len());
            covered.add_bytes(&content);
            icmpv6::Emit { kind, code, rest }.write(&mut bytes, covered);
        } else {
            let mut covered = Sum::new();
            covered.add_bytes(&content);
            icmpv4::Emit { kind, code, rest }.write(&mut bytes, covered);
        }
        bytes.extend(content);
        Ok(Segment { protocol: if line.v6 { protocol::ICMPV6 } else { protocol::ICMP }, bytes })
    }

    /// The beginning of a packet that the stack sent, or of one that it could have sent.
    fn quoted_bytes(&mut self, quoted: &Packet) -> Result<Vec<u8>, Stop> {
        if let Some(found) = self.find_sent(quoted) {
            return Ok(quote(&found));
        }
        let (src, dst) = (self.local_ip, self.remote_ip);
        let segment = match &quoted.body {
            Body::Tcp(line) => self.forged_segment(quoted, line),
            Body::Udp(payload) => self.forged_datagram(quoted, payload),
            Body::Other { protocol, payload } => Segment { protocol: *protocol, bytes: bytes_of(payload) },
            _ => return Err(Stop::Skip("this kind of quoted packet".to_owned())),
        };
        self.ip_packet(quoted, None, &segment, src, dst).map(|bytes| quote(&bytes))
    }

    fn forged_segment(&mut self, quoted: &Packet, line: &Tcp) -> Segment {
        let index = self.outbound_flow(protocol::TCP, quoted.ports);
        let flow = &mut self.flows[index];
        let mut bytes = vec![0; tcp::MIN_HEADER_LEN + line.payload.len];
        let header = tcp::Emit {
            src_port: flow.local.1,
            dst_port: flow.remote.1,
            seq: SeqNum(flow.isn.inbound_ack(line.seq)),
            ack: SeqNum(0),
            flags: line.flags,
            window: 0,
            urgent: 0,
            options: &[],
        };
        header.write(&mut bytes, Sum::new());
        Segment { protocol: protocol::TCP, bytes }
    }

    fn forged_datagram(&mut self, quoted: &Packet, line: &Payload) -> Segment {
        let index = self.outbound_flow(protocol::UDP, quoted.ports);
        let flow = &self.flows[index];
        let mut bytes = vec![0; udp::HEADER_LEN + line.len];
        let header = udp::Emit { src_port: flow.local.1, dst_port: flow.remote.1, payload_len: line.len };
        header.write_without_checksum(&mut bytes);
        Segment { protocol: protocol::UDP, bytes }
    }

    fn ip_packet(
        &mut self,
        packet: &Packet,
        fragment: Option<&Fragment>,
        segment: &Segment,
        src: IpAddr,
        dst: IpAddr,
    ) -> Result<Vec<u8>, Stop> {
        let body = match fragment {
            None => &segment.bytes[..],
            Some(f) => segment.bytes.get(f.offset..f.offset.saturating_add(f.len)).ok_or_else(|| {
                Stop::Fail(format!("the whole has {} bytes, the fragment is outside it", segment.bytes.len()))
            })?,
        };
        if body.len() > MAX_BODY {
            return Err(Stop::Fail(format!("{} bytes are too many for a packet", body.len())));
        }
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                Ok(self.ipv4_packet(packet, fragment, segment, src, dst, body))
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                Ok(ipv6_packet(&packet.ip, fragment, segment.protocol, src, dst, body))
            }
            _ => Err(Stop::Skip(format!("a packet from {src} to {dst}"))),
        }
    }

    fn ipv4_packet(
        &mut self,
        packet: &Packet,
        fragment: Option<&Fragment>,
        segment: &Segment,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        body: &[u8],
    ) -> Vec<u8> {
        let ip = &packet.ip;
        let mut options = ip.options.clone().unwrap_or_default();
        options.resize(options.len().next_multiple_of(4), 0);
        self.next_ident = self.next_ident.wrapping_add(1);
        let header = ipv4::Emit {
            tos: tos(ip),
            ident: fragment.map_or(ip.ident.unwrap_or(self.next_ident.into()), |fragment| fragment.ident)
                as u16,
            dont_fragment: ip.dont_fragment.unwrap_or(false),
            more_fragments: fragment.is_some_and(|fragment| fragment.more),
            fragment_offset: fragment.map_or(0, |fragment| fragment.offset as u16),
            ttl: ip.ttl.unwrap_or(TTL),
            protocol: segment.protocol,
            src,
            dst,
            options: &options,
            payload_len: body.len(),
        };
        let mut bytes = vec![0; header.header_len()];
        header.write(&mut bytes);
        bytes.extend(body);
        bytes
    }

    fn arp_frame(&self, line: &Arp, packet: &Packet) -> Frame {
        let sender_link = MacAddr(line.sender_link.unwrap_or(self.peer_link).0);
        let mut arp = arp::Packet::request(sender_link, line.sender, line.target).to_bytes();
        let reply = line.operation == arp::operation::REPLY;
        let target = line.target_link.or(reply.then_some(self.local_link)).unwrap_or_default();
        arp[7] = line.operation as u8;
        arp[18..24].copy_from_slice(&target.0);
        let mut bytes = arp.to_vec();
        damage(&mut bytes, &packet.ip.defects);
        let to_all = line.to.is_none_or(|to| to.is_broadcast()) && !reply;
        let cast = packet.ip.cast.unwrap_or(if to_all { Cast::Broadcast } else { Cast::Unicast });
        let link_src = line.sender_link.unwrap_or(self.peer_link);
        Frame { nic: NIC, ether_type: EtherType::ARP, bytes: bytes.into(), cast, link_src, gso_size: 0 }
    }
}

/// Longest payload of an IP packet, with room for the longest header.
const MAX_BODY: usize = 0xffff - 60;

/// Time to live, or hop limit, of packets whose line does not say.
const TTL: u8 = 64;

/// The whole byte, ECN bits included.
fn tos(ip: &IpInfo) -> u8 {
    ip.tos.unwrap_or(0) | ip.ecn.map_or(0, Ecn::bits)
}

fn ipv6_packet(
    ip: &IpInfo,
    fragment: Option<&Fragment>,
    protocol: u8,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    body: &[u8],
) -> Vec<u8> {
    let (next_header, mut payload) = extension_headers(ip, fragment, protocol);
    payload.extend(body);
    let header = ipv6::Emit {
        traffic_class: tos(ip),
        flow_label: ip.flow_label.unwrap_or(0),
        next_header,
        hop_limit: ip.ttl.unwrap_or(TTL),
        src,
        dst,
        payload_len: payload.len(),
    };
    let mut bytes = vec![0; ipv6::HEADER_LEN];
    header.write(&mut bytes);
    bytes.extend(payload);
    bytes
}

/// The extension headers of a line, the fragment header last, and what the fixed header calls the first one.
fn extension_headers(ip: &IpInfo, fragment: Option<&Fragment>, protocol: u8) -> (u8, Vec<u8>) {
    let (mut next, mut bytes) = (protocol, Vec::new());
    if let Some(line) = fragment {
        let header = ipv6_ext::Fragment::new(next, line.offset as u16, line.more, line.ident);
        bytes.resize(ipv6_ext::FRAGMENT_LEN, 0);
        header.write(&mut bytes);
        next = protocol::IPV6_FRAGMENT;
    }
    for extension in ip.extensions.iter().flatten().rev() {
        let units = extension.data.len() / 8;
        bytes.splice(..0, [next, units as u8].into_iter().chain(extension.data.iter().copied()));
        next = extension.kind;
    }
    (next, bytes)
}

fn text_len(body: &Body) -> usize {
    if let Body::Tcp(tcp) = body { tcp.payload.len } else { 0 }
}

/// The length of the IP header and what is behind it.
fn header(packet: &[u8]) -> (usize, u8) {
    match packet.first().map_or(0, |byte| byte >> 4) {
        6 => match ipv6_ext::upper_layer(packet) {
            Some((protocol, offset)) => (offset, protocol),
            None => (ipv6::HEADER_LEN, packet.get(6).copied().unwrap_or_default()),
        },
        _ => {
            let words = usize::from(packet.first().copied().unwrap_or_default() & 0xf);
            (words * 4, packet.get(9).copied().unwrap_or_default())
        }
    }
}

fn bytes_of(payload: &Payload) -> Vec<u8> {
    payload.bytes.clone().unwrap_or_else(|| pattern(INBOUND_SALT, payload.len))
}

fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> Sum {
    pseudo_header(src, dst, protocol, len as u32)
}

/// IP header and 8 bytes (RFC 792), or of IPv6 what fits into its least MTU (RFC 4443 §2.4 c); or as much as there is.
fn quote(packet: &[u8]) -> Vec<u8> {
    let len = match packet.first().map_or(0, |byte| byte >> 4) {
        6 => ipv6::MIN_MTU - ipv6::HEADER_LEN - icmpv6::HEADER_LEN,
        _ => header(packet).0 + 8,
    };
    packet[..packet.len().min(len)].to_vec()
}

/// Options byte by byte as the line has them, padded with zeros to a multiple of four.
fn option_bytes(line: &Tcp, mut ack: impl FnMut(u32) -> u32, ecr: impl Fn(u32) -> u32) -> Vec<u8> {
    let crate::pkt::Options::These(options) = &line.options else { return Vec::new() };
    let mut bytes = Vec::new();
    for option in options {
        match option {
            TcpOption::Nop => bytes.push(1),
            TcpOption::End => bytes.push(0),
            TcpOption::Mss(mss) => bytes.extend([&[2, 4][..], &mss.to_be_bytes()].concat()),
            TcpOption::WindowScale(shift) => bytes.extend([3, 3, *shift]),
            TcpOption::SackPermitted => bytes.extend([4, 2]),
            TcpOption::Sack(blocks) => {
                bytes.extend([5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    bytes.extend([ack(*left).to_be_bytes(), ack(*right).to_be_bytes()].concat());
                }
            }
            TcpOption::Timestamps { val, ecr: echoed } => {
                bytes.extend([8, 10]);
                bytes.extend([val.to_be_bytes(), ecr(*echoed).to_be_bytes()].concat());
            }
            TcpOption::Raw(raw) => bytes.extend(raw),
            TcpOption::Md5(digest) => bytes.extend([&[19, 2 + digest.len() as u8], &digest[..]].concat()),
            TcpOption::FastOpen { cookie, experimental: false } => {
                bytes.extend([&[kind::FAST_OPEN, 2 + cookie.len() as u8], &cookie[..]].concat());
            }
            TcpOption::FastOpen { cookie, experimental: true } => {
                bytes.extend([&[254, 4 + cookie.len() as u8, 0xf9, 0x89], &cookie[..]].concat());
            }
            TcpOption::AccEcn { ect1_first, counters } => {
                bytes.extend([if *ect1_first { 174 } else { 172 }, 2 + 3 * counters.len() as u8]);
                bytes.extend(counters.iter().flat_map(|counter| counter.to_be_bytes()[1..].to_vec()));
            }
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Makes a packet as wrong as its line wants it.
fn damage(bytes: &mut Vec<u8>, defects: &[Defect]) {
    for defect in defects {
        match defect {
            Defect::TransportChecksum => {
                let field = match header(bytes) {
                    (header, protocol::TCP) => header + tcp::CHECKSUM_OFFSET,
                    (header, protocol::UDP) => header + udp::CHECKSUM_OFFSET,
                    (header, _) => header + 2,
                };
                if let Some(byte) = bytes.get_mut(field) {
                    *byte ^= 0x55;
                }
            }
            Defect::NoChecksum => {}
            Defect::HeaderChecksum => {
                if let Some(byte) = bytes.get_mut(10) {
                    *byte ^= 0x55;
                }
            }
            Defect::Version(version) => {
                if let Some(byte) = bytes.first_mut() {
                    *byte = version << 4 | *byte & 0xf;
                }
            }
            Defect::Cut(len) => bytes.truncate(*len),
            Defect::Pad(len) => bytes.resize(bytes.len().max((*len).min(0xffff)), 0),
        }
    }
}
