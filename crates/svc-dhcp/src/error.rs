//! What ends a client or a server.

use std::io;
use ustack::{BindError, NicId};

/// Why DHCP can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The interface is not there (any more).
    #[error("there is no {0}; create the interface before its DHCP client or server")]
    NoNic(NicId),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] ustack::RandomError),
    /// The port is taken, or the stack has no UDP.
    #[error("cannot open the DHCP port: {0}; only one client or server can run on an interface")]
    Bind(#[from] BindError),
    /// The address could not be given to the interface, or the socket failed.
    #[error("DHCP cannot go on: {0}")]
    Io(#[from] io::Error),
    /// The stack refuses what a lease says.
    #[error("the stack does not take the lease of {address}: {error}")]
    Refused {
        /// The address of the lease.
        address: std::net::IpAddr,
        /// Why.
        #[source]
        error: ustack::Error,
    },
    /// The server's pool is not a part of its subnet, or too large.
    #[error(
        "the pool {first} to {last} does not lie in {subnet}, or has more than 65,536 addresses; choose another one"
    )]
    Pool {
        /// Its first address.
        first: std::net::Ipv4Addr,
        /// Its last address.
        last: std::net::Ipv4Addr,
        /// The subnet of the server.
        subnet: ipnet::Ipv4Net,
    },
}
