//! Being asked about connections and datagrams to where nobody has a socket.

#[cfg(feature = "tcp")]
pub use tcp::{TcpForwarder, TcpRequest};
#[cfg(feature = "udp")]
pub use udp::{UdpForwarder, UdpRequest};

#[cfg(feature = "tcp")]
mod tcp {
    use crate::error::ConnectError;
    use crate::forward::{Request, forwarder_methods, request_methods};
    use crate::net::io_result;
    use crate::net::socket::{Socket, Sockets};
    use crate::net::tcp::connect::outcome;
    use crate::tokio::TcpStream;
    use stack_core::Interest;
    use std::io;
    use trans_tcp::{ForwarderConfig, Tcp};

    /// Is asked about every connection that a peer opens to an address and port where nobody listens: the core of a
    /// transparent proxy; see [`net::TcpForwarder`](crate::net::TcpForwarder).
    pub struct TcpForwarder {
        socket: Socket<Tcp>,
    }

    impl TcpForwarder {
        forwarder_methods!(Tcp, ForwarderConfig);

        /// Waits for the next request. Several tasks may wait.
        ///
        /// # Errors
        /// The stack has no TCP any more.
        pub async fn next(&self) -> io::Result<TcpRequest> {
            let next = self.socket.wait(Interest::Readable, Request::next(&self.socket.stack)).await;
            Ok(TcpRequest { request: io_result("wait for a request", next)? })
        }
    }

    impl std::fmt::Debug for TcpForwarder {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("TcpForwarder").finish_non_exhaustive()
        }
    }

    /// A peer wants a connection, and has no answer yet. Dropped, the request is forgotten: the peer tries again.
    #[derive(Debug)]
    pub struct TcpRequest {
        request: Request<Tcp>,
    }

    impl TcpRequest {
        request_methods!();

        /// Answers the peer, and waits until the connection is there. Its local address is the
        /// [`original_dst`](Self::original_dst).
        ///
        /// # Errors
        /// [`ConnectError::TimedOut`] if the peer does not answer any more or the request is too old;
        /// [`ConnectError::Refused`] if the peer does not want the connection any more.
        pub async fn accept(self) -> Result<TcpStream, ConnectError> {
            let remote = self.peer_addr();
            let refuse = |error| ConnectError::new(remote, error, Tcp::NAME);
            let socket = self.request.accept().map_err(refuse)?;
            socket.wait(Interest::Writable, outcome(remote)).await.map_err(refuse)?;
            Ok(TcpStream { socket })
        }

        /// Refuses the connection with a reset, as if nobody were asked.
        pub fn reset(self) {
            self.request.reject();
        }
    }
}

#[cfg(feature = "udp")]
mod udp {
    use crate::forward::{Request, forwarder_methods, request_methods};
    use crate::net::io_result;
    use crate::net::socket::Socket;
    use crate::tokio::UdpSocket;
    use stack_core::Interest;
    use std::io;
    use trans_udp::{ForwarderConfig, Udp};

    /// Is asked about every flow of datagrams to an address and port where nobody has a socket; see
    /// [`net::UdpForwarder`](crate::net::UdpForwarder).
    pub struct UdpForwarder {
        socket: Socket<Udp>,
    }

    impl UdpForwarder {
        forwarder_methods!(Udp, ForwarderConfig);

        /// Waits for the next flow. Several tasks may wait.
        ///
        /// # Errors
        /// The stack has no UDP any more.
        pub async fn next(&self) -> io::Result<UdpRequest> {
            let next = self.socket.wait(Interest::Readable, Request::next(&self.socket.stack)).await;
            Ok(UdpRequest { request: io_result("wait for a request", next)? })
        }
    }

    impl std::fmt::Debug for UdpForwarder {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("UdpForwarder").finish_non_exhaustive()
        }
    }

    /// Somebody sends datagrams, and has no answer yet. Dropped, the flow is forgotten with what has come of it.
    #[derive(Debug)]
    pub struct UdpRequest {
        request: Request<Udp>,
    }

    impl UdpRequest {
        request_methods!();

        /// A socket that is connected to the peer, with the [`original_dst`](Self::original_dst) as its own address and
        /// with the datagrams that have come.
        ///
        /// # Errors
        /// The request is too old (`TimedOut`).
        pub fn accept(self) -> io::Result<UdpSocket> {
            Ok(UdpSocket::adopt(io_result("accept the flow", self.request.accept())?))
        }

        /// Has the peer told that the port is unreachable, as if nobody were asked.
        pub fn reject(self) {
            self.request.reject();
        }
    }
}
