//! The protocol as the host sees it: it has no packets of its own and looks at those of all others.
//!
//! Invariants: `memory` is the sum of what all receive queues are charged; `ip_sockets` and `packet_sockets` name those
//! that can receive, and the places where the host shows packets follow from them.

use crate::packet::PacketSocket;
use crate::socket::{Kind, Received, Socket};
use crate::{RawConfig, RawCounters};
use alloc::vec::Vec;
use stack_core::{
    DeliveryError, DropReason, EndpointId, Endpoints, Error, NicView, RxPacket, TapPoint, TapPoints,
    TappedPacket, TransportCx, TransportProtocol, TxBatch, Unknown,
};
use stack_datagram::{Memory, Queue, Sockets};

/// The protocol number under which raw access is registered, and of sockets that only send, each packet with a header of
/// its own (`IPPROTO_RAW`). Reserved: no packet has it.
pub const IPPROTO_RAW: u8 = 255;

/// Raw access with its sockets.
#[derive(Debug)]
pub struct Raw {
    pub(crate) config: RawConfig,
    pub(crate) counters: RawCounters,
    pub(crate) sockets: Sockets<Socket>,
    pub(crate) ip_sockets: Vec<EndpointId>,
    pub(crate) packet_sockets: Vec<EndpointId>,
    /// Bytes that all receive queues pin.
    pub(crate) memory: Memory,
}

impl Raw {
    /// Raw access without a socket.
    pub fn new(config: RawConfig) -> Self {
        Self {
            memory: Memory::new(config.memory_limit),
            config,
            counters: RawCounters::default(),
            sockets: Sockets::default(),
            ip_sockets: Vec::new(),
            packet_sockets: Vec::new(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &RawCounters {
        &self.counters
    }

    /// Sockets that exist, those included that are closed but have something to send.
    pub fn socket_count(&self) -> usize {
        self.sockets.count()
    }

    /// Bytes of memory that received copies pin, all sockets together.
    pub fn queued_bytes(&self) -> usize {
        self.memory.used()
    }

    /// Copies that a socket missed because it had no room for them (`SO_RXQ_OVFL`).
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn dropped(&self, id: EndpointId) -> Result<u64, Error> {
        self.sockets.open(id).map(|socket| socket.dropped)
    }

    /// Takes the oldest copy.
    pub(crate) fn take(&mut self, id: EndpointId) -> Result<Received, Error> {
        self.sockets.open_mut(id)?.base.take(&mut self.memory)
    }

    /// Queues a copy that pins `pinned` bytes, if there is room.
    pub(crate) fn queue(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        received: Received,
        pinned: usize,
    ) {
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        let charge = Queue::<Received>::charge(pinned);
        if socket.base.check_receive(&self.memory, charge).is_err() {
            socket.dropped += 1;
            self.counters.receive_buffer_errors += 1;
            return;
        }
        self.counters.delivered += 1;
        socket.base.receive(cx, &mut self.memory, received, charge);
    }

    /// Tells the host where to show packets, after a socket has come, changed or gone.
    pub(crate) fn update_taps(&mut self, cx: &mut TransportCx<'_>) {
        let mut points = TapPoints::NONE;
        if !self.ip_sockets.is_empty() {
            points = points.with(TapPoint::LocalInput);
        }
        for id in &self.packet_sockets {
            let Ok(Socket { kind: Kind::Packet(packet), .. }) = self.sockets.open(*id) else { continue };
            points = points.union(PacketSocket::taps(packet));
        }
        cx.set_taps(points);
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self::new(RawConfig::default())
    }
}

impl TransportProtocol for Raw {
    fn number(&self) -> u8 {
        IPPROTO_RAW
    }

    fn name(&self) -> &'static str {
        "Raw"
    }

    fn min_packet_len(&self) -> usize {
        0
    }

    /// A packet with the reserved number is nobody's.
    fn parse_ports(&self, _: &[u8]) -> Option<(u16, u16)> {
        Some((0, 0))
    }

    fn receive(
        &mut self,
        _: &mut TransportCx<'_>,
        _: EndpointId,
        _: &mut RxPacket,
    ) -> Result<(), DropReason> {
        Err(DropReason::UnknownProtocol)
    }

    fn receive_unknown(&mut self, _: &mut TransportCx<'_>, _: &mut RxPacket) -> Unknown {
        Unknown::ProtocolUnreachable
    }

    /// Errors are about packets with ports, and ours have none.
    fn receive_error(&mut self, _: &mut TransportCx<'_>, _: EndpointId, _: &DeliveryError) {}

    fn poll_transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        self.transmit(cx, out, budget)
    }

    /// Raw access has no timers.
    fn handle_timeout(&mut self, _: &mut TransportCx<'_>, _: EndpointId) {}

    fn tap(
        &mut self,
        cx: &mut TransportCx<'_>,
        nic: &NicView<'_>,
        point: TapPoint,
        packet: TappedPacket<'_>,
    ) -> bool {
        match (point, packet) {
            (TapPoint::LocalInput, TappedPacket::Received(packet)) => self.packet_for_us(cx, packet),
            (TapPoint::LinkReceive, TappedPacket::Received(packet)) => {
                self.frame_received(cx, nic, packet);
                false
            }
            (TapPoint::LinkTransmit, TappedPacket::Transmitted(packet)) => {
                self.frame_sent(cx, nic, packet);
                false
            }
            _ => false,
        }
    }

    fn endpoints(&mut self) -> Option<&mut dyn Endpoints> {
        Some(self)
    }
}
