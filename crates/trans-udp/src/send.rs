//! What becomes of a written datagram until it stands in its socket's queue: RFC 768, RFC 1122 §4.1.3.5, RFC 8085 §3.2.
//!
//! All is decided here - destination, source, route, whether it fits - so that every failure is the caller's to know.
//! Several datagrams of one size to one destination can be written as one super-packet (`UDP_SEGMENT`): the link or the
//! host cuts it, and the stack is crossed once.

use crate::Udp;
use crate::socket::Socket;
use crate::transmit::Outgoing;
use core::net::{IpAddr, SocketAddr};
use stack_core::{CachedRoute, EndpointId, Error, TransportCx};
use stack_datagram::{Envelope, IntoPayload, Peer, Queue};
use stack_wire::{ip::protocol, udp};

/// Largest payload over IPv4, in bytes: 65,535 less the two headers.
const MAX_PAYLOAD_V4: usize = 65_507;
/// Largest payload over IPv6, in bytes: the IPv6 header is not counted in its own length field.
const MAX_PAYLOAD_V6: usize = 65_527;
/// Datagrams in one super-packet: Linux's `UDP_MAX_SEGMENTS` until 6.10, so that every kernel takes what we build.
const MAX_SEGMENTS: usize = 64;

/// How to send, beyond what the socket's options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The destination; `None` for the peer of a connected socket.
    pub to: Option<SocketAddr>,
    /// The source address, one of the host's: the address that a question came to is the one to answer from
    /// (RFC 1122 §4.1.3.5). `None` for the socket's own, or the host's choice.
    pub source: Option<IpAddr>,
    /// Cut the payload into datagrams of this many bytes, the last one being shorter; 0 sends one datagram.
    pub segment_size: usize,
    /// TTL or hop limit instead of the socket's.
    pub hop_limit: Option<u8>,
    /// Traffic class, ECN included, instead of the socket's.
    pub traffic_class: Option<u8>,
}

impl Udp {
    /// Queues one datagram, to `to` or to the connected peer, and says how long it is. A slice is copied,
    /// [`Bytes`](bytes::Bytes) are not. An unbound socket gets an ephemeral port.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] while the send buffer is full; [`Error::DestinationRequired`];
    /// [`Error::MessageTooLarge`] beyond 65,507 bytes (IPv4) or 65,527 (IPv6), or beyond the path MTU if fragments are
    /// forbidden; [`Error::BroadcastDisabled`]; [`Error::AddressFamily`]; [`Error::NoRoute`] and others of the routing
    /// table; or what became of an earlier datagram of a connected socket.
    pub fn send_to<P: IntoPayload>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        payload: P,
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        self.send_message(cx, id, payload, &SendOptions { to, ..SendOptions::default() })
    }

    /// Queues `payload` as datagrams of `segment_size` bytes, the last one being shorter, all of them or none.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to), and [`Error::MessageTooLarge`] if one datagram does not fit into the path MTU:
    /// they are never fragmented.
    pub fn send_segmented<P: IntoPayload>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        payload: P,
        segment_size: usize,
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        self.send_message(cx, id, payload, &SendOptions { to, segment_size, ..SendOptions::default() })
    }

    /// As [`send_to`](Self::send_to), with all that can be said about a datagram.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to), and [`Error::BadLocalAddress`] for a source that is none of ours,
    /// [`Error::InvalidArgument`] for a hop limit of 0.
    pub fn send_message<P: IntoPayload>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        payload: P,
        options: &SendOptions,
    ) -> Result<usize, Error> {
        let len = payload.len();
        let peer = self.check_send(id, len, options)?;
        self.bind_if_unbound(cx, id)?;
        let socket = self.sockets.open_mut(id)?;
        let source = options.source.map(|source| source.to_canonical()).or(socket.source_to(peer));
        let route = socket.route_to(cx, peer, source)?;
        let (segment, packet) = sizes(socket, &route, len, options.segment_size)?;
        let envelope = socket.envelope(&route, peer, options);
        let src_port = socket.binding.map_or(0, |binding| binding.identity.local_port);
        let mut rest = payload.into_payload();
        loop {
            let payload = rest.split_to(packet.min(rest.len()));
            let gso_size = if payload.len() > usize::from(segment) { segment } else { 0 };
            let charge = Queue::<Outgoing>::charge(payload.len());
            let outgoing = Outgoing { payload, envelope, src_port, dst_port: peer.port, gso_size };
            socket.base.send.push(outgoing, charge);
            if rest.is_empty() {
                break;
            }
        }
        self.sockets.schedule(id);
        Ok(len)
    }

    /// What can be said without a route: whether the socket may write that much, and to whom.
    fn check_send(&mut self, id: EndpointId, len: usize, options: &SendOptions) -> Result<Peer, Error> {
        let socket = self.sockets.open_mut(id)?;
        socket.base.check_write()?;
        let peer = match options.to {
            Some(to) => Peer::destination(socket.families, to)?,
            None => socket.peer.ok_or(Error::DestinationRequired)?,
        };
        let max = if peer.ip.is_ipv4() { MAX_PAYLOAD_V4 } else { MAX_PAYLOAD_V6 };
        if len > max {
            return Err(Error::MessageTooLarge);
        }
        if options.hop_limit == Some(0) {
            return Err(Error::InvalidArgument);
        }
        if !socket.base.send.is_below_limit() {
            self.counters.sndbuf_errors += 1;
            return Err(Error::WouldBlock);
        }
        Ok(peer)
    }
}

impl Socket {
    fn envelope(&self, route: &CachedRoute, peer: Peer, options: &SendOptions) -> Envelope {
        let mut envelope = self.options.envelope(self.bound_nic(), peer, route, protocol::UDP);
        let ip = &mut envelope.ip;
        ip.hop_limit = options.hop_limit.unwrap_or(ip.hop_limit);
        ip.traffic_class = options.traffic_class.unwrap_or(ip.traffic_class);
        envelope
    }
}

/// Payload bytes of each datagram (0: no cutting) and of each packet to be built.
fn sizes(
    socket: &Socket,
    route: &CachedRoute,
    len: usize,
    segment_size: usize,
) -> Result<(u16, usize), Error> {
    let headers = udp::HEADER_LEN + if route.local.is_ipv4() { 20 } else { 40 };
    let fits = |payload: usize| payload + headers <= route.mtu as usize;
    if segment_size == 0 || len <= segment_size {
        let whole = !(socket.options.dont_fragment || segment_size > 0) || fits(len);
        return if whole { Ok((0, len)) } else { Err(Error::MessageTooLarge) };
    }
    if !fits(segment_size) {
        return Err(Error::MessageTooLarge);
    }
    let segment = u16::try_from(segment_size).map_err(|_| Error::MessageTooLarge)?;
    let segments = ((route.max_gso as usize).saturating_sub(headers) / segment_size).clamp(1, MAX_SEGMENTS);
    Ok((segment, segments * segment_size))
}
