//! What becomes of an inbound datagram: RFC 768, RFC 1122 §4.1.3.4, RFC 8200 §8.1.
//!
//! The host calls once for each socket that a broadcast or multicast is for, with a clone of the packet.
//! A length beyond the packet is an error; what lies behind the length is cut off.

use crate::Udp;
use crate::received::{DatagramMeta, Received};
use crate::socket::Socket;
use stack_core::{Cast, Checksum, DropReason, EndpointId, RxPacket, TransportCx, Unknown};
use stack_datagram::{Peer, Queue, pinned, take_payload};
use stack_wire::checksum::pseudo_header;
use stack_wire::{ip::protocol, udp};

impl Udp {
    pub(crate) fn deliver(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let outcome = self.deliver_checked(cx, id, packet);
        if let Err(reason) = outcome {
            self.count_drop(reason);
        }
        outcome
    }

    fn deliver_checked(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let header = check(packet)?;
        let Ok(socket) = self.sockets.open_mut(id) else { return Err(DropReason::NoEndpoint) };
        if socket.base.read_closed {
            return Err(DropReason::SocketClosed);
        }
        let from = Peer { ip: packet.ip.src, port: header.src_port, zone: Some(packet.meta.nic) };
        if !is_from_peer(socket, from) {
            return Err(DropReason::NotFromPeer);
        }
        if !socket.wants(packet) {
            return Err(DropReason::SourceFiltered);
        }
        let payload_len = usize::from(header.length) - udp::HEADER_LEN;
        let charge = Queue::<Received>::charge(pinned(payload_len, packet.meta.truesize as usize));
        socket.base.check_receive(&self.memory, charge)?;
        let meta = meta_of(packet, payload_len);
        packet.truncate(usize::from(packet.transport) + usize::from(header.length));
        let received = Received { bytes: take_payload(packet, udp::HEADER_LEN, payload_len), from, meta };
        self.counters.in_datagrams += received.count() as u64;
        socket.base.receive(cx, &mut self.memory, received, charge);
        Ok(())
    }

    pub(crate) fn nobody_listens(&mut self, cx: &mut TransportCx<'_>, packet: &mut RxPacket) -> Unknown {
        if let Err(reason) = check(packet) {
            self.count_drop(reason);
            return Unknown::Drop(reason);
        }
        // R1122-4.1.3.1-a; never about what was sent to many (RFC 1122 §3.2.2, RFC 4443 §2.4 e).
        if packet.ip.cast != Cast::Unicast || packet.meta.cast != Cast::Unicast {
            self.counters.ignored_multi += 1;
            return Unknown::Drop(DropReason::NoEndpoint);
        }
        match self.ask(cx, packet) {
            Some(outcome) => outcome.map_or_else(Unknown::Drop, |()| Unknown::Handled),
            None => {
                self.counters.no_ports += 1;
                Unknown::PortUnreachable
            }
        }
    }

    fn count_drop(&mut self, reason: DropReason) {
        let counters = &mut self.counters;
        counters.in_errors += 1;
        match reason {
            DropReason::BadTransportChecksum => counters.in_csum_errors += 1,
            DropReason::SocketBufferFull => counters.rcvbuf_errors += 1,
            DropReason::MemoryPressure => counters.mem_errors += 1,
            _ => {}
        }
    }
}

/// What of a checked header is needed.
struct Header {
    src_port: u16,
    length: u16,
}

/// Checks lengths and checksum.
fn check(packet: &RxPacket) -> Result<Header, DropReason> {
    let Some((header, _)) = packet.transport().split_first_chunk::<{ udp::HEADER_LEN }>() else {
        return Err(DropReason::TransportMalformed);
    };
    let [s0, s1, _, _, l0, l1, c0, c1] = *header;
    let length = u16::from_be_bytes([l0, l1]);
    // R768-a.
    if usize::from(length) < udp::HEADER_LEN || usize::from(length) > packet.transport_len() {
        return Err(DropReason::TransportMalformed);
    }
    if (c0, c1) == (0, 0) {
        // R1122-4.1.3.4-a: none was made. R8200-8.1-a: over IPv6 there must be one, whoever vouches for it.
        if packet.ip.dst.is_ipv6() {
            return Err(DropReason::BadTransportChecksum);
        }
    } else if packet.meta.checksum == Checksum::Unverified && !checksum_is_valid(packet, length) {
        return Err(DropReason::BadTransportChecksum);
    }
    Ok(Header { src_port: u16::from_be_bytes([s0, s1]), length })
}

fn checksum_is_valid(packet: &RxPacket, length: u16) -> bool {
    let mut sum = pseudo_header(packet.ip.src, packet.ip.dst, protocol::UDP, u32::from(length));
    let mut left = usize::from(length);
    for piece in packet.transport_pieces() {
        let covered = piece.get(..left).unwrap_or(piece);
        sum.add_bytes(covered);
        left -= covered.len();
    }
    sum.is_valid()
}

/// The host finds connected sockets by their peer; this holds also for whoever calls without a host.
fn is_from_peer(socket: &Socket, from: Peer) -> bool {
    socket.peer.is_none_or(|peer| (peer.ip, peer.port) == (from.ip, from.port))
}

fn meta_of(packet: &RxPacket, payload_len: usize) -> DatagramMeta {
    let gso_size = usize::from(packet.meta.gso_size);
    DatagramMeta {
        local: packet.ip.dst,
        cast: packet.ip.cast,
        nic: packet.meta.nic,
        hop_limit: packet.ip.hop_limit,
        traffic_class: packet.ip.traffic_class,
        mark: packet.meta.mark,
        received_at: packet.meta.received_at,
        segment_size: if payload_len > gso_size { gso_size } else { 0 },
    }
}
