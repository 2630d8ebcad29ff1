//! Sockets in a form that is the same for every transport: what generic sockets, script runners and a C API drive.
//!
//! Endpoints belong to their protocol and are named by [`EndpointId`], so that an idle one costs bytes, not objects.
//! No call waits: what can't be done now is [`Error::WouldBlock`], and a waker tells when to try again.

use crate::{EndpointId, Error, Families, OptionName, SocketOption, TransportCx};
use core::net::SocketAddr;
use core::task::Waker;

/// Which side of a connection to end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shutdown {
    /// Read no more.
    Read,
    /// Write no more: the peer sees the end of the stream.
    Write,
    /// Both.
    Both,
}

/// What to be woken for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interest {
    /// Data, a connection to accept, the end of the stream, or an error.
    Readable,
    /// Room to write, the end of a connect, or an error.
    Writable,
}

/// What can be done now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Readiness {
    /// A read or an accept won't answer [`Error::WouldBlock`].
    pub readable: bool,
    /// A write won't answer [`Error::WouldBlock`].
    pub writable: bool,
    /// The peer has ended its side.
    pub read_closed: bool,
    /// Nothing can be written any more.
    pub write_closed: bool,
    /// Urgent data is pending (TCP).
    pub urgent: bool,
    /// An error waits to be read.
    pub error: bool,
}

/// The sockets of a transport protocol.
pub trait Endpoints {
    /// A new, unbound socket.
    ///
    /// # Errors
    /// [`Error::LimitReached`].
    fn create(&mut self, cx: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error>;

    /// Gives it a local address; unspecified means any, port 0 an ephemeral one.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::BadLocalAddress`], [`Error::AlreadyBound`], [`Error::AddressFamily`].
    fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error>;

    /// Connects it to a peer.
    ///
    /// # Errors
    /// [`Error::ConnectStarted`] if the answer comes later; [`Error::NoRoute`] and those of `bind` at once.
    fn connect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, remote: SocketAddr) -> Result<(), Error>;

    /// Connects it and sends data with the first packet, if the peer allows that; returns how many bytes were queued
    /// (`MSG_FASTOPEN`).
    ///
    /// # Errors
    /// [`Error::ConnectStarted`] if nothing was queued; [`Error::NotSupported`]; those of `connect`.
    fn connect_with_data(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
        data: &[u8],
    ) -> Result<usize, Error> {
        let _ = (cx, id, remote, data);
        Err(Error::NotSupported)
    }

    /// Lets peers connect; again, it changes the backlog.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for datagrams, [`Error::InvalidState`] if it is not bound.
    fn listen(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, backlog: usize) -> Result<(), Error> {
        let _ = (cx, id, backlog);
        Err(Error::NotSupported)
    }

    /// Takes a connection out of the backlog.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::InvalidState`] if it does not listen.
    fn accept(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<EndpointId, Error> {
        let _ = (cx, id);
        Err(Error::NotSupported)
    }

    /// Copies received bytes (one datagram, or what the stream has) and says whose they are; 0 at the end of a stream.
    /// What of a datagram does not fit is lost.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], or why the connection ended.
    fn read(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error>;

    /// Queues bytes (one datagram whole, of a stream as much as there is room) and says how many.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::DestinationRequired`], [`Error::MessageTooLarge`], or why the connection ended.
    fn write(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error>;

    /// Ends one side or both.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    fn shutdown(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, how: Shutdown) -> Result<(), Error>;

    /// Gives the handle up. A connection goes on by itself until it has ended in an orderly way.
    fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId);

    /// What can be done now; all closed for an unknown handle.
    fn readiness(&self, id: EndpointId) -> Readiness;

    /// Wakes this waker once when the readiness changes towards the interest; the caller looks again after registering.
    fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker);

    /// Its own address; unspecified and port 0 while unbound.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error>;

    /// The peer's address.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error>;

    /// Changes a setting.
    ///
    /// # Errors
    /// [`Error::NotSupported`], [`Error::InvalidArgument`], [`Error::InvalidState`].
    fn set_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error>;

    /// What a setting is now.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for what the protocol does not have, or can't tell; [`Error::UnknownEndpoint`].
    fn option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let _ = (id, name);
        Err(Error::NotSupported)
    }

    /// Takes the pending error (`SO_ERROR`).
    fn take_error(&mut self, id: EndpointId) -> Option<Error>;
}
