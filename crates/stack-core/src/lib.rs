//! The contract of the stack: traits, and only the words that those traits need.
//!
//! A protocol crate knows this crate and the ground below it (`stack-packet`, `stack-wire`, `stack-group`) and nothing else: no
//! sibling, no conductor, no shell. Code here has no behaviour beyond small conversions.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*
//! contract   stack-core                          you are here
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! | trait | implemented by | file |
//! | --- | --- | --- |
//! | [`LinkEndpoint`], [`LinkReceive`], [`LinkTransmit`] | `link-*` | `link.rs` |
//! | [`NetworkProtocol`], [`NetworkEndpoint`], [`LinkAddressResolver`] | `net-*` | `network.rs` |
//! | [`TransportProtocol`] | `trans-*` | `transport.rs` |
//! | [`Endpoints`] | `trans-*`: what sockets, script runners and a C API drive | `endpoint.rs`, `socket_option.rs`, `ecn.rs` |
//! | [`NetServices`], [`LinkAddressCache`], [`TransportServices`] | the host | `context.rs` |
//! | [`Tap`], [`Hook`] | monitors; filters, NAT | `policy.rs` |
//! | [`PortRegistry`], [`PathMtuStore`] | the host, or maps that shards share | `registry.rs` |
//! | [`Clock`], [`Rng`] | the shell; tests, with virtual time and seeds | `source.rs` |
//!
//! Rules that every implementation keeps:
//! - **Time and chance come in as arguments.** Nothing here or below the shell reads a clock.
//! - **Packets stay in their batch and are annotated in place.** Whoever keeps one takes it with [`core::mem::take`].
//! - **Nothing re-enters.** What a packet causes beyond its [`Verdict`] is emitted as an [`Effect`] and applied by the
//!   host after the call has returned.
//! - **A bad packet is a [`DropReason`]**, counted, never an error to an application and never a panic.
//!
//! ```
//! use stack_core::{DropReason, Verdict};
//! let verdict = Verdict::Drop(DropReason::Truncated);
//! assert_eq!(DropReason::Truncated.as_str(), "truncated");
//! # let _ = verdict;
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod context;
mod discovery;
mod drop_reason;
mod ecn;
mod effect;
mod endpoint;
mod error;
mod link;
mod network;
mod policy;
mod registry;
mod route;
mod socket_option;
mod source;
mod transport;

pub use address::{AddressState, EndpointId, EndpointIdentity, Families, InterfaceAddress};
pub use context::{
    Destination, LinkAddressCache, NetCx, NetServices, NicView, TransportCx, TransportServices,
};
pub use discovery::{DiscoveredRoute, LinkParameters, NetworkEvent, RoutePreference};
pub use drop_reason::DropReason;
pub use ecn::{EcnFeedback, EcnPolicy, UnknownEcnPolicy};
pub use effect::{DeliveryError, Effect, ErrorKind, ErrorOrigin, NeighborUpdate};
pub use endpoint::{Endpoints, Interest, Readiness, Shutdown};
pub use error::{Error, LinkError};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use link::{LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, Medium};
pub use network::{LinkAddressResolver, NetworkEndpoint, NetworkProtocol, Verdict};
pub use policy::{Hook, HookCx, HookVerdict, Tap, TapPoint, TapPoints, TappedPacket};
pub use registry::{PathMtuStore, PortRegistry, PortRequest};
pub use route::{CachedRoute, RouteQuery};
pub use socket_option::{MtuProbing, OptionName, SocketOption};
pub use source::{Clock, Rng};
pub use stack_group::{FilterMode, SourceFilter};
pub use stack_packet::{
    Cast, Checksum, Hop, Instant, IpMeta, Layer, LinkAddress, NicId, Placement, RxBatch, RxMeta, RxPacket,
    StreamPosition, Token, TxBatch, TxPacket,
};
pub use transport::{DefaultHandler, TransportProtocol, Unknown};
