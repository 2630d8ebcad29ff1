//! The sockets of a stack in the shape that hickory asks for.

use hickory_net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_net::runtime::{DnsUdpSocket, RuntimeProvider, TokioHandle, TokioTime};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use ustack::Stack;
use ustack::tokio::{TcpStream, UdpSocket};

/// How long a connect may take if nobody says: hickory's own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Opens sockets of one stack.
#[derive(Clone)]
pub(crate) struct Sockets {
    stack: Stack,
    /// The servers with their scopes, which hickory does not keep.
    servers: Arc<[SocketAddr]>,
    /// What runs behind connections ends with the last of these.
    tasks: TokioHandle,
}

impl Sockets {
    pub(crate) fn new(stack: Stack, servers: &[SocketAddr]) -> Self {
        Self { stack, servers: servers.into(), tasks: TokioHandle::default() }
    }

    /// The server with this address and port, on its link.
    fn scoped(&self, server: SocketAddr) -> SocketAddr {
        let same = |known: &&SocketAddr| known.ip() == server.ip() && known.port() == server.port();
        self.servers.iter().find(same).copied().unwrap_or(server)
    }
}

impl RuntimeProvider for Sockets {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Udp;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> TokioHandle {
        self.tasks.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        local: Option<SocketAddr>,
        wait: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        let (stack, server) = (self.stack.clone(), self.scoped(server));
        Box::pin(async move {
            let connect = async {
                match local {
                    Some(local) => TcpStream::connect_from(&stack, local, server).await,
                    None => TcpStream::connect(&stack, server).await,
                }
            };
            let stream = tokio::time::timeout(wait.unwrap_or(CONNECT_TIMEOUT), connect).await;
            Ok(AsyncIoTokioAsStd(stream.map_err(|_| io::ErrorKind::TimedOut)??))
        })
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Udp> {
        let (stack, server) = (self.stack.clone(), self.scoped(server));
        Box::pin(async move {
            let socket = UdpSocket::bind(&stack, local).await?;
            // Nobody else is heard, and a port without a server is told at once instead of by silence.
            socket.connect(server).await?;
            Ok(Udp { socket, server })
        })
    }
}

/// A UDP socket that talks to one server.
pub(crate) struct Udp {
    socket: UdpSocket,
    server: SocketAddr,
}

impl DnsUdpSocket for Udp {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let from = ready!(self.socket.poll_recv_from(cx, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), from)))
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, message: &[u8], _: SocketAddr) -> Poll<io::Result<usize>> {
        self.socket.poll_send_to(cx, message, self.server)
    }
}
