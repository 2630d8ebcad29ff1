//! A connection: making it, reading, writing, ending.

use super::connect::{How, outcome, start};
use super::payload::{Outgoing, gather};
use super::read::{read, read_rope};
use crate::error::ConnectError;
use crate::net::address::ToSocketAddr;
use crate::net::blocks::Blocks;
use crate::net::io_result;
use crate::net::socket::{Socket, Sockets};
use crate::stack::Stack;
use bytes::Bytes;
use stack_core::{EndpointId, Error, Interest, SocketOption};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use trans_tcp::Tcp;

/// A TCP connection. Reading and writing work on `&TcpStream` as well; dropping the last handle closes the connection,
/// which then ends in an orderly way by itself.
///
/// A `read` may use all of its buffer: what lies behind the bytes that it returned, or in it after an error, means
/// nothing. Streams are read fastest with 128 KiB and more: what comes while a thread waits in `read` goes from a TUN or
/// TAP device into such a buffer without another copy.
pub struct TcpStream {
    pub(super) socket: Arc<Socket<Tcp>>,
}

impl TcpStream {
    /// Connects to `remote` from an address and port of the stack's choice.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub fn connect(stack: &Stack, remote: impl ToSocketAddr) -> Result<Self, ConnectError> {
        Ok(Self::start(stack, remote.to_socket_addr()?, How::default(), None)?.0)
    }

    /// Connects from this local address; port 0 picks one.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub fn connect_from(
        stack: &Stack,
        local: impl ToSocketAddr,
        remote: impl ToSocketAddr,
    ) -> Result<Self, ConnectError> {
        let how = How { local: Some(local.to_socket_addr()?), ..How::default() };
        Ok(Self::start(stack, remote.to_socket_addr()?, how, None)?.0)
    }

    /// Connects, and gives up after `timeout`.
    ///
    /// # Errors
    /// [`ConnectError::TimedOut`], or why not.
    pub fn connect_timeout(
        stack: &Stack,
        remote: &SocketAddr,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Ok(Self::start(stack, *remote, How::default(), Some(timeout))?.0)
    }

    /// Connects with these settings from the beginning: those that the SYN shows, or that it depends on.
    ///
    /// # Errors
    /// Why not, with what to look at.
    pub fn connect_with(
        stack: &Stack,
        remote: impl ToSocketAddr,
        options: &[SocketOption],
    ) -> Result<Self, ConnectError> {
        let how = How { options, ..How::default() };
        Ok(Self::start(stack, remote.to_socket_addr()?, how, None)?.0)
    }

    /// Connects, and writes all of `data`: in the SYN, as far as the peer has allowed that before (TCP Fast Open,
    /// RFC 7413). The peer may see it twice: use it for what may be done twice.
    ///
    /// # Errors
    /// A [`ConnectError`], or why the connection ended before all was written.
    pub fn connect_with_data(stack: &Stack, remote: impl ToSocketAddr, data: &[u8]) -> io::Result<Self> {
        let remote = remote.to_socket_addr().map_err(ConnectError::from)?;
        let (mut stream, written) = Self::start(stack, remote, How { data, ..How::default() }, None)?;
        stream.write_all(data.get(written..).unwrap_or_default())?;
        Ok(stream)
    }

    fn start(
        stack: &Stack,
        remote: SocketAddr,
        how: How<'_>,
        timeout: Option<Duration>,
    ) -> Result<(Self, usize), ConnectError> {
        let (socket, written) = start(stack, remote, how)?;
        socket.block(Interest::Writable, timeout, outcome(remote)).map_err(|error| match error {
            Error::WouldBlock => ConnectError::TimedOut { remote },
            error => ConnectError::new(remote, error, Tcp::NAME),
        })?;
        Ok((Self { socket: Arc::new(socket) }, written))
    }

    pub(super) fn adopt(stack: Stack, id: EndpointId) -> Self {
        Self { socket: Arc::new(Socket::adopt(stack, id)) }
    }

    /// Reads up to `max` bytes without copying them; none at the end of the stream. Waits while there is nothing. They are what
    /// lies in one piece, so of small packets one: there [`read_chunks`](Self::read_chunks) costs less.
    ///
    /// # Errors
    /// Why the connection ended, or the time is over.
    pub fn read_bytes(&self, max: usize) -> io::Result<Bytes> {
        let timeout = self.socket.settings().read_timeout;
        let read = self.socket.block(Interest::Readable, timeout, |tcp, cx, id| tcp.read_bytes(cx, id, max));
        io_result("read", read)
    }

    /// Adds up to `max` bytes to `chunks`, in the pieces that they lie in, without copying them. Returns how many bytes; none
    /// at the end of the stream. Waits while there is nothing.
    ///
    /// # Errors
    /// Why the connection ended, or the time is over.
    pub fn read_chunks(&self, max: usize, chunks: &mut Vec<Bytes>) -> io::Result<usize> {
        let rope = io_result("read", read_rope(&self.socket, self.socket.settings().read_timeout, max))?;
        let len = rope.len();
        chunks.extend(rope.into_pieces());
        Ok(len)
    }

    /// Writes all of `bytes` without copying them. Waits while there is no room.
    ///
    /// # Errors
    /// Why the connection ended, or the time is over; some of the bytes may have been written.
    pub fn write_bytes(&self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_outgoing(&Outgoing::Chunk(bytes.clone()))?;
            drop(bytes.split_to(written));
        }
        Ok(())
    }

    /// Copies what the next read would give, and leaves it there.
    ///
    /// # Errors
    /// Why the connection ended, or the time is over.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let timeout = self.socket.settings().read_timeout;
        let peek = self.socket.block(Interest::Readable, timeout, |tcp, cx, id| tcp.peek(cx, id, buffer));
        io_result("peek", peek)
    }

    /// Ends one side or both. After `Write`, the peer reads to the end of what was written and then to the end of the
    /// stream.
    ///
    /// # Errors
    /// There is no connection.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => stack_core::Shutdown::Read,
            Shutdown::Write => stack_core::Shutdown::Write,
            Shutdown::Both => stack_core::Shutdown::Both,
        };
        io_result("shut down", self.socket.call(|tcp, cx, id| tcp.shutdown(cx, id, how)))
    }

    /// Another handle of the same connection.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: Arc::clone(&self.socket) })
    }

    fn read_into(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        io_result("read", read(&self.socket, self.socket.settings().read_timeout, buffer))
    }

    fn blocks(&self) -> &Blocks {
        &self.socket.stack.shared().blocks
    }

    fn write_outgoing(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        let timeout = self.socket.settings().write_timeout;
        let write = self.socket.block(Interest::Writable, timeout, |tcp, cx, id| outgoing.write(tcp, cx, id));
        io_result("write", write)
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_into(buffer)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() { Ok(0) } else { self.write_outgoing(&Outgoing::of(bytes, self.blocks())) }
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Ok(0);
        }
        self.write_outgoing(&gather(buffers, self.blocks()))
    }

    /// Nothing: what was written is on its way.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
