//! The protocol as the host sees it: RFC 768.
//!
//! Invariant: `memory` is the sum of what all receive queues are charged.

use crate::socket::Socket;
use crate::{UdpConfig, UdpCounters};
use alloc::vec::Vec;
use stack_core::{
    DeliveryError, DropReason, EndpointId, Endpoints, RxPacket, TransportCx, TransportProtocol, TxBatch,
    Unknown,
};
use stack_datagram::{Memory, Sockets};
use stack_wire::{ip::protocol, udp};

/// UDP with its sockets.
#[derive(Debug)]
pub struct Udp {
    pub(crate) config: UdpConfig,
    pub(crate) counters: UdpCounters,
    pub(crate) sockets: Sockets<Socket>,
    /// Bytes that all receive queues pin.
    pub(crate) memory: Memory,
    /// One for each interface, or for all.
    pub(crate) forwarders: Vec<EndpointId>,
}

impl Udp {
    /// UDP without a socket.
    pub fn new(config: UdpConfig) -> Self {
        Self {
            memory: Memory::new(config.memory_limit),
            config,
            counters: UdpCounters::default(),
            sockets: Sockets::default(),
            forwarders: Vec::new(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &UdpCounters {
        &self.counters
    }

    /// Sockets that exist, those included that are closed but have datagrams to send.
    pub fn socket_count(&self) -> usize {
        self.sockets.count()
    }

    /// Bytes of memory that received datagrams pin, all sockets together.
    pub fn queued_bytes(&self) -> usize {
        self.memory.used()
    }
}

impl Default for Udp {
    fn default() -> Self {
        Self::new(UdpConfig::default())
    }
}

impl TransportProtocol for Udp {
    fn number(&self) -> u8 {
        protocol::UDP
    }

    fn name(&self) -> &'static str {
        "UDP"
    }

    fn min_packet_len(&self) -> usize {
        udp::HEADER_LEN
    }

    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        udp::parse_ports(segment)
    }

    fn receive(
        &mut self,
        cx: &mut TransportCx<'_>,
        endpoint: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.deliver(cx, endpoint, packet)
    }

    fn receive_unknown(&mut self, cx: &mut TransportCx<'_>, packet: &mut RxPacket) -> Unknown {
        self.nobody_listens(cx, packet)
    }

    fn receive_error(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId, error: &DeliveryError) {
        self.error_received(cx, endpoint, error);
    }

    fn poll_transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        self.transmit(cx, out, budget)
    }

    /// Only flows that nobody has decided about have one.
    fn handle_timeout(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId) {
        self.flow_timeout(cx, endpoint);
    }

    fn endpoints(&mut self) -> Option<&mut dyn Endpoints> {
        Some(self)
    }
}
