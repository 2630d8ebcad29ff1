//! Names for programs that use a [`Stack`](ustack::Stack): every question and every answer goes over the stack's own
//! sockets, nothing asks the operating system.
//!
//! ```
//! use std::time::Duration;
//! use svc_dns::{Resolver, ResolverConfig};
//! use ustack::link::channel::{ChannelConfig, pair};
//! use ustack::{NicConfig, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (link, _peer) = pair(ChannelConfig::default());
//! let nic = NicConfig::new(link).address("10.0.0.2/24".parse()?);
//! let stack = Stack::builder().default_protocols().nic(nic).build()?;
//!
//! let mut config = ResolverConfig::with_servers(["10.0.0.1".parse()?]);
//! config.timeout = Duration::from_secs(2);
//! let resolver = svc_dns::blocking::Resolver::new(Resolver::new(&stack, config)?)?;
//! assert_eq!(resolver.lookup_ip("localhost")?.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! | file | answers |
//! | --- | --- |
//! | `resolver.rs`, `blocking.rs` | how names are looked up |
//! | `config.rs`, `error.rs` | what can be chosen, and what can go wrong |
//! | `servers.rs` | whom to ask: several sources, their order, and how long they hold |
//! | `client.rs`, `sockets.rs`, `failover.rs` | how hickory's resolver is put on our sockets, and when it turns to the next server |
//! | `mdns/` | names that the link itself knows (RFC 6762) |
//! | `connect/` | one connection from a name, both families raced (RFC 8305) |
//!
//! ```text
//! tools      ustack-cli
//! shell      svc-dns                             you are here
//!            ustack
//! ```
//!
//! # What it lacks
//!
//! Encrypted transports (DoT, DoH), DNSSEC validation, `/etc/hosts` and `/etc/resolv.conf`; of multicast DNS everything
//! but one-shot queries: it neither answers, nor caches, nor browses continuously.
#![forbid(unsafe_code)]

pub mod blocking;
mod client;
mod config;
mod connect;
mod error;
mod failover;
pub mod mdns;
mod resolver;
mod servers;
mod sockets;

pub use config::ResolverConfig;
pub use connect::{ConnectConfig, ConnectError, connect, connect_with};
pub use error::{ConfigError, LookupError};
pub use resolver::{Resolver, reverse_name};
pub use servers::Source;

/// Names, record types and records, as the codec has them.
pub use hickory_proto::rr::{Name, RData, Record, RecordType};
