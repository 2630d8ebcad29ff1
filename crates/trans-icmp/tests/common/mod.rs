//! A host to call the protocol without a host: two interfaces with fixed addresses, a route to everywhere, and records
//! of what the protocol asked for. Packets are built and read by etherparse.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use core::task::Waker;
use etherparse::{Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, PacketBuilder};
use stack_core::*;
use trans_icmp::{EchoReply, Family, Icmp, IcmpConfig, V4, V6};

pub const US_V4: &str = "10.0.0.1";
pub const US_V6: &str = "2001:db8::1";

#[derive(Default)]
pub struct FakeHost {
    pub registered: Vec<(EndpointIdentity, EndpointId)>,
    pub ports: Vec<PortRequest>,
    pub path_mtus: Vec<(IpAddr, u32)>,
    pub queries: Vec<RouteQuery>,
    pub mtu: Option<u32>,
    pub max_gso: Option<u32>,
    pub generation: u32,
    /// The protocol of the last registration.
    pub protocol: u8,
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
        self.protocol = protocol;
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

    fn refuse(&mut self, _: RxPacket) {
        unreachable!("for datagrams")
    }

    fn set_group(
        &mut self,
        _: NicId,
        _: IpAddr,
        _: Option<&SourceFilter>,
        _: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        unreachable!("sockets of ICMP join no group")
    }

    fn random(&mut self) -> u64 {
        4
    }
}

/// ICMP on such a host.
pub struct Net<F: Family> {
    pub icmp: Icmp<F>,
    pub host: FakeHost,
    pub wakes: Vec<Waker>,
    pub armed: Vec<(EndpointId, Instant)>,
}

/// What the tests say for both families.
pub trait Case: Family {
    const US: &'static str;
    const PEER: &'static str;
    const OTHER: &'static str;
    const GROUP: &'static str;
    const ANY: &'static str;
    /// An address of the other family.
    const WRONG: &'static str;
}

impl Case for V4 {
    const US: &'static str = "10.0.0.1";
    const PEER: &'static str = "10.0.0.2";
    const OTHER: &'static str = "10.0.0.3";
    const GROUP: &'static str = "224.0.0.1";
    const ANY: &'static str = "0.0.0.0";
    const WRONG: &'static str = "2001:db8::2";
}

impl Case for V6 {
    const US: &'static str = "2001:db8::1";
    const PEER: &'static str = "2001:db8::2";
    const OTHER: &'static str = "2001:db8::3";
    const GROUP: &'static str = "ff02::1";
    const ANY: &'static str = "::";
    const WRONG: &'static str = "10.0.0.2";
}

impl<F: Case> Default for Net<F> {
    fn default() -> Self {
        Self::new(IcmpConfig::default())
    }
}

impl<F: Case> Net<F> {
    pub fn new(config: IcmpConfig) -> Self {
        Self { icmp: Icmp::new(config), host: FakeHost::default(), wakes: Vec::new(), armed: Vec::new() }
    }

    /// Calls the protocol as the host would.
    pub fn with<R>(&mut self, call: impl FnOnce(&mut Icmp<F>, &mut TransportCx<'_>) -> R) -> R {
        let mut cx = TransportCx {
            now: Instant::from_secs(1),
            protocol: F::PROTOCOL,
            wakes: &mut self.wakes,
            armed: &mut self.armed,
            host: &mut self.host,
        };
        call(&mut self.icmp, &mut cx)
    }

    pub fn create(&mut self) -> EndpointId {
        self.with(|icmp, cx| icmp.create(cx, F::FAMILIES)).unwrap()
    }

    pub fn bind(&mut self, id: EndpointId, local: &str, ident: u16) -> Result<(), Error> {
        self.with(|icmp, cx| icmp.bind(cx, id, addr(local, ident)))
    }

    /// A socket with that identifier.
    pub fn bound(&mut self, ident: u16) -> EndpointId {
        let id = self.create();
        self.bind(id, F::ANY, ident).unwrap();
        id
    }

    pub fn connect(&mut self, id: EndpointId, remote: &str) -> Result<(), Error> {
        self.with(|icmp, cx| icmp.connect(cx, id, addr(remote, 0)))
    }

    pub fn close(&mut self, id: EndpointId) {
        self.with(|icmp, cx| icmp.close(cx, id));
    }

    pub fn set(&mut self, id: EndpointId, option: SocketOption) -> Result<(), Error> {
        self.with(|icmp, cx| icmp.set_option(cx, id, option))
    }

    pub fn send(&mut self, id: EndpointId, seq: u16, data: &[u8], to: Option<&str>) -> Result<usize, Error> {
        self.with(|icmp, cx| icmp.send_echo(cx, id, seq, data, to.map(|to| addr(to, 0))))
    }

    pub fn recv(&mut self, id: EndpointId) -> Result<EchoReply, Error> {
        self.with(|icmp, cx| icmp.recv_echo(cx, id))
    }

    pub fn deliver(&mut self, id: EndpointId, mut packet: RxPacket) -> Result<(), DropReason> {
        self.with(|icmp, cx| icmp.receive(cx, id, &mut packet))
    }

    /// All that is to be sent.
    pub fn transmit(&mut self) -> Vec<Sent> {
        let mut out = TxBatch::new();
        while self.with(|icmp, cx| icmp.poll_transmit(cx, &mut out, 3)) {}
        out.iter().map(Sent::new).collect()
    }

    pub fn identity(&self, id: EndpointId) -> EndpointIdentity {
        assert_eq!(self.host.protocol, F::PROTOCOL);
        let mut found = self.host.registered.iter().filter(|(_, owner)| *owner == id);
        let identity = found.next().expect("not registered").0;
        assert!(found.next().is_none(), "registered twice");
        identity
    }

    /// An echo reply to us with a right checksum, as the network layer hands it over.
    pub fn reply(from: &str, ident: u16, seq: u16, data: &[u8]) -> RxPacket {
        let (src, dst): (IpAddr, IpAddr) = (from.parse().unwrap(), F::US.parse().unwrap());
        let mut bytes = Vec::new();
        let transport = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let builder = PacketBuilder::ipv4(src.octets(), dst.octets(), 61);
                builder.icmpv4_echo_reply(ident, seq).write(&mut bytes, data).unwrap();
                20
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let builder = PacketBuilder::ipv6(src.octets(), dst.octets(), 61);
                builder.icmpv6_echo_reply(ident, seq).write(&mut bytes, data).unwrap();
                40
            }
            _ => panic!("two families"),
        };
        let mut packet = RxPacket::new(bytes.into(), 0x0800, Instant::from_millis(7));
        packet.transport = transport;
        packet.meta.nic = NicId(1);
        let protocol = F::PROTOCOL;
        packet.ip = IpMeta { src, dst, protocol, hop_limit: 61, traffic_class: 4, ..IpMeta::default() };
        packet
    }
}

pub fn addr(ip: &str, port: u16) -> SocketAddr {
    match ip.split_once('%') {
        Some((ip, zone)) => SocketAddrV6::new(ip.parse().unwrap(), port, 0, zone.parse().unwrap()).into(),
        None => SocketAddr::new(ip.parse().unwrap(), port),
    }
}

/// Changes bytes of an inbound packet from the transport header on.
pub fn patch(packet: &mut RxPacket, change: impl FnOnce(&mut [u8])) {
    let mut bytes = packet.data.to_vec();
    change(&mut bytes[usize::from(packet.transport)..]);
    packet.data = bytes.into();
}

/// An outbound request, checked and read by etherparse.
#[derive(Debug)]
pub struct Sent {
    pub ip: IpMeta,
    pub hop: Hop,
    pub bound_nic: Option<NicId>,
    pub mark: u32,
    pub multicast_loop: bool,
    pub ident: u16,
    pub seq: u16,
    pub payload: Vec<u8>,
}

impl Sent {
    fn new(packet: &TxPacket) -> Self {
        assert_eq!(packet.checksum, Checksum::Unverified, "complete");
        let message = packet.to_bytes();
        let (echo, payload) = match (packet.ip.src, packet.ip.dst) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let slice = Icmpv4Slice::from_slice(&message).unwrap();
                assert_eq!(slice.icmp_type().calc_checksum(slice.payload()), slice.checksum());
                let Icmpv4Type::EchoRequest(echo) = slice.icmp_type() else { panic!("{slice:?}") };
                (echo, slice.payload().to_vec())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let slice = Icmpv6Slice::from_slice(&message).unwrap();
                assert!(slice.is_checksum_valid(src.octets(), dst.octets()));
                let Icmpv6Type::EchoRequest(echo) = slice.icmp_type() else { panic!("{slice:?}") };
                (echo, slice.payload().to_vec())
            }
            _ => panic!("two families"),
        };
        Self {
            ip: packet.ip,
            hop: packet.hop,
            bound_nic: packet.bound_nic,
            mark: packet.mark,
            multicast_loop: packet.multicast_loop,
            ident: echo.id,
            seq: echo.seq,
            payload,
        }
    }
}

/// A waker that does nothing: the host's list of wakes is what counts.
pub fn waker() -> Waker {
    Waker::noop().clone()
}
