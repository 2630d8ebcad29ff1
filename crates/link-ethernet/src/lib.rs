//! Ethernet framing (RFC 894, RFC 2464): reads the header of each frame that arrives and writes that of each that leaves.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-ethernet is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! A TAP device and an Ethernet channel carry whole frames, 14-byte header included, and know nothing of stations.
//! [`Ethernet`] wraps such a link and is one station on it: what it hands to the host starts at the network header,
//! with `ether_type`, `link_src`, `link_dst` and `cast` set; what the host hands to it gets a header with `link_dst`, our
//! address (or `link_src`, where the packet has one) and `ether_type`. Offsets of incomplete checksums follow the header.
//!
//! A station may be in a [`Vlan`]: then its frames have a tag (IEEE 802.1Q), or two (802.1ad), and its offsets follow them.
//!
//! Frames to other stations and of other VLANs end here and are counted. Frames with an EtherType that nobody speaks, 802.3
//! lengths and tags that reach a station without a VLAN among them, are the host's to drop (`unknown-ether-type`).
//! A capture belongs inside: `Ethernet::new(Pcap::new(tap, ..), ..)` records whole frames.
//! What it deliberately lacks: 802.3 framing, and the resolution of addresses (`net-arp`, `net-ipv6`).
//!
//! ```
//! use link_channel::{ChannelConfig, pair};
//! use link_ethernet::Ethernet;
//! use stack_core::{Instant, LinkEndpoint, TxBatch};
//!
//! let (a, b) = ("02:00:00:00:00:01".parse()?, "02:00:00:00:00:02".parse()?);
//! let (first, second) = pair(ChannelConfig::ethernet(a, b));
//! let (_, mut transmit) = Box::new(Ethernet::with_link_address_of(first)?).split();
//! let (mut receive, _) = Box::new(Ethernet::new(second, b)?).split();
//!
//! let mut batch = TxBatch::new();
//! let packet = batch.slot();
//! packet.prepend(20).expect("a new packet has headroom").fill(0x45);
//! (packet.link_dst, packet.ether_type) = (b, 0x0800);
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//!
//! let mut arrived = Vec::new();
//! receive.receive(Instant::ZERO, &mut arrived)?;
//! assert_eq!((arrived[0].len(), arrived[0].meta.link_src), (20, a));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod counters;
mod endpoint;
mod receive;
mod transmit;
mod vlan;

pub use counters::EthernetCounters;
pub use endpoint::{Ethernet, EthernetError};
pub use vlan::Vlan;
