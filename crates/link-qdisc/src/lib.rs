//! Queueing disciplines: which of the packets that wait for a link goes next, and which goes not at all.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-qdisc is here
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! [`Queued`] puts a [`Discipline`] before the transmitting half of a link. It hands the link few packets at a time, so that
//! what waits waits here. Disciplines: [`Fifo`] with limits, [`FqCodel`] (RFC 8290), and [`TokenBucket`], which makes any
//! other wait for a rate. Time is an argument, as everywhere: a test runs hours in a moment.
//!
//! ```
//! use core::time::Duration;
//! use link_channel::{ChannelConfig, injector};
//! use link_qdisc::{FqCodel, FqCodelConfig, Queued, TokenBucket};
//! use stack_core::{Instant, LinkEndpoint, TxBatch};
//!
//! // 12 kbit/s: a packet of 1500 bytes a second, one at once.
//! let (link, port) = injector(ChannelConfig::default());
//! let line = TokenBucket::new(1500, 1500, FqCodel::new(FqCodelConfig::default(), 1));
//! let (_, mut transmit) = Box::new(Queued::new(link, line)).split();
//! let mut batch = TxBatch::new();
//! for _ in 0..2 {
//!     batch.slot().push(vec![0x45; 1500].into()).expect("a new packet has room");
//! }
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//! assert_eq!((port.readable(), transmit.poll_timeout()), (1, Some(Instant::from_secs(1))));
//! transmit.transmit(Instant::from_secs(1), &mut batch)?;
//! assert_eq!(port.readable(), 2);
//! # Ok::<(), stack_core::LinkError>(())
//! ```
//!
//! It goes between the host and `link-ethernet`, where packets begin with their IP header. Segmentation is not offered:
//! a super-packet would be one packet to a discipline and forty to the line.
//! What it deliberately lacks: classes and filters, and pacing (`trans-tcp` has its own).
//!
//! Invariants: each discipline is bounded, and whatever it drops is counted; packets of a flow keep their order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod codel;
mod counters;
mod discipline;
mod fifo;
mod flow;
mod fq_codel;
mod link;
mod token_bucket;

pub use codel::CodelConfig;
pub use counters::{QdiscCounters, QdiscStatistics};
pub use discipline::Discipline;
pub use fifo::Fifo;
pub use fq_codel::{FqCodel, FqCodelConfig};
pub use link::Queued;
pub use token_bucket::TokenBucket;
