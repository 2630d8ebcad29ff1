//! A host for tests: one Ethernet interface with fe80::1/64 and fd00::1/64, behind which the rest of the world is remote.

use crate::{Endpoint, Ipv6Config};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{
    AddressState, Cast, Destination, Effect, ErrorKind, Instant, InterfaceAddress, LinkAddress,
    LinkAddressCache, LinkCapabilities, Medium, NetCx, NetServices, NetworkEndpoint, NicId, NicView,
    RxPacket, TxBatch, Verdict,
};
use stack_wire::checksum::pseudo_header;
use stack_wire::ipv6_ext::Fragment;
use stack_wire::{icmpv6, ipv6};

pub(crate) const NIC: NicId = NicId(7);
pub(crate) const OURS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const THEIRS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);

/// What a network endpoint asks of its host, from plain tables.
pub(crate) struct FakeHost {
    owned: BTreeSet<IpAddr>,
    groups: BTreeSet<IpAddr>,
    pub(crate) icmp_tokens: u32,
}

impl Default for FakeHost {
    fn default() -> Self {
        let set = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Self {
            owned: set(&["fe80::1", "fd00::1"]),
            groups: set(&["ff02::1", "ff02::1:ff00:1"]),
            icmp_tokens: u32::MAX,
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
        if self.owned.contains(&address) {
            Destination::Local(Cast::Unicast)
        } else if self.groups.contains(&address) {
            Destination::Local(Cast::Multicast)
        } else {
            Destination::Remote
        }
    }

    fn allow_icmp(&mut self, _: Instant, _: IpAddr) -> bool {
        let allowed = self.icmp_tokens > 0;
        self.icmp_tokens = self.icmp_tokens.saturating_sub(1);
        allowed
    }

    fn random(&mut self) -> u64 {
        4
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
    pub(crate) wire: TxBatch,
    pub(crate) effects: Vec<Effect>,
    pub(crate) host: FakeHost,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::with(Ipv6Config::default())
    }

    pub(crate) fn with(config: Ipv6Config) -> Self {
        let mut net = Self {
            endpoint: Endpoint::new(config.clone(), config.routers.first().cloned()),
            now: Instant::ZERO,
            capabilities: LinkCapabilities::plain(Medium::Ethernet, 1500),
            addresses: Vec::new(),
            forwarding: false,
            link_cast: Cast::Unicast,
            loopback: false,
            out: TxBatch::new(),
            wire: TxBatch::new(),
            effects: Vec::new(),
            host: FakeHost::default(),
        };
        net.add("fe80::1/64", AddressState::Preferred);
        net.add("fd00::1/64", AddressState::Preferred);
        net
    }

    pub(crate) fn add(&mut self, net: &str, state: AddressState) {
        self.addresses.push(InterfaceAddress::new(net.parse().unwrap(), state));
    }

    /// Calls the endpoint.
    pub(crate) fn call<R>(&mut self, f: impl FnOnce(&mut Endpoint, &mut NetCx<'_>) -> R) -> R {
        let nic = NicView {
            id: NIC,
            capabilities: &self.capabilities,
            link_address: Some(OURS),
            addresses: &self.addresses,
            forwarding: self.forwarding,
        };
        let (out, wire, effects) = (&mut self.out, &mut self.wire, &mut self.effects);
        let mut cx = NetCx { now: self.now, nic, out, wire, effects, host: &mut self.host };
        f(&mut self.endpoint, &mut cx)
    }

    /// A packet as the link would hand it up.
    pub(crate) fn packet(&self, bytes: &[u8]) -> RxPacket {
        let mut packet = RxPacket::new(Bytes::copy_from_slice(bytes), 0x86dd, self.now);
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

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        self.call(|endpoint, _| endpoint.poll_timeout())
    }

    pub(crate) fn handle_timeout(&mut self) {
        self.call(|endpoint, cx| endpoint.handle_timeout(cx));
    }

    pub(crate) fn send_error(&mut self, packet: &RxPacket, kind: ErrorKind) {
        self.call(|endpoint, cx| endpoint.send_error(cx, packet, kind));
    }
}

/// A packet whose payload begins with a header of this type.
pub(crate) fn packet(src: &str, dst: &str, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let mut packet = alloc::vec![0; 40];
    ipv6::Emit::new(address(src), address(dst), next_header, payload.len()).write(&mut packet);
    packet.extend_from_slice(payload);
    packet
}

/// A fragment of a packet from fd00::9: `next` is the type of what is reassembled.
pub(crate) fn fragment_of(next: u8, ident: u32, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = alloc::vec![0; 8];
    Fragment::new(next, offset as u16, more, ident).write(&mut bytes);
    bytes.extend_from_slice(payload);
    packet("fd00::9", "fd00::1", 44, &bytes)
}

/// An ICMPv6 message with its checksum.
pub(crate) fn icmp(src: &str, dst: &str, emit: icmpv6::Emit, payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut covered = pseudo_header(address(src), address(dst), 58, 8 + payload.len() as u32);
    covered.add_bytes(payload);
    let mut message = alloc::vec![0; 8];
    emit.write(&mut message, covered);
    message.extend_from_slice(payload);
    message
}

/// Makes the checksum of a packet's ICMPv6 message right again after a change.
pub(crate) fn fix_checksum(packet: &mut [u8]) {
    let Some((header, message)) = packet.split_first_chunk_mut::<40>() else { return };
    if message.len() < 4 {
        return;
    }
    message[2..4].fill(0);
    let octets = |at: usize| <[u8; 16]>::try_from(&header[at..at + 16]).unwrap();
    let mut sum = pseudo_header(octets(8).into(), octets(24).into(), 58, message.len() as u32);
    let sum = sum.add_bytes(message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}
