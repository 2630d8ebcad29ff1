//! Being asked about datagrams to where nobody has a socket.

use super::UdpSocket;
use super::socket::Socket;
use crate::forward::{Request, forwarder_methods, request_methods};
use crate::net::io_result;
use stack_core::Interest;
use std::io;
use trans_udp::{ForwarderConfig, Udp};

/// Is asked about every flow of datagrams to an address and port where nobody has a socket: the core of a transparent proxy.
/// A flow is what goes from one address and port to one other.
pub struct UdpForwarder {
    socket: Socket<Udp>,
}

impl UdpForwarder {
    forwarder_methods!(Udp, ForwarderConfig);

    /// Waits for the next flow.
    ///
    /// # Errors
    /// The forwarder does not block and there is none.
    pub fn next(&self) -> io::Result<UdpRequest> {
        let next = self.socket.block(Interest::Readable, None, Request::next(&self.socket.stack));
        Ok(UdpRequest { request: io_result("wait for a request", next)? })
    }

    /// Whether [`next`](Self::next) answers `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self, on: bool) {
        self.socket.set_nonblocking(on);
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

    /// A socket that is connected to the peer, with the [`original_dst`](Self::original_dst) as its own address and with the
    /// datagrams that have come.
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
