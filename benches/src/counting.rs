//! A transport that does nothing but count: what is left of a packet's way is the host's own work.

use stack_core::{
    DeliveryError, DropReason, EndpointId, RxPacket, TransportCx, TransportProtocol, TxBatch, Unknown,
};

/// Its protocol number: one of those for experiments (RFC 3692).
pub const NUMBER: u8 = 253;
/// Its header: two ports, and four bytes that nobody reads.
pub const HEADER_LEN: usize = 8;

/// The transport, with what it has seen.
#[derive(Debug, Default)]
pub struct Counting {
    /// Packets that an endpoint was handed.
    pub packets: u64,
    /// Packets that no endpoint answers to.
    pub unknown: u64,
    /// Deadlines that passed.
    pub timeouts: u64,
}

impl TransportProtocol for Counting {
    fn number(&self) -> u8 {
        NUMBER
    }

    fn name(&self) -> &'static str {
        "counting"
    }

    fn min_packet_len(&self) -> usize {
        HEADER_LEN
    }

    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        let [a, b, c, d] = *segment.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    fn receive(
        &mut self,
        _: &mut TransportCx<'_>,
        _: EndpointId,
        _: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.packets += 1;
        Ok(())
    }

    fn receive_unknown(&mut self, _: &mut TransportCx<'_>, _: &mut RxPacket) -> Unknown {
        self.unknown += 1;
        Unknown::Drop(DropReason::NoEndpoint)
    }

    fn receive_error(&mut self, _: &mut TransportCx<'_>, _: EndpointId, _: &DeliveryError) {}

    fn poll_transmit(&mut self, _: &mut TransportCx<'_>, _: &mut TxBatch, _: usize) -> bool {
        false
    }

    fn handle_timeout(&mut self, _: &mut TransportCx<'_>, _: EndpointId) {
        self.timeouts += 1;
    }
}
