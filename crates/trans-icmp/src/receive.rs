//! What becomes of an inbound message: an echo reply reaches the socket with its identifier (RFC 1122 §3.2.2.6,
//! RFC 4443 §4.2) with all of its data; everything else is the network layer's.

use crate::icmp::HEADER_LEN;
use crate::socket::Socket;
use crate::{Family, Icmp};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use stack_core::{Checksum, DropReason, EndpointId, Error, Instant, NicId, RxPacket, TransportCx};
use stack_datagram::{Peer, Queue, pinned, take_payload};

/// An answer to an echo request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EchoReply {
    /// Who answered; its port is 0.
    pub from: SocketAddr,
    /// Which of our addresses it answered to.
    pub local: IpAddr,
    /// Sequence number of the request.
    pub sequence: u16,
    /// The data of the request.
    pub payload: Bytes,
    /// TTL or hop limit that was left.
    pub hop_limit: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// The interface it came in by.
    pub nic: NicId,
    /// When it entered the stack.
    pub received_at: Instant,
}

/// A reply with its header as it was.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) reply: EchoReply,
    pub(crate) header: [u8; HEADER_LEN],
}

impl<F: Family> Icmp<F> {
    /// Takes the oldest reply.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none (then there may be a [report](Self::recv_report)),
    /// [`Error::ClosedForReceive`] after a shutdown, or what became of an earlier request of a connected socket.
    pub fn recv_echo(&mut self, _: &mut TransportCx<'_>, id: EndpointId) -> Result<EchoReply, Error> {
        self.sockets.open_mut(id)?.base.take(&mut self.memory).map(|received| received.reply)
    }

    pub(crate) fn deliver(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let outcome = self.deliver_checked(cx, id, packet);
        match outcome {
            Ok(()) => self.counters.in_echo_reps += 1,
            Err(reason) => self.count_drop(reason),
        }
        outcome
    }

    fn deliver_checked(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let header = check::<F>(packet)?;
        let [_, _, _, _, i0, i1, s0, s1] = header;
        let Ok(socket) = self.sockets.open_mut(id) else { return Err(DropReason::NoEndpoint) };
        if socket.base.read_closed {
            return Err(DropReason::SocketClosed);
        }
        if !is_expected(socket, u16::from_be_bytes([i0, i1]), packet.ip.src) {
            return Err(DropReason::NotFromPeer);
        }
        let len = packet.transport_len() - HEADER_LEN;
        let charge = Queue::<Received>::charge(pinned(len, packet.meta.truesize as usize));
        socket.base.check_receive(&self.memory, charge)?;
        let from = Peer { ip: packet.ip.src, port: 0, zone: Some(packet.meta.nic) };
        let reply = EchoReply {
            from: from.to_application_of_hosts(F::FAMILIES),
            local: packet.ip.dst,
            sequence: u16::from_be_bytes([s0, s1]),
            payload: take_payload(packet, HEADER_LEN, len),
            hop_limit: packet.ip.hop_limit,
            traffic_class: packet.ip.traffic_class,
            nic: packet.meta.nic,
            received_at: packet.meta.received_at,
        };
        socket.base.receive(cx, &mut self.memory, Received { reply, header }, charge);
        Ok(())
    }

    /// Why a message is dropped that belongs to no socket.
    pub(crate) fn nobody_asked(&mut self, packet: &RxPacket) -> DropReason {
        match check::<F>(packet) {
            Err(DropReason::IcmpIgnored) => DropReason::IcmpIgnored,
            outcome => {
                let reason = outcome.err().unwrap_or(DropReason::NoEndpoint);
                self.count_drop(reason);
                reason
            }
        }
    }

    fn count_drop(&mut self, reason: DropReason) {
        self.counters.in_errors += 1;
        match reason {
            DropReason::BadTransportChecksum => self.counters.in_csum_errors += 1,
            DropReason::SocketBufferFull => self.counters.rcvbuf_errors += 1,
            _ => {}
        }
    }
}

/// The header of an echo reply whose checksum is right.
fn check<F: Family>(packet: &RxPacket) -> Result<[u8; HEADER_LEN], DropReason> {
    let Some((header, _)) = packet.transport().split_first_chunk::<HEADER_LEN>() else {
        return Err(DropReason::TransportMalformed);
    };
    let [kind, ..] = *header;
    if kind != F::ECHO_REPLY {
        return Err(DropReason::IcmpIgnored);
    }
    if packet.meta.checksum == Checksum::Unverified {
        let mut sum = F::pseudo_header(packet.ip.src, packet.ip.dst, packet.transport_len());
        packet.transport_pieces().for_each(|piece| {
            sum.add_bytes(piece);
        });
        if !sum.is_valid() {
            return Err(DropReason::BadTransportChecksum);
        }
    }
    Ok(*header)
}

/// The host finds sockets by identifier and peer; this holds also for whoever calls without a host.
fn is_expected(socket: &Socket, ident: u16, from: IpAddr) -> bool {
    socket.binding.is_some_and(|binding| binding.identity.local_port == ident)
        && socket.peer.is_none_or(|peer| peer.ip == from)
}
