//! A bad network: delay, rate, a bounded queue, loss, reordering, duplication and corruption, reproducible from a seed.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-impair is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! [`Impair`] wraps a link and treats what it transmits as a line would, and with [`Impair::receiving`] also what it
//! receives. In this order, for each packet: it waits in a queue of bounded length for the line to be free (what finds the
//! queue full is dropped: tail drop), takes the time that the rate gives it, may be lost, may be damaged, may be doubled,
//! and arrives after the delay; a policer before the queue, losses in bursts, a length beyond which packets vanish, and packets collected as by Wi-Fi are further
//! settings. [`Line`] is one direction of this by itself. Without `reorder`, packets arrive in the order in which they were sent, jitter or not.
//!
//! **Reproducible.** All chance comes from one seed through SplitMix64, and each packet takes the same number of draws
//! whatever happens to it: the same packets at the same times meet the same fate, and changing one probability leaves what
//! the others decide as it was.
//!
//! **Real packets.** Segmentation and checksum offload are not claimed, so the host sends packets of at most the MTU with
//! complete checksums. Inbound super-packets are the device's doing: open it without offload
//! (`TunConfig::with_offload(false)`), or each of them is impaired as one packet.
//!
//! Time is the caller's: packets that wait leave in the first `transmit` or `receive` at or after `poll_timeout`.
//! What it deliberately lacks: queue disciplines other than tail drop.
//!
//! ```
//! use bytes::Bytes;
//! use core::time::Duration;
//! use link_channel::{ChannelConfig, injector};
//! use link_impair::{Impair, ImpairConfig};
//! use stack_core::{Instant, LinkEndpoint, TxBatch};
//!
//! let (link, port) = injector(ChannelConfig::default());
//! let config = ImpairConfig { delay: Duration::from_millis(20), ..ImpairConfig::default() };
//! let (_receive, mut transmit) = Box::new(Impair::new(link, config, 42)).split();
//!
//! let mut batch = TxBatch::new();
//! batch.slot().push(Bytes::from_static(b"\x45 a packet")).expect("a new packet has room");
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//! assert!(port.read().is_none());
//!
//! let due = transmit.poll_timeout().expect("a packet waits");
//! assert_eq!(due, Instant::from_millis(20));
//! transmit.transmit(due, &mut batch)?;
//! assert!(port.read().is_some());
//! # Ok::<(), stack_core::LinkError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod counters;
mod fate;
mod line;
mod link;
mod packet;
mod rng;

pub use config::{GilbertElliott, ImpairConfig, Policer};
pub use counters::{ImpairCounters, ImpairStatistics};
pub use line::Line;
pub use link::Impair;
pub use packet::Carried;
