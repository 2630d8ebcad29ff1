//! The Template network protocol: what it carries, and which document defines it.
//!
//! ```text
//! protocols  template-crate   you are here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! In this first form its header is one byte, the number of the transport
//! protocol; it has no addresses of its own, takes packets and sends none.
//!
//! Invariants: no packet can make it panic; a bad packet ends in a counted
//! [`DropReason`].
//!
//! ```
//! use stack_core::NetworkProtocol;
//! use template_crate::Template;
//!
//! let protocol = Template::default();
//! assert_eq!(protocol.ether_type(), 0x88b5);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

use alloc::boxed::Box;
use core::net::IpAddr;

use stack_core::{DropReason, NetCx, NetworkEndpoint, NetworkProtocol, NicView, Verdict};
use stack_packet::RxPacket;

/// IEEE 802 local experimental EtherType 1.
const ETHER_TYPE: u16 = 0x88b5;
/// The number of the transport protocol.
const HEADER_LEN: usize = 1;

/// The protocol; makes an endpoint for each interface.
#[derive(Debug, Default)]
pub struct Template {}

impl NetworkProtocol for Template {
    fn ether_type(&self) -> u16 {
        ETHER_TYPE
    }

    fn name(&self) -> &'static str {
        "Template"
    }

    fn min_packet_len(&self) -> usize {
        HEADER_LEN
    }

    fn parse_addresses(&self, _packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        None
    }

    fn carries(&self, _address: IpAddr) -> bool {
        false
    }

    fn new_endpoint(&mut self, _nic: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        Box::new(TemplateEndpoint {})
    }
}

/// The protocol on one interface.
#[derive(Debug)]
struct TemplateEndpoint {}

impl TemplateEndpoint {
    fn accept(packet: &mut RxPacket) -> Verdict {
        let Some(&number) = packet.data.first() else { return Verdict::Drop(DropReason::Truncated) };
        packet.ip.protocol = number;
        packet.transport = HEADER_LEN as u16;
        Verdict::Deliver
    }
}

impl NetworkEndpoint for TemplateEndpoint {
    fn receive(&mut self, _cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        Self::accept(packet)
    }

    fn header_len(&self) -> usize {
        HEADER_LEN
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use stack_packet::Instant;

    use super::*;

    #[test]
    fn header_names_the_transport_protocol() {
        let mut packet = RxPacket::new(Bytes::from_static(&[253, 1, 2]), ETHER_TYPE, Instant::default());
        assert_eq!(TemplateEndpoint::accept(&mut packet), Verdict::Deliver);
        assert_eq!((packet.ip.protocol, packet.transport()), (253, &[1, 2][..]));
    }

    #[test]
    fn empty_packet_is_dropped() {
        let mut packet = RxPacket::new(Bytes::new(), ETHER_TYPE, Instant::default());
        assert_eq!(TemplateEndpoint::accept(&mut packet), Verdict::Drop(DropReason::Truncated));
    }
}
