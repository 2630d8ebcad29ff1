//! Addresses from DHCP for a stack: a client and a server of DHCPv4 (RFC 2131), and a client of DHCPv6 (RFC 8415).
//!
//! A crate of the shell: it stands on the facade's sockets. Each role is two files: a state machine that is handed
//! messages and the time and says what to send and what has come of it, and the few lines that run it on a
//! [`Stack`](ustack::Stack). The machines read no clock and touch no socket, so that a test, or a loop of one's own, runs
//! them in virtual time. Messages are read and written by `dhcproto`.
//!
//! | role | machine | on a stack |
//! | --- | --- | --- |
//! | IPv4 client | [`v4::Machine`] | [`v4::Client`] |
//! | IPv4 server | [`v4::Leases`] | [`v4::Server`] |
//! | IPv6 client | [`v6::Machine`] | [`v6::Client`] |
//!
//! ```no_run
//! # async fn example(stack: ustack::Stack, nic: ustack::NicId) -> Result<(), svc_dhcp::Error> {
//! use svc_dhcp::v4::{Client, ClientConfig, Event};
//!
//! let mut client = Client::new(&stack, nic, ClientConfig::default())?;
//! loop {
//!     match client.next().await? {
//!         // The stack has the address and the default route by now.
//!         Event::Configured(lease) => println!("{} until {:?}", lease.address, lease.expires),
//!         Event::Lost(lease) => println!("{} is no longer ours", lease.address),
//!     }
//! }
//! # }
//! ```
//!
//! Left out: relay agents, prefix delegation, RFC 3118 authentication, forced renewal (RFC 3203), DHCPv6 servers.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod error;
mod retry;
mod run;
pub mod v4;
pub mod v6;

pub use error::Error;
pub use run::{Event, Output};
