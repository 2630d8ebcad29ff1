//! A host for tests: one interface with 10.0.0.1/24 behind which the rest of the world is remote.

use crate::{Endpoint, Ipv4Config};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{
    AddressState, Cast, Destination, DropReason, Effect, ErrorKind, Instant, InterfaceAddress, LinkAddress,
    LinkAddressCache, LinkCapabilities, Medium, NetCx, NetServices, NetworkEndpoint, NicId, NicView,
    RxPacket, TxBatch, TxPacket, Verdict,
};
use stack_wire::checksum::{self, Sum};
use stack_wire::{icmpv4, ipv4};

pub(crate) const NIC: NicId = NicId(7);

/// What a network endpoint asks of its host, from plain tables.
pub(crate) struct FakeHost {
    owned: BTreeSet<IpAddr>,
    groups: BTreeSet<IpAddr>,
    broadcasts: BTreeSet<IpAddr>,
    pub(crate) icmp_tokens: u32,
    random: u64,
}

impl Default for FakeHost {
    fn default() -> Self {
        let set = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Self {
            owned: set(&["10.0.0.1"]),
            groups: set(&["224.0.0.1"]),
            broadcasts: set(&["255.255.255.255", "10.0.0.255"]),
            icmp_tokens: u32::MAX,
            random: 1,
        }
    }
}

impl FakeHost {
    pub(crate) fn own(&mut self, address: &str) {
        self.owned.insert(address.parse().unwrap());
    }
}

impl LinkAddressCache for FakeHost {
    fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        (self.owned.contains(&address) && nic.is_none_or(|nic| nic == NIC)).then_some(NIC)
    }

    fn add_link_address(&mut self, _: Instant, _: NicId, _: IpAddr, _: LinkAddress) {}
}

impl NetServices for FakeHost {
    fn destination(&self, _: NicId, address: IpAddr) -> Destination {
        let holds = |set: &BTreeSet<IpAddr>| set.contains(&address);
        match () {
            () if holds(&self.owned) => Destination::Local(Cast::Unicast),
            () if holds(&self.groups) => Destination::Local(Cast::Multicast),
            () if holds(&self.broadcasts) => Destination::Local(Cast::Broadcast),
            () => Destination::Remote,
        }
    }

    fn allow_icmp(&mut self, _: Instant, _: IpAddr) -> bool {
        let allowed = self.icmp_tokens > 0;
        self.icmp_tokens = self.icmp_tokens.saturating_sub(1);
        allowed
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.random ^ self.random >> 29
    }
}

/// An endpoint with all that its calls borrow.
pub(crate) struct Net {
    endpoint: Endpoint,
    pub(crate) now: Instant,
    pub(crate) capabilities: LinkCapabilities,
    pub(crate) addresses: Vec<InterfaceAddress>,
    pub(crate) forwarding: bool,
    pub(crate) link_cast: Cast,
    pub(crate) loopback: bool,
    pub(crate) out: TxBatch,
    pub(crate) effects: Vec<Effect>,
    pub(crate) host: FakeHost,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::with(Ipv4Config::default())
    }

    pub(crate) fn with(config: Ipv4Config) -> Self {
        let net = "10.0.0.1/24".parse().unwrap();
        Self {
            endpoint: Endpoint::new(config),
            now: Instant::ZERO,
            capabilities: LinkCapabilities::plain(Medium::Ethernet, 1500),
            addresses: alloc::vec![InterfaceAddress::new(net, AddressState::Preferred)],
            forwarding: false,
            link_cast: Cast::Unicast,
            loopback: false,
            out: TxBatch::new(),
            effects: Vec::new(),
            host: FakeHost::default(),
        }
    }

    /// Calls the endpoint.
    pub(crate) fn call<R>(&mut self, f: impl FnOnce(&mut Endpoint, &mut NetCx<'_>) -> R) -> R {
        let nic = NicView {
            id: NIC,
            capabilities: &self.capabilities,
            link_address: Some(LinkAddress([2, 0, 0, 0, 0, 1])),
            addresses: &self.addresses,
            forwarding: self.forwarding,
        };
        let mut wire = TxBatch::new();
        let (out, effects) = (&mut self.out, &mut self.effects);
        let mut cx = NetCx { now: self.now, nic, out, wire: &mut wire, effects, host: &mut self.host };
        let result = f(&mut self.endpoint, &mut cx);
        assert!(wire.is_empty(), "only IGMP puts packets on the wire itself");
        result
    }

    /// Calls the endpoint; the packets that it put on the wire.
    pub(crate) fn on_wire(&mut self, f: impl FnOnce(&mut Endpoint, &mut NetCx<'_>)) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        self.call(|endpoint, cx| {
            f(endpoint, cx);
            sent.extend(core::iter::from_fn(|| cx.wire.pop()).map(|packet| packet.to_bytes().to_vec()));
        });
        sent
    }

    /// A packet as the link would hand it up.
    pub(crate) fn packet(&self, bytes: &[u8]) -> RxPacket {
        let mut packet = RxPacket::new(Bytes::copy_from_slice(bytes), 0x0800, self.now);
        (packet.meta.nic, packet.meta.cast, packet.meta.loopback) = (NIC, self.link_cast, self.loopback);
        packet
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Verdict {
        let mut packet = self.packet(bytes);
        self.receive_packet(&mut packet)
    }

    pub(crate) fn receive_packet(&mut self, packet: &mut RxPacket) -> Verdict {
        self.call(|endpoint, cx| endpoint.receive(cx, packet))
    }

    pub(crate) fn send_error(&mut self, packet: &RxPacket, kind: ErrorKind) {
        self.call(|endpoint, cx| endpoint.send_error(cx, packet, kind));
    }

    pub(crate) fn encapsulate(&mut self, packet: &mut TxPacket) -> Result<(), DropReason> {
        self.call(|endpoint, cx| endpoint.encapsulate(cx, packet))
    }

    pub(crate) fn forward(&mut self, packet: &mut RxPacket, out: &mut TxPacket) -> Result<(), ErrorKind> {
        self.call(|endpoint, cx| endpoint.forward(cx, packet, out))
    }

    pub(crate) fn fragment(&mut self, packet: &TxPacket, mtu: usize) -> Result<Vec<Vec<u8>>, ErrorKind> {
        let mut out = TxBatch::new();
        self.call(|endpoint, cx| endpoint.fragment(cx, packet, mtu, &mut out))?;
        Ok(out.iter().map(|fragment| fragment.to_bytes().to_vec()).collect())
    }

    pub(crate) fn handle_timeout(&mut self) {
        self.call(|endpoint, cx| endpoint.handle_timeout(cx));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}

/// A datagram without options.
pub(crate) fn datagram(src: &str, dst: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    with_options(src, dst, protocol, &[], payload)
}

/// A datagram with options.
pub(crate) fn with_options(src: &str, dst: &str, protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let emit = ipv4::Emit { options, ..ipv4::Emit::new(address(src), address(dst), protocol, payload.len()) };
    let mut packet = alloc::vec![0; emit.header_len()];
    assert!(emit.write(&mut packet) > 0);
    packet.extend_from_slice(payload);
    packet
}

/// An ICMP message with its checksum.
pub(crate) fn icmp(emit: icmpv4::Emit, payload: &[u8]) -> Vec<u8> {
    let mut message = alloc::vec![0; 8];
    emit.write(&mut message, *Sum::new().add_bytes(payload));
    message.extend_from_slice(payload);
    message
}

/// Makes the header's checksum right again after a change; as well as the header's length allows.
pub(crate) fn fix_checksum(packet: &mut [u8]) {
    let header_len = (usize::from(packet[0] & 15) * 4).min(packet.len());
    packet[10..12].fill(0);
    let sum = checksum::ipv4_header(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}
