//! What a script and the stack have said to each other: addresses, flows, and the packets of both directions.

use super::flow::{Flow, Port};
use super::setup::Setup;
use crate::decode::{Decoded, Transport};
use crate::pkt::{Body, IcmpRest, Packet};
use bytes::Bytes;
use core::net::IpAddr;
use stack_core::{Instant, LinkAddress, NicId};
use stack_packet::Cast;
use std::collections::BTreeMap;

/// The peer's port of connections to us, where a line names none.
const PEER_PORT: u16 = 40_000;

/// A packet for the stack.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Where it comes in.
    pub(super) nic: NicId,
    pub(super) ether_type: u16,
    pub(super) bytes: Bytes,
    pub(super) cast: Cast,
    pub(super) link_src: LinkAddress,
    /// Text in each segment that the link joined, 0 where it joined none (`--mss`).
    pub(super) gso_size: u16,
}

/// A packet of the stack.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// Where it leaves.
    pub(super) nic: NicId,
    pub(super) at: Instant,
    pub(super) link_dst: LinkAddress,
    pub(super) bytes: Bytes,
    pub(super) decoded: Decoded,
}

impl Outgoing {
    /// Bytes of text, if it is a TCP segment.
    pub(super) fn text_len(&self) -> Option<usize> {
        self.decoded.tcp().map(|tcp| tcp.payload.len())
    }

    /// Takes in the segment that follows it, if it does and they are not longer than `limit` together; FIN and PSH are
    /// those of the last one.
    pub(super) fn absorb(&mut self, next: &Self, limit: usize) -> bool {
        let (Some(tcp), Some(next)) = (self.decoded.tcp_mut(), next.decoded.tcp()) else { return false };
        let same_flow = (tcp.src_port, tcp.dst_port) == (next.src_port, next.dst_port);
        let follows = next.seq == tcp.seq.wrapping_add(tcp.payload.len() as u32);
        let is_text = !next.payload.is_empty() && !next.flags.syn() && !next.flags.rst();
        let len = tcp.payload.len() + next.payload.len();
        let fits = same_flow && follows && is_text && len <= limit && !tcp.flags.fin();
        if fits {
            tcp.payload = [&tcp.payload[..], &next.payload[..]].concat().into();
            tcp.flags = next.flags;
        }
        fits
    }
}

/// Both sides of a script.
pub(super) struct Conversation {
    pub(super) local_ip: IpAddr,
    pub(super) remote_ip: IpAddr,
    /// The ports that `bind(fd, ..., ...)` and `connect(fd, ..., ...)` mean.
    pub(super) bind_port: u16,
    pub(super) connect_port: u16,
    pub(super) local_link: LinkAddress,
    pub(super) peer_link: LinkAddress,
    /// Where the peer's sequence numbers start.
    pub(super) remote_isn: u32,
    pub(super) flows: Vec<Flow>,
    /// The flow that lines without ports mean.
    pub(super) current: Option<usize>,
    /// The last identification of a packet of the peer.
    pub(super) next_ident: u16,
    /// What the peer has sent, as lines and as bytes.
    pub(super) inbound_log: Vec<(Packet, Bytes)>,
    pub(super) outbound_log: Vec<Outgoing>,
    /// The names that the script has for identifications of the stack's fragments, with the whole packet.
    pub(super) fragments: BTreeMap<u32, (u32, Body)>,
    /// The names that the script has for identifiers of the stack's echo requests.
    pub(super) echo_idents: BTreeMap<u16, u16>,
    exact_stamps: bool,
    /// Inbound segments with more text are those that the peer's link has joined.
    pub(super) mss: Option<u16>,
}

impl Conversation {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            local_ip: setup.local.addr(),
            remote_ip: setup.remote,
            bind_port: setup.bind_port,
            connect_port: setup.connect_port,
            local_link: setup.local_link,
            peer_link: setup.peer_link,
            remote_isn: setup.remote_isn,
            flows: Vec::new(),
            current: None,
            next_ident: 0,
            inbound_log: Vec::new(),
            outbound_log: Vec::new(),
            fragments: BTreeMap::new(),
            echo_idents: BTreeMap::new(),
            exact_stamps: setup.exact_stamps,
            mss: setup.mss,
        }
    }

    /// The flow between two ports; makes it if it is new. The first one becomes the flow at hand.
    pub(super) fn flow(&mut self, protocol: u8, local: Port, remote: Port) -> usize {
        let same = |flow: &Flow| flow.protocol == protocol && flow.local == local && flow.remote == remote;
        let index = self.flows.iter().position(same).unwrap_or_else(|| {
            let mut flow = Flow::new(protocol, local, remote, self.remote_isn);
            flow.stamps.exact = self.exact_stamps;
            self.flows.push(flow);
            self.flows.len() - 1
        });
        self.current.get_or_insert(index);
        index
    }

    /// The ports that a line without ports means: those of the flow at hand, if it is of that protocol.
    fn default_ports(&self, protocol: u8) -> (u16, u16) {
        let current = self.current.map(|index| &self.flows[index]).filter(|flow| flow.protocol == protocol);
        let peer_port = if protocol == super::UDP { self.connect_port } else { PEER_PORT };
        current.map_or((self.bind_port, peer_port), |flow| (flow.local.1, flow.remote.1))
    }

    pub(super) fn inbound_flow(
        &mut self,
        protocol: u8,
        ports: Option<(u16, u16)>,
        src: IpAddr,
        dst: IpAddr,
    ) -> usize {
        let (local, remote) = self.default_ports(protocol);
        let (source, destination) = ports.unwrap_or((remote, local));
        self.flow(protocol, (dst, destination), (src, source))
    }

    pub(super) fn outbound_flow(&mut self, protocol: u8, ports: Option<(u16, u16)>) -> usize {
        let (local, remote) = ports.unwrap_or(self.default_ports(protocol));
        self.flow(protocol, (self.local_ip, local), (self.remote_ip, remote))
    }

    /// The ports of an outbound packet, unless they are those that a line without ports means.
    pub(super) fn named_ports(&self, protocol: u8, ports: (u16, u16)) -> Option<(u16, u16)> {
        (self.default_ports(protocol) != ports).then_some(ports)
    }

    /// The bytes of the last packet of the stack.
    pub(super) fn last_sent(&self) -> Option<&[u8]> {
        self.outbound_log.iter().rev().find(|sent| sent.decoded.ip().is_some()).map(|sent| &sent.bytes[..])
    }

    /// The last packet of the stack that a quoting line means.
    pub(super) fn find_sent(&mut self, quoted: &Packet) -> Option<Bytes> {
        let number = match &quoted.body {
            Body::Tcp(_) => super::TCP,
            Body::Udp(_) => super::UDP,
            _ => 0,
        };
        let flow =
            (number != 0).then(|| self.outbound_flow(number, quoted.ports)).map(|i| self.flows[i].clone());
        let means = |sent: &&Outgoing| {
            let Some(ip) = sent.decoded.ip() else { return false };
            match (&quoted.body, &ip.transport, &flow) {
                (Body::Tcp(line), Transport::Tcp(tcp), Some(flow)) => {
                    (tcp.src_port, tcp.dst_port) == (flow.local.1, flow.remote.1)
                        && flow.isn.outbound_seq(tcp.seq) == line.seq
                        && tcp.payload.len() == line.payload.len
                }
                (Body::Udp(line), Transport::Udp(udp), Some(flow)) => {
                    (udp.src_port, udp.dst_port) == (flow.local.1, flow.remote.1)
                        && udp.payload.len() == line.len
                }
                (Body::Icmp(line), Transport::Icmp(icmp), _) => {
                    let seq = u16::from_be_bytes([icmp.rest[2], icmp.rest[3]]);
                    let same = matches!(line.rest, IcmpRest::Echo { seq: wanted, .. } if wanted == seq);
                    icmp.kind == line.kind && same
                }
                (Body::Fragment(line), _, _) => {
                    ip.is_fragment() && (line.offset, line.len) == (ip.fragment_offset, ip.payload.len())
                }
                _ => false,
            }
        };
        self.outbound_log.iter().rev().find(means).map(|sent| sent.bytes.clone())
    }

    /// The line of the packet of the peer that a quote is the beginning of. TTL and header checksum may differ:
    /// a forwarded packet is quoted as it came or as it was about to leave.
    pub(super) fn find_received(&self, quote: &[u8]) -> Option<&Packet> {
        let changes: &[usize] = if self.local_ip.is_ipv6() { &[7] } else { &[8, 10, 11] };
        let same = |bytes: &Bytes| {
            let mut pairs = quote.iter().zip(bytes.iter()).enumerate();
            quote.len() <= bytes.len() && pairs.all(|(at, (a, b))| a == b || changes.contains(&at))
        };
        self.inbound_log.iter().rev().find(|(_, bytes)| same(bytes)).map(|(packet, _)| packet)
    }
}
