//! Transport protocols: TCP, UDP, ICMP echo, and what others register.

use crate::{DeliveryError, DropReason, EndpointId, Endpoints, NicView, TapPoint, TappedPacket, TransportCx};
use alloc::boxed::Box;
use core::any::Any;
use stack_packet::{RxPacket, TxBatch};

/// What becomes of a packet that no endpoint answers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// The protocol dealt with it (TCP sends a reset).
    Handled,
    /// The network layer shall say that the port is unreachable.
    PortUnreachable,
    /// The network layer shall say that the protocol is not spoken here.
    ProtocolUnreachable,
    /// It ends here.
    Drop(DropReason),
}

/// A handler for packets that no endpoint of a transport protocol answers to. Returns whether it consumed the packet;
/// if not, [`TransportProtocol::receive_unknown`] has it.
pub type DefaultHandler = Box<dyn FnMut(&mut TransportCx<'_>, &mut RxPacket) -> bool + Send>;

/// A transport protocol. It owns its endpoints; the host finds them by [`EndpointId`].
pub trait TransportProtocol: Any + Send {
    /// Number in the IP header.
    fn number(&self) -> u8;

    /// Name for people: `TCP`.
    fn name(&self) -> &'static str;

    /// Shortest segment that can be one of its own, in bytes.
    fn min_packet_len(&self) -> usize;

    /// Source and destination port of a segment of at least [`min_packet_len`](Self::min_packet_len) bytes;
    /// `None` if it is malformed.
    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)>;

    /// The ports under which the host finds the endpoint that *sent* a quoted segment: `(local, remote)`.
    /// `None` if the quote is too short.
    fn parse_quoted_ports(&self, quoted: &[u8]) -> Option<(u16, u16)> {
        if quoted.len() < self.min_packet_len().min(8) { None } else { self.parse_ports(quoted) }
    }

    /// A packet for an endpoint. Nothing is sent from here: endpoints with something to send are remembered
    /// for [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// Why the packet was dropped.
    fn receive(
        &mut self,
        cx: &mut TransportCx<'_>,
        endpoint: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason>;

    /// A packet that no endpoint and no default handler wanted.
    fn receive_unknown(&mut self, cx: &mut TransportCx<'_>, packet: &mut RxPacket) -> Unknown;

    /// An error about a packet that `endpoint` sent.
    fn receive_error(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId, error: &DeliveryError);

    /// Appends up to `budget` packets to `out`, fairly over the endpoints that have something to send.
    /// Returns whether there is more; whoever is told so must come back.
    fn poll_transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool;

    /// The deadline of an endpoint has passed. It may be early or stale: look at the clock.
    fn handle_timeout(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId);

    /// A packet passes a place that the protocol has asked for with [`set_taps`](crate::TransportServices::set_taps): how raw
    /// and packet sockets receive. It changes nothing, and clones what it keeps. Returns whether anybody took it: what was
    /// taken at [`TapPoint::LocalInput`] is not answered with "protocol unreachable".
    fn tap(
        &mut self,
        cx: &mut TransportCx<'_>,
        nic: &NicView<'_>,
        point: TapPoint,
        packet: TappedPacket<'_>,
    ) -> bool {
        let _ = (cx, nic, point, packet);
        false
    }

    /// Its endpoints as sockets, if it offers them in the common form.
    fn endpoints(&mut self) -> Option<&mut dyn Endpoints> {
        None
    }
}
