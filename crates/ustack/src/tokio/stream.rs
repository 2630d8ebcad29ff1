//! A connection: making it, reading, writing, ending.

use super::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::{is_ready, poll_io};
use crate::error::{ConnectError, SocketError};
use crate::net::blocks::Blocks;
use crate::net::socket::{Socket, Sockets};
use crate::net::tcp::connect::{How, outcome, start};
use crate::net::tcp::payload::{Outgoing, gather};
use crate::net::{ToSocketAddr, io_result};
use crate::stack::Stack;
use bytes::Bytes;
use stack_core::{EndpointId, Interest, Shutdown, SocketOption};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use trans_tcp::{Tcp, TcpInfo};

/// A TCP connection. Dropping it closes the connection, which then ends in an orderly way by itself.
pub struct TcpStream {
    pub(super) socket: Socket<Tcp>,
}

crate::net::tcp::options::connection_settings!(TcpStream);

impl TcpStream {
    /// Connects to `remote` from an address and port of the stack's choice. Dropping the future gives the connect up.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub async fn connect(stack: &Stack, remote: impl ToSocketAddr) -> Result<Self, ConnectError> {
        Ok(Self::start(stack, remote.to_socket_addr()?, How::default()).await?.0)
    }

    /// Connects from this local address; port 0 picks one.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub async fn connect_from(
        stack: &Stack,
        local: impl ToSocketAddr,
        remote: impl ToSocketAddr,
    ) -> Result<Self, ConnectError> {
        let how = How { local: Some(local.to_socket_addr()?), ..How::default() };
        Ok(Self::start(stack, remote.to_socket_addr()?, how).await?.0)
    }

    /// Connects with these settings from the beginning: those that the SYN shows, or that it depends on.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub async fn connect_with(
        stack: &Stack,
        remote: impl ToSocketAddr,
        options: &[SocketOption],
    ) -> Result<Self, ConnectError> {
        let how = How { options, ..How::default() };
        Ok(Self::start(stack, remote.to_socket_addr()?, how).await?.0)
    }

    /// Connects, and writes all of `data`: in the SYN, as far as the peer has allowed that before (TCP Fast Open,
    /// RFC 7413). The peer may see it twice: use it for what may be done twice.
    ///
    /// # Errors
    /// A [`ConnectError`], or why the connection ended before all was written.
    pub async fn connect_with_data(
        stack: &Stack,
        remote: impl ToSocketAddr,
        data: &[u8],
    ) -> io::Result<Self> {
        let remote = remote.to_socket_addr().map_err(ConnectError::from)?;
        let (stream, mut written) = Self::start(stack, remote, How { data, ..How::default() }).await?;
        while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
            written += std::future::poll_fn(|cx| stream.poll_write_bytes(cx, rest)).await?;
        }
        Ok(stream)
    }

    async fn start(stack: &Stack, remote: SocketAddr, how: How<'_>) -> Result<(Self, usize), ConnectError> {
        let (socket, written) = start(stack, remote, how)?;
        let connected = socket.wait(Interest::Writable, outcome(remote)).await;
        connected.map_err(|error| ConnectError::new(remote, error, Tcp::NAME))?;
        Ok((Self { socket }, written))
    }

    pub(super) fn adopt(stack: Stack, id: EndpointId) -> Self {
        Self { socket: Socket::adopt(stack, id) }
    }

    /// Waits until a read would not block: there is data, the end of the stream, or an error.
    ///
    /// # Errors
    /// There is no connection any more.
    pub async fn readable(&self) -> io::Result<()> {
        io_result("wait", self.socket.wait(Interest::Readable, is_ready(Interest::Readable)).await)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    /// There is no connection any more.
    pub async fn writable(&self) -> io::Result<()> {
        io_result("wait", self.socket.wait(Interest::Writable, is_ready(Interest::Writable)).await)
    }

    /// Polls for a read that would not block.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_io(&self.socket, Interest::Readable, cx, "wait", is_ready(Interest::Readable))
    }

    /// Polls for a write that would not block.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_io(&self.socket, Interest::Writable, cx, "wait", is_ready(Interest::Writable))
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is; why the connection ended.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let rope = io_result("read", self.socket.call(|tcp, cx, id| tcp.read_rope(cx, id, buffer.len())))?;
        Ok(rope.peek(0, buffer))
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; why the connection ended.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_outgoing(bytes.is_empty(), || Outgoing::of(bytes, self.blocks()))
    }

    /// Writes what there is room for, from several buffers.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; why the connection ended.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_outgoing(buffers.iter().all(|buffer| buffer.is_empty()), || {
            gather(buffers, self.blocks())
        })
    }

    fn try_write_outgoing<'a>(
        &self,
        is_empty: bool,
        outgoing: impl FnOnce() -> Outgoing<'a>,
    ) -> io::Result<usize> {
        if is_empty {
            return Ok(0);
        }
        let outgoing = outgoing();
        io_result("write", self.socket.call(|tcp, cx, id| outgoing.write(tcp, cx, id)))
    }

    /// Reads up to `max` bytes without copying them; none at the end of the stream. They are what lies in one piece, so of
    /// small packets one: there [`read_chunks`](Self::read_chunks) costs less.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn read_bytes(&self, max: usize) -> io::Result<Bytes> {
        let read = self.socket.wait(Interest::Readable, |tcp, cx, id| tcp.read_bytes(cx, id, max)).await;
        io_result("read", read)
    }

    /// Adds up to `max` bytes to `chunks`, in the pieces that they lie in, without copying them. Returns how many bytes; none
    /// at the end of the stream.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn read_chunks(&self, max: usize, chunks: &mut Vec<Bytes>) -> io::Result<usize> {
        let read = self.socket.wait(Interest::Readable, |tcp, cx, id| tcp.read_rope(cx, id, max)).await;
        let rope = io_result("read", read)?;
        let len = rope.len();
        chunks.extend(rope.into_pieces());
        Ok(len)
    }

    /// Writes a part of `bytes` without copying it, and removes it from them.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn write_bytes(&self, bytes: &mut Bytes) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let write = self.socket.wait(Interest::Writable, |tcp, cx, id| tcp.write_bytes(cx, id, bytes)).await;
        io_result("write", write).map(|_| ())
    }

    /// Writes all of `bytes` without copying them. Not cancel safe: some may have been written.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn write_all_bytes(&self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            self.write_bytes(&mut bytes).await?;
        }
        Ok(())
    }

    /// Copies what the next read would give, and leaves it there.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        io_result("peek", self.socket.wait(Interest::Readable, |tcp, cx, id| tcp.peek(cx, id, buffer)).await)
    }

    /// Two halves that borrow the connection.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Two halves that own it together. Dropping the writing one ends our side.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        super::split::owned(self)
    }

    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the local address", self.socket.local_addr())
    }

    /// The peer's address.
    ///
    /// # Errors
    /// There is no connection any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the peer", self.socket.peer_addr())
    }

    /// The state of the connection: what `ss -ti` shows.
    ///
    /// # Errors
    /// There is no connection any more.
    pub fn info(&self) -> io::Result<TcpInfo> {
        io_result("look at the connection", self.socket.call(|tcp, _, id| tcp.info(id)))
    }

    /// TTL or hop limit, 1 to 255.
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

    /// Changes any setting, by its name in the contract.
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
        Ok(error.map(|error| SocketError::new("go on with the connection", error).into()))
    }

    fn blocks(&self) -> &Blocks {
        &self.socket.stack.shared().blocks
    }

    pub(super) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let max = buffer.remaining();
        if max == 0 {
            return Poll::Ready(Ok(()));
        }
        let rope = ready!(poll_io(&self.socket, Interest::Readable, cx, "read", |tcp, cx, id| {
            tcp.read_rope(cx, id, max)
        }))?;
        rope.pieces().for_each(|piece| buffer.put_slice(piece));
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write_bytes(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            Poll::Ready(Ok(0))
        } else {
            self.poll_write_outgoing(cx, || Outgoing::of(bytes, self.blocks()))
        }
    }

    pub(super) fn poll_write_buffers(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.poll_write_outgoing(cx, || gather(buffers, self.blocks()))
    }

    /// Copies only if there is room: a task that waits for room is polled more than once.
    fn poll_write_outgoing<'a>(
        &self,
        cx: &mut Context<'_>,
        outgoing: impl FnOnce() -> Outgoing<'a>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_write_ready(cx))?;
        let outgoing = outgoing();
        poll_io(&self.socket, Interest::Writable, cx, "write", |tcp, cx, id| outgoing.write(tcp, cx, id))
    }

    pub(super) fn end_writing(&self) -> io::Result<()> {
        let ended = self.socket.call(|tcp, cx, id| tcp.shutdown(cx, id, Shutdown::Write));
        match io_result("shut down", ended) {
            // As tokio: what has ended needs no end.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_into(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_bytes(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_buffers(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end_writing())
    }
}

impl std::fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.socket.local_addr().ok())
            .field("peer", &self.socket.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
