//! One host in the sense of RFC 1122: interfaces, addresses, routes, neighbours, demultiplexing, ports and timers.
//!
//! [`Host`] conducts the protocols that were registered with its builder and names none of them. It owns no link, reads
//! no clock, takes no lock and has one owner: whoever has it calls
//!
//! - [`Host::receive`] with a batch from a link; a link that can join segments wants to know whether it may
//!   ([`Host::coalesces`]),
//! - [`Host::poll`] when [`Host::next_deadline`] has come,
//! - [`Host::transmit`] after either, and after each call on a socket, and sends what is in [`Host::out`].
//!
//! The same object serves a caller's own loop, a simulator in virtual time, and the threads of the shell.
//!
//! | question | file |
//! | --- | --- |
//! | what happens to a received packet? | `receive.rs`; how segments become super-packets first: `stack-gro` |
//! | what happens to a written byte? | `transmit.rs`, `launch.rs`, `offload.rs` |
//! | who gets a packet? | `demux.rs`, `ports.rs` |
//! | which way does it go, and from which address? | `tables.rs`, `route.rs`, `neighbor/`, `pmtu.rs`, `source/` |
//! | what was found out about a link? | `discovered.rs` |
//! | who else sees a packet? | `tap.rs` |
//! | what does an interface accept? | `interface.rs`, `groups.rs`, `admin.rs` |
//! | what else did a packet cause? | `effects.rs`, `forward.rs`, `multicast.rs`, `icmp_limit.rs` |
//! | what does time do? | `timers.rs`, [`Host::poll`] |
//!
//! ```
//! use stack_host::{Host, HostConfig};
//! # struct Seeded(u64);
//! # impl stack_core::Rng for Seeded {
//! #     fn next_u64(&mut self) -> u64 { self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1); self.0 }
//! # }
//! let host = Host::builder().rng(Box::new(Seeded(1))).config(HostConfig::default()).build()?;
//! assert_eq!(host.next_deadline(), None);
//! # Ok::<(), stack_host::BuildError>(())
//! ```
//!
//! Layer: conductor. It knows `stack-core` and the ground, no protocol and no shell.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod admin;
mod builder;
mod counters;
mod demux;
mod discovered;
mod effects;
mod forward;
mod groups;
mod hash;
mod hooks;
mod host;
mod icmp_limit;
mod interface;
mod launch;
mod multicast;
mod neighbor;
mod nic;
mod offload;
mod pmtu;
mod ports;
mod receive;
mod redirects;
mod route;
mod services;
mod source;
mod tables;
mod tap;
mod timers;
mod transmit;
mod ways;

pub use admin::{NicConfig, NicInfo};
pub use builder::{BuildError, HostBuilder, HostConfig};
pub use counters::{Counters, Drops, NicCounters, Traffic};
pub use host::{Host, LOCAL_NIC};
pub use multicast::{MulticastOutput, MulticastRoute, MulticastRouteInfo};
pub use neighbor::{Neighbor, NeighborState};
pub use route::{Route, RouteEntry, RouteOrder};
pub use source::{Policies, Policy};
