//! An in-memory link: two ends that talk to each other, or one end and a port that the program drives.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-channel is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! - [`pair`] makes two [`ChannelLink`]s: what one transmits, the other receives. Two stacks in one process.
//! - [`injector`] makes one [`ChannelLink`] and a [`ChannelPort`], by which the program puts packets in and takes
//!   packets out: user-space tunnels, virtual machines, tests.
//!
//! Packets pass by reference and super-packets pass whole. Each direction is a bounded queue with backpressure: what
//! finds no room stays in the sender's batch, and the sender is woken when there is room again. When an end is dropped,
//! the other one reads what was queued and then gets [`LinkError::Closed`](stack_core::LinkError::Closed).
//!
//! With [`Medium::Ethernet`](stack_core::Medium::Ethernet) the packets are whole frames, link header included; wrap the
//! link in `link-ethernet` before a host gets it. The queues are behind a spin lock that is held while up to a batch of
//! packets moves and never while anything is woken, allocated for a packet, or copied.
//!
//! What it deliberately lacks: delay, loss and rate (that is `link-impair`), and files (`link-pcap`).
//!
//! ```
//! use bytes::Bytes;
//! use link_channel::{ChannelConfig, injector};
//! use stack_core::{Instant, LinkEndpoint, TxBatch};
//!
//! let (link, port) = injector(ChannelConfig::default());
//! let (mut receive, mut transmit) = Box::new(link).split();
//!
//! // The program hands a packet to the stack ...
//! port.inject_bytes(Bytes::from_static(b"\x45 an IPv4 packet"))?;
//! let mut arrived = Vec::new();
//! assert_eq!(receive.receive(Instant::ZERO, &mut arrived)?, 1);
//! assert_eq!(arrived[0].meta.ether_type, 0x0800);
//!
//! // ... and takes what the stack sends.
//! let mut batch = TxBatch::new();
//! batch.slot().push(Bytes::from_static(b"\x60 an IPv6 packet")).expect("a new packet has room");
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//! assert_eq!(port.read().expect("one packet").to_bytes(), &b"\x60 an IPv6 packet"[..]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod link;
mod pipe;
mod port;

pub use config::ChannelConfig;
pub use link::{ChannelLink, injector, pair};
pub use port::{ChannelPort, InjectError};
