//! The sockets in the form that is the same for every transport: what generic drivers and script runners use.

use crate::tcp::Tcp;
use core::net::SocketAddr;
use core::task::Waker;
use stack_core::{
    EndpointId, Endpoints, Error, Families, Interest, OptionName, Readiness, Shutdown, SocketOption,
    TransportCx,
};

impl Endpoints for Tcp {
    fn create(&mut self, cx: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error> {
        Tcp::create(self, cx, families)
    }

    fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error> {
        Tcp::bind(self, cx, id, local)
    }

    fn connect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, remote: SocketAddr) -> Result<(), Error> {
        Tcp::connect(self, cx, id, remote)
    }

    fn connect_with_data(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
        data: &[u8],
    ) -> Result<usize, Error> {
        Tcp::connect_with_data(self, cx, id, remote, data)
    }

    fn listen(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, backlog: usize) -> Result<(), Error> {
        Tcp::listen(self, cx, id, backlog)
    }

    fn accept(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<EndpointId, Error> {
        Tcp::accept(self, cx, id).map(|(connection, _)| connection)
    }

    fn read(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error> {
        let len = Tcp::read(self, cx, id, buffer)?;
        Ok((len, Tcp::remote_address(self, id)?))
    }

    /// A stream knows its destination: another one in `to` is [`Error::AlreadyConnected`].
    fn write(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        if to.is_some_and(|to| !self.is_peer(id, to)) {
            return Err(Error::AlreadyConnected);
        }
        Tcp::write(self, cx, id, bytes)
    }

    fn shutdown(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, how: Shutdown) -> Result<(), Error> {
        Tcp::shutdown(self, cx, id, how)
    }

    fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        Tcp::close(self, cx, id);
    }

    fn readiness(&self, id: EndpointId) -> Readiness {
        Tcp::readiness(self, id)
    }

    fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        Tcp::register(self, id, interest, waker);
    }

    fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        Tcp::local_address(self, id)
    }

    fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        Tcp::remote_address(self, id)
    }

    fn set_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        Tcp::set_option(self, cx, id, option)
    }

    fn option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        Tcp::option(self, id, name)
    }

    fn take_error(&mut self, id: EndpointId) -> Option<Error> {
        Tcp::take_error(self, id)
    }
}
