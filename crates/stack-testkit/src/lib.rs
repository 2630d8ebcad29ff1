//! What tests of the stack are made of: packet scripts in virtual time, a virtual network, packet assertions and
//! the replay of captures. Nothing here reads a clock or touches a network.
//!
//! Tool layer: knows everything below it; nothing depends on it except tests.
//!
//! ```text
//! tools      stack-testkit                       you are here
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*
//! parts      stack-datagram
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! - [`pkt`]: packetdrill's language, parsed.
//! - [`decode`]: packets decoded by a second opinion; [`checker`]: assertions about them.
//! - [`net`]: hosts, links and programs in virtual time; [`capture`]: captures in memory.
//! - [`sim`]: flows that share bottlenecks, and the curves of their congestion control.
//!
//! ```
//! use stack_testkit::pkt::Script;
//!
//! let script = Script::parse("example", "0 < S 0:0(0) win 1000 <mss 1460>\n+0 > R. 0:0(0) ack 1").unwrap();
//! assert_eq!(script.events.len(), 2);
//! let error = Script::parse("example", "0 > R. 0:0(0) ack").unwrap_err();
//! assert_eq!(error.to_string(), "example:1:18: expected an acknowledgement number, found the end of the line");
//! ```
#![forbid(unsafe_code)]

pub mod capture;
pub mod checker;
pub mod decode;
pub mod net;
pub mod pkt;
pub mod replay;
pub mod script;
pub mod sim;
mod source;

pub use source::{SeededRng, VirtualClock};
