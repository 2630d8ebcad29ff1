//! The stack that plays our side, and the program behind it.

use super::flow::Shift;
use super::plan::{Action, Doing, FlowKey, Group, Plan, Record, flow_key};
use super::{ReplayConfig, ReplayError};
use crate::decode::{Decoded, Transport};
use crate::source::SeededRng;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use net_arp::{Arp, ArpConfig};
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{
    Cast, EndpointId, Endpoints, Error, Families, Instant, IpNet, LinkCapabilities, Medium, NicId, RxPacket,
    Shutdown, SocketOption, TransportCx,
};
use stack_host::{Host, NicConfig, RouteEntry};
use stack_wire::ip::protocol::{TCP, UDP};
use std::collections::{BTreeMap, VecDeque};
use trans_icmp::Icmp;
use trans_tcp::Tcp;
use trans_udp::{Udp, UdpConfig};

const NIC: NicId = NicId(1);
/// When the capture starts in the stack's time.
const START: Instant = Instant::from_secs(1000);
/// How long the stack lives on behind the last packet: delayed ACKs.
const AFTER: Duration = Duration::from_millis(100);

/// A packet of the stack.
pub(super) struct Answer {
    pub(super) at: Duration,
    pub(super) decoded: Decoded,
}

pub(super) struct Stage {
    host: Host,
    now: Instant,
    listeners: BTreeMap<u16, EndpointId>,
    streams: BTreeMap<FlowKey, Stream>,
    datagrams: BTreeMap<u16, EndpointId>,
    pings: BTreeMap<u16, EndpointId>,
    pub(super) shifts: BTreeMap<FlowKey, Shift>,
    /// Records of each flow of ours that have no answer yet: what mappings are learned from.
    recorded: BTreeMap<FlowKey, VecDeque<usize>>,
    pub(super) answers: Vec<Answer>,
}

/// A connection and what its program still has to do.
struct Stream {
    id: EndpointId,
    unwritten: Bytes,
    ends: bool,
    peer_ended: bool,
    closed: bool,
}

impl Stage {
    pub(super) fn new(plan: &Plan, config: &ReplayConfig) -> Result<Self, ReplayError> {
        let mut stage = Self {
            host: host(plan, config),
            now: START,
            listeners: BTreeMap::new(),
            streams: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            pings: BTreeMap::new(),
            shifts: BTreeMap::new(),
            recorded: BTreeMap::new(),
            answers: Vec::new(),
        };
        for (index, record) in plan.records.iter().enumerate().filter(|(_, record)| record.ours) {
            if let Some(key) = flow_key(record).filter(|key| key.0 == TCP) {
                stage.recorded.entry(key).or_default().push_back(index);
            }
        }
        let families = Families::of(config.ours);
        for port in &plan.listen {
            let local = SocketAddr::new(config.ours, *port);
            let id = stage.must(&format!("listen on {local}"), TCP, |endpoints, cx| {
                let id = endpoints.create(cx, families)?;
                endpoints.bind(cx, id, local)?;
                endpoints.listen(cx, id, 128).map(|()| id)
            })?;
            stage.listeners.insert(*port, id);
        }
        for port in &plan.bind {
            let local = SocketAddr::new(unspecified(config.ours), *port);
            let id = stage.must(&format!("bind UDP port {port}"), UDP, |endpoints, cx| {
                let id = endpoints.create(cx, families)?;
                endpoints.bind(cx, id, local)?;
                endpoints.set_option(cx, id, SocketOption::Broadcast(true)).map(|()| id)
            })?;
            stage.datagrams.insert(*port, id);
        }
        Ok(stage)
    }

    /// Lives up to the group's time and does what happens then: packets, then the program, then the stack.
    pub(super) fn play(&mut self, plan: &Plan, group: &Group) -> Result<(), ReplayError> {
        self.live_until(plan, START + group.at);
        if !group.inbound.is_empty() {
            let mut batch: Vec<RxPacket> =
                group.inbound.iter().map(|index| self.packet(&plan.records[*index])).collect();
            self.host.receive(self.now, NIC, &mut batch);
        }
        self.accept();
        self.read();
        let mut answers = false;
        for doing in &group.doings {
            match doing {
                Doing::Answer => answers = true,
                Doing::Act(action) => {
                    // What the stack sent by itself before the program acted, it sends before.
                    if core::mem::take(&mut answers) {
                        self.settle(plan);
                    }
                    self.act(action, plan)?;
                }
            }
        }
        self.settle(plan);
        Ok(())
    }

    /// Lets the last answers come.
    pub(super) fn finish(&mut self, plan: &Plan) {
        self.live_until(plan, self.now + AFTER);
    }

    fn packet(&self, record: &Record) -> RxPacket {
        let shift = flow_key(record).and_then(|key| self.shifts.get(&key)).copied().unwrap_or_default();
        let mut packet = RxPacket::new(shift.rewrite(record), record.ether_type, self.now);
        packet.meta.link_src = record.link_src;
        packet.meta.cast = match record.link_dst {
            link if link.is_broadcast() => Cast::Broadcast,
            link if link.is_multicast() => Cast::Multicast,
            _ => Cast::Unicast,
        };
        packet
    }

    fn live_until(&mut self, plan: &Plan, limit: Instant) {
        while let Some(deadline) = self.host.next_deadline().filter(|deadline| *deadline <= limit) {
            // A deadline of the very time of a packet comes after the packet.
            if deadline == limit && deadline > self.now {
                break;
            }
            self.now = self.now.max(deadline);
            self.host.poll(self.now);
            self.settle(plan);
        }
        self.now = self.now.max(limit);
    }

    /// Lets the stack send and the program go on until neither has anything left to do.
    fn settle(&mut self, plan: &Plan) {
        loop {
            if self.host.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                self.host.poll(self.now);
            }
            while self.host.transmit(self.now, 64) {}
            let sent = self.collect(plan);
            let moved = self.accept() | self.read() | self.write();
            if !sent && !moved {
                return;
            }
        }
    }

    fn collect(&mut self, plan: &Plan) -> bool {
        let at = self.now - START;
        let Some(out) = self.host.out(NIC) else { return false };
        let mut sent = Vec::new();
        while let Some(packet) = out.pop() {
            sent.push(Decoded::new(packet.ether_type, &packet.to_bytes()));
            out.recycle(packet);
        }
        for decoded in &sent {
            self.learn(plan, decoded);
        }
        let any = !sent.is_empty();
        self.answers.extend(sent.into_iter().map(|decoded| Answer { at, decoded }));
        any
    }

    /// Learns the mapping of a flow from a segment and the record in its place.
    fn learn(&mut self, plan: &Plan, decoded: &Decoded) {
        let Some((ip, tcp)) = decoded.ip().zip(decoded.tcp()) else { return };
        let key = (TCP, tcp.src_port, SocketAddr::new(ip.dst, tcp.dst_port));
        let then = self.recorded.get_mut(&key).and_then(VecDeque::pop_front);
        let then = then.and_then(|index| plan.records[index].decoded.tcp());
        if let Some(then) = then {
            self.shifts.entry(key).or_default().learn(then, tcp);
        }
    }

    fn act(&mut self, action: &Action, plan: &Plan) -> Result<(), ReplayError> {
        match action {
            Action::Connect(key) => self.connect(*key, plan),
            Action::Write(key, bytes) => {
                if let Some(stream) = self.streams.get_mut(key) {
                    let joined = [&stream.unwritten[..], &bytes[..]].concat();
                    stream.unwritten = joined.into();
                    self.write();
                }
                Ok(())
            }
            Action::EndOfStream(key) => {
                if let Some(stream) = self.streams.get_mut(key) {
                    stream.ends = true;
                    self.write();
                }
                Ok(())
            }
            Action::Abort(key) => {
                if let Some(stream) = self.streams.remove(key) {
                    // An abort that the stack does not offer shows up as a missing reset.
                    let _ = self.call(TCP, |endpoints, cx| {
                        endpoints.set_option(cx, stream.id, SocketOption::Linger(Some(Duration::ZERO)))?;
                        endpoints.close(cx, stream.id);
                        Ok(())
                    });
                }
                Ok(())
            }
            Action::Echo { ident, seq, payload, to } => self.echo(*ident, *seq, payload, *to),
            Action::Datagram(key, bytes) => {
                let Some(id) = self.datagrams.get(&key.1).copied() else { return Ok(()) };
                let (to, what) = (key.2, format!("send {} bytes to {}", bytes.len(), key.2));
                self.must(&what, UDP, |endpoints, cx| endpoints.write(cx, id, bytes, Some(to)).map(drop))
            }
        }
    }

    fn echo(&mut self, ident: u16, seq: u16, payload: &Bytes, to: IpAddr) -> Result<(), ReplayError> {
        let now = self.now;
        let refused =
            |error| ReplayError::Refused { what: format!("ping {to} with identifier {ident}"), error };
        let protocol = self.host.transport::<Icmp<trans_icmp::V4>>(now);
        let (icmp, mut cx) = protocol.ok_or(Error::UnknownProtocol).map_err(refused)?;
        let id = match self.pings.get(&ident) {
            Some(id) => *id,
            None => {
                let id = icmp.create(&mut cx, Families::V4).map_err(refused)?;
                let local = SocketAddr::new(unspecified(to), ident);
                icmp.bind(&mut cx, id, local).map_err(refused)?;
                self.pings.insert(ident, id);
                id
            }
        };
        icmp.send_echo(&mut cx, id, seq, &payload[..], Some(SocketAddr::new(to, 0)))
            .map(drop)
            .map_err(refused)
    }

    fn connect(&mut self, key: FlowKey, plan: &Plan) -> Result<(), ReplayError> {
        let ours = plan.records.iter().find(|record| record.ours && flow_key(record) == Some(key));
        let Some(ours) = ours.and_then(|record| record.decoded.ip()).map(|ip| ip.src) else { return Ok(()) };
        let local = SocketAddr::new(ours, key.1);
        let id = self.must(&format!("connect {local} to {}", key.2), TCP, |endpoints, cx| {
            let id = endpoints.create(cx, Families::of(ours))?;
            endpoints.bind(cx, id, local)?;
            match endpoints.connect(cx, id, key.2) {
                Ok(()) | Err(Error::ConnectStarted) => Ok(id),
                Err(error) => Err(error),
            }
        })?;
        self.streams.insert(key, Stream::new(id));
        Ok(())
    }

    fn accept(&mut self) -> bool {
        let mut moved = false;
        for (port, listener) in self.listeners.clone() {
            while let Ok(id) = self.call(TCP, |endpoints, cx| endpoints.accept(cx, listener)) {
                if let Ok(remote) = self.call(TCP, |endpoints, _| endpoints.remote_address(id)) {
                    self.streams.insert((TCP, port, remote), Stream::new(id));
                }
                moved = true;
            }
        }
        moved
    }

    /// Reads whatever there is, and closes what has ended on both sides.
    fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let mut moved = false;
        for id in self.datagrams.values().copied().collect::<Vec<_>>() {
            while self.call(UDP, |endpoints, cx| endpoints.read(cx, id, &mut buffer)).is_ok() {
                moved = true;
            }
        }
        for key in self.streams.keys().copied().collect::<Vec<_>>() {
            let Some(id) = self.streams.get(&key).filter(|stream| !stream.peer_ended).map(|stream| stream.id)
            else {
                continue;
            };
            loop {
                match self.call(TCP, |endpoints, cx| endpoints.read(cx, id, &mut buffer)) {
                    Ok((0, _)) => {
                        self.streams.entry(key).and_modify(|stream| stream.peer_ended = true);
                        moved = true;
                        break;
                    }
                    Ok(_) => moved = true,
                    Err(_) => break,
                }
            }
        }
        moved
    }

    fn write(&mut self) -> bool {
        let mut moved = false;
        for key in self.streams.keys().copied().collect::<Vec<_>>() {
            let mut stream =
                self.streams.remove(&key).unwrap_or_else(|| unreachable!("the key is in the map"));
            moved |= self.write_stream(&mut stream);
            self.streams.insert(key, stream);
        }
        moved
    }

    fn write_stream(&mut self, stream: &mut Stream) -> bool {
        let (id, mut moved) = (stream.id, false);
        while !stream.unwritten.is_empty() {
            let bytes = stream.unwritten.clone();
            match self.call(TCP, |endpoints, cx| endpoints.write(cx, id, &bytes, None)) {
                Ok(count) if count > 0 => drop(stream.unwritten.split_to(count)),
                _ => return moved,
            }
            moved = true;
        }
        if stream.ends && !stream.closed {
            let both = stream.peer_ended;
            // A connection that is gone already has nothing left to end.
            let _ = self.call(TCP, |endpoints, cx| {
                if !both {
                    return endpoints.shutdown(cx, id, Shutdown::Write);
                }
                endpoints.close(cx, id);
                Ok(())
            });
            stream.closed = true;
            return true;
        }
        moved
    }

    fn call<R>(
        &mut self,
        protocol: u8,
        call: impl FnOnce(&mut dyn Endpoints, &mut TransportCx<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let (endpoints, mut cx) = self.host.endpoints(self.now, protocol).ok_or(Error::UnknownProtocol)?;
        call(endpoints, &mut cx)
    }

    fn must<R>(
        &mut self,
        what: &str,
        protocol: u8,
        call: impl FnOnce(&mut dyn Endpoints, &mut TransportCx<'_>) -> Result<R, Error>,
    ) -> Result<R, ReplayError> {
        self.call(protocol, call).map_err(|error| ReplayError::Refused { what: what.to_owned(), error })
    }
}

impl Stream {
    fn new(id: EndpointId) -> Self {
        Self { id, unwritten: Bytes::new(), ends: false, peer_ended: false, closed: false }
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn host(plan: &Plan, config: &ReplayConfig) -> Host {
    let arp = ArpConfig { announce: false, ..ArpConfig::default() };
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .network(Arp::new(arp))
        .transport(Tcp::new(config.tcp.clone()))
        .transport(Udp::new(UdpConfig::default()))
        .transport(Icmp::v4())
        .rng(Box::new(SeededRng::new(1)));
    let mut host = builder.build().expect("five different protocols make a host");
    let medium = if plan.our_link.is_some() { Medium::Ethernet } else { Medium::Ip };
    let mut nic = NicConfig::new("replay0", capabilities(plan, config, medium));
    nic.link_address = plan.our_link;
    host.add_nic(START, NIC, nic).expect("a new host has no interface of this number");
    let prefix = if config.ours.is_ipv4() { 24 } else { 64 };
    let net = IpNet::new(config.ours, prefix).expect("24 and 64 are prefix lengths");
    host.add_address(START, NIC, net).expect("the interface has no address yet");
    let everything = IpNet::new(unspecified(config.ours), 0).expect("0 is a prefix length");
    host.add_route(RouteEntry::new(everything, NIC));
    if !plan.has_arp {
        for (address, link) in &plan.neighbors {
            host.set_static_neighbor(START, NIC, *address, *link);
        }
    }
    host
}

/// A plain link; if our side sent packets larger than the MTU, its link took super-packets.
fn capabilities(plan: &Plan, config: &ReplayConfig, medium: Medium) -> LinkCapabilities {
    let large = plan.records.iter().filter(|record| record.ours && record.packet.len() > config.mtu as usize);
    let tcp = large.filter(|r| matches!(r.decoded.ip().map(|ip| &ip.transport), Some(Transport::Tcp(_))));
    let plain = LinkCapabilities::plain(medium, config.mtu);
    if tcp.count() > 0 { LinkCapabilities { tso4: true, max_gso: 65_535, ..plain } } else { plain }
}
