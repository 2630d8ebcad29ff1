//! Our stack as the network of the services.

use crate::net::{Datagrams, Listener, Network, Stream};
use bytes::Bytes;
use stack_core::SocketOption;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;
use ustack::tokio::{TcpListener, TcpStream, UdpSocket};
use ustack::{Stack, spawn_inline};

/// Bytes that are read at once at most.
const READ: usize = 1 << 20;
/// A peer that has vanished is noticed after this and six probes.
const IDLE: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 6;
/// How long an answer to a connect is waited for: SYNs at 0, 1, 3, 7 and 15 s.
const ANSWER: Duration = Duration::from_secs(30);
/// Receive buffer of a datagram socket, in bytes: a service that has to wait 50 ms for a processor still gets all of a
/// stream of 500 Mbit/s.
const DATAGRAMS: usize = 4 << 20;
/// Connections of a listener that may be open by a SYN with data and not yet by a handshake.
const FAST_OPEN: u16 = 256;
/// How long data may stay unacknowledged.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stack with one interface.
#[derive(Clone)]
pub(crate) struct Ours {
    stack: Stack,
    /// SYNs with data that a listener may have open at once; 0 takes none.
    fast_open: u16,
}

impl Ours {
    pub(crate) fn new(stack: Stack) -> Self {
        Self { stack, fast_open: 0 }
    }

    /// The same, and what listens from now on takes data with the SYN of clients that have been here (RFC 7413).
    pub(crate) fn with_fast_open(self) -> Self {
        Self { fast_open: FAST_OPEN, ..self }
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Whether every interface is up: the device is there.
    pub(crate) fn is_up(&self) -> bool {
        self.stack.nics().iter().all(|nic| nic.enabled)
    }

    /// Connects to a host.
    ///
    /// # Errors
    /// It refused, there is no way to it, or it has not answered for half a minute.
    pub(crate) async fn connect(&self, to: SocketAddr) -> Result<TcpStream, String> {
        match timeout(ANSWER, TcpStream::connect(&self.stack, to)).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "{to} has not answered for {} s; does the kernel forward to it (sysctl net.ipv4.ip_forward=1, and a \
                 masquerade rule), and does it drop packets from strangers?",
                ANSWER.as_secs()
            )),
        }
    }
}

impl Network for Ours {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Datagrams = UdpSocket;

    async fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(&self.stack, (Ipv6Addr::UNSPECIFIED, port)).await?;
        for option in [
            SocketOption::NoDelay(true),
            SocketOption::KeepAlive(true),
            SocketOption::KeepAliveIdle(IDLE),
            SocketOption::KeepAliveInterval(PROBE),
            SocketOption::KeepAliveCount(PROBES),
            SocketOption::UserTimeout(Some(PATIENCE)),
            SocketOption::FastOpen(self.fast_open),
        ] {
            listener.set_option(option)?;
        }
        Ok(listener)
    }

    async fn datagrams(&self, port: u16) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(&self.stack, (Ipv6Addr::UNSPECIFIED, port)).await?;
        socket.set_option(SocketOption::ReceiveBuffer(DATAGRAMS))?;
        Ok(socket)
    }

    /// On the thread that drives the stack, from which services are started: no packet changes threads.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = spawn_inline(task) {
            tracing::error!("a task was not started: {error}");
        }
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
