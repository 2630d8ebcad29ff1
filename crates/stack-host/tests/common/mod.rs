//! A network protocol and a transport protocol of a few lines each, on the contract alone, and a host that speaks them.
//!
//! Toy network header: source and destination (four bytes each), protocol, hop limit. Toy segment: source and
//! destination port, two bytes each, then payload.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use bytes::Bytes;
use stack_core::*;
use stack_host::{Host, HostConfig, NicConfig};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

pub const TOY_NET: u16 = 0x88b5;
pub const TOY: u8 = 253;
pub const T0: Instant = Instant::ZERO;
const HEADER: usize = 10;

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub struct Seeded(pub u64);

impl Rng for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }
}

fn v4(bytes: &[u8]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
}

fn octets(address: IpAddr) -> [u8; 4] {
    let IpAddr::V4(v4) = address else { panic!("the toy protocol carries IPv4 addresses") };
    v4.octets()
}

pub struct ToyNet;

impl NetworkProtocol for ToyNet {
    fn ether_type(&self) -> u16 {
        TOY_NET
    }
    fn name(&self) -> &'static str {
        "toy"
    }
    fn min_packet_len(&self) -> usize {
        HEADER
    }
    fn min_mtu(&self) -> u32 {
        68
    }
    fn parse_addresses(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        Some((v4(packet.get(..4)?), v4(packet.get(4..8)?)))
    }
    fn carries(&self, address: IpAddr) -> bool {
        address.is_ipv4()
    }
    fn new_endpoint(&mut self, _: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        Box::new(ToyNetEndpoint)
    }
}

struct ToyNetEndpoint;

impl NetworkEndpoint for ToyNetEndpoint {
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        if packet.data.len() < HEADER {
            return Verdict::Drop(DropReason::Truncated);
        }
        packet.ip.src = v4(&packet.data[..4]);
        packet.ip.dst = v4(&packet.data[4..8]);
        packet.ip.protocol = packet.data[8];
        packet.ip.hop_limit = packet.data[9];
        packet.transport = HEADER as u16;
        match cx.host.destination(cx.nic.id, packet.ip.dst) {
            Destination::Local(cast) => {
                packet.ip.cast = cast;
                Verdict::Deliver
            }
            Destination::Remote => Verdict::Forward,
        }
    }

    fn encapsulate(&mut self, _: &mut NetCx<'_>, packet: &mut TxPacket) -> Result<(), DropReason> {
        let ip = packet.ip;
        let header = packet.prepend(HEADER).ok_or(DropReason::PacketTooBig)?;
        header[..4].copy_from_slice(&octets(ip.src));
        header[4..8].copy_from_slice(&octets(ip.dst));
        header[8] = ip.protocol;
        header[9] = 64;
        packet.ether_type = TOY_NET;
        Ok(())
    }

    fn forward(
        &mut self,
        _: &mut NetCx<'_>,
        packet: &mut RxPacket,
        out: &mut TxPacket,
    ) -> Result<(), ErrorKind> {
        out.from_rx(packet, HEADER).ok_or(ErrorKind::NetUnreachable)?;
        let hop_limit = &mut out.header_mut()[9];
        *hop_limit = hop_limit.checked_sub(1).filter(|left| *left > 0).ok_or(ErrorKind::HopLimitExceeded)?;
        Ok(())
    }

    /// Errors are segments of protocol 254 with the debug text of the kind; about errors and broadcasts there are none.
    fn send_error(&mut self, cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
        if packet.ip.protocol == 254 || packet.ip.cast != Cast::Unicast {
            return;
        }
        let out = cx.out.slot();
        out.push(Bytes::from(format!("{kind:?}"))).unwrap();
        out.ip.dst = packet.ip.src;
        out.ip.protocol = 254;
    }

    fn header_len(&self) -> usize {
        HEADER
    }
}

#[derive(Default)]
pub struct Toy {
    /// What arrived: endpoint, sender, payload.
    pub inbox: Vec<(EndpointId, IpAddr, Bytes)>,
    /// What is to be sent: source (or any), destination, source port, destination port, payload.
    pub outbox: VecDeque<(Option<IpAddr>, IpAddr, u16, u16, Bytes)>,
    pub errors: Vec<(EndpointId, ErrorKind, ErrorOrigin)>,
    pub timeouts: Vec<(EndpointId, Instant)>,
    pub unknown: usize,
}

impl TransportProtocol for Toy {
    fn number(&self) -> u8 {
        TOY
    }
    fn name(&self) -> &'static str {
        "toy"
    }
    fn min_packet_len(&self) -> usize {
        4
    }
    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        let port = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
        Some((port(0)?, port(2)?))
    }
    fn receive(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let payload: Vec<u8> = packet.take_payload(4).flatten().collect();
        self.inbox.push((id, packet.ip.src, Bytes::from(payload)));
        Ok(())
    }
    fn receive_unknown(&mut self, _: &mut TransportCx<'_>, _: &mut RxPacket) -> Unknown {
        self.unknown += 1;
        Unknown::PortUnreachable
    }
    fn receive_error(&mut self, _: &mut TransportCx<'_>, id: EndpointId, error: &DeliveryError) {
        self.errors.push((id, error.kind, error.origin));
    }
    fn poll_transmit(&mut self, _: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((src, dst, from, to, payload)) = self.outbox.pop_front() else { return false };
            let packet = out.slot();
            packet.push(payload).unwrap();
            let header = packet.prepend(4).unwrap();
            header[..2].copy_from_slice(&from.to_be_bytes());
            header[2..].copy_from_slice(&to.to_be_bytes());
            packet.ip.src = src.unwrap_or(packet.ip.src);
            packet.ip.dst = dst;
            packet.ip.protocol = TOY;
        }
        !self.outbox.is_empty()
    }
    fn handle_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        self.timeouts.push((id, cx.now));
    }
}

/// A host that speaks the toys, with one enabled interface `nic1` (10.0.0.1/24) on a link without offloads.
pub fn host() -> Host {
    host_with(HostConfig::default(), LinkCapabilities::plain(Medium::Ip, 1500))
}

pub fn host_with(config: HostConfig, capabilities: LinkCapabilities) -> Host {
    let builder =
        Host::builder().network(ToyNet).transport(Toy::default()).rng(Box::new(Seeded(7))).config(config);
    let mut host = builder.build().unwrap();
    let link_address = Some(LinkAddress([2, 0, 0, 0, 0, 1]));
    host.add_nic(T0, NicId(1), NicConfig { link_address, ..NicConfig::new("nic1", capabilities) }).unwrap();
    host.add_address(T0, NicId(1), net("10.0.0.1/24")).unwrap();
    host
}

pub fn id(index: u32) -> EndpointId {
    EndpointId { index, generation: 0 }
}

pub fn identity(nic: Option<u32>, local: Option<&str>, port: u16) -> EndpointIdentity {
    EndpointIdentity {
        nic: nic.map(NicId),
        families: Families::V4,
        local: local.map(ip),
        local_port: port,
        remote: None,
        remote_port: 0,
        shared: false,
    }
}

pub fn register(host: &mut Host, index: u32, identity: EndpointIdentity) -> Result<(), Error> {
    host.transport::<Toy>(T0).unwrap().1.register(&identity, id(index))
}

/// A toy packet as a link would bring it.
pub fn packet(src: &str, dst: &str, port: u16, payload: &[u8]) -> RxPacket {
    let mut bytes = Vec::new();
    bytes.extend(octets(ip(src)));
    bytes.extend(octets(ip(dst)));
    bytes.extend([TOY, 64]);
    bytes.extend(4000u16.to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend(payload);
    RxPacket::new(Bytes::from(bytes), TOY_NET, T0)
}

/// Receives one packet and lets the host answer.
pub fn receive(host: &mut Host, nic: u32, packet: RxPacket) {
    host.receive(T0, NicId(nic), &mut vec![packet]);
    while host.transmit(T0, 32) {}
}

pub fn inbox(host: &mut Host) -> Vec<(u32, Bytes)> {
    let toy = host.transport::<Toy>(T0).unwrap().0;
    toy.inbox.drain(..).map(|(id, _, payload)| (id.index, payload)).collect()
}

pub fn send(host: &mut Host, src: Option<&str>, dst: &str, payload: &[u8]) {
    let toy = host.transport::<Toy>(T0).unwrap().0;
    toy.outbox.push_back((src.map(ip), ip(dst), 4000, 7, Bytes::copy_from_slice(payload)));
    while host.transmit(T0, 32) {}
}

/// What waits for the link: source, destination, protocol, bytes behind the toy network header.
pub fn sent(host: &mut Host, nic: u32) -> Vec<(String, String, u8, Bytes)> {
    let out = host.out(NicId(nic)).unwrap();
    let mut all = Vec::new();
    while let Some(packet) = out.pop() {
        let bytes = packet.to_bytes();
        all.push((
            v4(&bytes[..4]).to_string(),
            v4(&bytes[4..8]).to_string(),
            bytes[8],
            bytes.slice(HEADER..),
        ));
    }
    all
}

pub fn query(local: Option<&str>, remote: &str) -> RouteQuery {
    RouteQuery { nic: None, local: local.map(ip), remote: ip(remote) }
}
