//! Errors about datagrams that were sent: RFC 1122 §4.1.3.3, RFC 1191, RFC 8201.
//!
//! A connected socket has one pending error, the newest, which the next call reports once. A socket that asked for it
//! (`IP_RECVERR`) has a queue of reports as well, connected or not: what happened, to which datagram, who says so.
//! A path MTU is believed if the quoted datagram really was larger.

use crate::Udp;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use stack_core::{
    DeliveryError, EndpointId, Error, ErrorKind, ErrorOrigin, Families, Instant, NicId, TransportCx,
};
use stack_datagram::{Peer, as_error, believable_mtu, quote};
use stack_wire::udp;

/// What became of a datagram that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeliveryReport {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who found it.
    pub origin: ErrorOrigin,
    /// The interface that heard of it.
    pub nic: Option<NicId>,
    /// Where the datagram was sent to.
    pub to: SocketAddr,
    /// The beginning of its payload, as far as it was quoted: up to 128 bytes.
    pub payload: Bytes,
    /// When the report reached this protocol.
    pub received_at: Instant,
}

impl DeliveryReport {
    fn new(now: Instant, error: &DeliveryError, quoted: &Quoted<'_>, families: Families) -> Self {
        let to = Peer { ip: error.remote, port: quoted.dst_port, zone: error.nic };
        Self {
            kind: error.kind,
            origin: error.origin,
            nic: error.nic,
            to: to.to_application(families),
            payload: quote(quoted.payload),
            received_at: now,
        }
    }
}

/// The datagram that an error is about, as far as it is quoted.
struct Quoted<'a> {
    dst_port: u16,
    length: u16,
    payload: &'a [u8],
}

impl<'a> Quoted<'a> {
    fn parse(quoted: &'a [u8]) -> Option<Self> {
        let (header, payload) = quoted.split_first_chunk::<{ udp::HEADER_LEN }>()?;
        let [_, _, d0, d1, l0, l1, _, _] = *header;
        Some(Self { dst_port: u16::from_be_bytes([d0, d1]), length: u16::from_be_bytes([l0, l1]), payload })
    }

    /// Bytes of the packet that it was in, without options.
    fn packet_len(&self, remote: IpAddr) -> u32 {
        u32::from(self.length) + if remote.is_ipv4() { 20 } else { 40 }
    }
}

impl Udp {
    pub(crate) fn error_received(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, error: &DeliveryError) {
        let Some(quoted) = Quoted::parse(&error.quoted) else { return };
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        let from_peer =
            socket.peer.is_none_or(|peer| peer.ip == error.remote && peer.port == quoted.dst_port);
        if !from_peer {
            return;
        }
        if let ErrorKind::PacketTooBig { mtu } = error.kind {
            socket.route.forget();
            // Our own stack knows its links already.
            if let (Some(mtu), ErrorOrigin::Icmp { .. }) =
                (believable_mtu(error.remote, mtu, quoted.packet_len(error.remote)), error.origin)
            {
                cx.host.lower_path_mtu(cx.now, error.remote, mtu);
            }
            if !socket.options.dont_fragment {
                return;
            }
        }
        let families = socket.families;
        socket
            .reports
            .add(self.config.max_error_reports, || DeliveryReport::new(cx.now, error, &quoted, families));
        // R1122-4.1.3.3-a. An unconnected socket could not tell which of its peers is meant.
        if socket.peer.is_some() || socket.reports.are_wanted() {
            socket.base.error = Some(as_error(error.kind));
            socket.base.wake_both(cx);
        }
    }

    /// Takes the oldest report about a datagram that could not be delivered. Only sockets with
    /// [`ReceiveErrors`](stack_core::SocketOption::ReceiveErrors) have them.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::UnknownEndpoint`].
    pub fn recv_report(&mut self, id: EndpointId) -> Result<DeliveryReport, Error> {
        self.sockets.open_mut(id)?.reports.take()
    }
}
