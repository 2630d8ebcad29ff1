//! The transport protocol: messages between ports, numbered, with a sum over all bytes; no acknowledgements.
//!
//! ```text
//! | source port | destination port | sum | number |
//!       2                2            2       2       bytes
//! ```

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use stack_core::{
    Checksum, DeliveryError, DropReason, EndpointId, EndpointIdentity, Error, Families, IpMeta, PortRequest,
    RxPacket, TransportCx, TransportProtocol, TxBatch, Unknown,
};
use std::collections::VecDeque;

/// For experiments (RFC 3692 §2.1).
pub const NUMBER: u8 = 253;
const HEADER: usize = 8;
/// Messages that wait to be read.
const QUEUE: usize = 64;

/// A message that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who sent it.
    pub from: SocketAddr,
    /// Its number among the sender's.
    pub number: u16,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The transport protocol, to be registered with a stack.
#[derive(Debug, Default)]
pub struct Parcel {
    boxes: Vec<Letterbox>,
    outgoing: VecDeque<(SocketAddr, SocketAddr, u16, Vec<u8>)>,
    /// Errors about what we sent.
    pub returned: usize,
}

/// A port.
#[derive(Debug)]
struct Letterbox {
    port: u16,
    sent: u16,
    arrived: VecDeque<Message>,
}

impl Parcel {
    /// Opens a port; 0 picks one. Returns its endpoint.
    ///
    /// # Errors
    /// The port is taken.
    pub fn open(&mut self, cx: &mut TransportCx<'_>, port: u16) -> Result<EndpointId, Error> {
        let wish =
            PortRequest { families: Families::V4, local: None, port, remote: None, nic: None, shared: false };
        let port = cx.reserve_port(&wish)?;
        let id = EndpointId { index: self.boxes.len() as u32, generation: 0 };
        let identity = EndpointIdentity {
            nic: None,
            families: Families::V4,
            local: None,
            local_port: port,
            remote: None,
            remote_port: 0,
            shared: false,
        };
        cx.register(&identity, id)?;
        self.boxes.push(Letterbox { port, sent: 0, arrived: VecDeque::new() });
        Ok(id)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// There is no such endpoint.
    pub fn send(&mut self, id: EndpointId, to: SocketAddr, bytes: &[u8]) -> Result<(), Error> {
        let letterbox = self.boxes.get_mut(id.index as usize).ok_or(Error::UnknownEndpoint)?;
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), letterbox.port);
        self.outgoing.push_back((from, to, letterbox.sent, bytes.to_vec()));
        letterbox.sent = letterbox.sent.wrapping_add(1);
        Ok(())
    }

    /// Takes a message out.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none.
    pub fn receive_message(&mut self, id: EndpointId) -> Result<Message, Error> {
        let letterbox = self.boxes.get_mut(id.index as usize).ok_or(Error::UnknownEndpoint)?;
        letterbox.arrived.pop_front().ok_or(Error::WouldBlock)
    }
}

fn sum<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> u16 {
    pieces.flatten().fold(0u16, |sum, byte| sum.rotate_left(1).wrapping_add(u16::from(*byte)))
}

impl TransportProtocol for Parcel {
    fn number(&self) -> u8 {
        NUMBER
    }

    fn name(&self) -> &'static str {
        "Parcel"
    }

    fn min_packet_len(&self) -> usize {
        HEADER
    }

    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        let &[a, b, c, d] = segment.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    fn receive(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let header = *packet.transport().first_chunk::<HEADER>().ok_or(DropReason::Truncated)?;
        let [a, b, _, _, s0, s1, n0, n1] = header;
        let bytes: Vec<u8> = packet.transport_pieces().flatten().copied().skip(HEADER).collect();
        if sum([&header[..4], &header[6..], &bytes].into_iter()) != u16::from_be_bytes([s0, s1]) {
            return Err(DropReason::BadTransportChecksum);
        }
        let letterbox = self.boxes.get_mut(id.index as usize).ok_or(DropReason::NoEndpoint)?;
        if letterbox.arrived.len() == QUEUE {
            return Err(DropReason::SocketBufferFull);
        }
        let from = SocketAddr::new(packet.ip.src, u16::from_be_bytes([a, b]));
        letterbox.arrived.push_back(Message { from, number: u16::from_be_bytes([n0, n1]), bytes });
        Ok(())
    }

    fn receive_unknown(&mut self, _: &mut TransportCx<'_>, _: &mut RxPacket) -> Unknown {
        Unknown::Drop(DropReason::NoEndpoint)
    }

    fn receive_error(&mut self, _: &mut TransportCx<'_>, _: EndpointId, _: &DeliveryError) {
        self.returned += 1;
    }

    fn poll_transmit(&mut self, _: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        for (from, to, number, bytes) in self.outgoing.drain(..budget.min(self.outgoing.len())) {
            let mut header = [0; HEADER];
            header[..2].copy_from_slice(&from.port().to_be_bytes());
            header[2..4].copy_from_slice(&to.port().to_be_bytes());
            header[6..].copy_from_slice(&number.to_be_bytes());
            let sum = sum([&header[..4], &header[6..], &bytes].into_iter());
            header[4..6].copy_from_slice(&sum.to_be_bytes());
            let packet = out.slot();
            packet.ip = IpMeta { src: from.ip(), dst: to.ip(), protocol: NUMBER, ..IpMeta::default() };
            // The sum is complete: no device has anything left to do.
            packet.checksum = Checksum::Unverified;
            // A new packet has room for one piece and for this header.
            let _ = packet.push(bytes.into());
            if let Some(room) = packet.prepend(HEADER) {
                room.copy_from_slice(&header);
            }
        }
        !self.outgoing.is_empty()
    }

    fn handle_timeout(&mut self, _: &mut TransportCx<'_>, _: EndpointId) {}
}
