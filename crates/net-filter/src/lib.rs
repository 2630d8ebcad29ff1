//! A packet filter with connection tracking and address translation (RFC 3022), behind the five hooks of the contract.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              net-filter is here
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! A [`Filter`] is a hook that is given to a host. At each [`Place`] a packet meets the rules in their order, and the
//! first that matches decides. What is tracked: TCP by its flags, UDP, ICMP and ICMPv6 questions by their identifier,
//! other protocols by their addresses; and ICMP errors as related to the connection whose packet they quote. What is
//! translated: sources and destinations with ports and identifiers, and in ICMP errors the quoted packet (RFC 5508), behind
//! extension headers as well. Both families, no translation between them.
//!
//! ```
//! use net_filter::{Action, Filter, FilterConfig, Place, Rule, States};
//! use stack_core::NicId;
//!
//! let outside = NicId(2);
//! let mut filter = Filter::new(FilterConfig::default());
//! // What goes out has our address there; a server inside is reached by our port 80.
//! filter.append(Place::Postrouting, Rule::new(Action::Masquerade).output(outside))?;
//! let server = Action::Dnat { to: "10.0.0.80".parse()?, port: Some(8080) };
//! filter.append(Place::Prerouting, Rule::new(server).input(outside).protocol(6).destination_ports(80..=80))?;
//! // Nothing else comes in that nobody has asked for.
//! let known = States::ESTABLISHED | States::RELATED;
//! filter.append(Place::Forward, Rule::new(Action::Accept).states(known))?;
//! filter.append(Place::Forward, Rule::new(Action::Accept).destination("10.0.0.80/32".parse::<stack_core::IpNet>()?))?;
//! filter.append(Place::Forward, Rule::new(Action::Drop).input(outside))?;
//! assert_eq!(filter.rules(Place::Forward).len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Fragments
//!
//! A datagram is not put together here. Its first fragment has the ports: it is tracked and translated, and the later ones
//! follow it by their identification. A later fragment that comes before the first is [`States::INVALID`], and dropped and
//! counted if the filter translates anything (RFC 4787 REQ-14 wants it held).
//!
//! # What it deliberately lacks
//!
//! Sequence numbers and windows of TCP, helpers for protocols that write addresses into their text (RFC 3022 §4), mappings
//! that are independent of the other end (RFC 4787 REQ-1), rejecting with an answer, translation of checksums that it does
//! not know (DCCP, UDP-Lite). ICMP questions to ourselves and ICMP errors about our own packets end in the network layer
//! and meet no input rule: filter them at [`Place::Prerouting`].
//!
//! # Invariants
//!
//! The table is bounded ([`FilterConfig::max_connections`]), no packet makes it look at more than a few entries, and the
//! search for a port ends. A connection's translation is settled with its first packet. Super-packets pass as one, and an
//! incomplete checksum stays one.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod connection;
mod counters;
mod datagrams;
mod edit;
mod filter;
mod layout;
mod rule;
mod source;
mod table;
mod tcp;
#[cfg(test)]
mod testing;
mod track;
mod translate;
mod tuple;

pub use config::{FilterConfig, Timeouts};
pub use connection::Connection;
pub use counters::FilterCounters;
pub use filter::Filter;
pub use rule::{Action, Place, Rule, RuleError, States};
pub use tcp::TcpState;
pub use tuple::Tuple;
