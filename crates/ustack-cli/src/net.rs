//! What the services need of a network, so that they run on our stack, and in their tests on the kernel's.
//!
//! Streams are tokio's byte streams with two additions: bytes by reference in both directions, and what the sender
//! knows of its connection. Nothing here knows TCP or UDP by name beyond that.

use bytes::{Bytes, BytesMut};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that a stream without references of its own reads at once.
const COPY_CHUNK: usize = 64 * 1024;

/// A host that can be listened on.
pub(crate) trait Network: Clone + Send + Sync + 'static {
    type Stream: Stream;
    type Listener: Listener<Stream = Self::Stream>;
    type Datagrams: Datagrams;

    /// Takes connections on a port of all its addresses.
    fn listen(&self, port: u16) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Takes datagrams on a port of all its addresses.
    fn datagrams(&self, port: u16) -> impl Future<Output = io::Result<Self::Datagrams>> + Send;

    /// Runs a task beside the others, close to the network.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}

/// A listening socket.
pub(crate) trait Listener: Send + 'static {
    type Stream: Stream;

    /// Waits for the next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Its own address.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The next bytes, as they lie in the receive buffer where the network can do that; empty at the end.
    fn read_bytes(&mut self) -> impl Future<Output = io::Result<Bytes>> + Send {
        async move {
            let mut buffer = BytesMut::with_capacity(COPY_CHUNK);
            self.read_buf(&mut buffer).await?;
            Ok(buffer.freeze())
        }
    }

    /// Queues all of `bytes`, by reference where the network can do that.
    fn write_bytes(&mut self, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send {
        async move { self.write_all(&bytes).await }
    }

    /// Segments sent again so far, if the network knows.
    fn retransmits(&self) -> Option<u64> {
        None
    }

    /// Sends small segments at once, or not.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()>;
}

/// An unconnected datagram socket.
pub(crate) trait Datagrams: Send + Sync + 'static {
    /// Waits for a datagram; what does not fit is lost.
    fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send;

    /// Sends one.
    fn send_to(&self, bytes: &[u8], to: SocketAddr) -> impl Future<Output = io::Result<usize>> + Send;
}

/// The kernel's loopback, for tests against real clients without a device.
#[cfg(test)]
pub(crate) mod kernel {
    use super::{Datagrams, Listener, Network, SocketAddr, Stream, io};
    use std::net::Ipv4Addr;
    use tokio::net::{TcpListener, TcpStream, UdpSocket};

    #[derive(Clone)]
    pub(crate) struct Kernel;

    impl Network for Kernel {
        type Stream = TcpStream;
        type Listener = TcpListener;
        type Datagrams = UdpSocket;

        async fn listen(&self, port: u16) -> io::Result<TcpListener> {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
        }

        async fn datagrams(&self, port: u16) -> io::Result<UdpSocket> {
            UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await
        }

        fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            tokio::spawn(task);
        }
    }

    impl Listener for TcpListener {
        type Stream = TcpStream;

        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            TcpListener::accept(self).await
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            TcpListener::local_addr(self)
        }
    }

    impl Stream for TcpStream {
        fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
            TcpStream::set_nodelay(self, nodelay)
        }
    }

    impl Datagrams for UdpSocket {
        async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            UdpSocket::recv_from(self, buffer).await
        }

        async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
            UdpSocket::send_to(self, bytes, to).await
        }
    }
}
