//! Listening for connections.

use super::TcpStream;
use super::connect::{accept, listen, refused};
use crate::error::{AcceptError, BindError, SocketError};
use crate::net::address::ToSocketAddr;
use crate::net::io_result;
use crate::net::socket::Socket;
use crate::stack::Stack;
use stack_core::{Interest, SocketOption};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use trans_tcp::Tcp;

/// A TCP socket that listens. All methods take `&self`; several threads may accept from one listener.
pub struct TcpListener {
    socket: Arc<Socket<Tcp>>,
}

crate::net::tcp::options::listener_settings!(TcpListener);

impl TcpListener {
    /// Listens on an address of `stack`. Port 0 picks one; `[::]` takes IPv4 peers as well.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind(stack: &Stack, local: impl ToSocketAddr) -> Result<Self, BindError> {
        Self::bind_with(stack, local, &[])
    }

    /// As [`bind`](Self::bind), with settings that have to be there before, such as [`SocketOption::V6Only`] or the only
    /// interface that connections are taken from ([`SocketOption::BindToNic`]).
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind_with(
        stack: &Stack,
        local: impl ToSocketAddr,
        options: &[SocketOption],
    ) -> Result<Self, BindError> {
        let socket = listen(stack, local.to_socket_addr()?, options)?;
        Ok(Self { socket: Arc::new(socket) })
    }

    /// Waits for a connection; returns it and who made it.
    ///
    /// # Errors
    /// The listener does not block and none waits, or the listener is no more.
    pub fn accept(&self) -> Result<(TcpStream, SocketAddr), AcceptError> {
        let (id, remote) = self.socket.block(Interest::Readable, None, accept).map_err(refused)?;
        Ok((TcpStream::adopt(self.socket.stack.clone(), id), remote))
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the local address", self.socket.local_addr())
    }

    /// Another handle of the same listener.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: Arc::clone(&self.socket) })
    }

    /// Whether `accept` answers `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(on);
        Ok(())
    }

    /// TTL or hop limit of what the listener and its connections send, 1 to 255.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// TTL or hop limit.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.socket.ttl())
    }

    /// Changes any setting, by its name in the contract; connections accepted later inherit it.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        io_result("change the setting", self.socket.set_option(option))
    }

    /// Takes the pending error.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = io_result("take the error", self.socket.take_error())?;
        Ok(error.map(|error| SocketError::new("listen", error).into()))
    }
}

impl std::fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.socket.local_addr().ok()).finish_non_exhaustive()
    }
}

/// Connections as they come; see [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = Result<TcpStream, AcceptError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}
