//! A host to call the protocol without a host: two interfaces with fixed addresses, a route to everywhere, and records
//! of what the protocol asked for. Packets are built and read by etherparse.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::task::Waker;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use stack_core::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use trans_udp::{Udp, UdpConfig};

pub const PROTOCOL: u8 = 17;
pub const US_V4: &str = "10.0.0.1";
pub const US_V6: &str = "2001:db8::1";

#[derive(Default)]
pub struct FakeHost {
    pub registered: Vec<(EndpointIdentity, EndpointId)>,
    pub ports: Vec<PortRequest>,
    /// What the one socket of a test wants; the host itself counts.
    pub groups: HashMap<(IpAddr, NicId), SourceFilter>,
    pub path_mtus: Vec<(IpAddr, u32)>,
    pub queries: Vec<RouteQuery>,
    pub mtu: Option<u32>,
    pub max_gso: Option<u32>,
    pub generation: u32,
    /// Senders that are to be told that the port is unreachable.
    pub refused: Vec<RxPacket>,
    /// The next registration fails.
    pub refuse: bool,
}

fn owned(address: IpAddr) -> bool {
    [US_V4, US_V6, "10.0.0.9", "fe80::1"].iter().any(|ours| ours.parse() == Ok(address))
}

fn clashes(a: &PortRequest, b: &PortRequest) -> bool {
    let addresses = a.local.is_none() || b.local.is_none() || a.local == b.local;
    let peers = a.remote.is_none() || b.remote.is_none() || a.remote == b.remote;
    a.port == b.port && a.families.intersect(b.families) && addresses && peers && !(a.shared && b.shared)
}

impl TransportServices for FakeHost {
    fn register(&mut self, protocol: u8, identity: &EndpointIdentity, id: EndpointId) -> Result<(), Error> {
        assert_eq!(protocol, PROTOCOL);
        let taken = self.registered.iter().any(|(i, _)| i == identity && !i.shared);
        if core::mem::take(&mut self.refuse) || taken {
            return Err(Error::DuplicateAddress);
        }
        self.registered.push((*identity, id));
        Ok(())
    }

    fn unregister(&mut self, _: u8, identity: &EndpointIdentity, id: EndpointId) {
        let before = self.registered.len();
        self.registered.retain(|entry| *entry != (*identity, id));
        assert_eq!(self.registered.len(), before - 1, "{identity:?} was not registered");
    }

    fn replace(&mut self, _: u8, _: &EndpointIdentity, _: EndpointId, _: EndpointId) {
        unreachable!("datagram sockets never hand over")
    }

    fn reserve_port(&mut self, _: u8, request: &PortRequest) -> Result<u16, Error> {
        let mut wish = *request;
        if wish.port == 0 {
            wish.port = (49_152..=65_535)
                .find(|&port| !self.ports.iter().any(|p| clashes(p, &PortRequest { port, ..wish })))
                .ok_or(Error::NoPortAvailable)?;
        } else if self.ports.iter().any(|p| clashes(p, &wish)) {
            return Err(Error::PortInUse);
        }
        self.ports.push(wish);
        Ok(wish.port)
    }

    fn release_port(&mut self, _: u8, request: &PortRequest) {
        let at = self.ports.iter().position(|p| p == request).expect("released what was not reserved");
        self.ports.remove(at);
    }

    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        self.queries.push(*query);
        if query.local.is_some_and(|local| !owned(local)) {
            return Err(Error::BadLocalAddress);
        }
        if query.remote == IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)) {
            return Err(Error::NoRoute);
        }
        let ours = if query.remote.is_ipv4() { US_V4 } else { US_V6 };
        let mtu = self.mtu.unwrap_or(1500);
        let broadcasts = [IpAddr::V4(Ipv4Addr::BROADCAST), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 255))];
        let cast = match query.remote {
            group if group.is_multicast() => Cast::Multicast,
            all if broadcasts.contains(&all) => Cast::Broadcast,
            _ => Cast::Unicast,
        };
        Ok(CachedRoute {
            hop: Hop {
                nic: query.nic.unwrap_or(NicId(1)),
                next_hop: query.remote,
                generation: self.generation + 1,
            },
            local: query.local.unwrap_or_else(|| ours.parse().unwrap()),
            cast,
            mtu,
            link_mtu: mtu,
            max_gso: self.max_gso.unwrap_or(65_535),
            segmentation_offload: false,
            queue_packets: None,
            loopback: owned(query.remote),
        })
    }

    fn is_current(&self, hop: &Hop) -> bool {
        hop.generation == self.generation + 1
    }

    fn owner(&self, _: Option<NicId>, address: IpAddr) -> Option<NicId> {
        owned(address).then_some(NicId(1))
    }

    fn lower_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        self.set_path_mtu(now, remote, mtu);
    }

    fn set_path_mtu(&mut self, _: Instant, remote: IpAddr, mtu: u32) {
        self.path_mtus.push((remote, mtu));
    }

    fn confirm_reachable(&mut self, _: Instant, _: &Hop) {}

    fn refuse(&mut self, packet: RxPacket) {
        self.refused.push(packet);
    }

    fn set_group(
        &mut self,
        nic: NicId,
        group: IpAddr,
        before: Option<&SourceFilter>,
        after: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        if nic == NicId(9) {
            return Err(Error::UnknownNic);
        }
        let known = self.groups.remove(&(group, nic));
        assert_eq!(known.as_ref(), before, "what was wanted last");
        if let Some(after) = after {
            self.groups.insert((group, nic), after.clone());
        }
        Ok(())
    }

    fn random(&mut self) -> u64 {
        4
    }
}

/// UDP on such a host.
pub struct Net {
    pub udp: Udp,
    pub host: FakeHost,
    pub wakes: Vec<Waker>,
    pub armed: Vec<(EndpointId, Instant)>,
    pub now: Instant,
}

impl Default for Net {
    fn default() -> Self {
        Self::new(UdpConfig::default())
    }
}

impl Net {
    pub fn new(config: UdpConfig) -> Self {
        Self {
            udp: Udp::new(config),
            host: FakeHost::default(),
            wakes: Vec::new(),
            armed: Vec::new(),
            now: Instant::from_secs(1),
        }
    }

    /// Calls the protocol as the host would.
    pub fn with<R>(&mut self, call: impl FnOnce(&mut Udp, &mut TransportCx<'_>) -> R) -> R {
        let mut cx = TransportCx {
            now: self.now,
            protocol: PROTOCOL,
            wakes: &mut self.wakes,
            armed: &mut self.armed,
            host: &mut self.host,
        };
        call(&mut self.udp, &mut cx)
    }

    pub fn create(&mut self, families: Families) -> EndpointId {
        self.with(|udp, cx| udp.create(cx, families)).unwrap()
    }

    pub fn bind(&mut self, id: EndpointId, local: &str) -> Result<(), Error> {
        self.with(|udp, cx| udp.bind(cx, id, addr(local)))
    }

    /// A socket of the address's family, bound to it.
    pub fn bound(&mut self, local: &str) -> EndpointId {
        let id = self.create(Families::of(addr(local).ip()));
        self.bind(id, local).unwrap();
        id
    }

    pub fn connect(&mut self, id: EndpointId, remote: &str) -> Result<(), Error> {
        self.with(|udp, cx| udp.connect(cx, id, addr(remote)))
    }

    pub fn close(&mut self, id: EndpointId) {
        self.with(|udp, cx| udp.close(cx, id));
    }

    pub fn set(&mut self, id: EndpointId, option: SocketOption) -> Result<(), Error> {
        self.with(|udp, cx| udp.set_option(cx, id, option))
    }

    pub fn send(&mut self, id: EndpointId, bytes: &[u8], to: Option<&str>) -> Result<usize, Error> {
        self.with(|udp, cx| udp.send_to(cx, id, bytes, to.map(addr)))
    }

    pub fn recv(&mut self, id: EndpointId) -> Result<(Vec<u8>, SocketAddr), Error> {
        let mut buffer = vec![0; 70_000];
        let (len, from, truncated) = self.with(|udp, cx| udp.recv_from(cx, id, &mut buffer))?;
        assert!(!truncated);
        buffer.truncate(len);
        Ok((buffer, from))
    }

    pub fn deliver(&mut self, id: EndpointId, mut packet: RxPacket) -> Result<(), DropReason> {
        self.with(|udp, cx| udp.receive(cx, id, &mut packet))
    }

    /// All that is to be sent.
    pub fn transmit(&mut self) -> Vec<Sent> {
        let mut out = TxBatch::new();
        while self.with(|udp, cx| udp.poll_transmit(cx, &mut out, 3)) {}
        out.iter().map(Sent::new).collect()
    }

    pub fn identity(&self, id: EndpointId) -> EndpointIdentity {
        let mut found = self.host.registered.iter().filter(|(_, owner)| *owner == id);
        let identity = found.next().expect("not registered").0;
        assert!(found.next().is_none(), "registered twice");
        identity
    }
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An inbound datagram with a right checksum, as the network layer hands it over.
pub fn datagram(from: &str, to: &str, payload: &[u8]) -> RxPacket {
    let (from, to) = (addr(from), addr(to));
    let (mut bytes, header_len) = (Vec::new(), if to.is_ipv4() { 20 } else { 40 });
    match (from.ip(), to.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let builder = PacketBuilder::ipv4(src.octets(), dst.octets(), 61).udp(from.port(), to.port());
            builder.write(&mut bytes, payload).unwrap();
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let builder = PacketBuilder::ipv6(src.octets(), dst.octets(), 61).udp(from.port(), to.port());
            builder.write(&mut bytes, payload).unwrap();
        }
        _ => panic!("two families"),
    }
    let mut packet = RxPacket::new(bytes.into(), 0x0800, Instant::from_millis(7));
    packet.transport = header_len;
    packet.meta.nic = NicId(1);
    let cast = if to.ip().is_multicast() { Cast::Multicast } else { Cast::Unicast };
    packet.ip = IpMeta {
        src: from.ip(),
        dst: to.ip(),
        protocol: PROTOCOL,
        hop_limit: 61,
        traffic_class: 0x2e,
        cast,
        ..IpMeta::default()
    };
    packet
}

/// Changes bytes of an inbound packet from the transport header on.
pub fn patch(packet: &mut RxPacket, change: impl FnOnce(&mut [u8])) {
    let mut bytes = packet.data.to_vec();
    change(&mut bytes[usize::from(packet.transport)..]);
    packet.data = bytes.into();
}

/// An outbound packet, completed as the host would and read by etherparse.
#[derive(Debug)]
pub struct Sent {
    pub ip: IpMeta,
    pub hop: Hop,
    pub bound_nic: Option<NicId>,
    pub gso_size: u16,
    pub mark: u32,
    pub multicast_loop: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
}

impl Sent {
    fn new(packet: &TxPacket) -> Self {
        let mut segment = packet.to_bytes().to_vec();
        let Checksum::Partial { start: 0, offset: 6 } = packet.checksum else {
            panic!("checksum is {:?}", packet.checksum)
        };
        let sum = segment.chunks(2).fold(0u32, |sum, pair| {
            let sum = sum + u32::from(pair[0]) * 256 + u32::from(pair.get(1).copied().unwrap_or(0));
            (sum & 0xffff) + (sum >> 16)
        });
        let complete = match !(sum as u16) {
            0 => 0xffff,
            sum => sum,
        };
        segment[6..8].copy_from_slice(&complete.to_be_bytes());
        let (source, destination, payload) = parse(&packet.ip, &segment);
        Self {
            ip: packet.ip,
            hop: packet.hop,
            bound_nic: packet.bound_nic,
            gso_size: packet.gso_size,
            mark: packet.mark,
            multicast_loop: packet.multicast_loop,
            from: SocketAddr::new(packet.ip.src, source),
            to: SocketAddr::new(packet.ip.dst, destination),
            payload,
        }
    }
}

/// Puts an IP header in front and has all of it read and checked by etherparse.
fn parse(ip: &IpMeta, segment: &[u8]) -> (u16, u16, Vec<u8>) {
    let udp = etherparse::IpNumber::UDP;
    let mut bytes = Vec::new();
    match (ip.src, ip.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let len = segment.len() as u16;
            let header = etherparse::Ipv4Header::new(len, 64, udp, src.octets(), dst.octets()).unwrap();
            header.write(&mut bytes).unwrap();
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = etherparse::Ipv6Header {
                payload_length: segment.len() as u16,
                next_header: udp,
                source: src.octets(),
                destination: dst.octets(),
                ..Default::default()
            };
            header.write(&mut bytes).unwrap();
        }
        _ => panic!("two families"),
    }
    bytes.extend_from_slice(segment);
    let sliced = SlicedPacket::from_ip(&bytes).unwrap();
    let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!("not UDP") };
    let header = udp.to_header();
    let want = match sliced.net.unwrap() {
        NetSlice::Ipv4(v4) => header.calc_checksum_ipv4(&v4.header().to_header(), udp.payload()),
        NetSlice::Ipv6(v6) => header.calc_checksum_ipv6(&v6.header().to_header(), udp.payload()),
        NetSlice::Arp(_) => panic!("ARP"),
    };
    assert_eq!(header.checksum, want.unwrap(), "checksum");
    assert_eq!(usize::from(header.length), segment.len(), "length");
    (header.source_port, header.destination_port, udp.payload().to_vec())
}

/// A waker that counts.
pub fn counting_waker() -> (Waker, Arc<AtomicUsize>) {
    struct Count(Arc<AtomicUsize>);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    (Arc::new(Count(count.clone())).into(), count)
}

/// Whether all of these differ.
pub fn all_different<T: Eq + core::hash::Hash>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.into_iter().all(|item| seen.insert(item))
}
