//! How an application reads: datagram by datagram, copied or by reference, or a super-packet at a time.
//!
//! A pending error comes first and is reported once (RFC 1122 §4.1.3.3).

use crate::Udp;
use crate::received::{self, DatagramMeta, Received, Take};
use bytes::Bytes;
use core::net::SocketAddr;
use stack_core::{EndpointId, Error, TransportCx};

impl Udp {
    /// Copies one datagram into `buffer` and says how many bytes were copied, who sent it, and whether the rest of it
    /// was lost because `buffer` is shorter. A datagram may be empty: 0 bytes are no end.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::ClosedForReceive`] after a shutdown, or what became of an earlier datagram of a
    /// connected socket ([`Error::ConnectionRefused`] and others).
    pub fn recv_from(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr, bool), Error> {
        let (received, from) = self.take(id, Take::Datagram)?;
        let (len, truncated) = copy(&received.bytes, buffer);
        Ok((len, from, truncated))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As there; a pending error is reported and gone.
    pub fn peek_from(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr, bool), Error> {
        let socket = self.sockets.open_mut(id)?;
        socket.base.check_read()?;
        let received = socket.base.receive.front().ok_or_else(|| socket.base.nothing())?.first();
        let (len, truncated) = copy(&received.bytes, buffer);
        Ok((len, received.from.to_application(socket.families), truncated))
    }

    /// Takes one datagram by reference, with what came with it.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn recv_bytes(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
    ) -> Result<(Bytes, SocketAddr, DatagramMeta), Error> {
        let (received, from) = self.take(id, Take::Datagram)?;
        Ok((received.bytes, from, received.meta))
    }

    /// Takes all datagrams that came in one packet: `segment_size` of the metadata says where to cut, 0 that there is
    /// only one (`UDP_GRO`).
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn recv_segmented(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
    ) -> Result<(Bytes, SocketAddr, DatagramMeta), Error> {
        let (received, from) = self.take(id, Take::Packet)?;
        Ok((received.bytes, from, received.meta))
    }

    fn take(&mut self, id: EndpointId, how: Take) -> Result<(Received, SocketAddr), Error> {
        let socket = self.sockets.open_mut(id)?;
        socket.base.check_read()?;
        let taken = received::take(&mut socket.base.receive, how);
        let (received, charge) = taken.ok_or_else(|| socket.base.nothing())?;
        self.memory.give_back(charge);
        let from = received.from.to_application(socket.families);
        Ok((received, from))
    }
}

fn copy(datagram: &[u8], buffer: &mut [u8]) -> (usize, bool) {
    let len = datagram.len().min(buffer.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..len), datagram.get(..len)) {
        to.copy_from_slice(from);
    }
    (len, len < datagram.len())
}
