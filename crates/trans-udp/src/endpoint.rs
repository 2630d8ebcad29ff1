//! The socket calls that all transports have in common.

use crate::socket::Socket;
use crate::{SendOptions, Udp};
use core::net::SocketAddr;
use core::task::Waker;
use stack_core::{
    EndpointId, Endpoints, Error, Families, Interest, OptionName, Readiness, Shutdown, SocketOption,
    TransportCx,
};
use stack_datagram::{Peer, give_back};

impl Endpoints for Udp {
    fn create(&mut self, _: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error> {
        self.sockets.insert(Socket::new(families, &self.config), self.config.max_sockets)
    }

    fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error> {
        let families = self.sockets.open(id)?.families;
        self.bind_socket(cx, id, Peer::from_application(families, local)?)
    }

    fn connect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, remote: SocketAddr) -> Result<(), Error> {
        let families = self.sockets.open(id)?.families;
        self.connect_socket(cx, id, Peer::destination(families, remote)?)
    }

    fn read(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error> {
        self.recv_from(cx, id, buffer).map(|(len, from, _)| (len, from))
    }

    fn write(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        self.send_message(cx, id, bytes, &SendOptions { to, ..SendOptions::default() })
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

    /// Datagrams that were written are still sent.
    fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        socket.leave_all(cx);
        if let Some(binding) = socket.binding.take() {
            give_back(cx, id, &binding.request, &binding.identity);
        }
        let forwarder = socket.forwarder.take();
        self.sockets.close(cx, id, &mut self.memory);
        if let Some(forwarder) = forwarder {
            self.close_forwarder(cx, id, &forwarder);
        }
    }

    fn readiness(&self, id: EndpointId) -> Readiness {
        self.sockets.readiness(id)
    }

    fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        self.sockets.register(id, interest, waker);
    }

    fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        Ok(self.sockets.open(id)?.local_address())
    }

    fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let socket = self.sockets.open(id)?;
        let peer = socket.peer.ok_or(Error::NotConnected)?;
        Ok(peer.to_application(socket.families))
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
