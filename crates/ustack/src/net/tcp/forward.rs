//! Being asked about connections to where nobody listens.

use super::TcpStream;
use super::connect::outcome;
use crate::error::ConnectError;
use crate::forward::{Request, forwarder_methods, request_methods};
use crate::net::io_result;
use crate::net::socket::{Socket, Sockets};
use stack_core::Interest;
use std::io;
use std::sync::Arc;
use trans_tcp::{ForwarderConfig, Tcp};

/// Is asked about every connection that a peer opens to an address and port where nobody listens: the core of a transparent
/// proxy. Several threads may wait for requests; connections on addresses with a listener never come here.
///
/// ```
/// use std::io::{Read, Write};
/// use ustack::link::channel::{ChannelConfig, pair};
/// use ustack::net::{TcpForwarder, TcpStream};
/// use ustack::{NicConfig, NicId, Stack, TcpForwarderConfig};
///
/// let (client, proxy) = pair(ChannelConfig::default());
/// let nic = NicConfig::new(client).address("10.0.0.1/24".parse()?).gateway("10.0.0.2".parse()?);
/// let client = Stack::builder().default_protocols().nic(nic).build()?;
/// let nic = NicConfig::new(proxy).address("10.0.0.2/24".parse()?);
/// let proxy = Stack::builder().default_protocols().nic(nic).build()?;
/// proxy.set_promiscuous_mode(NicId(1), true)?;
///
/// let forwarder = TcpForwarder::new(&proxy, TcpForwarderConfig::default())?;
/// let asked = std::thread::spawn(move || {
///     let request = forwarder.next()?;
///     let greeting = format!("you wanted {}", request.original_dst());
///     request.accept()?.write_all(greeting.as_bytes())
/// });
/// let mut answer = String::new();
/// TcpStream::connect(&client, "93.184.216.34:80")?.read_to_string(&mut answer)?;
/// assert_eq!(answer, "you wanted 93.184.216.34:80");
/// asked.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpForwarder {
    socket: Socket<Tcp>,
}

impl TcpForwarder {
    forwarder_methods!(Tcp, ForwarderConfig);

    /// Waits for the next request.
    ///
    /// # Errors
    /// The forwarder does not block and there is none.
    pub fn next(&self) -> io::Result<TcpRequest> {
        let next = self.socket.block(Interest::Readable, None, Request::next(&self.socket.stack));
        Ok(TcpRequest { request: io_result("wait for a request", next)? })
    }

    /// Whether [`next`](Self::next) answers `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self, on: bool) {
        self.socket.set_nonblocking(on);
    }
}

impl std::fmt::Debug for TcpForwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpForwarder").finish_non_exhaustive()
    }
}

/// A peer wants a connection, and has no answer yet. Dropped, the request is forgotten: the peer tries again.
#[derive(Debug)]
pub struct TcpRequest {
    request: Request<Tcp>,
}

impl TcpRequest {
    request_methods!();

    /// Answers the peer, and waits until the connection is there. Its local address is the
    /// [`original_dst`](Self::original_dst).
    ///
    /// # Errors
    /// [`ConnectError::TimedOut`] if the peer does not answer any more or the request is too old;
    /// [`ConnectError::Refused`] if the peer does not want the connection any more.
    pub fn accept(self) -> Result<TcpStream, ConnectError> {
        let remote = self.peer_addr();
        let refuse = |error| ConnectError::new(remote, error, Tcp::NAME);
        let socket = self.request.accept().map_err(refuse)?;
        socket.block(Interest::Writable, None, outcome(remote)).map_err(refuse)?;
        Ok(TcpStream { socket: Arc::new(socket) })
    }

    /// Refuses the connection with a reset, as if nobody were asked.
    pub fn reset(self) {
        self.request.reject();
    }
}
