//! Our stack as the network of the services.

use crate::net::{Datagrams, Listener, Network, Stream};
use bytes::Bytes;
use stack_core::SocketOption;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use ustack::Stack;
use ustack::tokio::{TcpListener, TcpStream, UdpSocket};

/// Bytes that are read at once at most.
const READ: usize = 1 << 20;
/// A peer that has vanished is noticed after this and six probes.
const IDLE: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 6;
/// Receive buffer of a datagram socket, in bytes: a service that has to wait 50 ms for a processor still gets all of a
/// stream of 500 Mbit/s.
const DATAGRAMS: usize = 4 << 20;
/// How long data may stay unacknowledged.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stack with one interface.
#[derive(Clone)]
pub(crate) struct Ours(Stack);

impl Ours {
    pub(crate) fn new(stack: Stack) -> Self {
        Self(stack)
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.0
    }

    /// Whether every interface is up: the device is there.
    pub(crate) fn is_up(&self) -> bool {
        self.0.nics().iter().all(|nic| nic.enabled)
    }

    /// Connects to a host.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.0, to).await?;
        Ok(stream)
    }
}

impl Network for Ours {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Datagrams = UdpSocket;

    async fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(&self.0, (Ipv6Addr::UNSPECIFIED, port)).await?;
        for option in [
            SocketOption::NoDelay(true),
            SocketOption::KeepAlive(true),
            SocketOption::KeepAliveIdle(IDLE),
            SocketOption::KeepAliveInterval(PROBE),
            SocketOption::KeepAliveCount(PROBES),
            SocketOption::UserTimeout(Some(PATIENCE)),
        ] {
            listener.set_option(option)?;
        }
        Ok(listener)
    }

    async fn datagrams(&self, port: u16) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(&self.0, (Ipv6Addr::UNSPECIFIED, port)).await?;
        socket.set_option(SocketOption::ReceiveBuffer(DATAGRAMS))?;
        Ok(socket)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Ok(TcpListener::accept(self).await?)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

impl Stream for TcpStream {
    async fn read_bytes(&mut self) -> io::Result<Bytes> {
        TcpStream::read_bytes(self, READ).await
    }

    async fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.write_all_bytes(bytes).await
    }

    fn retransmits(&self) -> Option<u64> {
        self.info().ok().map(|info| u64::from(info.retrans))
    }

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
