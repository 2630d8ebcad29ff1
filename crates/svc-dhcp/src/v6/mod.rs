//! DHCP for IPv6, the client's side: RFC 8415, with the options of RFC 3646.
//!
//! Stateless, it asks for name servers and the like for hosts whose addresses come from router advertisements; stateful,
//! it asks for an address too. Which of the two a link wants, its routers say (the O and M flags of RFC 4861 §4.2).

mod client;
mod lease;
mod machine;
mod message;
mod retransmit;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use lease::Lease;
pub use machine::{ClientConfig, Machine, Mode, Output};

/// What has become of an interface.
pub type Event = crate::Event<Lease>;

/// Where servers and clients listen (RFC 8415 §7.2).
pub const SERVER_PORT: u16 = 547;
/// See [`SERVER_PORT`].
pub const CLIENT_PORT: u16 = 546;
