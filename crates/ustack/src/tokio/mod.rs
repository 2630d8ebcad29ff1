//! Async sockets, shaped like those of [`tokio::net`](https://docs.rs/tokio/latest/tokio/net/).
//!
//! Where tokio asks the operating system, these ask a [`Stack`](crate::Stack), which is the first argument of `bind`
//! and `connect`. They implement tokio's I/O traits and take part in its cooperative scheduling, but need none of its
//! drivers: they work on any executor, and in [`Stack::run_inline`](crate::Stack::run_inline).
//!
//! Every async method is cancel safe: dropping its future loses no data, since an operation is done whole or not at all.
//! The `poll_` functions keep the last task for each direction only, as tokio's do.

#[cfg(any(feature = "tcp", feature = "udp"))]
mod forward;
#[cfg(feature = "icmp")]
mod icmp;
#[cfg(feature = "tcp")]
mod listener;
#[cfg(feature = "raw")]
mod raw;
#[cfg(feature = "tcp")]
mod split;
#[cfg(feature = "tcp")]
mod stream;
#[cfg(feature = "udp")]
mod udp;
#[cfg(feature = "udp")]
mod udp_multicast;

#[cfg(feature = "tcp")]
pub use forward::{TcpForwarder, TcpRequest};
#[cfg(feature = "udp")]
pub use forward::{UdpForwarder, UdpRequest};
#[cfg(feature = "icmp")]
pub use icmp::IcmpSocket;
#[cfg(feature = "tcp")]
pub use listener::TcpListener;
#[cfg(feature = "raw")]
pub use raw::{PacketSocket, RawSocket};
#[cfg(feature = "tcp")]
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
#[cfg(feature = "tcp")]
pub use stream::TcpStream;
#[cfg(feature = "udp")]
pub use udp::UdpSocket;

use crate::net::io_result;
use crate::net::socket::{Socket, Sockets};
use stack_core::{EndpointId, Error, Interest, TransportCx};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::task::coop::poll_proceed;

/// Polls an operation and pays for it from the task's budget, so that a socket that is always ready starves no other task.
fn poll_io<T: Sockets, R>(
    socket: &Socket<T>,
    interest: Interest,
    cx: &mut Context<'_>,
    name: &'static str,
    operation: impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
) -> Poll<io::Result<R>> {
    let budget = ready!(poll_proceed(cx));
    let result = ready!(socket.poll(interest, cx, operation));
    budget.made_progress();
    Poll::Ready(io_result(name, result))
}

/// An operation that tells whether another one would not block.
fn is_ready<T: Sockets>(
    interest: Interest,
) -> impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<(), Error> {
    move |protocol, _, id| {
        let now = protocol.readiness(id);
        let ready = match interest {
            Interest::Readable => now.readable || now.read_closed,
            Interest::Writable => now.writable || now.write_closed,
        };
        if ready || now.error { Ok(()) } else { Err(Error::WouldBlock) }
    }
}
