//! A host for tests: one Ethernet interface with 10.0.0.1/24.

use crate::{Arp, ArpConfig, Endpoint};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::IpAddr;
use stack_core::{
    AddressState, Cast, Destination, Effect, Instant, InterfaceAddress, LinkAddress, LinkAddressCache,
    LinkCapabilities, Medium, NetCx, NetServices, NetworkEndpoint, NetworkProtocol, NicId, NicView, RxPacket,
    TxBatch, Verdict,
};
use stack_wire::arp::Packet;

pub(crate) const NIC: NicId = NicId(4);
pub(crate) const OURS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const THEIRS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);

/// Owns whatever the interface has.
struct FakeHost {
    owned: Vec<IpAddr>,
    random: u64,
}

impl LinkAddressCache for FakeHost {
    fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        (self.owned.contains(&address) && nic.is_none_or(|nic| nic == NIC)).then_some(NIC)
    }

    fn add_link_address(&mut self, _: Instant, _: NicId, _: IpAddr, _: LinkAddress) {}
}

impl NetServices for FakeHost {
    fn destination(&self, _: NicId, address: IpAddr) -> Destination {
        if self.owned.contains(&address) { Destination::Local(Cast::Unicast) } else { Destination::Remote }
    }

    fn allow_icmp(&mut self, _: Instant, _: IpAddr) -> bool {
        true
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
    pub(crate) link_address: Option<LinkAddress>,
    pub(crate) addresses: Vec<InterfaceAddress>,
    pub(crate) wire: TxBatch,
    pub(crate) effects: Vec<Effect>,
    random: u64,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::with(ArpConfig::default())
    }

    pub(crate) fn with(config: ArpConfig) -> Self {
        let mut net = Self {
            endpoint: Endpoint::new(config),
            now: Instant::ZERO,
            capabilities: LinkCapabilities::plain(Medium::Ethernet, 1500),
            link_address: Some(OURS),
            addresses: Vec::new(),
            wire: TxBatch::new(),
            effects: Vec::new(),
            random: 1,
        };
        net.add("10.0.0.1/24", AddressState::Preferred);
        net
    }

    pub(crate) fn add(&mut self, net: &str, state: AddressState) {
        self.addresses.push(InterfaceAddress::new(net.parse().unwrap(), state));
    }

    /// Calls the endpoint. ARP never leaves anything to routing.
    pub(crate) fn call<R>(&mut self, f: impl FnOnce(&mut Endpoint, &mut NetCx<'_>) -> R) -> R {
        let nic = NicView {
            id: NIC,
            capabilities: &self.capabilities,
            link_address: self.link_address,
            addresses: &self.addresses,
            forwarding: false,
        };
        let owned = self.addresses.iter().map(InterfaceAddress::address).collect();
        let mut host = FakeHost { owned, random: self.random };
        let mut out = TxBatch::new();
        let (wire, effects) = (&mut self.wire, &mut self.effects);
        let mut cx = NetCx { now: self.now, nic, out: &mut out, wire, effects, host: &mut host };
        let result = f(&mut self.endpoint, &mut cx);
        self.random = host.random;
        assert!(out.is_empty());
        result
    }

    pub(crate) fn packet(&self, bytes: &[u8]) -> RxPacket {
        RxPacket::new(Bytes::copy_from_slice(bytes), Arp::default().ether_type(), self.now)
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Verdict {
        let mut packet = self.packet(bytes);
        self.receive_packet(&mut packet)
    }

    pub(crate) fn receive_packet(&mut self, packet: &mut RxPacket) -> Verdict {
        self.call(|endpoint, cx| endpoint.receive(cx, packet))
    }

    pub(crate) fn handle_timeout(&mut self) {
        self.call(|endpoint, cx| endpoint.handle_timeout(cx));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}

/// The oldest packet on the wire, and to whom.
pub(crate) fn sent(net: &mut Net) -> Option<(LinkAddress, Packet)> {
    let packet = net.wire.pop()?;
    assert_eq!(packet.ether_type, 0x0806);
    Some((packet.link_dst, *Packet::parse(&packet.to_bytes()).unwrap()))
}
