//! What becomes of an echo request: from the application's call to the packet.
//!
//! All is decided at the call - destination, source, route, whether it fits - so that every failure is the caller's to
//! know. Then one packet from each socket in turn.

use crate::icmp::HEADER_LEN;
use crate::socket::{Peer, Queue, Socket};
use crate::{Family, Icmp};
use bytes::Bytes;
use core::net::SocketAddr;
use stack_core::{CachedRoute, Cast, Checksum, EndpointId, Error, Hop, IpMeta, NicId, TransportCx, TxBatch};

/// One request to be: all but the bytes of its header.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    payload: Bytes,
    ip: IpMeta,
    ident: u16,
    sequence: u16,
    hop: Hop,
    bound_nic: Option<NicId>,
    mark: u32,
    multicast_loop: bool,
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
        let outgoing = socket.request::<F>(&route, peer, sequence, payload.into_payload());
        socket.largest_sent = socket.largest_sent.max(u32::try_from(packet_len).unwrap_or(u32::MAX));
        socket.send.push(outgoing, Queue::<Outgoing>::charge(len));
        self.schedule(id);
        Ok(len)
    }

    /// What can be said without a route: whether the socket may send that much, and to whom.
    fn check_send(&mut self, id: EndpointId, len: usize, to: Option<SocketAddr>) -> Result<Peer, Error> {
        let socket = self.sockets.open_mut(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if socket.write_closed {
            return Err(Error::ClosedForSend);
        }
        let peer = match to {
            Some(to) => Peer::from_application::<F>(to)?,
            None => socket.peer.ok_or(Error::DestinationRequired)?,
        };
        if len > F::MAX_PAYLOAD {
            return Err(Error::MessageTooLarge);
        }
        if !socket.send.is_below_limit() {
            self.counters.sndbuf_errors += 1;
            return Err(Error::WouldBlock);
        }
        Ok(peer)
    }

    /// Gives a socket with something to send a turn.
    fn schedule(&mut self, id: EndpointId) {
        let Some(socket) = self.sockets.find_mut(id) else { return };
        if !socket.scheduled && !socket.send.is_empty() {
            socket.scheduled = true;
            self.round.push_back(id);
        }
    }

    pub(crate) fn transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(id) = self.round.pop_front() else { break };
            let Some(outgoing) = self.next_of(cx, id) else { continue };
            self.schedule(id);
            if build::<F>(outgoing, out) {
                self.counters.out_echos += 1;
            }
        }
        !self.round.is_empty()
    }

    /// The next request of a socket whose turn it is. A closed socket goes with its last one.
    fn next_of(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Option<Outgoing> {
        let socket = self.sockets.find_mut(id)?;
        socket.scheduled = false;
        let outgoing = socket.send.pop().map(|(outgoing, _)| outgoing);
        if socket.send.is_below_limit() {
            cx.wake(&mut socket.writable);
        }
        if socket.closed && socket.send.is_empty() {
            self.sockets.remove(id);
        }
        outgoing
    }
}

impl Socket {
    fn request<F: Family>(&self, route: &CachedRoute, peer: Peer, sequence: u16, payload: Bytes) -> Outgoing {
        let own = &self.options;
        let multicast = route.cast == Cast::Multicast;
        Outgoing {
            payload,
            ip: IpMeta {
                src: route.local,
                dst: peer.ip,
                protocol: F::PROTOCOL,
                hop_limit: if multicast { own.multicast_hop_limit } else { own.hop_limit },
                traffic_class: own.traffic_class,
                dont_fragment: own.dont_fragment,
                flow_label: own.flow_label,
                cast: route.cast,
            },
            ident: self.binding.map_or(0, |binding| binding.identity.local_port),
            sequence,
            hop: route.hop,
            // Where a wish or a zone chose the interface, the packet must not leave by another one.
            bound_nic: self.bound_nic().or(peer.zone).or(own.multicast_nic.filter(|_| multicast)),
            mark: own.mark,
            multicast_loop: own.multicast_loop,
        }
    }
}

/// Builds the packet in a slot of `out`, its checksum in full; `false` if it can't be built.
fn build<F: Family>(outgoing: Outgoing, out: &mut TxBatch) -> bool {
    let Outgoing { payload, ip, ident, sequence, hop, bound_nic, mark, multicast_loop } = outgoing;
    let mut covered = F::pseudo_header(ip.src, ip.dst, HEADER_LEN + payload.len());
    covered.add_bytes(&payload);
    let packet = out.slot();
    packet.ip = ip;
    packet.hop = hop;
    packet.bound_nic = bound_nic;
    packet.mark = mark;
    packet.multicast_loop = multicast_loop;
    packet.checksum = Checksum::Unverified;
    let written = packet.push(payload).is_ok()
        && packet.prepend(HEADER_LEN).is_some_and(|out| F::write_request(out, ident, sequence, covered));
    if !written {
        out.cancel();
    }
    written
}

/// What can be sent: a slice, which is copied, or [`Bytes`], which are not. It is copied only once it is sure to be sent.
pub trait IntoPayload {
    /// Bytes of payload.
    fn len(&self) -> usize;
    /// Whether there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The payload.
    fn into_payload(self) -> Bytes;
}

impl IntoPayload for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }
    fn into_payload(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl<const N: usize> IntoPayload for &[u8; N] {
    fn len(&self) -> usize {
        N
    }
    fn into_payload(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl IntoPayload for Bytes {
    fn len(&self) -> usize {
        self.len()
    }
    fn into_payload(self) -> Bytes {
        self
    }
}
