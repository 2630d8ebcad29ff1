//! UDP: RFC 768, with the host requirements of RFC 1122 §4.1 and the IPv6 rules of RFC 8200 §8.1.
//!
//! ```text
//! conductor  stack-host
//! protocols  trans-udp                           you are here
//! parts      stack-datagram
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | What does the host see? | `udp.rs` |
//! | What is a socket? | `socket.rs`; what it shares with those of other transports: `stack-datagram` |
//! | What does a socket offer, and how does it get its identity? | `endpoint.rs`, `bind.rs`, `option.rs` |
//! | Which groups does a socket want, and from whom? | `groups.rs` |
//! | What becomes of an inbound datagram, and how is it read? | `receive.rs`, `received.rs`, `read.rs` |
//! | What becomes of a written datagram? | `send.rs`, `transmit.rs` |
//! | What if somebody is asked about flows that have no socket? | `forwarder.rs` |
//! | What of ICMP errors? | `error.rs` |
//!
//! Calls that all transports have in common are those of [`Endpoints`](stack_core::Endpoints); what only datagrams
//! have (`send_to`, `recv_from`, super-packets, error reports) are methods of [`Udp`].
//!
//! Left out: UDP-Lite (RFC 3828), datagrams without a checksum as an option of the sender (RFC 1122 §4.1.3.4 allows,
//! RFC 8085 §3.4 advises against), IP options.
//!
//! ```
//! use core::net::SocketAddr;
//! use stack_core::{Endpoints, Error, Families, TransportCx};
//! use trans_udp::Udp;
//!
//! /// Sends a question and looks once for the answer; a real caller waits for readiness in between.
//! fn ask(udp: &mut Udp, cx: &mut TransportCx<'_>, server: SocketAddr) -> Result<usize, Error> {
//!     let socket = udp.create(cx, Families::of(server.ip()))?;
//!     udp.connect(cx, socket, server)?;
//!     udp.send_to(cx, socket, b"what time is it?", None)?;
//!     let mut answer = [0; 512];
//!     let outcome = udp.recv_from(cx, socket, &mut answer).map(|(len, _from, _truncated)| len);
//!     udp.close(cx, socket);
//!     outcome
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod bind;
mod config;
mod counters;
mod endpoint;
mod error;
mod forwarder;
mod groups;
mod option;
mod read;
mod receive;
mod received;
mod send;
mod socket;
mod transmit;
mod udp;

pub use config::UdpConfig;
pub use counters::UdpCounters;
pub use error::DeliveryReport;
pub use forwarder::{ForwarderConfig, UdpRequest};
pub use received::DatagramMeta;
pub use send::SendOptions;
pub use stack_datagram::IntoPayload;
pub use udp::Udp;
