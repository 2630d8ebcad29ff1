//! Blocking UDP sockets, shaped like [`std::net::UdpSocket`].

use super::address::ToSocketAddr;
use super::socket::{Socket, Sockets, families_of};
use super::{io_result, nonzero};
use crate::error::{BindError, ConnectError, SocketError};
use crate::stack::Stack;
use bytes::Bytes;
use stack_core::{Interest, SocketOption};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use trans_udp::Udp;

impl Sockets for Udp {
    const NAME: &'static str = "Udp";
}

/// A UDP socket. All methods take `&self`; threads may share it.
#[derive(Clone)]
pub struct UdpSocket {
    pub(crate) socket: Arc<Socket<Udp>>,
}

impl UdpSocket {
    pub(crate) fn adopt(socket: Socket<Udp>) -> Self {
        Self { socket: Arc::new(socket) }
    }

    /// A socket of `stack` with this local address. Port 0 picks one; `[::]` takes IPv4 peers as well.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind(stack: &Stack, local: impl ToSocketAddr) -> Result<Self, BindError> {
        Self::bind_with(stack, local, &[])
    }

    /// A socket with settings that have to be there before it is bound, such as the only interface that it uses
    /// ([`SocketOption::BindToNic`]) or the sharing of its port.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub fn bind_with(
        stack: &Stack,
        local: impl ToSocketAddr,
        options: &[SocketOption],
    ) -> Result<Self, BindError> {
        let local = local.to_socket_addr()?;
        let refuse = |error| BindError::new(local, error, Udp::NAME);
        let socket = Socket::<Udp>::create(stack, families_of(local)).map_err(refuse)?;
        let bound = socket.call(|udp, cx, id| {
            let set = |option: &SocketOption| stack_core::Endpoints::set_option(udp, cx, id, *option);
            options.iter().try_for_each(set)?;
            stack_core::Endpoints::bind(udp, cx, id, local)
        });
        bound.map_err(refuse)?;
        Ok(Self::adopt(socket))
    }

    /// Sends to `remote` from now on, and receives from it only.
    ///
    /// # Errors
    /// There is no route, or the address is of another family.
    pub fn connect(&self, remote: impl ToSocketAddr) -> Result<(), ConnectError> {
        let remote = remote.to_socket_addr()?;
        self.socket
            .call(|udp, cx, id| stack_core::Endpoints::connect(udp, cx, id, remote))
            .map_err(|error| ConnectError::new(remote, error, Udp::NAME))
    }

    /// Forgets the peer.
    ///
    /// # Errors
    /// The stack has no UDP.
    pub fn disconnect(&self) -> io::Result<()> {
        io_result("disconnect", self.socket.call(|udp, cx, id| udp.disconnect(cx, id)))
    }

    /// Sends one datagram; returns its length. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, there is no route, or what became of an earlier datagram of a connected socket.
    pub fn send_to(&self, datagram: &[u8], to: impl ToSocketAddr) -> io::Result<usize> {
        let to = to.to_socket_addr().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.write(Some(to), datagram)
    }

    /// Sends one datagram to the connected peer; returns its length.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); the socket is not connected.
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.write(None, datagram)
    }

    /// Sends one datagram without copying it, to `to` or to the connected peer.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn send_bytes(&self, datagram: Bytes, to: Option<SocketAddr>) -> io::Result<usize> {
        let timeout = self.socket.settings().write_timeout;
        let send = self
            .socket
            .block(Interest::Writable, timeout, |udp, cx, id| udp.send_to(cx, id, datagram.clone(), to));
        io_result("send", send)
    }

    fn write(&self, to: Option<SocketAddr>, datagram: &[u8]) -> io::Result<usize> {
        let timeout = self.socket.settings().write_timeout;
        let send =
            self.socket.block(Interest::Writable, timeout, |udp, cx, id| udp.send_to(cx, id, datagram, to));
        io_result("send", send)
    }

    /// Receives one datagram; returns its length and its sender. What does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// The time is over, or what became of an earlier datagram of a connected socket.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (datagram, from) = self.recv_bytes()?;
        let len = datagram.len().min(buffer.len());
        buffer[..len].copy_from_slice(&datagram[..len]);
        Ok((len, from))
    }

    /// Receives one datagram; returns its length.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buffer).map(|(len, _)| len)
    }

    /// Receives one datagram without copying it.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn recv_bytes(&self) -> io::Result<(Bytes, SocketAddr)> {
        let timeout = self.socket.settings().read_timeout;
        let receive = self.socket.block(Interest::Readable, timeout, |udp, cx, id| udp.recv_bytes(cx, id));
        io_result("receive", receive).map(|(datagram, from, _)| (datagram, from))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As there.
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let timeout = self.socket.settings().read_timeout;
        let peek =
            self.socket.block(Interest::Readable, timeout, |udp, cx, id| udp.peek_from(cx, id, buffer));
        io_result("peek", peek).map(|(len, from, _)| (len, from))
    }

    /// As [`recv`](Self::recv), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As there.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buffer).map(|(len, _)| len)
    }

    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the local address", self.socket.local_addr())
    }

    /// The connected peer's address.
    ///
    /// # Errors
    /// The socket is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the peer", self.socket.peer_addr())
    }

    /// Another handle of the same socket.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    /// How long a receive waits; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        self.socket.change_settings(|settings| settings.read_timeout = timeout);
        Ok(())
    }

    /// How long a send waits; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        self.socket.change_settings(|settings| settings.write_timeout = timeout);
        Ok(())
    }

    /// How long a receive waits.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.settings().read_timeout)
    }

    /// How long a send waits.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.settings().write_timeout)
    }

    /// Whether calls answer `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(on);
        Ok(())
    }

    /// Whether broadcast destinations are allowed (`SO_BROADCAST`).
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.set("set broadcast", SocketOption::Broadcast(on))?;
        self.socket.change_settings(|settings| settings.broadcast = on);
        Ok(())
    }

    /// Whether broadcast destinations are allowed.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.socket.settings().broadcast)
    }

    /// TTL or hop limit of unicast datagrams, 1 to 255.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// TTL or hop limit of unicast datagrams.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.socket.ttl())
    }

    /// Changes any other setting.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.set("change the setting", option)
    }

    /// Takes the pending error.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = io_result("take the error", self.socket.take_error())?;
        Ok(error.map(|error| SocketError::new("deliver a datagram", error).into()))
    }

    pub(super) fn set(&self, operation: &'static str, option: SocketOption) -> io::Result<()> {
        io_result(operation, self.socket.set_option(option))
    }
}

impl std::fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.socket.local_addr().ok()).finish_non_exhaustive()
    }
}
