//! Getting a listener or a connection: what blocking and async sockets do in the same way.

use crate::error::{AcceptError, BindError, ConnectError};
use crate::net::socket::{Socket, Sockets, families_of};
use crate::stack::Stack;
use stack_core::{EndpointId, Error, Families, SocketOption, TransportCx};
use std::net::SocketAddr;
use trans_tcp::Tcp;

/// Connections that wait to be accepted: tokio's number. More are refused until some are accepted.
const BACKLOG: usize = 1024;

/// A socket that listens.
pub(crate) fn listen(stack: &Stack, local: SocketAddr) -> Result<Socket<Tcp>, BindError> {
    let refuse = |error| BindError::new(local, error, Tcp::NAME);
    let socket = Socket::<Tcp>::create(stack, families_of(local)).map_err(refuse)?;
    let listening = socket.call(|tcp, cx, id| {
        // As std does it: a server that starts again is not kept waiting by old connections.
        tcp.set_option(cx, id, SocketOption::ReuseAddress(true))?;
        tcp.bind(cx, id, local)?;
        tcp.listen(cx, id, BACKLOG)
    });
    listening.map_err(refuse)?;
    tracing::debug!(%local, "listening");
    Ok(socket)
}

/// A socket whose connect has been started.
pub(crate) fn start(
    stack: &Stack,
    local: Option<SocketAddr>,
    remote: SocketAddr,
) -> Result<Socket<Tcp>, ConnectError> {
    let refuse = |error| ConnectError::new(remote, error, Tcp::NAME);
    let socket = Socket::<Tcp>::create(stack, Families::of(remote.ip())).map_err(refuse)?;
    let started = socket.call(|tcp, cx, id| {
        local.map_or(Ok(()), |local| tcp.bind(cx, id, local))?;
        match tcp.connect(cx, id, remote) {
            Err(Error::ConnectStarted) => Ok(()),
            result => result,
        }
    });
    started.map_err(refuse)?;
    tracing::debug!(%remote, "connecting");
    Ok(socket)
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
