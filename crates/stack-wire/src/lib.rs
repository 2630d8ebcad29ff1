//! Header views, checksums and sequence numbers for every protocol that ustack speaks.
//!
//! ```text
//! shell       ustack
//! conductor   stack-host
//! protocols   link-*   net-*   trans-*      <- read and write packets through this crate
//! contract    stack-core
//! ground      stack-packet   stack-wire   stack-group   stack-gro     <- you are here: bytes <-> fields, nothing else
//! ```
//!
//! Each protocol is a module with the same three things: a `Header` that is the bytes of the wire
//! with accessors, a view (`Ipv4`, `Tcp`, ...) whose `parse` has checked every length once and that
//! dereferences to the header, and an `Emit` that holds the values of a header to be written. A
//! parser is total: any bytes give a view or a [`WireError`], never a panic, and the ranges of a view
//! lie inside what was given. Nothing allocates. [`display::describe`] shows a packet as one line.
//!
//! ```
//! use core::net::Ipv4Addr;
//! use stack_wire::checksum::pseudo_header;
//! use stack_wire::ethernet::EtherType;
//! use stack_wire::ip::protocol;
//! use stack_wire::seq::SeqNum;
//! use stack_wire::tcp::{Flags, Tcp};
//! use stack_wire::tcp_options::TcpOptions;
//! use stack_wire::{display, ipv4, tcp};
//!
//! let (src, dst) = (Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2));
//! let mut options = [0; tcp::MAX_OPTIONS_LEN];
//! let len = TcpOptions { mss: Some(1460), ..TcpOptions::NONE }.write(&mut options);
//! let syn = tcp::Emit {
//!     src_port: 43210, dst_port: 80, seq: SeqNum(1), flags: Flags::SYN, window: 64240,
//!     options: &options[..len], ..tcp::Emit::default()
//! };
//! let mut packet = [0; 44];
//! let at = ipv4::Emit::new(src, dst, protocol::TCP, syn.header_len()).write(&mut packet);
//! syn.write(&mut packet[at..], pseudo_header(src.into(), dst.into(), protocol::TCP, 24));
//!
//! let ip = ipv4::Ipv4::parse(&packet)?;
//! assert!(ip.verify_checksum());
//! assert_eq!(Tcp::parse(ip.payload())?.segment_len(), 1);
//! assert_eq!(
//!     display::describe(EtherType::IPV4, &packet).to_string(),
//!     "10.77.0.1.43210 > 10.77.0.2.80: Flags [S], seq 1, win 64240, options [mss 1460], length 0",
//! );
//! # Ok::<(), stack_wire::WireError>(())
//! ```
//!
//! Deliberately absent: any decision about a packet (whether an address makes sense, an option may
//! stand in a segment, a missing checksum is acceptable), any state, any buffer of its own.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(test)]
extern crate std;

pub mod arp;
pub mod checksum;
pub mod display;
pub mod error;
pub mod ethernet;
pub mod exponent;
pub mod group_record;
pub mod icmpv4;
pub mod icmpv6;
pub mod igmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod ipv6_ext;
pub mod mld;
pub mod ndp;
pub mod router_alert;
pub mod seq;
pub mod tcp;
pub mod tcp_options;
pub mod udp;

pub use error::WireError;
