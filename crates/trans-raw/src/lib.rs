//! Raw access: IP packets of any protocol number (`SOCK_RAW`, RFC 3542 for IPv6), and frames as they pass the link
//! (packet sockets).
//!
//! ```text
//! conductor  stack-host
//! protocols  trans-raw                           you are here
//! parts      stack-datagram
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! A raw IP socket gets a copy of each packet for us with its protocol number, whether another protocol deals with it or
//! not: over IPv4 with the IP header, over IPv6 from the transport header on. What it writes leaves behind an IP header
//! of ours, or, with [`HeaderIncluded`](stack_core::SocketOption::HeaderIncluded), behind its own. A packet socket gets
//! a copy of each frame that comes in, and, if it takes all EtherTypes, of each that goes out; what it writes goes to one
//! interface as it is. Both kinds see packets through [`tap`](stack_core::TransportProtocol::tap): as long as there is no
//! such socket, nobody pays for them.
//!
//! | question | file |
//! | --- | --- |
//! | What does the host see? | `raw.rs`, `transmit.rs` |
//! | What do all sockets have? | `socket.rs`, `endpoint.rs`, `option.rs`; what they share with those of other transports: `stack-datagram` |
//! | What does a raw IP socket receive and send? | `ip/receive.rs`, `ip/filter.rs`, `ip/send.rs`, `ip/header/`, `ip/checksum.rs` |
//! | How does it get its addresses? | `ip/bind.rs` |
//! | What does a packet socket receive and send? | `packet/receive.rs`, `packet/send.rs` |
//!
//! Left out: errors about what raw sockets sent, which come to raw ICMP sockets as messages; memory that is shared with the application (`PACKET_RX_RING`). A packet
//! socket that takes all EtherTypes sees what it sends itself, as outgoing.
//!
//! ```
//! use core::net::SocketAddr;
//! use stack_core::{Error, Families, TransportCx};
//! use trans_raw::Raw;
//!
//! /// Says to a router of OSPF, protocol 89, what is in `hello`.
//! fn greet(raw: &mut Raw, cx: &mut TransportCx<'_>, router: SocketAddr, hello: &[u8]) -> Result<(), Error> {
//!     let socket = raw.create_ip(cx, Families::V4, 89)?;
//!     raw.send_to(cx, socket, hello, Some(router))?;
//!     raw.close(cx, socket);
//!     Ok(())
//! }
//! # use stack_core::Endpoints;
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod config;
mod endpoint;
mod ip;
mod option;
mod packet;
mod raw;
mod socket;
mod transmit;

pub use config::{RawConfig, RawCounters};
pub use ip::{IcmpFilter, RawMessage};
pub use packet::{EtherTypes, Frame, PacketMode, PacketType, SendFrame};
pub use raw::{IPPROTO_RAW, Raw};
