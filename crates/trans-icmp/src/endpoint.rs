//! The socket calls that all transports have in common.
//!
//! Their bytes are whole ICMP messages, as with Linux's ping sockets: eight bytes of header, then the data. Of what is
//! written, type and code must be those of an echo request; checksum and identifier are filled in. Ports of addresses
//! are identifiers where they are ours, and 0 where they are not.

use crate::icmp::HEADER_LEN;
use crate::socket::{Binding, Socket};
use crate::{Family, Icmp};
use core::net::SocketAddr;
use core::task::Waker;
use stack_core::{
    EndpointId, Endpoints, Error, Families, Interest, OptionName, Readiness, Shutdown, SocketOption,
    TransportCx,
};
use stack_datagram::{Peer, give_back};

impl<F: Family> Endpoints for Icmp<F> {
    fn create(&mut self, _: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error> {
        if !families.intersect(F::FAMILIES) {
            return Err(Error::AddressFamily);
        }
        self.sockets.insert(Socket::new(&self.config), self.config.max_sockets)
    }

    fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error> {
        self.bind_socket(cx, id, Peer::from_application(F::FAMILIES, local)?)
    }

    fn connect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, remote: SocketAddr) -> Result<(), Error> {
        self.connect_socket(cx, id, Peer::without_port(F::FAMILIES, remote)?)
    }

    fn read(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error> {
        let received = self.sockets.open_mut(id)?.base.take(&mut self.memory)?;
        let message = received.header.iter().chain(&received.reply.payload);
        let len = buffer.iter_mut().zip(message).map(|(to, from)| *to = *from).count();
        Ok((len, received.reply.from))
    }

    fn write(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        let Some((&[kind, code, _, _, _, _, s0, s1], payload)) = bytes.split_first_chunk() else {
            return Err(Error::InvalidArgument);
        };
        if (kind, code) != (F::ECHO_REQUEST, 0) {
            return Err(Error::InvalidArgument);
        }
        let len = self.send_echo(cx, id, u16::from_be_bytes([s0, s1]), payload, to)?;
        Ok(HEADER_LEN + len)
    }

    /// `Read` makes reads end after what is queued; `Write` makes writes fail. Nothing is sent.
    fn shutdown(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, how: Shutdown) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if socket.peer.is_none() {
            return Err(Error::NotConnected);
        }
        socket.base.shutdown(cx, how);
        Ok(())
    }

    /// Requests that were written are still sent.
    fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        if let Some(binding) = socket.binding.take() {
            give_back(cx, id, &binding.request, &binding.identity);
        }
        self.sockets.close(cx, id, &mut self.memory);
    }

    fn readiness(&self, id: EndpointId) -> Readiness {
        self.sockets.readiness(id)
    }

    fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        self.sockets.register(id, interest, waker);
    }

    fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let any = Peer::unspecified(F::FAMILIES);
        let local = self.sockets.open(id)?.binding.map_or(any, |Binding { identity, .. }| Peer {
            ip: identity.local.unwrap_or(any.ip),
            port: identity.local_port,
            zone: identity.nic,
        });
        Ok(local.to_application_of_hosts(F::FAMILIES))
    }

    fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let peer = self.sockets.open(id)?.peer.ok_or(Error::NotConnected)?;
        Ok(peer.to_application_of_hosts(F::FAMILIES))
    }

    fn set_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        self.change_option(cx, id, option)
    }

    fn option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        self.read_option(id, name)
    }

    fn take_error(&mut self, id: EndpointId) -> Option<Error> {
        self.sockets.open_mut(id).ok()?.base.error.take()
    }
}
