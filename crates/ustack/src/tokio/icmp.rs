//! ICMP echo sockets.

use crate::error::BindError;
use crate::net::icmp::{either, receive};
use crate::net::{Echo, IcmpSocket as Blocking, io_result};
use crate::stack::Stack;
use stack_core::{Interest, SocketOption};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// An ICMP echo socket of one family. All methods take `&self`; tasks may share it.
#[derive(Debug)]
pub struct IcmpSocket {
    inner: Blocking,
}

impl IcmpSocket {
    /// A socket of the family of `local`, which is an address of `stack` or unspecified.
    ///
    /// # Errors
    /// Why not, with the remedy.
    #[expect(clippy::unused_async, reason = "the shape of the other sockets")]
    pub async fn bind(stack: &Stack, local: IpAddr) -> Result<Self, BindError> {
        Ok(Self { inner: Blocking::bind(stack, local)? })
    }

    /// The identifier of its requests.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn identifier(&self) -> io::Result<u16> {
        self.inner.identifier()
    }

    /// Sends an echo request with this sequence number and data. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, or there is no route.
    pub async fn send_to(&self, sequence: u16, payload: &[u8], to: IpAddr) -> io::Result<()> {
        let to = Some(SocketAddr::new(to, 0));
        let sent = either!(&self.inner.socket, socket => {
            socket.wait(Interest::Writable, |icmp, cx, id| icmp.send_echo(cx, id, sequence, payload, to)).await
        });
        io_result("send the echo request", sent).map(|_| ())
    }

    /// Waits for what became of a request.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn recv(&self) -> io::Result<Echo> {
        let received = either!(&self.inner.socket, socket => socket.wait(Interest::Readable, receive).await);
        io_result("receive an echo reply", received)
    }

    /// TTL or hop limit of requests, 1 to 255: a traceroute counts it up.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// Changes any other setting.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.inner.set_option(option)
    }
}
