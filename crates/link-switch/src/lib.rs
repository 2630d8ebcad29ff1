//! A learning bridge in memory (IEEE 802.1D §7): as many ports as wanted, each a link for a stack, one of them a device if
//! wanted.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-switch is here
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! [`Switch::port`] makes a link that carries whole Ethernet frames: wrap it in `link-ethernet` before a host gets it. A
//! frame goes to the port behind which its destination was heard last, and to all others if that is not known or it is for
//! a group. Frames pass by reference. Each port has a bounded queue, and what finds it full is dropped and counted there: a
//! slow port holds up nobody. [`Uplink`] ties a device to a port.
//!
//! For just two stacks in one process there is `link_channel::pair`, with `ChannelConfig::ethernet` what Linux calls a veth
//! pair.
//!
//! ```
//! use link_ethernet::Ethernet;
//! use link_switch::{Switch, SwitchConfig};
//! use stack_core::{Instant, LinkAddress, LinkEndpoint, TxBatch};
//!
//! let switch = Switch::new(SwitchConfig::default(), 7);
//! let stations = [1, 2, 3].map(|last| LinkAddress([2, 0, 0, 0, 0, last]));
//! let links = stations.map(|station| Ethernet::new(switch.port(), station).expect("a station's address"));
//! let [a, mut b, c] = links.map(|link| Box::new(link).split());
//! drop(c);
//!
//! let mut batch = TxBatch::new();
//! let packet = batch.slot();
//! packet.prepend(20).expect("a new packet has headroom").fill(0x45);
//! (packet.link_dst, packet.ether_type) = (stations[1], 0x0800);
//! let (_, mut transmit) = a;
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//! let mut arrived = Vec::new();
//! assert_eq!(b.0.receive(Instant::ZERO, &mut arrived)?, 1);
//! # Ok::<(), stack_core::LinkError>(())
//! ```
//!
//! What it deliberately lacks: the spanning tree (make no loops of switches), VLANs of its own (tagged frames pass as they
//! are), multicast snooping.
//!
//! Invariants: the table of stations and each queue are bounded; no frame goes back to the port that it came from; nothing
//! is woken and no packet is copied under the lock.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod port;
mod stations;
mod switch;
mod uplink;

pub use port::{PortCounters, SwitchPort};
pub use switch::{Switch, SwitchConfig};
pub use uplink::{Uplink, UplinkError};
