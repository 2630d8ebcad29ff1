//! Getting a listener or a connection: what blocking and async sockets do in the same way.

use crate::error::{AcceptError, BindError, ConnectError};
use crate::net::socket::{Socket, Sockets, families_of};
use crate::stack::Stack;
use stack_core::{EndpointId, Error, SocketOption, TransportCx};
use std::net::SocketAddr;
use trans_tcp::Tcp;

/// Connections that wait to be accepted: tokio's number. More are refused until some are accepted.
const BACKLOG: usize = 1024;

/// A socket that listens.
pub(crate) fn listen(
    stack: &Stack,
    local: SocketAddr,
    options: &[SocketOption],
) -> Result<Socket<Tcp>, BindError> {
    let refuse = |error| BindError::new(local, error, Tcp::NAME);
    let socket = Socket::<Tcp>::create(stack, families_of(local)).map_err(refuse)?;
    let listening = socket.call(|tcp, cx, id| {
        // As std does it: a server that starts again is not kept waiting by old connections.
        tcp.set_option(cx, id, SocketOption::ReuseAddress(true))?;
        options.iter().try_for_each(|option| tcp.set_option(cx, id, *option))?;
        tcp.bind(cx, id, local)?;
        tcp.listen(cx, id, BACKLOG)
    });
    listening.map_err(refuse)?;
    tracing::debug!(%local, "listening");
    Ok(socket)
}

/// How to connect, besides where to.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    /// From where; the stack's choice if `None`.
    pub(crate) local: Option<SocketAddr>,
    /// Settings to begin with.
    pub(crate) options: &'a [SocketOption],
    /// What to send as early as possible.
    pub(crate) data: &'a [u8],
}

/// A socket whose connect has been started, and how many bytes of the data it takes along.
pub(crate) fn start(
    stack: &Stack,
    remote: SocketAddr,
    how: How<'_>,
) -> Result<(Socket<Tcp>, usize), ConnectError> {
    let refuse = |error| ConnectError::new(remote, error, Tcp::NAME);
    let socket = Socket::<Tcp>::create(stack, families_of(remote)).map_err(refuse)?;
    let started = socket.call(|tcp, cx, id| {
        how.options.iter().try_for_each(|option| tcp.set_option(cx, id, *option))?;
        how.local.map_or(Ok(()), |local| tcp.bind(cx, id, local))?;
        let started = match how.data {
            [] => tcp.connect(cx, id, remote).map(|()| 0),
            data => tcp.connect_with_data(cx, id, remote, data),
        };
        match started {
            Err(Error::ConnectStarted) => Ok(0),
            result => result,
        }
    });
    let written = started.map_err(refuse)?;
    tracing::debug!(%remote, "connecting");
    Ok((socket, written))
}

/// Whether a connect that was started has ended, and how; [`Error::WouldBlock`] while it has not.
pub(crate) fn outcome(
    remote: SocketAddr,
) -> impl FnMut(&mut Tcp, &mut TransportCx<'_>, EndpointId) -> Result<(), Error> {
    move |tcp, cx, id| {
        if let Some(error) = tcp.take_error(id) {
            return Err(error);
        }
        match tcp.connect(cx, id, remote) {
            Err(Error::AlreadyConnected) => Ok(()),
            Err(Error::AlreadyConnecting | Error::ConnectStarted) => Err(Error::WouldBlock),
            result => result,
        }
    }
}

/// Takes a connection out of the backlog.
pub(crate) fn accept(
    tcp: &mut Tcp,
    cx: &mut TransportCx<'_>,
    id: EndpointId,
) -> Result<(EndpointId, SocketAddr), Error> {
    tcp.accept(cx, id)
}

/// The error of an accept.
pub(crate) fn refused(error: Error) -> AcceptError {
    AcceptError::new(error)
}
