//! UDP sockets.

use super::{is_ready, poll_io};
use crate::error::{BindError, ConnectError, SocketError};
use crate::net::socket::Socket;
use crate::net::{ToSocketAddr, UdpSocket as Blocking, io_result};
use crate::stack::Stack;
use bytes::Bytes;
use stack_core::{Interest, SocketOption};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;
use trans_udp::Udp;

/// A UDP socket. All methods take `&self`; tasks may share it.
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) inner: Blocking,
}

impl UdpSocket {
    pub(super) fn adopt(socket: Socket<Udp>) -> Self {
        Self { inner: Blocking::adopt(socket) }
    }

    /// A socket of `stack` with this local address. Port 0 picks one; `[::]` takes IPv4 peers as well.
    ///
    /// # Errors
    /// Why not, with the remedy.
    #[expect(clippy::unused_async, reason = "the shape of tokio's")]
    pub async fn bind(stack: &Stack, local: impl ToSocketAddr) -> Result<Self, BindError> {
        Ok(Self { inner: Blocking::bind(stack, local)? })
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
        Ok(Self { inner: Blocking::bind_with(stack, local, options)? })
    }

    /// Sends to `remote` from now on, and receives from it only.
    ///
    /// # Errors
    /// There is no route, or the address is of another family.
    #[expect(clippy::unused_async, reason = "the shape of tokio's")]
    pub async fn connect(&self, remote: impl ToSocketAddr) -> Result<(), ConnectError> {
        self.inner.connect(remote)
    }

    /// Sends one datagram; returns its length. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, there is no route, or what became of an earlier datagram of a connected socket.
    pub async fn send_to(&self, datagram: &[u8], to: impl ToSocketAddr) -> io::Result<usize> {
        let to = to.to_socket_addr().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.write(datagram, Some(to)).await
    }

    /// Sends one datagram to the connected peer; returns its length.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); the socket is not connected.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.write(datagram, None).await
    }

    async fn write(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let socket = &self.inner.socket;
        let sent = socket.wait(Interest::Writable, |udp, cx, id| udp.send_to(cx, id, datagram, to)).await;
        io_result("send", sent)
    }

    /// Receives one datagram; returns its length and its sender. What does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// What became of an earlier datagram of a connected socket.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (datagram, from) = self.recv_bytes().await?;
        let len = datagram.len().min(buffer.len());
        buffer[..len].copy_from_slice(&datagram[..len]);
        Ok((len, from))
    }

    /// Receives one datagram; returns its length.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buffer).await.map(|(len, _)| len)
    }

    /// Receives one datagram without copying it.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv_bytes(&self) -> io::Result<(Bytes, SocketAddr)> {
        let socket = &self.inner.socket;
        let received = socket.wait(Interest::Readable, |udp, cx, id| udp.recv_bytes(cx, id)).await;
        io_result("receive", received).map(|(datagram, from, _)| (datagram, from))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As there.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let socket = &self.inner.socket;
        let peeked = socket.wait(Interest::Readable, |udp, cx, id| udp.peek_from(cx, id, buffer)).await;
        io_result("peek", peeked).map(|(len, from, _)| (len, from))
    }

    /// Polls for one datagram; keeps the last task only.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let socket = &self.inner.socket;
        let received =
            ready!(poll_io(socket, Interest::Readable, cx, "receive", |udp, cx, id| udp.recv_bytes(cx, id)));
        Poll::Ready(received.map(|(datagram, from, _)| {
            buffer.put_slice(&datagram[..datagram.len().min(buffer.remaining())]);
            from
        }))
    }

    /// Polls to send one datagram; keeps the last task only.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let socket = &self.inner.socket;
        poll_io(socket, Interest::Writable, cx, "send", |udp, cx, id| udp.send_to(cx, id, datagram, Some(to)))
    }

    /// Receives a datagram that is there.
    ///
    /// # Errors
    /// `WouldBlock` if none is; otherwise as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.inner.socket.call(|udp, cx, id| udp.recv_from(cx, id, buffer));
        io_result("receive", received).map(|(len, from, _)| (len, from))
    }

    /// Sends a datagram if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; otherwise as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        io_result("send", self.inner.socket.call(|udp, cx, id| udp.send_to(cx, id, datagram, Some(to))))
    }

    /// Waits until a receive would not block.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        let socket = &self.inner.socket;
        io_result("wait", socket.wait(Interest::Readable, is_ready(Interest::Readable)).await)
    }

    /// Waits until a send would not block.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn writable(&self) -> io::Result<()> {
        let socket = &self.inner.socket;
        io_result("wait", socket.wait(Interest::Writable, is_ready(Interest::Writable)).await)
    }

    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The connected peer's address.
    ///
    /// # Errors
    /// The socket is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Whether broadcast destinations are allowed (`SO_BROADCAST`).
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.set_broadcast(on)
    }

    /// TTL or hop limit of unicast datagrams, 1 to 255.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// TTL or hop limit of unicast datagrams.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Changes any other setting: groups, buffers, traffic class ...
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.inner.set_option(option)
    }

    /// Takes the pending error.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = io_result("take the error", self.inner.socket.take_error())?;
        Ok(error.map(|error| SocketError::new("deliver a datagram", error).into()))
    }
}
