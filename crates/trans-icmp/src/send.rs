//! What becomes of an echo request: from the application's call to the packet.
//!
//! All is decided at the call - destination, source, route, whether it fits - so that every failure is the caller's to
//! know. Then one packet from each socket in turn.

use crate::icmp::HEADER_LEN;
use crate::{Family, Icmp};
use bytes::Bytes;
use core::net::SocketAddr;
use stack_core::{Checksum, EndpointId, Error, TransportCx, TxBatch, TxPacket};
use stack_datagram::{Envelope, IntoPayload, Peer, Queue};

/// One request to be: all but the bytes of its header.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    payload: Bytes,
    envelope: Envelope,
    ident: u16,
    sequence: u16,
}

impl<F: Family> Icmp<F> {
    /// Queues an echo request with this sequence number and data, to `to` (its port does not matter) or to the connected
    /// peer, and says how many bytes of data it has. An unbound socket gets a free identifier.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] while the send buffer is full; [`Error::DestinationRequired`];
    /// [`Error::MessageTooLarge`] beyond 65,507 bytes (IPv4) or 65,527 (IPv6), or beyond the path MTU if fragments are
    /// forbidden; [`Error::BroadcastDisabled`]; [`Error::AddressFamily`]; [`Error::NoRoute`] and others of the routing
    /// table; or what became of an earlier request of a connected socket.
    pub fn send_echo<P: IntoPayload>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        sequence: u16,
        payload: P,
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        let len = payload.len();
        let peer = self.check_send(id, len, to)?;
        self.bind_if_unbound(cx, id)?;
        let socket = self.sockets.open_mut(id)?;
        let source = socket.binding.and_then(|binding| binding.identity.local);
        let route = socket.route_to(cx, peer, source)?;
        let packet_len = F::IP_HEADER_LEN + HEADER_LEN + len;
        if socket.options.dont_fragment && packet_len > route.mtu as usize {
            return Err(Error::MessageTooLarge);
        }
        socket.largest_sent = socket.largest_sent.max(u32::try_from(packet_len).unwrap_or(u32::MAX));
        let outgoing = Outgoing {
            payload: payload.into_payload(),
            envelope: socket.options.envelope(socket.bound_nic(), peer, &route, F::PROTOCOL),
            ident: socket.binding.map_or(0, |binding| binding.identity.local_port),
            sequence,
        };
        self.sockets.enqueue(id, outgoing, Queue::<Outgoing>::charge(len));
        Ok(len)
    }

    /// What can be said without a route: whether the socket may send that much, and to whom.
    fn check_send(&mut self, id: EndpointId, len: usize, to: Option<SocketAddr>) -> Result<Peer, Error> {
        let socket = self.sockets.open_mut(id)?;
        socket.base.check_write()?;
        let peer = match to {
            Some(to) => Peer::without_port(F::FAMILIES, to)?,
            None => socket.peer.ok_or(Error::DestinationRequired)?,
        };
        if len > F::MAX_PAYLOAD {
            return Err(Error::MessageTooLarge);
        }
        if !socket.base.send.is_below_limit() {
            self.counters.sndbuf_errors += 1;
            return Err(Error::WouldBlock);
        }
        Ok(peer)
    }

    pub(crate) fn transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        let Self { sockets, counters, .. } = self;
        sockets.transmit(cx, budget, |outgoing| match outgoing.build::<F>(out.slot()) {
            Some(()) => counters.out_echos += 1,
            None => out.cancel(),
        })
    }
}

impl Outgoing {
    /// Builds the packet, its checksum in full; `None` if it can't be built.
    fn build<F: Family>(self, packet: &mut TxPacket) -> Option<()> {
        let Self { payload, envelope, ident, sequence } = self;
        let mut covered = F::pseudo_header(envelope.ip.src, envelope.ip.dst, HEADER_LEN + payload.len());
        covered.add_bytes(&payload);
        envelope.write(packet);
        packet.checksum = Checksum::Unverified;
        packet.push(payload).ok()?;
        F::write_request(packet.prepend(HEADER_LEN)?, ident, sequence, covered).then_some(())
    }
}
