//! ustack
#![deny(unsafe_code)]

mod builder;
mod driver;
mod error;
mod interfaces;
mod lock;
pub mod net;
mod nic;
mod registry;
mod shared;
mod source;
mod stack;
mod sys;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use builder::StackBuilder;
pub use driver::inline::{NotInline, spawn_inline};
pub use error::{AcceptError, AddressError, BindError, BuildError, ConnectError, NicError, SocketError};
pub use nic::NicConfig;
pub use registry::{SharedPathMtus, SharedPorts};
pub use source::{RandomError, SystemClock, SystemRng};
pub use stack::Stack;

#[cfg(feature = "channel")]
pub use link_channel as channel;
#[cfg(feature = "ipv4")]
pub use net_ipv4::{Ipv4, Ipv4Config};
#[cfg(feature = "udp")]
pub use trans_udp::{Udp, UdpConfig};
