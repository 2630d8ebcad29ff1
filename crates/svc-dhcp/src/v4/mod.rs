//! DHCP for IPv4: RFC 2131, options of RFC 2132, 3397 and 3442.

mod apply;
mod client;
mod lease;
mod leases;
mod machine;
mod message;
mod server;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use lease::Lease;
pub use leases::{Leases, Reply, ServerConfig};
pub use machine::{ClientConfig, Machine, Output, To};
pub use server::Server;

/// What has become of an interface's address.
pub type Event = crate::Event<Lease>;

/// Where servers and clients listen (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// See [`SERVER_PORT`].
pub const CLIENT_PORT: u16 = 68;
