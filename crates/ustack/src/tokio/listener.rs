//! Listening for connections.

use super::{TcpStream, poll_io};
use crate::error::{AcceptError, BindError, SocketError};
use crate::net::ToSocketAddr;
use crate::net::io_result;
use crate::net::socket::Socket;
use crate::net::tcp::connect::{accept, listen, refused};
use crate::stack::Stack;
use stack_core::{Interest, SocketOption};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use trans_tcp::Tcp;

/// A TCP socket that listens.
pub struct TcpListener {
    socket: Socket<Tcp>,
}

crate::net::tcp::options::listener_settings!(TcpListener);

impl TcpListener {
    /// Listens on an address of `stack`. Port 0 picks one; `[::]` takes IPv4 peers as well.
    ///
    /// # Errors
    /// Why not, with the remedy.
    #[expect(clippy::unused_async, reason = "the shape of tokio's")]
    pub async fn bind(stack: &Stack, local: impl ToSocketAddr) -> Result<Self, BindError> {
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
        Ok(Self { socket: listen(stack, local.to_socket_addr()?, options)? })
    }

    /// Waits for a connection; returns it and who made it. Several tasks may wait.
    ///
    /// # Errors
    /// The listener is no more.
    pub async fn accept(&self) -> Result<(TcpStream, SocketAddr), AcceptError> {
        let (id, remote) = self.socket.wait(Interest::Readable, accept).await.map_err(refused)?;
        Ok((TcpStream::adopt(self.socket.stack.clone(), id), remote))
    }

    /// Polls for a connection; keeps the last task only.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        poll_io(&self.socket, Interest::Readable, cx, "accept", accept)
            .map_ok(|(id, remote)| (TcpStream::adopt(self.socket.stack.clone(), id), remote))
    }

    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the local address", self.socket.local_addr())
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
    /// None; the signature is tokio's.
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
