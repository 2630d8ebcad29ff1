//! Errors about echo requests: RFC 1122 §3.2.2, RFC 4443 §2.4 d.
//!
//! Each becomes a report that says what happened to which request and who says so: a traceroute reads nothing else.
//! A connected socket has it as its pending error too, which the next call reports once.
//! A path MTU is believed if the socket has sent a larger packet.

use crate::socket::Socket;
use crate::{Family, Icmp};
use bytes::Bytes;
use core::net::SocketAddr;
use stack_core::{DeliveryError, EndpointId, Error, ErrorKind, ErrorOrigin, Instant, NicId, TransportCx};
use stack_datagram::{Peer, as_error, believable_mtu, quote};

/// What became of an echo request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EchoReport {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who found it: for a traceroute, the router on the way.
    pub origin: ErrorOrigin,
    /// The interface that heard of it.
    pub nic: Option<NicId>,
    /// Where the request was sent to; the port is 0.
    pub to: SocketAddr,
    /// Sequence number of the request.
    pub sequence: u16,
    /// The beginning of its data, as far as it was quoted: up to 128 bytes.
    pub payload: Bytes,
    /// When the report reached this protocol: the end of a round trip.
    pub received_at: Instant,
}

impl<F: Family> Icmp<F> {
    pub(crate) fn error_received(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, error: &DeliveryError) {
        let Some((&[kind, _, _, _, i0, i1, s0, s1], payload)) = error.quoted.split_first_chunk() else {
            return;
        };
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        let ident = u16::from_be_bytes([i0, i1]);
        if kind != F::ECHO_REQUEST || !is_about(socket, ident, error) {
            return;
        }
        let mut told = socket.peer.is_some();
        if let ErrorKind::PacketTooBig { mtu } = error.kind {
            told &= socket.options.dont_fragment;
            socket.route.forget();
            // Our own stack knows its links already.
            if let (Some(mtu), ErrorOrigin::Icmp { .. }) =
                (believable_mtu(error.remote, mtu, socket.largest_sent), error.origin)
            {
                cx.host.lower_path_mtu(cx.now, error.remote, mtu);
            }
        }
        self.counters.in_error_reports += 1;
        let to = Peer { ip: error.remote, port: 0, zone: error.nic };
        socket.reports.add(self.config.max_error_reports, || EchoReport {
            kind: error.kind,
            origin: error.origin,
            nic: error.nic,
            to: to.to_application_of_hosts(F::FAMILIES),
            sequence: u16::from_be_bytes([s0, s1]),
            payload: quote(payload),
            received_at: cx.now,
        });
        if told {
            socket.base.error = Some(as_error(error.kind));
        }
        socket.base.wake_both(cx);
    }

    /// Takes the oldest report about a request that was not answered. Sockets have them unless
    /// [`ReceiveErrors`](stack_core::SocketOption::ReceiveErrors) is switched off; while there is one, the readiness
    /// has its `error` set.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::UnknownEndpoint`].
    pub fn recv_report(&mut self, id: EndpointId) -> Result<EchoReport, Error> {
        self.sockets.open_mut(id)?.reports.take()
    }
}

/// Whether the quoted request is one of the socket's.
fn is_about(socket: &Socket, ident: u16, error: &DeliveryError) -> bool {
    socket.binding.is_some_and(|binding| binding.identity.local_port == ident)
        && socket.peer.is_none_or(|peer| peer.ip == error.remote)
}
