//! Packets of the stack as lines, in the numbers of the script.

use super::conversation::{Conversation, Outgoing};
use super::flow::pattern;
use super::setup::NIC;
use super::{INBOUND_SALT, OUTBOUND_SALT};
use crate::decode::{self, Datagram, Ip, Message, Net, Segment, Transport};
use crate::pkt::{
    Arp, Body, Ecn, Fragment, Icmp, IcmpContent, IcmpRest, IpInfo, Options, Packet, Payload, Tcp, TcpOption,
};
use core::net::Ipv4Addr;
use stack_packet::LinkAddress;
use stack_wire::arp::operation;
use stack_wire::icmpv4::{kind, unreachable};
use stack_wire::icmpv6;
use stack_wire::ip::protocol;

impl Conversation {
    /// The line of a packet of the stack. Numbers that the stack chose and that the script has no name for yet get
    /// the names that `hint` has for them.
    pub(super) fn outbound(&mut self, sent: &Outgoing, hint: Option<&Packet>) -> Packet {
        match &sent.decoded.net {
            Net::Ip(ip) => {
                let mut line = self.ip_line(ip, sent.link_dst, hint);
                line.ip.via = (sent.nic != NIC).then_some(sent.nic.0);
                line
            }
            Net::Arp(arp) => plain(Body::Arp(self.arp_line(arp, sent.link_dst, hint))),
            Net::Unknown(bytes) => plain(Body::Other { protocol: 255, payload: given(bytes) }),
        }
    }

    fn ip_line(&mut self, ip: &Ip, link_dst: LinkAddress, hint: Option<&Packet>) -> Packet {
        let (body, ports) = if ip.is_fragment() {
            (Body::Fragment(self.fragment_line(ip, hint)), None)
        } else if let Some(nd) = super::nd::line(ip, link_dst) {
            (nd.rendered_like(hint), None)
        } else if let Some(group) = super::groups::line(ip, link_dst) {
            (group.rendered_like(hint), None)
        } else {
            match &ip.transport {
                Transport::Tcp(segment) => self.tcp_line(ip, segment, hint),
                Transport::Udp(datagram) => self.udp_line(ip, datagram),
                Transport::Icmp(message) => (self.icmp_line(ip, message, hint), None),
                Transport::Other => {
                    // A forwarded packet has the peer's bytes.
                    let salt = if ip.src == self.local_ip { OUTBOUND_SALT } else { INBOUND_SALT };
                    let payload = patterned(&ip.payload, salt);
                    (Body::Other { protocol: ip.protocol, payload }, None)
                }
            }
        };
        let info = IpInfo {
            ecn: Some(Ecn::of(ip.tos)),
            tos: Some(ip.tos),
            flow_label: Some(ip.flow_label),
            ttl: Some(ip.ttl),
            dont_fragment: Some(ip.dont_fragment),
            ident: Some(ip.ident),
            src: Some(ip.src),
            dst: Some(ip.dst),
            options: Some(ip.options.clone()),
            extensions: Some(ip.extensions.clone()),
            ..IpInfo::default()
        };
        Packet { ip: info, ports, body }
    }

    fn tcp_line(&mut self, ip: &Ip, segment: &Segment, hint: Option<&Packet>) -> (Body, Option<(u16, u16)>) {
        let ports = (segment.src_port, segment.dst_port);
        let index = self.flow(protocol::TCP, (ip.src, segment.src_port), (ip.dst, segment.dst_port));
        let hint = hint.and_then(|hint| if let Body::Tcp(tcp) = &hint.body { Some(tcp) } else { None });
        let flow = &mut self.flows[index];
        let has_ack = segment.flags.ack();
        if segment.flags.syn() {
            flow.isn.learn_syn(segment.seq);
        }
        let seq = flow.isn.outbound_seq(segment.seq);
        let position = seq.wrapping_add(u32::from(segment.flags.syn()));
        let len = segment.payload.len();
        let patterned = flow.sent.bytes(position, len) == segment.payload[..];
        let payload = Payload { len, bytes: (!patterned).then(|| segment.payload.to_vec()) };
        let hinted = hint.and_then(timestamp);
        let isn = flow.isn;
        let option = |option: &TcpOption| match option {
            TcpOption::Timestamps { val, ecr } => {
                TcpOption::Timestamps { val: flow.stamps.script_stamp(*val, hinted), ecr: *ecr }
            }
            TcpOption::Sack(blocks) => {
                let block = |(left, right): &(u32, u32)| (isn.outbound_ack(*left), isn.outbound_ack(*right));
                TcpOption::Sack(blocks.iter().map(block).collect())
            }
            other => other.clone(),
        };
        let options = segment.options.iter().map(option).collect();
        let body = Tcp {
            flags: segment.flags,
            seq,
            payload,
            // A field that no flag vouches for is shown as it is.
            ack: if has_ack { Some(isn.outbound_ack(segment.ack)) } else { nonzero(segment.ack) },
            window: Some(segment.window),
            urgent: if segment.flags.urg() { Some(segment.urgent) } else { nonzero(segment.urgent) },
            options: Options::These(options),
        };
        (Body::Tcp(body), self.named_ports(protocol::TCP, ports))
    }

    fn udp_line(&mut self, ip: &Ip, datagram: &Datagram) -> (Body, Option<(u16, u16)>) {
        let ports = (datagram.src_port, datagram.dst_port);
        let index = self.flow(protocol::UDP, (ip.src, datagram.src_port), (ip.dst, datagram.dst_port));
        let len = datagram.payload.len();
        // A forwarded datagram has the peer's bytes.
        let own = self.flows[index].sent.bytes(0, len);
        let ours = ip.src == self.local_ip || own == datagram.payload[..];
        let expected = if ours { own } else { pattern(INBOUND_SALT, len) };
        let payload = if expected == datagram.payload[..] {
            Payload { len: expected.len(), bytes: None }
        } else {
            given(&datagram.payload)
        };
        (Body::Udp(payload), self.named_ports(protocol::UDP, ports))
    }

    fn icmp_line(&mut self, ip: &Ip, message: &Message, hint: Option<&Packet>) -> Body {
        let v6 = ip.protocol == protocol::ICMPV6;
        let is_request = message.kind == if v6 { icmpv6::kind::ECHO_REQUEST } else { kind::ECHO_REQUEST };
        let is_reply = message.kind == if v6 { icmpv6::kind::ECHO_REPLY } else { kind::ECHO_REPLY };
        let rest = if is_request || is_reply {
            let [a, b, c, d] = message.rest;
            let ident = self.echo_ident(is_request, u16::from_be_bytes([a, b]), hint);
            IcmpRest::Echo { ident, seq: u16::from_be_bytes([c, d]) }
        } else if v6 {
            icmpv6_rest(message)
        } else {
            icmpv4_rest(message)
        };
        let content = if is_request || is_reply {
            let salt = if is_reply { INBOUND_SALT } else { OUTBOUND_SALT };
            IcmpContent::Payload(patterned(&message.payload, salt))
        } else {
            match self.find_received(&message.payload) {
                Some(line) => IcmpContent::Quoted(Box::new(as_quote(line))),
                None => IcmpContent::Payload(given(&message.payload)),
            }
        };
        Body::Icmp(Icmp { v6, kind: message.kind, code: message.code, rest, content })
    }

    /// A reply has the request's identifier; a request of the stack gets the script's name for it.
    fn echo_ident(&mut self, is_request: bool, ident: u16, hint: Option<&Packet>) -> u16 {
        if !is_request {
            return ident;
        }
        let named = hint.and_then(|hint| match &hint.body {
            Body::Icmp(Icmp { rest: IcmpRest::Echo { ident, .. }, .. }) => Some(*ident),
            _ => None,
        });
        *self.echo_idents.entry(ident).or_insert(named.unwrap_or(ident))
    }

    fn fragment_line(&mut self, ip: &Ip, hint: Option<&Packet>) -> Fragment {
        let hint = hint.and_then(|hint| if let Body::Fragment(f) = &hint.body { Some(f) } else { None });
        let named = self.fragments.len() as u32 + 1;
        let whole = || self.whole(ip, hint);
        let (ident, whole) = match self.fragments.get(&ip.ident) {
            Some(known) => known.clone(),
            None => (hint.map_or(named, |hint| hint.ident), whole()),
        };
        self.fragments.insert(ip.ident, (ident, whole.clone()));
        let expected = whole_bytes(&whole, ip.src == self.local_ip);
        let range = expected.get(ip.fragment_offset..ip.fragment_offset + ip.payload.len());
        // What is in the transport header of the first fragment is compared by the reassembled packet's line.
        let header = if ip.fragment_offset == 0 { 8.min(ip.payload.len()) } else { 0 };
        let same = range.is_some_and(|range| range[header..] == ip.payload[header..]);
        let whole =
            if same { whole } else { Body::Other { protocol: ip.protocol, payload: given(&ip.payload) } };
        Fragment {
            ident,
            len: ip.payload.len(),
            offset: ip.fragment_offset,
            more: ip.more_fragments,
            whole: Box::new(whole),
        }
    }

    /// What a first fragment says of its packet; the script's word where it does not say how long it is.
    fn whole(&self, ip: &Ip, hint: Option<&Fragment>) -> Body {
        let length =
            ip.payload.get(4..6).map_or(0, |field| usize::from(u16::from_be_bytes([field[0], field[1]])));
        match (ip.protocol, ip.fragment_offset) {
            (protocol::UDP, 0) => Body::Udp(Payload { len: length.saturating_sub(8), bytes: None }),
            _ => hint.map_or_else(
                || Body::Other { protocol: ip.protocol, payload: given(&ip.payload) },
                |hint| (*hint.whole).clone(),
            ),
        }
    }

    fn arp_line(&self, arp: &decode::Arp, to: LinkAddress, hint: Option<&Packet>) -> Arp {
        let reply = arp.operation == operation::REPLY;
        let usual = if reply { self.peer_link } else { LinkAddress::UNSPECIFIED };
        let hint = hint.and_then(|hint| if let Body::Arp(arp) = &hint.body { Some(arp) } else { None });
        let says = |link: fn(&Arp) -> Option<LinkAddress>| hint.is_some_and(|hint| link(hint).is_some());
        // What is as usual is shown only where the script says it too.
        let shown = |link: LinkAddress, usual, says| (says || link != usual).then_some(link);
        Arp {
            operation: arp.operation,
            sender: arp.sender,
            sender_link: shown(arp.sender_link, self.local_link, says(|arp| arp.sender_link)),
            target: arp.target,
            target_link: shown(arp.target_link, usual, says(|arp| arp.target_link)),
            to: Some(to),
        }
    }
}

fn icmpv4_rest(message: &Message) -> IcmpRest {
    let [a, _, c, d] = message.rest;
    match (message.kind, message.code) {
        (kind::DESTINATION_UNREACHABLE, unreachable::FRAGMENTATION_NEEDED) => {
            IcmpRest::Mtu(u16::from_be_bytes([c, d]).into())
        }
        (kind::PARAMETER_PROBLEM, _) => IcmpRest::Pointer(a.into()),
        (kind::REDIRECT, _) => IcmpRest::Gateway(Ipv4Addr::from(message.rest)),
        _ => IcmpRest::Unused,
    }
}

fn icmpv6_rest(message: &Message) -> IcmpRest {
    let rest = u32::from_be_bytes(message.rest);
    match message.kind {
        icmpv6::kind::PACKET_TOO_BIG => IcmpRest::Mtu(rest),
        icmpv6::kind::PARAMETER_PROBLEM => IcmpRest::Pointer(rest),
        _ => IcmpRest::Unused,
    }
}

fn plain(body: Body) -> Packet {
    Packet { ip: IpInfo::default(), ports: None, body }
}

fn timestamp(line: &Tcp) -> Option<u32> {
    let Options::These(options) = &line.options else { return None };
    options
        .iter()
        .find_map(|option| if let TcpOption::Timestamps { val, .. } = option { Some(*val) } else { None })
}

fn nonzero<T: Default + PartialEq>(value: T) -> Option<T> {
    Some(value).filter(|value| *value != T::default())
}

fn given(bytes: &[u8]) -> Payload {
    Payload { len: bytes.len(), bytes: Some(bytes.to_vec()) }
}

fn patterned(bytes: &[u8], salt: u8) -> Payload {
    if pattern(salt, bytes.len()) == bytes { Payload { len: bytes.len(), bytes: None } } else { given(bytes) }
}

/// A line of the peer as it stands in a quote: without what damages it on the way.
fn as_quote(line: &Packet) -> Packet {
    Packet { ip: IpInfo::default(), ..line.clone() }
}

/// The bytes behind the IP header of a fragmented packet, its own header zero.
fn whole_bytes(whole: &Body, ours: bool) -> Vec<u8> {
    let own = if ours { OUTBOUND_SALT } else { INBOUND_SALT };
    let (payload, header, salt) = match whole {
        Body::Udp(payload) => (payload.clone(), 8, own),
        Body::Icmp(Icmp { v6, kind: number, content: IcmpContent::Payload(payload), .. }) => {
            let reply = if *v6 { icmpv6::kind::ECHO_REPLY } else { kind::ECHO_REPLY };
            (payload.clone(), 8, if *number == reply { INBOUND_SALT } else { own })
        }
        Body::Other { payload, .. } => (payload.clone(), 0, own),
        _ => (Payload::default(), 0, own),
    };
    let mut bytes = vec![0; header];
    bytes.extend(payload.bytes.unwrap_or_else(|| pattern(salt, payload.len)));
    bytes
}
