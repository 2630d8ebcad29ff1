//! Blocking sockets, shaped like those of [`std::net`].
//!
//! Where std asks the operating system, these ask a [`Stack`](crate::Stack), which is the first argument of `bind` and
//! `connect`. Otherwise names, shapes and meanings are std's; what differs:
//!
//! - names are not resolved ([`ToSocketAddr`]);
//! - `bind`, `connect` and `accept` have error types of their own, which become [`std::io::Error`] through `?`;
//! - a timeout is `WouldBlock`, as std has it on Unix;
//! - there are `read_bytes`, `write_bytes` and `send_bytes`, which pass [`Bytes`](bytes::Bytes) without a copy.

mod address;
pub(crate) mod blocks;
#[cfg(feature = "icmp")]
pub(crate) mod icmp;
#[cfg(feature = "raw")]
mod packet;
#[cfg(feature = "raw")]
mod raw;
pub(crate) mod socket;
#[cfg(feature = "tcp")]
pub(crate) mod tcp;
#[cfg(feature = "udp")]
mod udp;
#[cfg(feature = "udp")]
mod udp_forward;
#[cfg(feature = "udp")]
mod udp_multicast;
pub(crate) mod wait;

pub use address::ToSocketAddr;
#[cfg(feature = "icmp")]
pub use icmp::{Echo, IcmpSocket};
#[cfg(feature = "raw")]
pub use packet::PacketSocket;
#[cfg(feature = "raw")]
pub use raw::RawSocket;
#[cfg(feature = "tcp")]
pub use tcp::{Incoming, TcpForwarder, TcpListener, TcpRequest, TcpStream};
#[cfg(feature = "udp")]
pub use udp::UdpSocket;
#[cfg(feature = "udp")]
pub use udp_forward::{UdpForwarder, UdpRequest};

use crate::error::SocketError;
use stack_core::{Error, NicId};
use std::io;
use std::time::Duration;

/// As std: a timeout of zero is a mistake.
fn nonzero(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    if timeout == Some(Duration::ZERO) {
        return Err(SocketError::new("set a timeout of zero", Error::InvalidArgument).into());
    }
    Ok(timeout)
}

pub(crate) fn io_result<T>(operation: &'static str, result: Result<T, Error>) -> io::Result<T> {
    result.map_err(|error| SocketError::new(operation, error).into())
}

/// The interface of a number as std passes it: 0 is any.
fn nic_of(number: u32) -> Option<NicId> {
    (number != 0).then_some(NicId(number))
}
