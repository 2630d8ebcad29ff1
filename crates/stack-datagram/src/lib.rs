//! What the sockets of UDP, ICMP echo and raw access share: everything but what their packets are.
//!
//! ```text
//! conductor  stack-host
//! protocols  trans-udp  trans-icmp  trans-raw
//! parts      stack-datagram                      you are here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | Which sockets are there? | `sockets.rs` |
//! | Who sends next? | `round.rs` |
//! | What does every socket have? | `base.rs` |
//! | What waits, and what does it cost? | `queue.rs`, `memory.rs` |
//! | Is a payload copied out of its packet? What can be sent? | `copy_break.rs`, `payload.rs` |
//! | How do addresses look from outside? | `address.rs` |
//! | How does a socket get its port and its identity? | `identity.rs` |
//! | What can be set, and what does it mean for a packet? | `options.rs`, `packet.rs` |
//! | Which way was it the last time? | `route.rs` |
//! | What do errors on the way mean, and who is told? | `error.rs`, `reports.rs` |
//!
//! A transport keeps its sockets in [`Sockets`]; each has a [`SocketBase`] beside what only this transport knows, and
//! hands it out as a [`DatagramSocket`]. What a transport is called for it does itself, with these parts.
//!
//! ```
//! use stack_core::Error;
//! use stack_datagram::{DatagramSocket, SocketBase, Sockets};
//!
//! /// It receives bytes and sends words.
//! struct Sample(SocketBase<Vec<u8>, &'static str>);
//!
//! impl DatagramSocket for Sample {
//!     type Received = Vec<u8>;
//!     type Outgoing = &'static str;
//!     fn base(&self) -> &SocketBase<Vec<u8>, &'static str> {
//!         &self.0
//!     }
//!     fn base_mut(&mut self) -> &mut SocketBase<Vec<u8>, &'static str> {
//!         &mut self.0
//!     }
//! }
//!
//! let mut sockets = Sockets::default();
//! let id = sockets.insert(Sample(SocketBase::new(4096, 4096)), 1)?;
//! sockets.enqueue(id, "hello", 5);
//! assert!(sockets.readiness(id).writable && !sockets.readiness(id).readable);
//! assert_eq!(sockets.open_mut(id)?.0.check_read(), Ok(()));
//! # Ok::<(), Error>(())
//! ```
//!
//! Left out: streams, whose buffers and ends are other ones; groups, which only UDP has with sources.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod address;
mod base;
mod copy_break;
mod error;
mod identity;
mod memory;
mod options;
mod packet;
mod payload;
mod queue;
mod reports;
mod round;
mod route;
mod sockets;
#[cfg(test)]
mod tests;

pub use address::{Peer, agree};
pub use base::SocketBase;
pub use copy_break::{keep, pinned, take_payload};
pub use error::{as_error, believable_mtu, quote};
pub use identity::{change_identity, give_back, take_port};
pub use memory::Memory;
pub use options::IpOptions;
pub use packet::Envelope;
pub use payload::IntoPayload;
pub use queue::{MIN_BUFFER, Queue};
pub use reports::Reports;
pub use route::RouteCache;
pub use sockets::{DatagramSocket, Sockets};
