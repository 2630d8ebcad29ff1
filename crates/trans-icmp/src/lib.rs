//! ICMP echo sockets: RFC 792 and RFC 4443 §4, as far as applications take part in them (RFC 1122 §3.2.2.6).
//!
//! ```text
//! conductor  stack-host
//! protocols  trans-icmp                          you are here
//! parts      stack-datagram
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! A socket owns an identifier, which takes the place of a port. What it writes leaves as echo requests, and it reads
//! the replies; errors about its requests (unreachable, time exceeded, too big) come as reports that name who sent
//! them. `ping` and `traceroute` need no more. Echo requests to us, all errors, and the rest of ICMP are the network
//! layer's: such a message ends here as [`IcmpIgnored`](stack_core::DropReason::IcmpIgnored).
//!
//! | question | file |
//! | --- | --- |
//! | What does the host see? How do the families differ? | `icmp.rs`, `family.rs` |
//! | What is a socket? | `socket.rs`; what it shares with those of other transports: `stack-datagram` |
//! | What does a socket offer, and how does it get its identity? | `endpoint.rs`, `bind.rs`, `option.rs` |
//! | What becomes of a request? | `send.rs` |
//! | What becomes of a reply? | `receive.rs` |
//! | What of errors? | `error.rs` |
//!
//! Checksums are computed here, in full: links offer to complete those of TCP and UDP only.
//!
//! Left out: raw ICMP, timestamp messages, extended echo (RFC 8335).
//!
//! ```
//! use core::net::SocketAddr;
//! use stack_core::{Endpoints, Error, ErrorKind, Families, SocketOption, TransportCx};
//! use trans_icmp::{Icmp, V4};
//!
//! /// One probe of a traceroute.
//! fn probe(icmp: &mut Icmp<V4>, cx: &mut TransportCx<'_>, to: SocketAddr, hops: u8) -> Result<(), Error> {
//!     let socket = icmp.create(cx, Families::V4)?;
//!     icmp.set_option(cx, socket, SocketOption::HopLimit(hops))?;
//!     icmp.send_echo(cx, socket, 1, b"probe", Some(to))?;
//!     // Later, when the socket is ready:
//!     match icmp.recv_report(socket) {
//!         Ok(report) if report.kind == ErrorKind::HopLimitExceeded => { /* report.origin is the router */ }
//!         _ => { /* icmp.recv_echo(cx, socket) has the reply of the destination */ }
//!     }
//!     icmp.close(cx, socket);
//!     Ok(())
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod bind;
mod config;
mod endpoint;
mod error;
mod family;
mod icmp;
mod option;
mod receive;
mod send;
mod socket;

pub use config::{IcmpConfig, IcmpCounters};
pub use error::EchoReport;
pub use family::{Family, V4, V6};
pub use icmp::Icmp;
pub use receive::EchoReply;
pub use stack_datagram::IntoPayload;
