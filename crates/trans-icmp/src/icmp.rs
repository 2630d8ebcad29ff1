//! The protocol as the host sees it. Register one for each family.
//!
//! Invariant: `memory` is the sum of what all receive queues are charged.

use crate::socket::Socket;
use crate::{Family, IcmpConfig, IcmpCounters, V4, V6};
use core::marker::PhantomData;
use stack_core::{
    DeliveryError, DropReason, EndpointId, Endpoints, RxPacket, TransportCx, TransportProtocol, TxBatch,
    Unknown,
};
use stack_datagram::{Memory, Sockets};

/// Bytes of an echo's header, the same in both families: type, code, checksum, identifier, sequence number.
pub(crate) const HEADER_LEN: usize = 8;

/// ICMP echo of one family, with its sockets.
#[derive(Debug)]
pub struct Icmp<F: Family> {
    pub(crate) config: IcmpConfig,
    pub(crate) counters: IcmpCounters,
    pub(crate) sockets: Sockets<Socket>,
    /// Bytes that all receive queues pin.
    pub(crate) memory: Memory,
    family: PhantomData<F>,
}

impl Icmp<V4> {
    /// Echo over IPv4 (protocol 1), with default settings.
    pub fn v4() -> Self {
        Self::new(IcmpConfig::default())
    }
}

impl Icmp<V6> {
    /// Echo over IPv6 (protocol 58), with default settings.
    pub fn v6() -> Self {
        Self::new(IcmpConfig::default())
    }
}

impl<F: Family> Icmp<F> {
    /// ICMP without a socket.
    pub fn new(config: IcmpConfig) -> Self {
        Self {
            memory: Memory::new(config.memory_limit),
            config,
            counters: IcmpCounters::default(),
            sockets: Sockets::default(),
            family: PhantomData,
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &IcmpCounters {
        &self.counters
    }

    /// Sockets that exist, those included that are closed but have requests to send.
    pub fn socket_count(&self) -> usize {
        self.sockets.count()
    }

    /// Bytes of memory that received replies pin, all sockets together.
    pub fn queued_bytes(&self) -> usize {
        self.memory.used()
    }
}

impl<F: Family> TransportProtocol for Icmp<F> {
    fn number(&self) -> u8 {
        F::PROTOCOL
    }

    fn name(&self) -> &'static str {
        F::NAME
    }

    fn min_packet_len(&self) -> usize {
        HEADER_LEN
    }

    /// The identifier of a reply is the port that it is for. Nothing else is for a socket: port 0 belongs to nobody.
    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        let (&[kind, _, _, _, i0, i1], _) = segment.split_first_chunk()?;
        let ident = if kind == F::ECHO_REPLY { u16::from_be_bytes([i0, i1]) } else { 0 };
        Some((0, ident))
    }

    /// The identifier of a request is the port that it came from.
    fn parse_quoted_ports(&self, quoted: &[u8]) -> Option<(u16, u16)> {
        let (&[kind, _, _, _, i0, i1, _, _], _) = quoted.split_first_chunk()?;
        (kind == F::ECHO_REQUEST).then_some((u16::from_be_bytes([i0, i1]), 0))
    }

    fn receive(
        &mut self,
        cx: &mut TransportCx<'_>,
        endpoint: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.deliver(cx, endpoint, packet)
    }

    fn receive_unknown(&mut self, _: &mut TransportCx<'_>, packet: &mut RxPacket) -> Unknown {
        Unknown::Drop(self.nobody_asked(packet))
    }

    fn receive_error(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId, error: &DeliveryError) {
        self.error_received(cx, endpoint, error);
    }

    fn poll_transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        self.transmit(cx, out, budget)
    }

    /// Echo has no timers: how long to wait for a reply is the application's to say.
    fn handle_timeout(&mut self, _: &mut TransportCx<'_>, _: EndpointId) {}

    fn endpoints(&mut self) -> Option<&mut dyn Endpoints> {
        Some(self)
    }
}
