//! Membership in multicast groups: what IGMP (RFC 9776) and MLD (RFC 9777) have in common, which is everything but the
//! layout of their messages.
//!
//! ```text
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-gro  stack-group      you are here
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | from whom does a socket, or an interface, want packets? | `filter.rs` |
//! | what is told, and when, of an interface's groups? | `memberships.rs`, `change.rs`, `response.rs` |
//! | which version does the querier speak? | `compatibility.rs` |
//! | how do records fill messages? | `message.rs` |
//! | what can be chosen? | `config.rs` |
//!
//! [`Memberships`] is told of filters and of what routers and others say, and says in turn what to send, and when to be
//! called again; it reads no clock and sends nothing.
//!
//! ```
//! use stack_group::{GroupConfig, Memberships, Message, SourceFilter};
//! use stack_packet::Instant;
//!
//! let mut chance = || 7;
//! let mut memberships = Memberships::new(GroupConfig::default());
//! memberships.set_filter(Instant::ZERO, "239.1.2.3".parse()?, SourceFilter::everything());
//! let Some(Message::Report(records)) = memberships.poll_transmit(Instant::ZERO, 1400, &mut chance) else { panic!() };
//! assert_eq!((records.len(), records[0].kind), (1, stack_wire::group_record::kind::CHANGE_TO_EXCLUDE));
//! assert!(memberships.poll_timeout().is_some(), "it is said a second time");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! Deliberately absent: the side of routers, proxies and snooping switches.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod change;
mod compatibility;
mod config;
mod filter;
mod memberships;
mod message;
mod response;
#[cfg(test)]
mod tests;

pub use config::{GroupConfig, Version};
pub use filter::{FilterMode, SourceFilter};
pub use memberships::Memberships;
pub use message::{Message, Record, report};
pub use response::Query;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether packets to a group leave the link that they were sent on: not those of link scope and below (R9776-4-b,
/// R4291-2.7-c).
pub fn leaves_the_link(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(v4) => v4.is_multicast() && !matches!(v4.octets(), [224, 0, 0, _]),
        IpAddr::V6(v6) => v6.is_multicast() && v6.octets()[1] & 0xf > 2,
    }
}

/// Whether membership in a group is told to routers: not that of all systems (R9776-5-a), of all nodes, or of what does not
/// leave the interface (R9777-6-a).
pub fn is_reported(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(v4) => v4.is_multicast() && v4 != Ipv4Addr::new(224, 0, 0, 1),
        IpAddr::V6(v6) => {
            let [_, flags_scope, ..] = v6.octets();
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            v6.is_multicast() && flags_scope & 0xf > 1 && v6 != all_nodes
        }
    }
}
