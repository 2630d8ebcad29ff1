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

pub use builder::StackBuilder;
pub use driver::inline::{NotInline, spawn_inline};
pub use error::{AcceptError, AddressError, BindError, BuildError, ConnectError, NicError, SocketError};
pub use nic::NicConfig;
pub use registry::{SharedPathMtus, SharedPorts};
pub use source::{RandomError, SystemClock, SystemRng};
pub use stack::Stack;
