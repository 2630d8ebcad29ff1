//! Blocking ICMP echo sockets: what `ping` and `traceroute` are made of. std has none.

use super::socket::{Settings, Socket, Sockets};
use super::{io_result, nonzero};
use crate::error::{BindError, SocketError};
use crate::stack::Stack;
use stack_core::{EndpointId, Endpoints, Error, Families, Interest, SocketOption, TransportCx};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use trans_icmp::{EchoReply, EchoReport, Icmp, V4, V6};

impl Sockets for Icmp<V4> {
    const NAME: &'static str = "Icmp::v4";
}

impl Sockets for Icmp<V6> {
    const NAME: &'static str = "Icmp::v6";
}

/// What became of an echo request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Echo {
    /// The destination answered.
    Reply(EchoReply),
    /// Somebody on the way said why it can't.
    Report(EchoReport),
}

/// An ICMP echo socket of one family. All methods take `&self`; threads may share it.
#[derive(Clone)]
pub struct IcmpSocket {
    pub(crate) socket: Either,
}

#[derive(Clone)]
pub(crate) enum Either {
    V4(Arc<Socket<Icmp<V4>>>),
    V6(Arc<Socket<Icmp<V6>>>),
}

/// The same for either family.
macro_rules! either {
    ($either:expr, $socket:ident => $body:expr) => {
        match $either {
            $crate::net::icmp::Either::V4($socket) => $body,
            $crate::net::icmp::Either::V6($socket) => $body,
        }
    };
}
pub(crate) use either;

/// Takes what has come: a reply, or a report.
pub(crate) fn receive<F: trans_icmp::Family>(
    icmp: &mut Icmp<F>,
    cx: &mut TransportCx<'_>,
    id: EndpointId,
) -> Result<Echo, Error> {
    match icmp.recv_echo(cx, id) {
        Err(Error::WouldBlock) => icmp.recv_report(id).map(Echo::Report),
        result => result.map(Echo::Reply),
    }
}

fn bound<F: trans_icmp::Family>(stack: &Stack, local: SocketAddr) -> Result<Arc<Socket<Icmp<F>>>, BindError>
where
    Icmp<F>: Sockets,
{
    let refuse = |error| BindError::new(local, error, Icmp::<F>::NAME);
    let socket = Socket::<Icmp<F>>::create(stack, Families::of(local.ip())).map_err(refuse)?;
    socket.call(|icmp, cx, id| icmp.bind(cx, id, local)).map_err(refuse)?;
    Ok(Arc::new(socket))
}

impl IcmpSocket {
    /// A socket of the family of `local`, which is an address of `stack` or unspecified. Its identifier is free and
    /// random.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind(stack: &Stack, local: IpAddr) -> Result<Self, BindError> {
        Self::bind_with_identifier(stack, local, 0)
    }

    /// As [`bind`](Self::bind), with this identifier; 0 picks one.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind_with_identifier(stack: &Stack, local: IpAddr, identifier: u16) -> Result<Self, BindError> {
        let local = SocketAddr::new(local, identifier);
        let socket = match local {
            SocketAddr::V4(_) => Either::V4(bound(stack, local)?),
            SocketAddr::V6(_) => Either::V6(bound(stack, local)?),
        };
        Ok(Self { socket })
    }

    /// The identifier of its requests.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn identifier(&self) -> io::Result<u16> {
        let local = either!(&self.socket, socket => socket.local_addr());
        io_result("name the identifier", local).map(|local| local.port())
    }

    /// Sends an echo request with this sequence number and data. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, or there is no route.
    pub fn send_to(&self, sequence: u16, payload: &[u8], to: IpAddr) -> io::Result<()> {
        let (to, timeout) = (Some(SocketAddr::new(to, 0)), self.settings().write_timeout);
        let sent = either!(&self.socket, socket => socket.block(Interest::Writable, timeout, |icmp, cx, id| {
            icmp.send_echo(cx, id, sequence, payload, to)
        }));
        io_result("send the echo request", sent).map(|_| ())
    }

    /// Waits for what became of a request.
    ///
    /// # Errors
    /// The time is over.
    pub fn recv(&self) -> io::Result<Echo> {
        let timeout = self.settings().read_timeout;
        let received = either!(&self.socket, socket => socket.block(Interest::Readable, timeout, receive));
        io_result("receive an echo reply", received)
    }

    /// How long a receive waits; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        either!(&self.socket, socket => socket.change_settings(|settings| settings.read_timeout = timeout));
        Ok(())
    }

    /// Whether calls answer `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None; the signature is that of the other sockets.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        either!(&self.socket, socket => socket.set_nonblocking(on));
        Ok(())
    }

    /// TTL or hop limit of requests, 1 to 255: a traceroute counts it up.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        either!(&self.socket, socket => socket.set_ttl(ttl))
    }

    /// Changes any other setting.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        io_result("change the setting", either!(&self.socket, socket => socket.set_option(option)))
    }

    /// Takes the pending error.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = io_result("take the error", either!(&self.socket, socket => socket.take_error()))?;
        Ok(error.map(|error| SocketError::new("deliver an echo request", error).into()))
    }

    fn settings(&self) -> Settings {
        either!(&self.socket, socket => socket.settings())
    }
}

impl std::fmt::Debug for IcmpSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IcmpSocket").field("identifier", &self.identifier().ok()).finish_non_exhaustive()
    }
}
