//! What a capture says that both sides did, in order.

use super::{ReplayConfig, ReplayError};
use crate::capture::Captured;
use crate::decode::{Decoded, Ip, Net, Transport};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use stack_packet::LinkAddress;
use stack_wire::ethernet::EtherType;
use stack_wire::icmpv4::{Icmpv4, kind};
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use std::collections::{BTreeMap, BTreeSet};

/// A packet of the capture.
pub(super) struct Record {
    pub(super) at: Duration,
    pub(super) ether_type: u16,
    pub(super) packet: Bytes,
    pub(super) link_src: LinkAddress,
    pub(super) link_dst: LinkAddress,
    pub(super) decoded: Decoded,
    pub(super) ours: bool,
}

/// Our port and the peer's.
pub(super) type FlowKey = (u8, u16, SocketAddr);

/// What the program behind our address does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Connect(FlowKey),
    Write(FlowKey, Bytes),
    EndOfStream(FlowKey),
    Abort(FlowKey),
    Datagram(FlowKey, Bytes),
    Echo { ident: u16, seq: u16, payload: Bytes, to: IpAddr },
}

/// What happens at one time: packets to us, then what our side does.
#[derive(Default)]
pub(super) struct Group {
    pub(super) at: Duration,
    /// Packets to us, as positions in the records.
    pub(super) inbound: Vec<usize>,
    pub(super) doings: Vec<Doing>,
}

/// What our side does, in the order in which it shows in the capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Doing {
    /// The stack sends something by itself.
    Answer,
    /// The program does something.
    Act(Action),
}

/// A capture, understood.
pub(super) struct Plan {
    pub(super) records: Vec<Record>,
    pub(super) groups: Vec<Group>,
    /// TCP ports that listen, UDP ports that are bound.
    pub(super) listen: BTreeSet<u16>,
    pub(super) bind: BTreeSet<u16>,
    /// Link addresses of ours and of others, on links that have them.
    pub(super) our_link: Option<LinkAddress>,
    pub(super) neighbors: BTreeMap<IpAddr, LinkAddress>,
    /// Neighbours are asked for in the capture, so nothing is known before.
    pub(super) has_arp: bool,
}

impl Plan {
    pub(super) fn new(capture: &[Captured], config: &ReplayConfig) -> Result<Self, ReplayError> {
        let records: Vec<Record> = capture.iter().map(|captured| record(captured, config.ours)).collect();
        if !records.iter().any(|record| concerns(record, config.ours)) {
            return Err(ReplayError::NotInCapture(config.ours));
        }
        let has_arp = records.iter().any(|record| record.ours && record.decoded.arp().is_some());
        let our_link = records.iter().find(|r| r.ours && r.link_src.is_unicast()).map(|r| r.link_src);
        let others = records.iter().filter(|r| !r.ours && r.link_src.is_unicast());
        let neighbors = others.filter_map(|r| Some((r.decoded.ip()?.src, r.link_src))).collect();
        let mut plan = Self {
            groups: Vec::new(),
            listen: BTreeSet::new(),
            bind: BTreeSet::new(),
            our_link,
            neighbors,
            has_arp,
            records,
        };
        plan.find_listeners();
        plan.group();
        Ok(plan)
    }

    /// Ports that answered a SYN with a SYN, and ports that sent datagrams or took them without an error.
    fn find_listeners(&mut self) {
        let mut refused = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for record in &self.records {
            match record.decoded.ip().map(|ip| &ip.transport) {
                Some(Transport::Tcp(tcp)) if record.ours && tcp.flags.syn() && tcp.flags.ack() => {
                    self.listen.insert(tcp.src_port);
                }
                Some(Transport::Udp(udp)) if record.ours => drop(self.bind.insert(udp.src_port)),
                Some(Transport::Udp(udp)) => drop(taken.insert(udp.dst_port)),
                Some(Transport::Other) if record.ours => self.bind.extend(first_fragment_port(record)),
                Some(Transport::Icmp(icmp)) if record.ours => {
                    refused.extend(icmp.quoted().udp().map(|udp| udp.dst_port));
                }
                _ => {}
            }
        }
        self.bind.extend(taken.difference(&refused));
    }

    fn group(&mut self) {
        let mut senders: BTreeMap<FlowKey, Sender> = BTreeMap::new();
        for index in 0..self.records.len() {
            let record = &self.records[index];
            // A packet to us behind one of ours came later, even if the clock has not moved.
            let later = |group: &Group| group.at != record.at || !record.ours && !group.doings.is_empty();
            if self.groups.last().is_none_or(later) {
                self.groups.push(Group { at: record.at, ..Group::default() });
            }
            let doings = if record.ours { self.doings(index, &mut senders) } else { Vec::new() };
            let inbound = !self.records[index].ours;
            if let Some(group) = self.groups.last_mut() {
                group.inbound.extend(inbound.then_some(index));
                group.doings.extend(doings);
            }
        }
    }

    /// What was done for this packet of ours to be sent.
    fn doings(&self, index: usize, senders: &mut BTreeMap<FlowKey, Sender>) -> Vec<Doing> {
        let actions = self.actions(index, senders);
        if actions.is_empty() { vec![Doing::Answer] } else { actions.into_iter().map(Doing::Act).collect() }
    }

    /// What the program must have done for our side to send this.
    fn actions(&self, index: usize, senders: &mut BTreeMap<FlowKey, Sender>) -> Vec<Action> {
        let record = &self.records[index];
        let Some((key, ip)) = flow_key(record).zip(record.decoded.ip()) else {
            return self.message(index).into_iter().collect();
        };
        match &ip.transport {
            Transport::Udp(datagram) => vec![Action::Datagram(key, datagram.payload.clone())],
            Transport::Tcp(tcp) => {
                let sender = senders.entry(key).or_default();
                let mut actions = Vec::new();
                let start = SeqNum(tcp.seq) + u32::from(tcp.flags.syn());
                if tcp.flags.syn() && sender.next.is_none() {
                    sender.next = Some(start);
                    actions.extend((!tcp.flags.ack()).then_some(Action::Connect(key)));
                }
                let Some(next) = sender.next else { return actions };
                let end = start + tcp.payload.len() as u32;
                if end.after(sender.written.unwrap_or(next)) {
                    let chunk = self.chunk(index, key, sender.written.unwrap_or(next));
                    sender.written = Some(sender.written.unwrap_or(next) + chunk.len() as u32);
                    actions.push(Action::Write(key, chunk));
                }
                if tcp.flags.fin() && !core::mem::replace(&mut sender.ended, true) {
                    actions.push(Action::EndOfStream(key));
                }
                if tcp.flags.rst() && !core::mem::replace(&mut sender.ended, true) {
                    actions.push(Action::Abort(key));
                }
                actions
            }
            _ => Vec::new(),
        }
    }

    /// What the program sent with a packet of ours that is no whole segment or datagram: an echo request, or a
    /// datagram or request that was fragmented, put together from all its fragments.
    fn message(&self, index: usize) -> Option<Action> {
        let first = self.records[index].decoded.ip().filter(|ip| ip.fragment_offset == 0)?;
        let whole = if first.is_fragment() { self.reassembled(first) } else { first.payload.to_vec() };
        let to = first.dst;
        match first.protocol {
            protocol::UDP => {
                let ports = stack_wire::udp::parse_ports(&whole)?;
                let payload = whole.get(stack_wire::udp::HEADER_LEN..)?;
                let key = (protocol::UDP, ports.0, SocketAddr::new(to, ports.1));
                Some(Action::Datagram(key, Bytes::copy_from_slice(payload)))
            }
            protocol::ICMP => {
                let message = Icmpv4::parse(&whole).ok()?;
                let header = message.header();
                let (ident, seq) = (header.echo_ident(), header.echo_seq());
                let payload = Bytes::copy_from_slice(message.payload());
                (header.kind() == kind::ECHO_REQUEST).then_some(Action::Echo { ident, seq, payload, to })
            }
            _ => None,
        }
    }

    fn reassembled(&self, first: &Ip) -> Vec<u8> {
        let ours = self.records.iter().filter(|record| record.ours).filter_map(|record| record.decoded.ip());
        let same = |ip: &&Ip| (ip.ident, ip.dst, ip.protocol) == (first.ident, first.dst, first.protocol);
        let mut whole = Vec::new();
        for part in ours.filter(same) {
            let end = part.fragment_offset + part.payload.len();
            whole.resize(whole.len().max(end), 0);
            whole[part.fragment_offset..end].copy_from_slice(&part.payload);
        }
        whole
    }

    /// The bytes of a stream of ours from `from` on, up to the PSH that ends what was written at once.
    fn chunk(&self, index: usize, key: FlowKey, from: SeqNum) -> Bytes {
        let mut bytes = Vec::new();
        for record in self.records[index..].iter().filter(|record| record.ours) {
            let Some(tcp) = record.decoded.tcp().filter(|_| flow_key(record) == Some(key)) else { continue };
            let start = SeqNum(tcp.seq) + u32::from(tcp.flags.syn());
            let next = from + bytes.len() as u32;
            let end = start + tcp.payload.len() as u32;
            if start.after(next) || !end.after(next) {
                continue;
            }
            bytes.extend_from_slice(&tcp.payload[next.distance_from(start) as usize..]);
            if tcp.flags.psh() {
                break;
            }
        }
        bytes.into()
    }
}

/// What of a stream of ours is known already.
#[derive(Default)]
struct Sender {
    /// The first byte.
    next: Option<SeqNum>,
    /// Behind the last byte that was written.
    written: Option<SeqNum>,
    ended: bool,
}

fn record(captured: &Captured, ours: IpAddr) -> Record {
    let packet = trimmed(captured);
    let decoded = Decoded::new(captured.ether_type, &packet);
    let sent_by_us = match &decoded.net {
        Net::Ip(ip) => ip.src == ours,
        Net::Arp(arp) => {
            IpAddr::V4(arp.sender) == ours || arp.sender.is_unspecified() && IpAddr::V4(arp.target) == ours
        }
        Net::Unknown(_) => false,
    };
    let link = |from: usize| {
        captured.link.get(from..from + 6).and_then(|bytes| bytes.try_into().ok()).map(LinkAddress)
    };
    Record {
        at: captured.at,
        ether_type: captured.ether_type,
        link_src: link(6).unwrap_or_default(),
        link_dst: link(0).unwrap_or_default(),
        packet,
        decoded,
        ours: sent_by_us,
    }
}

/// The source port of a datagram whose first fragment this is.
fn first_fragment_port(record: &Record) -> Option<u16> {
    let ip = record.decoded.ip().filter(|ip| ip.protocol == protocol::UDP && ip.fragment_offset == 0)?;
    stack_wire::udp::parse_ports(&ip.payload).map(|ports| ports.0)
}

/// A packet without the padding of its frame.
fn trimmed(captured: &Captured) -> Bytes {
    let len = match captured.ether_type {
        EtherType::IPV4 => {
            captured.packet.get(2..4).map(|len| usize::from(u16::from_be_bytes([len[0], len[1]])))
        }
        EtherType::ARP => Some(stack_wire::arp::PACKET_LEN),
        _ => None,
    };
    let len = len.unwrap_or(captured.packet.len()).min(captured.packet.len());
    captured.packet.slice(..len)
}

fn concerns(record: &Record, ours: IpAddr) -> bool {
    record.ours || record.decoded.ip().is_some_and(|ip| ip.dst == ours)
}

/// The flow of a packet, seen from our side; `None` for what has no ports.
pub(super) fn flow_key(record: &Record) -> Option<FlowKey> {
    let ip = record.decoded.ip()?;
    let (src, dst) = match &ip.transport {
        Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Transport::Udp(udp) => (udp.src_port, udp.dst_port),
        _ => return None,
    };
    Some(if record.ours {
        (ip.protocol, src, SocketAddr::new(ip.dst, dst))
    } else {
        (ip.protocol, dst, SocketAddr::new(ip.src, src))
    })
}
