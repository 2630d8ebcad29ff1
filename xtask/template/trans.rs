//! The Template transport protocol: what it offers, and which document defines it.
//!
//! ```text
//! protocols  template-crate   you are here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! In this first form a segment begins with two ports, and the protocol has no
//! endpoints yet: every segment is answered with "port unreachable".
//!
//! Invariants: no segment can make it panic; it allocates nothing.
//!
//! ```
//! use stack_core::TransportProtocol;
//! use template_crate::Template;
//!
//! let protocol = Template::default();
//! assert_eq!(protocol.parse_ports(&[0, 7, 0, 9]), Some((7, 9)));
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use stack_core::{DeliveryError, DropReason, EndpointId, TransportCx, TransportProtocol, Unknown};
use stack_packet::{RxPacket, TxBatch};

/// RFC 3692 §2.1: 253 is for experiments.
const NUMBER: u8 = 253;
/// Source and destination port, two bytes each.
const HEADER_LEN: usize = 4;

/// The protocol; owns its endpoints.
#[derive(Debug, Default)]
pub struct Template {}

impl TransportProtocol for Template {
    fn number(&self) -> u8 {
        NUMBER
    }

    fn name(&self) -> &'static str {
        "Template"
    }

    fn min_packet_len(&self) -> usize {
        HEADER_LEN
    }

    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = *segment else { return None };
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    fn receive(
        &mut self,
        _cx: &mut TransportCx<'_>,
        _endpoint: EndpointId,
        _packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        Err(DropReason::SocketClosed)
    }

    fn receive_unknown(&mut self, _cx: &mut TransportCx<'_>, _packet: &mut RxPacket) -> Unknown {
        Unknown::PortUnreachable
    }

    fn receive_error(&mut self, _cx: &mut TransportCx<'_>, _endpoint: EndpointId, _error: &DeliveryError) {}

    fn poll_transmit(&mut self, _cx: &mut TransportCx<'_>, _out: &mut TxBatch, _budget: usize) -> bool {
        false
    }

    fn handle_timeout(&mut self, _cx: &mut TransportCx<'_>, _endpoint: EndpointId) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_network_order() {
        assert_eq!(Template::default().parse_ports(&[1, 2, 3, 4, 5]), Some((0x0102, 0x0304)));
    }

    #[test]
    fn short_segment_has_no_ports() {
        assert_eq!(Template::default().parse_ports(&[1, 2, 3]), None);
    }
}
